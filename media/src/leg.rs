//! A session as its worker has it.

mod hearing;
mod inbound;
mod outbound;
mod packer;
mod wire;

use std::sync::Arc;
use std::time::Instant;

use mio::net::UdpSocket;

use crate::clock::TICK;
use crate::codec::Codec;
use crate::convert::{Converter, samples};
use crate::desk::Desk;
use crate::link::Held;
use crate::player::{Owner, Player, Voice, key_tone};
use crate::ports::Pair;
use crate::recorders::Recorders;
use crate::session::{Seat, SessionShared, Stamp};
use crate::source::Gate;
use crate::teller::Teller;
use crate::{
    Depth, Event, Member, Outcome, Peer, PlayId, RecordId, RecordReason, RecordSpec, Sink, TapId,
    Track,
};
use crate::{mix, tone};

use hearing::Hearing;
pub(crate) use hearing::Tap;
use inbound::Inbound;
pub(crate) use inbound::{Arrival, What};
use outbound::Outbound;

/// A session: its sockets, its streams, and who hears them.
pub(crate) struct Leg {
    pub(crate) shared: Arc<SessionShared>,
    pub(crate) rtp: UdpSocket,
    pub(crate) rtcp: UdpSocket,
    /// Packets of its sockets are looked at as they come, rather than once in a while.
    pub(crate) urgent: bool,
    pub(crate) tie: Tie,
    /// Whom it waits for, who is on another worker.
    pub(crate) wanted: Option<Arc<SessionShared>>,
    /// When it was told what it is tied with, or waits for.
    pub(crate) stamp: Stamp,
    teller: Teller,
    peer: Option<Peer>,
    gate: Gate,
    inbound: Inbound,
    outbound: Outbound,
    player: Player,
    recorders: Recorders,
    taps: Vec<Tap>,
    hearing: Hearing,
    /// What the peer said in this tick, if anybody listens.
    pub(crate) heard: Frame,
    /// What the peer hears in this tick.
    said: Vec<i16>,
    done: Vec<(Owner, Outcome)>,
    /// From the partner's or the room's rate to ours.
    pub(crate) incoming: Converter,
    /// From our rate to the room's.
    pub(crate) outgoing: Converter,
    /// What the room or the partner says to the peer in this tick, at our rate.
    pub(crate) input: Vec<i16>,
    /// How loud it has been lately.
    pub(crate) loudness: u32,
    /// When the last packet was sent, and in which tick.
    sent: Option<(Instant, u64)>,
    /// The first packet after a description goes out although there is nothing to say.
    greet: bool,
    quiet_told: bool,
    connected: u64,
    report_due: u64,
    report_from: Option<std::net::SocketAddr>,
    _held: Held,
}

/// A frame at its session's rate.
#[derive(Default)]
pub(crate) struct Frame {
    pub(crate) samples: Vec<i16>,
    /// Something came; otherwise it is silence that stands in.
    pub(crate) sounds: bool,
}

/// Whom a session is connected with. The numbers are places in the tables of its worker.
#[derive(Default)]
pub(crate) enum Tie {
    #[default]
    None,
    Partner(usize),
    Room {
        room: usize,
        member: Member,
        _seat: Seat,
    },
}

/// What others say to the peer of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Input {
    /// Nobody is there.
    Nobody,
    /// [`Leg::input`].
    Sound,
    /// [`Leg::input`] for those who hear along; the packets are on their way already.
    Relayed,
    /// Somebody is there and says nothing.
    Silence,
}

impl Leg {
    pub(crate) fn new(
        shared: Arc<SessionShared>,
        pair: Pair,
        sink: Box<dyn Sink>,
        held: Held,
        random: u128,
    ) -> Self {
        Self {
            shared,
            rtp: UdpSocket::from_std(pair.rtp),
            rtcp: UdpSocket::from_std(pair.rtcp),
            urgent: false,
            tie: Tie::None,
            wanted: None,
            stamp: Stamp::default(),
            teller: Teller::new(sink),
            peer: None,
            gate: Gate::default(),
            inbound: Inbound::new(),
            outbound: Outbound::new(random),
            player: Player::default(),
            recorders: Recorders::new(RECORDERS_MAX),
            taps: Vec::new(),
            hearing: Hearing::default(),
            heard: Frame::default(),
            said: Vec::new(),
            done: Vec::new(),
            incoming: Converter::default(),
            outgoing: Converter::default(),
            input: Vec::new(),
            loudness: 0,
            sent: None,
            greet: false,
            quiet_told: false,
            connected: 0,
            report_due: 0,
            report_from: None,
            _held: held,
        }
    }

    /// The codec that its peer speaks.
    pub(crate) fn codec(&self) -> Option<Codec> {
        self.inbound.codec()
    }

    /// Samples a second of its frames.
    pub(crate) fn rate(&self) -> u32 {
        self.outbound.codec().sample_rate()
    }

    pub(crate) fn connect(&mut self, peer: Peer, desk: &Desk) {
        self.gate.name(peer.address, peer.symmetric);
        self.inbound.configure(&peer);
        self.outbound.configure(&peer);
        self.greet = true;
        self.connected = desk.tick;
        if self.report_due == 0 {
            self.report_due = desk.tick + self.report_interval(desk);
        }
        self.peer = Some(peer);
    }

    /// It has come to another worker, whose clock ticks at other moments.
    pub(crate) fn adopt(&mut self) {
        self.sent = None;
    }

    pub(crate) fn play(
        &mut self,
        id: PlayId,
        pushed: impl FnOnce(&mut Player) -> Result<(), String>,
    ) {
        if let Err(why) = pushed(&mut self.player) {
            self.teller.tell(Event::Done(id, Outcome::Failed(why)));
        }
    }

    pub(crate) fn stop(&mut self, id: PlayId) {
        self.player.stop(Owner::Play(id));
    }

    pub(crate) fn record(&mut self, id: RecordId, spec: Box<RecordSpec>, desk: &mut Desk) {
        let beep = spec.beep;
        let added = self.recorders.add(id, spec, self.teller.clone(), desk);
        if added && beep && !self.player.push_first(Owner::Beep(id), tone::beep()) {
            self.recorders.begin(id);
        }
    }

    pub(crate) fn stop_record(&mut self, id: RecordId, desk: &mut Desk) {
        self.player.stop(Owner::Beep(id));
        self.recorders.stop(id, desk);
    }

    pub(crate) fn tap(&mut self, tap: Tap) {
        if self.taps.len() < TAPS_MAX {
            self.taps.push(tap);
        } else {
            tracing::warn!(session = self.shared.id.0, "too many taps of one session");
        }
    }

    pub(crate) fn untap(&mut self, id: TapId) {
        self.taps.retain(|tap| tap.id != id);
    }

    pub(crate) fn listen(&mut self, on: bool) {
        self.hearing.listen(on);
    }

    /// How much of what the peer says may wait for what is late.
    pub(crate) fn set_depth(&mut self, depth: Depth) {
        self.inbound.set_depth(depth);
    }

    /// Keys that a partner pressed, for a peer that knows no telephone events.
    pub(crate) fn sound_key(&mut self, key: char) {
        if self.outbound.events.is_none() && self.is_free() {
            self.player.push_first(Owner::Nobody, key_tone(key));
        }
    }

    /// The session ends: its recordings are completed, and the peer's reports are answered.
    pub(crate) fn close(&mut self, desk: &mut Desk) {
        self.recorders.close(desk);
        self.report(desk, true);
        if let Some((jitter, lost)) = self.inbound.quality() {
            desk.links.counters.quality.ended(jitter, lost);
        }
    }

    /// Whether what others say has its way to the peer: nothing is played, and it wants to hear.
    pub(crate) fn is_free(&self) -> bool {
        self.player.is_idle() && self.sends()
    }

    /// Whether packets of `self` are handed on to the peer of `other` as they are.
    pub(crate) fn relays_to(&self, other: &Self) -> bool {
        let codec = self.peer.as_ref().and_then(|_| self.inbound.codec());
        codec.is_some_and(|codec| other.takes(codec, self.inbound.millis()))
    }

    /// Whether packets of a codec, with so much sound in each, may be handed on to the peer of this
    /// session.
    pub(crate) fn takes(&self, codec: Codec, millis: Option<u32>) -> bool {
        self.is_free() && self.outbound.takes(codec, millis)
    }

    /// How much sound the peer puts into a packet, once it has sent some.
    pub(crate) fn millis(&self) -> Option<u32> {
        self.inbound.millis()
    }

    /// Whether its own listeners want what its peer says.
    pub(crate) fn hears(&self) -> bool {
        self.recorders.tracks().0
            || self.taps.iter().any(|tap| tap.tracks.has(Track::Inbound))
            || self.hearing.is_on()
            || self.detects()
    }

    /// Whether its listeners want what its peer hears.
    pub(crate) fn overhears(&self) -> bool {
        self.recorders.tracks().1 || self.taps.iter().any(|tap| tap.tracks.has(Track::Outbound))
    }

    /// Takes the frame of this tick from the buffer, if `wanted`, and looks at it.
    pub(crate) fn hear(&mut self, wanted: bool, desk: &mut Desk) {
        self.inbound.listen(wanted);
        self.heard.sounds = false;
        self.heard.samples.clear();
        if wanted {
            let rate = self.rate();
            self.heard.sounds = self.inbound.frame(rate, &mut self.heard.samples);
            self.loudness =
                (self.loudness / 8 * 7).saturating_add(mix::loudness(&self.heard.samples) / 8);
            let detects = self.detects();
            self.hearing.look(&self.heard.samples, rate, detects);
            if let Some(started) = self.hearing.turned() {
                self.teller.tell(Event::Speech { started });
            }
            if let Some(key) = self.hearing.key() {
                self.pressed(key, desk);
            }
        }
        desk.tally.lost += self.inbound.losses();
        self.watch_quiet(desk);
    }

    /// Says something to the peer.
    pub(crate) fn speak(&mut self, input: Input, desk: &mut Desk) {
        self.said.clear();
        if self.peer.is_none() {
            return;
        }
        let rate = self.rate();
        let events = self.outbound.events.is_some();
        let voice = self
            .player
            .render(rate, events, &mut self.said, &mut self.done);
        match voice {
            Voice::Sound => self.send_said(desk),
            Voice::Key {
                event,
                ticks,
                first,
                end,
            } => {
                if self.sends() {
                    self.outbound
                        .key(event, ticks, first, end, &mut desk.packet);
                    self.transmit(desk);
                }
            }
            Voice::Nothing => self.pass_on(input, desk),
        }
        self.tell_done();
    }

    /// Those who hear along get the frames of this tick.
    pub(crate) fn share(&mut self, desk: &mut Desk) {
        if self.taps.is_empty() && self.recorders.is_empty() {
            return;
        }
        let rate = self.rate();
        self.hearing.narrow(&self.heard.samples, &self.said, rate);
        let (heard, said) = self.hearing.frames();
        self.taps.retain_mut(|tap| tap.frame(heard, said));
        self.recorders.frame(heard, said, desk);
    }

    /// A key of the peer.
    pub(crate) fn pressed(&mut self, key: char, desk: &mut Desk) {
        self.teller.tell(Event::Digit { key });
        self.recorders.end(desk, |recorder| {
            recorder.ends_on(key).then_some(RecordReason::Key(key))
        });
    }

    fn pass_on(&mut self, input: Input, desk: &mut Desk) {
        let silence = samples(self.rate());
        match input {
            Input::Sound => {
                self.said.extend_from_slice(&self.input);
                self.send_said(desk);
            }
            Input::Relayed => {
                if self.outbound.is_relaying(desk.tick) {
                    self.said.extend_from_slice(&self.input);
                } else {
                    self.said.resize(silence, 0);
                    self.send_said(desk);
                }
            }
            // The last packet is filled up with silence.
            Input::Nobody if self.outbound.is_partial() => {
                self.said.resize(silence, 0);
                self.send_said(desk);
            }
            Input::Nobody if desk.links.config.keep_open > TICK => {
                self.outbound.pause();
                let last = self.sent.map_or(self.connected, |(_, tick)| tick);
                let pause = TICK * u32::try_from(desk.tick - last.min(desk.tick)).unwrap_or(0);
                if self.greet || pause >= desk.links.config.keep_open {
                    self.said.resize(silence, 0);
                    self.send_said(desk);
                }
            }
            Input::Silence | Input::Nobody => {
                self.said.resize(silence, 0);
                self.send_said(desk);
            }
        }
    }

    fn send_said(&mut self, desk: &mut Desk) {
        if self.sends() && !self.outbound.is_keying(desk.tick) {
            self.outbound.sound(&self.said);
            while self.outbound.packet(&mut desk.packet) {
                self.transmit(desk);
            }
        }
    }

    fn sends(&self) -> bool {
        self.peer
            .as_ref()
            .is_some_and(|peer| peer.address.is_some() && peer.direction.sends())
    }

    fn receives(&self) -> bool {
        self.peer
            .as_ref()
            .is_some_and(|peer| peer.address.is_some() && peer.direction.receives())
    }

    /// Keys are looked for in the sound.
    fn detects(&self) -> bool {
        self.peer.as_ref().is_some_and(|peer| peer.events.is_none())
    }

    fn watch_quiet(&mut self, desk: &Desk) {
        let last = self
            .inbound
            .heard()
            .map_or(self.connected, |heard| heard.max(self.connected));
        let quiet = TICK * u32::try_from(desk.tick.saturating_sub(last)).unwrap_or(u32::MAX / 64);
        if !self.receives() || quiet < desk.links.config.quiet {
            self.quiet_told = false;
        } else if !std::mem::replace(&mut self.quiet_told, true) {
            self.teller.tell(Event::Quiet);
        }
    }

    fn tell_done(&mut self) {
        for (owner, outcome) in self.done.drain(..) {
            match owner {
                Owner::Play(id) => self.teller.tell(Event::Done(id, outcome)),
                Owner::Beep(id) => self.recorders.begin(id),
                Owner::Nobody => {}
            }
        }
    }
}

/// Recordings of one session at the same time.
const RECORDERS_MAX: usize = 8;

/// Taps of one session. Media streams have four tracks at most, and recognition one.
const TAPS_MAX: usize = 16;
