//! The exchanges of one worker.

use std::collections::VecDeque;

use sip::{ClientId, ServerId};

use crate::exchange::{Exchange, GENERATION_MASK, Key};
use crate::parked::Parked;

/// All that live, of which the few that something happened to lately are awake and the rest is
/// [`Parked`]. Their number is bounded by that of transactions: each has one towards its sender, or
/// lives for those towards its targets.
#[derive(Debug)]
pub(crate) struct Exchanges {
    /// It grows by chunks, so that none of them ever moves.
    chunks: Vec<Box<Chunk>>,
    /// The place that was freed last.
    free: u32,
    len: usize,
    generation: u32,
    /// Those that are listed, in the order of their waking; some may be gone.
    awake: VecDeque<Key>,
}

type Chunk = [Place; CHUNK];

#[derive(Debug)]
struct Place {
    /// Tells its tenant from earlier ones.
    generation: u32,
    /// Whether it stands in [`Exchanges::awake`].
    listed: bool,
    tenant: Tenant,
}

// The large one is what nearly all are: a pointer to it would be an allocation more for each.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
enum Tenant {
    /// Something happens to it, or more may be tried.
    Awake(Box<Exchange>),
    /// It waits.
    Parked(Parked),
    /// Nobody; the next free place.
    Vacant(u32),
}

impl Default for Exchanges {
    fn default() -> Self {
        Self {
            chunks: Vec::new(),
            free: NIL,
            len: 0,
            generation: 0,
            awake: VecDeque::new(),
        }
    }
}

impl Exchanges {
    /// Keeps `exchange` and names it.
    pub(crate) fn insert(&mut self, exchange: Box<Exchange>) -> Key {
        if self.free == NIL {
            self.grow();
        }
        // 0 is left out: it is the generation of [`Key::NOBODY`].
        self.generation = (self.generation + 1) & GENERATION_MASK;
        self.generation += u32::from(self.generation == 0);
        let key = Key {
            index: self.free,
            generation: self.generation,
        };
        if let Some(place) = place_mut(&mut self.chunks, key.index) {
            if let Tenant::Vacant(next) = place.tenant {
                self.free = next;
            }
            *place = Place {
                generation: key.generation,
                listed: true,
                tenant: Tenant::Awake(exchange),
            };
            self.awake.push_back(key);
            self.len += 1;
        }
        key
    }

    /// The exchange, while it lives; it is awake from now on.
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Exchange> {
        let place = tenant_mut(&mut self.chunks, key)?;
        if !place.listed {
            place.listed = true;
            self.awake.push_back(key);
            place.wake();
        }
        match &mut place.tenant {
            Tenant::Awake(exchange) => Some(exchange),
            Tenant::Parked(_) | Tenant::Vacant(_) => None,
        }
    }

    /// The attempt of branch `index` by `client` can say nothing any more.
    pub(crate) fn end_attempt(&mut self, key: Key, index: usize, client: ClientId) {
        let place = tenant_mut(&mut self.chunks, key);
        match place.map(|place| &mut place.tenant) {
            Some(Tenant::Awake(exchange)) => {
                exchange.attempts -= 1;
                if let Some(branch) = exchange.branches.get_mut(index) {
                    branch.client.take_if(|held| *held == client);
                }
            }
            Some(Tenant::Parked(parked)) => parked.end_attempt(index, client),
            Some(Tenant::Vacant(_)) | None => {}
        }
    }

    /// Forgets the exchange if it is finished and none of its attempts can give a 2xx any more; tells
    /// the transaction that it had towards its sender.
    pub(crate) fn remove_if_over(&mut self, key: Key) -> Option<ServerId> {
        let place = tenant_mut(&mut self.chunks, key)?;
        let (over, server) = match &place.tenant {
            Tenant::Awake(exchange) => {
                (exchange.finished && exchange.attempts == 0, exchange.server)
            }
            Tenant::Parked(parked) => (
                parked.is_finished() && parked.attempts() == 0,
                parked.server(),
            ),
            Tenant::Vacant(_) => return None,
        };
        if !over {
            return None;
        }
        place.tenant = Tenant::Vacant(self.free);
        self.free = key.index;
        self.len -= 1;
        if self.len == 0 && self.chunks.len() > IDLE_CHUNKS {
            self.chunks = Vec::new();
            self.free = NIL;
        }
        Some(server)
    }

    /// Parks those that nothing happened to for the longest, but for the last few.
    pub(crate) fn rest(&mut self) {
        while self.awake.len() > AWAKE_MAX {
            if let Some(key) = self.awake.pop_front()
                && let Some(place) = tenant_mut(&mut self.chunks, key)
            {
                place.park();
            }
        }
    }

    /// Exchanges whose sender waits for a final response.
    pub(crate) fn unfinished(&self) -> Vec<Key> {
        let places = self.chunks.iter().flat_map(|chunk| chunk.iter());
        let waiting = places.zip(0..).filter(|(place, _)| match &place.tenant {
            Tenant::Awake(exchange) => !exchange.finished,
            Tenant::Parked(parked) => !parked.is_finished(),
            Tenant::Vacant(_) => false,
        });
        let keys = waiting.map(|(place, index)| Key {
            index,
            generation: place.generation,
        });
        keys.collect()
    }

    /// Exchanges that live.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Adds a chunk of free places.
    #[cold]
    fn grow(&mut self) {
        let base = (self.chunks.len() * CHUNK) as u32;
        let places: Vec<Place> = (base + 1..=base + CHUNK as u32)
            .map(|next| Place {
                generation: 0,
                listed: false,
                tenant: Tenant::Vacant(if next == base + CHUNK as u32 {
                    NIL
                } else {
                    next
                }),
            })
            .collect();
        if let Ok(chunk) = Box::<Chunk>::try_from(places.into_boxed_slice()) {
            self.chunks.push(chunk);
            self.free = base;
        }
    }
}

impl Place {
    fn wake(&mut self) {
        if matches!(self.tenant, Tenant::Parked(_))
            && let Tenant::Parked(parked) = self.take()
        {
            self.tenant = Tenant::Awake(Box::new(parked.wake()));
        }
    }

    /// Parks an exchange that is settled. Any other stays as it is, and is listed again when something
    /// happens to it.
    fn park(&mut self) {
        self.listed = false;
        if matches!(&self.tenant, Tenant::Awake(exchange) if exchange.is_settled())
            && let Tenant::Awake(exchange) = self.take()
        {
            self.tenant = Tenant::Parked(Parked::of(exchange));
        }
    }

    fn take(&mut self) -> Tenant {
        std::mem::replace(&mut self.tenant, Tenant::Vacant(NIL))
    }
}

fn place_mut(chunks: &mut [Box<Chunk>], index: u32) -> Option<&mut Place> {
    let chunk = chunks.get_mut(index as usize / CHUNK)?;
    chunk.get_mut(index as usize % CHUNK)
}

/// The place of `key`, if its tenant is still there.
fn tenant_mut(chunks: &mut [Box<Chunk>], key: Key) -> Option<&mut Place> {
    let place = place_mut(chunks, key.index)?;
    let lives = place.generation == key.generation && !matches!(place.tenant, Tenant::Vacant(_));
    lives.then_some(place)
}

/// Places of a chunk.
const CHUNK: usize = 64;
/// Chunks that an empty table may keep.
const IDLE_CHUNKS: usize = 16;
/// Exchanges that stay awake after the last thing that happened to them: most requests but INVITE are
/// answered before so many others have come. None while debugging, so that every test parks all.
const AWAKE_MAX: usize = if cfg!(debug_assertions) { 0 } else { 64 };
const NIL: u32 = u32::MAX;
