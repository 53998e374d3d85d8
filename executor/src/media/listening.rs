//! Recognition of what the caller says: the recogniser hears along, and an end of speech ends it.

use std::time::Duration;

use ::media::{TapId, Tracks};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::agent::Mail;
use crate::run::{self, Listen, MediaId, MediaOutcome, Speech};
use crate::sound::hear::{self, Ear, Hearings, ListenSpec};
use crate::task::Task;
use crate::twiml::SpeechTimeout;

use super::leg::Heard;
use super::{LegMedia, MediaEvent};

/// A recognition under way; dropping it gives it up.
pub(crate) struct Listening {
    /// Whether the caller speaks now; `None` before it has spoken.
    speaking: watch::Sender<Option<bool>>,
    _task: Task,
}

impl LegMedia {
    /// `<Gather input="speech">`.
    pub(super) fn listen(&mut self, id: MediaId, listen: &Listen) {
        let spec = ListenSpec {
            language: listen.language.clone(),
            hints: listen.hints.clone(),
            model: listen.model.clone(),
            profanity_filter: listen.profanity_filter,
            limit: LONGEST,
            live: true,
        };
        let listening = match self.studio.sound.listen(&spec) {
            Ok(listening) => listening,
            Err(error) => return self.end(id, MediaOutcome::Failed(error.detail)),
        };
        let Some(session) = &self.session else { return };
        session.listen(true);
        session.tap(
            tap_id(id),
            Tracks::Inbound,
            Box::new(listening.audio.clone()),
        );
        let (speaking, spoken) = watch::channel(None);
        let hearing = Hearing {
            id,
            ear: listening.audio,
            results: listening.results,
            spoken,
            silence: match listen.silence {
                SpeechTimeout::Auto => AUTO_SILENCE,
                SpeechTimeout::After(time) => time,
            },
            length_max: listen.length_max,
            partial: listen.partial,
        };
        let (mailbox, leg) = (self.studio.mailbox.clone(), self.owner.leg);
        let tell = move |event| {
            let mailbox = mailbox.clone();
            async move {
                mailbox.send(Mail::Media(leg, event)).await.ok();
            }
        };
        let task = Task::spawn(&self.studio.gauges, hearing.run(tell));
        let listening = Listening {
            speaking,
            _task: task,
        };
        self.listening.insert(id, listening);
    }

    pub(super) fn stop_listening(&mut self, id: MediaId) {
        if self.listening.remove(&id).is_none() {
            return;
        }
        if let Some(session) = &self.session {
            session.untap(tap_id(id));
            session.listen(!self.listening.is_empty());
        }
    }

    /// The caller began or ceased to speak.
    pub(super) fn spoke(&self, started: bool) -> Option<Heard> {
        let Some((id, listening)) = self.listening.iter().next() else {
            return Some(Heard::Spoke(started));
        };
        let before = listening.speaking.send_replace(Some(started));
        (started && before.is_none()).then_some(Heard::Speech(*id, Speech::Started))
    }
}

/// What the task of a recognition has.
struct Hearing {
    id: MediaId,
    ear: Ear,
    results: Hearings,
    spoken: watch::Receiver<Option<bool>>,
    silence: Duration,
    length_max: Duration,
    partial: bool,
}

impl Hearing {
    async fn run<F: Future<Output = ()>>(mut self, tell: impl Fn(MediaEvent) -> F) {
        // Before the caller has spoken, the run's own time decides.
        let mut end = Instant::now() + LONGEST;
        loop {
            tokio::select! {
                result = self.results.next() => match result {
                    Some(Ok(hear::Heard::Partial { text, stability })) => {
                        if self.partial {
                            tell(MediaEvent::Speech(self.id, Speech::Partial { text, stability })).await;
                        }
                    }
                    Some(Ok(hear::Heard::Final { text, confidence })) => {
                        return tell(MediaEvent::Ended(self.id, outcome(text, confidence))).await;
                    }
                    Some(Err(error)) => {
                        let failed = MediaOutcome::Failed(error.detail);
                        return tell(MediaEvent::Ended(self.id, failed)).await;
                    }
                    None => return tell(MediaEvent::Ended(self.id, MediaOutcome::Silent)).await,
                },
                changed = self.spoken.changed() => {
                    // The sender lives as long as this task.
                    if changed.is_err() {
                        return;
                    }
                    let speaks = *self.spoken.borrow_and_update() == Some(true);
                    let patience = if speaks { self.length_max } else { self.silence };
                    end = Instant::now() + patience;
                }
                () = sleep_until(end) => {
                    self.ear.finish();
                    end = Instant::now() + GRACE;
                }
            }
        }
    }
}

fn outcome(text: String, confidence: f32) -> MediaOutcome {
    if text.is_empty() {
        MediaOutcome::Silent
    } else {
        MediaOutcome::Heard(run::Heard { text, confidence })
    }
}

fn tap_id(id: MediaId) -> TapId {
    TapId(id.0.into())
}

/// `speechTimeout="auto"`: a pause this long is the end of a sentence.
const AUTO_SILENCE: Duration = Duration::from_millis(1_200);

/// The longest recognition with the wait before it.
const LONGEST: Duration = Duration::from_secs(600);

/// How long a recogniser may take for its result; then it is told the end again.
const GRACE: Duration = Duration::from_secs(30);
