//! Walking the verbs of a document.

use url::Url;

use crate::ErrorCode;
use crate::twiml::{Document, Link, Noun, Pause, Play, Say, Verb};
use crate::webhook::{Hook, Purpose};

use super::phase::Phase;
use super::{Leg, MediaKind, Run, TimerKind};

/// What a verb leaves behind.
pub(super) enum Then {
    /// The next verb.
    Advance,
    /// An event.
    Wait,
}

impl Run {
    /// Takes a document that came from `base` and begins to run it.
    pub(super) fn run_document(&mut self, document: Document) {
        self.document = document;
        self.cursor = 0;
        self.advance();
    }

    /// Runs verbs until one has to wait for something.
    ///
    /// The table of what a verb means on an unanswered leg is [`answers`]: a verb that needs an
    /// answered leg stays at the cursor until the ACK has come.
    pub(super) fn advance(&mut self) {
        debug_assert_ne!(self.leg, Leg::Ended);
        loop {
            self.phase = Phase::Idle;
            let Some(step) = self.document.steps.get(self.cursor) else {
                return self.end_of_document();
            };
            if self.leg == Leg::Unanswered && answers(&step.verb) {
                self.phase = Phase::Answering;
                return self.answer();
            }
            let step = step.clone();
            self.cursor += 1;
            if !self.allows(&step.verb) {
                continue;
            }
            self.trial_meets(&step.verb);
            self.verb_began = self.now;
            self.trace(step.verb.name(), format!("at {}", step.location));
            match self.execute(step.verb) {
                Then::Advance => {}
                Then::Wait => return,
            }
        }
    }

    /// Whether a verb may stand in the document that runs: one of a stay, or of a callee who is
    /// screened, is limited.
    fn allows(&mut self, verb: &Verb) -> bool {
        let name = verb.name();
        if !self.stay_allows(verb) {
            let message = format!("<{name}> is not allowed here and is skipped");
            self.warn(ErrorCode::CONFERENCE_WAIT_VERB, message);
            return false;
        }
        let shared = matches!(
            verb,
            Verb::Connect(_) | Verb::Enqueue(_) | Verb::Leave | Verb::Start(_) | Verb::Stop(_)
        );
        if self.screening && (shared || matches!(verb, Verb::Record(_))) {
            let message = format!("<{name}> is not allowed in a screening document");
            self.warn(ErrorCode::SCHEMA, message);
            return false;
        }
        true
    }

    /// A verb that took time is over.
    pub(super) fn verb_ended(&mut self) {
        self.took_time();
        self.advance();
    }

    /// If time has passed in a verb, the document is no idle loop.
    pub(super) fn took_time(&mut self) {
        if self.now > self.verb_began {
            self.idle_documents = 0;
            self.fallback_used = false;
        }
    }

    /// The end of a document ends the call: an unanswered leg is answered first, as with
    /// `<Hangup>`. A screening document that comes to its end lets the call through.
    fn end_of_document(&mut self) {
        self.trace("document", "at its end");
        if self.stay.is_some() {
            self.stay_document_ended();
        } else if self.screening {
            self.connect();
        } else if self.leg == Leg::Unanswered {
            self.phase = Phase::Answering;
            self.answer();
        } else {
            self.hang_up();
        }
    }

    /// Whether the verb that was just taken is the last of its document.
    pub(super) fn is_last_verb(&self) -> bool {
        self.cursor >= self.document.steps.len()
    }

    fn execute(&mut self, verb: Verb) -> Then {
        match verb {
            Verb::Connect(connect) => return self.connect_stream(connect),
            Verb::Dial(dial) => return self.dial(dial),
            Verb::Enqueue(enqueue) => return self.enqueue(enqueue),
            Verb::Gather(gather) => self.gather(gather),
            Verb::Hangup => self.hang_up(),
            Verb::Leave => return self.leave(),
            Verb::Pause(pause) => self.pause(pause),
            Verb::Play(play) => return self.play(play),
            Verb::Record(record) => self.record(record),
            Verb::Redirect(link) => self.redirect(&link),
            Verb::Refer(refer) => self.refer(refer),
            Verb::Reject(reason) => self.reject(reason),
            Verb::Say(say) => self.say(say),
            Verb::Start(forks) => return self.start_forks(&forks),
            Verb::Stop(names) => return self.stop_forks(&names),
        }
        Then::Wait
    }

    fn say(&mut self, say: Say) {
        let media = self.start_media(MediaKind::Speak(say));
        self.phase = Phase::Playing { media, next: None };
    }

    fn play(&mut self, play: Play) -> Then {
        let keys = play.digits.clone().map(MediaKind::PlayDigits);
        let times = play.times;
        let file = self
            .play_url(&play)
            .map(|url| MediaKind::Play { url, times });
        let (first, next) = if keys.is_some() {
            (keys, file)
        } else {
            (file, None)
        };
        let Some(first) = first else {
            return Then::Advance;
        };
        let media = self.start_media(first);
        self.phase = Phase::Playing { media, next };
        Then::Wait
    }

    /// The file of a `<Play>`, if it has one and its URL makes sense.
    pub(super) fn play_url(&mut self, play: &Play) -> Option<Url> {
        let link = Link {
            url: play.url.clone()?,
            ..Link::default()
        };
        let hook = self.resolve(&link);
        if hook.is_none() {
            let message = "the URL of <Play> is invalid: it is skipped";
            self.warn(ErrorCode::INVALID_URL, message);
        }
        hook.map(|hook| hook.url)
    }

    /// Before the answer a pause is ringing; after it, silence.
    fn pause(&mut self, pause: Pause) {
        self.start_timer(TimerKind::Pause, pause.length);
        self.phase = Phase::Pausing;
    }

    fn redirect(&mut self, link: &Link) {
        self.follow(Purpose::Redirect, link, Vec::new());
    }

    /// Makes the request of a link of the current document.
    pub(super) fn follow(&mut self, purpose: Purpose, link: &Link, params: Vec<(String, String)>) {
        match self.resolve(link) {
            Some(hook) => self.fetch(purpose, hook, params),
            None => {
                let failed = Hook::post(self.base.clone());
                self.fail(
                    ErrorCode::INVALID_URL,
                    format!("{} is no URL", short(&link.url)),
                    &failed,
                );
            }
        }
    }

    /// A URL of the document, relative to where the document came from; an empty one is the
    /// document itself.
    pub(super) fn resolve(&self, link: &Link) -> Option<Hook> {
        let url = if link.url.is_empty() {
            self.base.clone()
        } else {
            self.base.join(&link.url).ok()?
        };
        let fetchable = matches!(url.scheme(), "http" | "https") && url.has_host();
        fetchable.then_some(Hook {
            url,
            method: link.method,
        })
    }
}

/// Whether a verb needs an answered leg. Ringing goes on for the others: `<Redirect>` fetches,
/// `<Reject>` refuses, `<Pause>` waits, and `<Dial answerOnBridge>` answers with the callee; but a
/// conference has none, and its sound is the caller's from the start.
fn answers(verb: &Verb) -> bool {
    match verb {
        Verb::Dial(dial) => {
            !dial.answer_on_bridge || matches!(dial.nouns.first(), Some(Noun::Conference(_)))
        }
        Verb::Pause(_) | Verb::Redirect(_) | Verb::Reject(_) => false,
        Verb::Connect(_)
        | Verb::Enqueue(_)
        | Verb::Gather(_)
        | Verb::Hangup
        | Verb::Leave
        | Verb::Play(_)
        | Verb::Record(_)
        | Verb::Refer(_)
        | Verb::Say(_)
        | Verb::Start(_)
        | Verb::Stop(_) => true,
    }
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}
