//! [`Run`]: events in, actions out.

use std::time::Duration;

use url::Url;

use crate::twiml::{Dial, Document};
use crate::webhook::{FetchId, Hook, Purpose, Reply};
use crate::{ErrorCode, Warning};

use super::owed::Owed;
use super::phase::Phase;
use super::stay::Stay;
use super::streaming::OpenStream;
use super::transferring::Trial;
use super::{
    Action, DialId, DialOutcome, Event, Finish, Leg, Media, MediaId, MediaKind, MediaOutcome,
    Recording, Settings, TimerId, TimerKind, Trace, TransferPlan,
};

/// One leg of a call and the document that it runs.
#[derive(Debug)]
pub struct Run {
    pub(super) settings: Settings,
    /// A callee's leg before it is bridged: it ends with `Connect` instead of a BYE.
    pub(super) screening: bool,
    /// The first document, if it need not be fetched.
    first: Option<Box<Reply>>,
    pub(super) leg: Leg,
    pub(super) phase: Phase,
    pub(super) document: Document,
    /// Where the document came from.
    pub(super) base: Url,
    /// The step that comes next.
    pub(super) cursor: usize,
    /// The verb around the document that runs: a stay in a queue or a conference.
    pub(super) stay: Option<Box<Stay>>,
    /// A transfer that may fail.
    pub(super) trial: Option<Trial>,
    /// Documents in a row that took no time.
    pub(super) idle_documents: u32,
    /// The fallback has been asked since something last took time.
    pub(super) fallback_used: bool,
    pub(super) answered_at: Option<Duration>,
    /// How the leg ended, once it has.
    pub(super) finish: Option<Finish>,
    /// What was given up and still owes a result.
    pub(super) owed: Owed,
    pub(super) streams: Vec<OpenStream>,
    /// The last recording of the leg.
    pub(super) recorded: Option<Recording>,
    pub(super) now: Duration,
    /// When the current verb began.
    pub(super) verb_began: Duration,
    /// The end of a `<Dial>` that came before the caller's ACK.
    pub(super) early_dial_end: Option<(Box<Dial>, Vec<DialOutcome>)>,
    /// Keys that overtook the caller's ACK.
    pub(super) early_keys: String,
    timers: Vec<TimerId>,
    last_id: u32,
    out: Vec<Action>,
}

impl Run {
    /// A leg that came in and is not answered yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            base: settings.voice.url.clone(),
            settings,
            screening: false,
            first: None,
            leg: Leg::Unanswered,
            phase: Phase::Idle,
            document: Document::default(),
            cursor: 0,
            stay: None,
            trial: None,
            idle_documents: 0,
            fallback_used: false,
            answered_at: None,
            finish: None,
            owed: Owed::default(),
            streams: Vec::new(),
            recorded: None,
            now: Duration::ZERO,
            verb_began: Duration::ZERO,
            early_dial_end: None,
            early_keys: String::new(),
            timers: Vec::new(),
            last_id: 0,
            out: Vec::new(),
        }
    }

    /// A callee's leg that has answered and is to hear a screening document
    /// (`settings.voice`) before it is connected. It ends with [`Action::Connect`] or
    /// [`Action::HangUp`].
    pub fn screening(settings: Settings) -> Self {
        Self {
            screening: true,
            ..Self::answered_leg(settings)
        }
    }

    /// A callee's leg that the caller has transferred ([`Action::TransferCallee`]): it runs what
    /// the `referUrl` answered. If it is kept, it says [`Action::TransferDone`]; after a failure it
    /// finishes without a BYE, and the leg is the callee's again.
    pub fn transferee(settings: Settings, plan: TransferPlan) -> Self {
        Self {
            first: Some(Box::new(plan.reply)),
            trial: plan.kept.then_some(Trial::Kept),
            ..Self::answered_leg(settings)
        }
    }

    fn answered_leg(settings: Settings) -> Self {
        Self {
            leg: Leg::Answered,
            answered_at: Some(Duration::ZERO),
            ..Self::new(settings)
        }
    }

    /// The state of the leg.
    pub fn leg(&self) -> Leg {
        self.leg
    }

    /// Takes an event that happened at `now` (the time since the leg began, which never goes
    /// back) and says what to do, in order.
    pub fn step(&mut self, now: Duration, event: Event) -> Vec<Action> {
        self.now = self.now.max(now);
        if !matches!(self.phase, Phase::Finished) {
            self.take(event);
        }
        std::mem::take(&mut self.out)
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Answered(established) => self.answered(established),
            Event::CallerCancelled => self.caller_cancelled(),
            Event::CallerHungUp => self.caller_hung_up(),
            Event::Conference(notice) => self.conference(notice),
            Event::Dequeued {
                by,
                queue,
                waited,
                whisper,
            } => self.dequeued(by, (queue, waited), whisper),
            Event::DialAnswered => self.dial_answered(),
            Event::DialEnded(id, outcomes) => self.dial_ended(id, &outcomes),
            Event::DialQueueWaits => self.dial_queue_waits(),
            Event::DialRecording(recording) => self.dial_recording(&recording),
            Event::DialRinging { early_media } => self.dial_ringing(early_media),
            Event::Digit(digit) => self.digit(digit),
            Event::Enqueued(place) => self.enqueued(place),
            Event::Fetched(id, result) => self.fetched(id, *result),
            Event::HangUp => self.operator_hangs_up(),
            Event::MediaDone(id, outcome) => self.media_done(id, outcome),
            Event::QueueEnded(end) => self.queue_ended(end),
            Event::QueuePlace(place) => self.queue_place(place),
            Event::RecordingStarted(id, recording) => self.recording_started(id, &recording),
            Event::ReferAccepted(code) => self.refer_accepted(code),
            Event::ReferNotified {
                code,
                terminated,
                expires,
            } => {
                self.refer_notified(code, terminated, expires);
            }
            Event::ReferRefused(code) => self.refer_refused(code),
            Event::ReferRequested { by, refer_to } => self.refer_requested(by, &refer_to),
            Event::Speech(id, speech) => self.speech(id, speech),
            Event::Start => self.start(),
            Event::StreamEnded { id, sid, error } => self.stream_ended(id, sid, error),
            Event::StreamStarted { id, sid } => self.stream_started(id, sid),
            Event::TimerFired(timer) => self.timer_fired(timer),
            Event::TransferEnded(status) => self.transfer_ended(status),
        }
    }

    fn start(&mut self) {
        if !matches!(self.phase, Phase::Idle) {
            return;
        }
        if self.leg == Leg::Unanswered {
            self.act(Action::Ring { early_media: false });
            self.start_timer(TimerKind::Ring, self.settings.limits.ring_interval);
            self.start_timer(TimerKind::PreAnswer, self.settings.limits.pre_answer);
        }
        if let Some(reply) = self.first.take() {
            self.start_timer(TimerKind::CallLength, self.settings.limits.call_length);
            let hook = Hook::post(reply.url.clone());
            return self.take_reply(*reply, &hook);
        }
        let purpose = if self.screening {
            Purpose::Screening
        } else {
            Purpose::Voice
        };
        self.fetch(purpose, self.settings.voice.clone(), Vec::new());
    }

    fn timer_fired(&mut self, timer: TimerId) {
        let Some(at) = self.timers.iter().position(|running| *running == timer) else {
            return;
        };
        self.timers.swap_remove(at);
        match timer.kind {
            TimerKind::CallLength => {
                self.trace("call", "the longest call length is reached");
                self.operator_hangs_up();
            }
            TimerKind::DialLimit => self.dial_limit_reached(),
            TimerKind::GatherInput => self.gather_timed_out(),
            TimerKind::Pause => self.pause_ended(),
            TimerKind::PreAnswer => self.give_up_unanswered("the call was not answered in time"),
            TimerKind::QueueWait => self.dial_queue_timed_out(),
            TimerKind::ReferEnd | TimerKind::ReferNotify => self.refer_gave_up(),
            TimerKind::ReferHangUp => self.hang_up(),
            TimerKind::ReferResponse => self.refer_refused(408),
            TimerKind::Ring => self.ring_again(),
            TimerKind::SpeechResult => self.gather_ended(None),
            TimerKind::WaitAgain => self.wait_again(),
            TimerKind::WrapUp => self.wrap_up_timed_out(),
        }
    }

    fn digit(&mut self, digit: char) {
        if self.stay_digit(digit) {
            return;
        }
        match &self.phase {
            Phase::Gathering(_) => self.gather_digit(digit),
            Phase::Recording { .. } => self.record_digit(digit),
            Phase::Dialling(_) => self.dial_digit(digit),
            Phase::Answering if self.early_keys.len() < EARLY_KEYS_MAX => {
                self.early_keys.push(digit);
            }
            _ => {}
        }
    }

    fn media_done(&mut self, id: MediaId, outcome: MediaOutcome) {
        if !self.awaits_media(id) {
            return;
        }
        match &outcome {
            MediaOutcome::Failed(reason) => {
                let (code, what) = self.failure(id);
                self.warn(code, format!("{what}: {reason}"));
            }
            MediaOutcome::Unavailable { code, url, detail } => {
                let failed = Hook::post(url.clone());
                let (code, detail) = (*code, detail.clone());
                self.forget_media(id);
                self.interrupt_inside();
                self.took_time();
                return self.fail(code, detail, &failed);
            }
            _ => {}
        }
        match &mut self.phase {
            Phase::Playing { next, .. } => match next.take() {
                Some(kind) => {
                    let media = self.start_media(kind);
                    self.phase = Phase::Playing { media, next: None };
                }
                None => self.verb_ended(),
            },
            Phase::Gathering(gathering) if gathering.prompt == Some(id) => {
                self.gather_prompt_ended();
            }
            Phase::Gathering(_) => self.gather_heard(outcome),
            Phase::Recording { .. } => self.record_ended(outcome),
            _ => {}
        }
    }

    /// Whether the phase waits for the end of this medium.
    fn awaits_media(&self, id: MediaId) -> bool {
        match &self.phase {
            Phase::Playing { media, .. } | Phase::Recording { media, .. } => *media == id,
            Phase::Gathering(gathering) => {
                gathering.prompt == Some(id) || gathering.listening == Some(id)
            }
            _ => false,
        }
    }

    /// What a medium that failed should have done.
    fn failure(&self, id: MediaId) -> (ErrorCode, &'static str) {
        match &self.phase {
            Phase::Recording { .. } => (ErrorCode::SOUND, "nothing was recorded"),
            Phase::Gathering(gathering) if gathering.listening == Some(id) => {
                (ErrorCode::SPEECH, "speech was not recognised")
            }
            _ => (ErrorCode::PLAY_CONTENT_TYPE, "nothing was heard"),
        }
    }

    /// A medium is over and need not be stopped.
    fn forget_media(&mut self, id: MediaId) {
        match &mut self.phase {
            Phase::Gathering(gathering) if gathering.prompt == Some(id) => gathering.prompt = None,
            Phase::Gathering(gathering) => gathering.listening = None,
            _ => self.phase = Phase::Idle,
        }
    }

    fn pause_ended(&mut self) {
        match &self.phase {
            Phase::Pausing => self.verb_ended(),
            Phase::Gathering(_) => self.gather_prompt_ended(),
            _ => {}
        }
    }

    pub(super) fn act(&mut self, action: Action) {
        debug_assert!(
            !matches!(self.phase, Phase::Finished),
            "nothing follows the end"
        );
        self.out.push(action);
    }

    pub(super) fn trace(&mut self, topic: &'static str, text: impl Into<String>) {
        self.out.push(Action::Trace(Trace::new(topic, text)));
    }

    pub(super) fn warn(&mut self, code: ErrorCode, message: impl Into<String>) {
        self.out.push(Action::Warn(Warning::new(code, message)));
    }

    pub(super) fn next_id(&mut self) -> u32 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }

    pub(super) fn next_fetch_id(&mut self) -> FetchId {
        FetchId(self.next_id())
    }

    pub(super) fn next_dial_id(&mut self) -> DialId {
        DialId(self.next_id())
    }

    pub(super) fn start_media(&mut self, kind: MediaKind) -> MediaId {
        let id = MediaId(self.next_id());
        self.trace("media", kind.in_words());
        self.act(Action::StartMedia(Box::new(Media { id, kind })));
        id
    }

    pub(super) fn start_timer(&mut self, kind: TimerKind, after: Duration) -> TimerId {
        self.timers.retain(|running| running.kind != kind);
        let timer = TimerId {
            kind,
            generation: self.next_id(),
        };
        self.timers.push(timer);
        self.act(Action::StartTimer(timer, after));
        timer
    }

    pub(super) fn timer_runs(&self, kind: TimerKind) -> bool {
        self.timers.iter().any(|running| running.kind == kind)
    }

    pub(super) fn stop_timer(&mut self, kind: TimerKind) {
        if let Some(at) = self.timers.iter().position(|running| running.kind == kind) {
            let timer = self.timers.swap_remove(at);
            self.act(Action::StopTimer(timer));
        }
    }

    pub(super) fn stop_all_timers(&mut self) {
        for timer in std::mem::take(&mut self.timers) {
            self.act(Action::StopTimer(timer));
        }
    }
}

/// Keys that are kept until the ACK.
const EARLY_KEYS_MAX: usize = 16;
