//! [`Fetcher`]: what `<Play>` asks.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::HeaderMap;
use tokio::sync::Semaphore;
use url::Url;

use crate::ErrorCode;
use crate::sound::audio::Pcm;
use crate::sound::memo::Memo;
use crate::sound::{SoundError, audio};
use crate::webhook::{Client, Download, Downloaded, Held, Room, Validators};

use super::freshness::{self, Freshness};
use super::{FetchConfig, local, types};

/// Fetches sound files. Clones share the cache.
#[derive(Clone, Debug)]
pub struct Fetcher(Arc<Inner>);

struct Inner {
    client: Client,
    config: FetchConfig,
    memo: Memo<Wanted, Kept>,
    /// For files that are not decoded yet.
    room: Room,
    decoding: Arc<Semaphore>,
}

/// A file, with its credentials and overrides, at a rate.
#[derive(Clone, Eq, Hash, PartialEq)]
struct Wanted {
    url: Url,
    rate: u32,
}

#[derive(Clone)]
struct Kept {
    pcm: Pcm,
    validators: Option<Validators>,
    since: Instant,
    fresh: Duration,
}

/// A file on its way to a decoder.
struct Undecoded {
    bytes: Bytes,
    hint: Option<String>,
    /// The room that the bytes take.
    _held: Held,
}

impl Fetcher {
    /// A fetcher with the guard, the bounds on hosts and the connections of a webhook client.
    pub fn new(client: Client, config: FetchConfig) -> Self {
        Self(Arc::new(Inner {
            client,
            memo: Memo::new(config.cache_bytes_max),
            room: Room::new(config.waiting_bytes_max),
            decoding: Arc::new(Semaphore::new(config.decoding_max.max(1))),
            config,
        }))
    }

    /// The sound of a file: remembered, or fetched once for all who ask meanwhile. Dropping the
    /// future gives the fetch up, unless somebody else waits for it.
    ///
    /// # Errors
    ///
    /// 11200 and its like for a file that cannot be had, 11750 for one that is too large, 13420
    /// for one that is no sound.
    pub async fn get(&self, url: &Url, rate: u32) -> Result<Pcm, SoundError> {
        let wanted = Wanted {
            url: url.clone(),
            rate,
        };
        let known = self.0.memo.find(&wanted);
        if let Some(kept) = known.as_ref().filter(|kept| kept.is_fresh()) {
            return Ok(kept.pcm.clone());
        }
        let (inner, key) = (Arc::clone(&self.0), wanted.clone());
        let kept = self.0.memo.share(wanted, move || inner.make(key, known));
        kept.await.map(|kept| kept.pcm)
    }
}

impl Inner {
    async fn make(
        self: Arc<Self>,
        wanted: Wanted,
        known: Option<Kept>,
    ) -> Result<Kept, SoundError> {
        if wanted.url.scheme() == "file" {
            return self.local(wanted).await;
        }
        let validators = known.as_ref().and_then(|kept| kept.validators.as_ref());
        let download = Download {
            url: &wanted.url,
            known: validators,
            check: &types::check,
            bytes_max: self.config.bytes_max,
            room: &self.room,
            time_max: self.config.time_max,
        };
        let downloaded = self.client.download(&download).await?;
        let (pcm, headers) = match (downloaded, &known) {
            (
                Downloaded::File {
                    headers,
                    body,
                    held,
                    lasting,
                },
                _,
            ) => {
                let file = Undecoded {
                    bytes: body,
                    hint: types::of(&headers),
                    _held: held,
                };
                let pcm = self.decode(file, wanted.rate).await?;
                if !lasting {
                    return Ok(Kept::once(pcm));
                }
                (pcm, headers)
            }
            (Downloaded::NotModified { headers }, Some(known)) => (known.pcm.clone(), headers),
            (Downloaded::NotModified { .. }, None) => {
                let detail = "the server says that a file is unchanged that was never had";
                return Err(SoundError::new(ErrorCode::PROTOCOL_VIOLATION, detail));
            }
        };
        Ok(self.keep(wanted, pcm, &headers, known))
    }

    /// Keeps a sound as its headers permit. Those of a 304 count, but it may leave the validators
    /// out, and then they are what they were (RFC 9111 §4.3.4).
    fn keep(&self, wanted: Wanted, pcm: Pcm, headers: &HeaderMap, known: Option<Kept>) -> Kept {
        let freshness = freshness::of(headers, SystemTime::now());
        let (permitted, fresh) = match freshness {
            Freshness::Fresh(fresh) => (true, fresh),
            Freshness::Never => (false, Duration::ZERO),
        };
        let kept = Kept {
            pcm,
            validators: Validators::of(headers).or_else(|| known.and_then(|it| it.validators)),
            since: Instant::now(),
            fresh,
        };
        let useful = kept.validators.is_some() || !fresh.is_zero();
        if permitted && useful {
            let asked = kept.validators.as_ref().map_or(0, Validators::bytes);
            let bytes = audio::bytes(&kept.pcm) + 2 * wanted.url.as_str().len() + asked;
            self.memo.keep(wanted, kept.clone(), bytes);
        }
        kept
    }

    /// Files of this machine are read anew each time.
    async fn local(&self, wanted: Wanted) -> Result<Kept, SoundError> {
        let Some(folder) = self.config.files.clone() else {
            let detail = "files of this machine are not played";
            return Err(SoundError::new(ErrorCode::INVALID_URL, detail));
        };
        let (url, bytes_max) = (wanted.url, self.config.bytes_max);
        let extension = url.path().rsplit_once('.').map(|(_, end)| end.to_owned());
        let mut held = self.room.hold();
        let read = move || local::read(&folder, &url, bytes_max, &mut held).map(|it| (it, held));
        let (bytes, held) = audio::blocking(read).await??;
        let file = Undecoded {
            bytes: bytes.into(),
            hint: extension,
            _held: held,
        };
        Ok(Kept::once(self.decode(file, wanted.rate).await?))
    }

    async fn decode(&self, file: Undecoded, rate: u32) -> Result<Pcm, SoundError> {
        let within = self.config.time_max;
        let place = tokio::time::timeout(within, audio::place(&self.decoding)).await;
        let place = place.unwrap_or_else(|_| {
            let detail = format!("no decoder was free for {within:?}");
            Err(SoundError::internal(detail))
        })?;
        let seconds_max = self.config.seconds_max;
        let decode = move || audio::decode(&file.bytes, file.hint.as_deref(), seconds_max, rate);
        audio::blocking_at(place, decode).await?.map_err(|error| {
            let detail = format!("the file cannot be played: {error}");
            SoundError::new(ErrorCode::PLAY_CONTENT_TYPE, detail)
        })
    }
}

impl Kept {
    /// A sound that is heard by those who asked for it, and not kept.
    fn once(pcm: Pcm) -> Self {
        Self {
            pcm,
            validators: None,
            since: Instant::now(),
            fresh: Duration::ZERO,
        }
    }

    fn is_fresh(&self) -> bool {
        self.since.elapsed() < self.fresh
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetcher")
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
