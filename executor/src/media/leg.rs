//! The media of one leg.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use ::media::{AnsweredBy, Direction, Event, Outcome, Peer, PlayId, Session, Source};

use crate::gauges::Held;
use crate::run::{Media, MediaId, MediaKind, MediaOutcome, Recording, StreamId};
use crate::sdp::Agreed;
use crate::sound::SoundError;
use crate::sound::speak::Utterance;
use crate::sound::stream::StreamEvent;
use crate::task::Task;

use super::listening::Listening;
use super::recording::Recordings;
use super::streaming::Stream;
use super::{MediaEvent, Owner, Studio, detecting, music};
use crate::agent::Mail;

/// The media of one leg; dropping them closes its session.
pub(crate) struct LegMedia {
    pub(super) studio: Studio,
    pub(super) owner: Owner,
    local: SocketAddr,
    /// Until the leg is over; recordings may be finished after that.
    pub(super) session: Option<Session>,
    /// Samples a second of what is played.
    rate: u32,
    /// What is being made ready.
    tasks: HashMap<MediaId, Task>,
    pub(super) recordings: Recordings,
    pub(super) listening: HashMap<MediaId, Listening>,
    pub(super) streams: HashMap<StreamId, Stream>,
    held: Option<Held>,
}

/// What a [`MediaEvent`] comes to, for the call.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Who has answered, and after how long that was certain.
    Answered(AnsweredBy, Duration),
    /// The peer pressed a key.
    Digit(char),
    /// A medium of the run is over.
    Done(MediaId, MediaOutcome),
    /// Something that the user agent itself played is over.
    Played(PlayId),
    /// A recording of the user agent itself is over.
    Recorded(super::recording::Recorded),
    /// The peer began or ceased to speak, and no recogniser wants to know.
    Spoke(bool),
    /// A recogniser tells something.
    Speech(MediaId, crate::run::Speech),
    /// A stream tells something.
    Stream(StreamId, StreamEvent),
}

impl LegMedia {
    pub(super) fn new(studio: Studio, owner: Owner, session: Session, held: Held) -> Self {
        Self {
            studio,
            owner,
            local: session.local(),
            session: Some(session),
            rate: ::media::pcm::NARROW,
            tasks: HashMap::new(),
            recordings: Recordings::default(),
            listening: HashMap::new(),
            streams: HashMap::new(),
            held: Some(held),
        }
    }

    /// Where we receive RTP; RTCP is one port above.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// The session, until the leg is over.
    pub(crate) fn session(&self) -> Option<&Session> {
        self.session.as_ref()
    }

    /// The two sides have agreed on something, or on something else.
    pub(crate) fn connect(&mut self, agreed: &Agreed) {
        self.rate = agreed.codec.sample_rate();
        if let Some(session) = &self.session {
            session.connect(peer(agreed));
        }
    }

    /// The leg is over: what it plays ends, what it records is finished.
    pub(crate) fn close(&mut self) {
        self.tasks.clear();
        self.listening.clear();
        self.streams.clear();
        self.session = None;
        self.held = None;
    }

    /// Whether the files of all recordings are complete.
    pub(crate) fn is_done(&self) -> bool {
        self.recordings.is_empty()
    }

    /// Begins something that the leg's run wants; the recording, if it is one.
    pub(crate) fn start(&mut self, medium: &Media) -> Option<Recording> {
        let id = medium.id;
        let Some(session) = &self.session else {
            self.end(id, MediaOutcome::Failed("the leg is over".to_owned()));
            return None;
        };
        match &medium.kind {
            MediaKind::Fetch(urls) => {
                let (studio, rate, urls) = (self.studio.clone(), self.rate, urls.clone());
                self.render(id, async move {
                    for url in urls {
                        if let Err(error) = studio.sound.fetch(&url, rate).await {
                            return MediaEvent::Ended(id, unavailable(url, error));
                        }
                    }
                    MediaEvent::Ended(id, MediaOutcome::Finished)
                });
            }
            MediaKind::HoldMusic => {
                session.play(play_id(id), vec![Source::Pcm(music::loop_of(self.rate))], 0);
            }
            MediaKind::Listen(listen) => self.listen(id, listen),
            MediaKind::Play { url, times } => {
                let (studio, rate) = (self.studio.clone(), self.rate);
                let (url, times) = (url.clone(), *times);
                self.render(id, async move {
                    match studio.sound.fetch(&url, rate).await {
                        Ok(sound) => MediaEvent::Rendered(id, sound, times),
                        Err(error) => MediaEvent::Ended(id, unavailable(url, error)),
                    }
                });
            }
            MediaKind::PlayDigits(keys) => session.keys(play_id(id), keys),
            MediaKind::Record(record) => return self.record(id, record),
            MediaKind::Speak(say) => {
                let (studio, times) = (self.studio.clone(), say.times);
                let utterance = Utterance::of(say, self.rate);
                self.render(id, async move {
                    match studio.sound.say(&utterance).await {
                        Ok(sound) => MediaEvent::Rendered(id, sound, times),
                        Err(error) => MediaEvent::Ended(id, MediaOutcome::Failed(error.detail)),
                    }
                });
            }
        }
        None
    }

    /// Stops it; only a recording says how it ended.
    pub(crate) fn stop(&mut self, id: MediaId) {
        self.tasks.remove(&id);
        self.stop_listening(id);
        self.stop_recording(id);
        if let Some(session) = &self.session {
            session.stop(play_id(id));
        }
    }

    /// Takes what happened; what of it the call is to know.
    pub(crate) fn take(&mut self, event: MediaEvent) -> Option<Heard> {
        Some(match event {
            MediaEvent::Answered(by, after) => {
                if let Some(session) = &self.session {
                    session.untap(detecting::TAP);
                }
                Heard::Answered(by, after)
            }
            MediaEvent::Engine(Event::Digit { key }) => {
                for stream in self.streams.values() {
                    stream.digit(key);
                }
                Heard::Digit(key)
            }
            MediaEvent::Engine(Event::Done(id, outcome)) => match run_id(id) {
                Some(medium) => Heard::Done(medium, played(outcome)),
                None => Heard::Played(id),
            },
            MediaEvent::Engine(Event::Recorded(id, end)) => self.recorded(id, &end)?,
            MediaEvent::Engine(Event::Speech { started }) => {
                return self.spoke(started);
            }
            MediaEvent::Engine(Event::Quiet) => return None,
            MediaEvent::Ended(id, outcome) => {
                self.tasks.remove(&id);
                self.stop_listening(id);
                Heard::Done(id, outcome)
            }
            MediaEvent::Rendered(id, sound, times) => {
                // What was stopped meanwhile is not played.
                self.tasks.remove(&id)?;
                let session = self.session.as_ref()?;
                session.play(play_id(id), vec![Source::Pcm(sound)], times);
                return None;
            }
            MediaEvent::Speech(id, speech) => Heard::Speech(id, speech),
            MediaEvent::Stream(id, event) => Heard::Stream(id, event),
        })
    }

    /// Tells the end of a medium that never got as far as a session.
    pub(super) fn end(&mut self, id: MediaId, outcome: MediaOutcome) {
        self.render(id, async move { MediaEvent::Ended(id, outcome) });
    }

    /// Awaits something for a medium; its result comes by the mailbox.
    fn render(&mut self, id: MediaId, work: impl Future<Output = MediaEvent> + Send + 'static) {
        let (mailbox, leg) = (self.studio.mailbox.clone(), self.owner.leg);
        let task = Task::spawn(&self.studio.gauges, async move {
            let event = work.await;
            // A closed mailbox means that the user agent is gone.
            mailbox.send(Mail::Media(leg, event)).await.ok();
        });
        self.tasks.insert(id, task);
    }
}

/// The number that a medium of the run has in the session: runs count in 32 bits, what the user
/// agent plays by itself has a number above.
fn play_id(id: MediaId) -> PlayId {
    PlayId(u64::from(id.0))
}

fn run_id(id: PlayId) -> Option<MediaId> {
    u32::try_from(id.0).ok().map(MediaId)
}

fn played(outcome: Outcome) -> MediaOutcome {
    match outcome {
        Outcome::Failed(reason) => MediaOutcome::Failed(reason),
        Outcome::Finished => MediaOutcome::Finished,
    }
}

fn unavailable(url: url::Url, error: SoundError) -> MediaOutcome {
    let SoundError { code, detail } = error;
    MediaOutcome::Unavailable { code, url, detail }
}

/// What was agreed, as the engine takes it.
pub(super) fn peer(agreed: &Agreed) -> Peer {
    Peer {
        address: agreed.remote,
        rtcp: agreed.rtcp,
        rtcp_mux: agreed.rtcp_mux,
        packing: agreed.packing,
        codec: agreed.codec,
        payload: agreed.payload,
        events: agreed.events,
        direction: match (agreed.remote.is_some(), agreed.sends) {
            (true, true) => Direction::Both,
            (true, false) => Direction::Send,
            (false, true) => Direction::Receive,
            (false, false) => Direction::Neither,
        },
        srtp: agreed.srtp.clone(),
        symmetric: true,
        also_received: agreed.received.clone(),
    }
}
