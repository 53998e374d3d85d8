//! A run with what happens to it in words.

use std::collections::HashMap;
use std::time::{Duration, UNIX_EPOCH};

use executor::run::{
    Action, ConferenceEnd, ConferenceNotice, DialId, DialOutcome, DialReason, Event, FetchFailed,
    Heard, MediaId, MediaKind, MediaOutcome, Party, QueueEnd, QueuePlace, QueueReason, Recording,
    Run, Settings, Speech, StreamError, StreamId, TimerId, TransferPlan,
};
use executor::webhook::{FetchError, FetchId, Hook, Method, Reply};
use executor::{ErrorCode, Sid, SidKind};
use url::Url;

use crate::show::show;

/// A leg, and the last of everything that it asked for.
pub(crate) struct Driver {
    settings: Settings,
    kind: Kind,
    pub(crate) run: Option<Run>,
    pub(crate) now: Duration,
    pub(crate) timers: HashMap<String, TimerId>,
    fetch: FetchId,
    media: MediaId,
    listening: MediaId,
    dials: Vec<DialId>,
    streams: HashMap<String, StreamId>,
    stream: StreamId,
    siprecs: HashMap<String, StreamId>,
    siprec: StreamId,
    media_names: HashMap<MediaId, String>,
    ended: usize,
}

#[derive(Clone)]
enum Kind {
    Caller,
    Screening,
    Transferee(bool, String),
}

impl Default for Driver {
    fn default() -> Self {
        let voice = Hook::post(url("http://app.test/voice?customParameter=x"));
        Self {
            settings: Settings::new(voice),
            kind: Kind::Caller,
            run: None,
            now: Duration::ZERO,
            timers: HashMap::new(),
            fetch: FetchId(0),
            media: MediaId(0),
            listening: MediaId(0),
            dials: vec![DialId(0)],
            streams: HashMap::new(),
            stream: StreamId(0),
            siprecs: HashMap::new(),
            siprec: StreamId(0),
            media_names: HashMap::new(),
            ended: 0,
        }
    }
}

impl Driver {
    /// A line `! …`.
    pub(crate) fn set(&mut self, setting: &str) {
        let (name, rest) = setting.split_once(' ').unwrap_or((setting, ""));
        match name {
            "fallback" => {
                self.settings.fallback = Some(Hook::post(url("http://app.test/fallback")));
            }
            "status_callback" => {
                let hook = Hook {
                    url: url("http://app.test/status"),
                    method: Method::Get,
                };
                self.settings.status_callback = Some(hook);
            }
            "fetch_failed" => self.settings.fetch_failed = FetchFailed::Reject,
            "screening" => self.kind = Kind::Screening,
            "transferee" => self.kind = Kind::Transferee(false, rest.to_owned()),
            "kept-transferee" => self.kind = Kind::Transferee(true, rest.to_owned()),
            "plain_streams" => self.settings.plain_streams = true,
            "userinfo" => self.settings.voice.url = url("http://u:secret@app.test/voice#rc=2"),
            _ => panic!("unknown setting {setting}"),
        }
    }

    /// A line `> …`: the actions that it causes, without what every leg does.
    pub(crate) fn step(&mut self, line: &str) -> Vec<String> {
        let event = self.event(line);
        let (settings, kind) = (self.settings.clone(), self.kind.clone());
        let run = self.run.get_or_insert_with(|| match kind {
            Kind::Caller => Run::new(settings),
            Kind::Screening => Run::screening(settings),
            Kind::Transferee(kept, body) => {
                let reply = Reply::new(url("http://app.test/refer"), "text/xml", body);
                Run::transferee(settings, TransferPlan { reply, kept })
            }
        });
        let actions = run.step(self.now, event);
        actions
            .into_iter()
            .filter_map(|action| self.show(&action))
            .collect()
    }

    /// A line `> run …`: a leg with this document, answered if that is wanted, and what comes
    /// then.
    pub(crate) fn run_document(&mut self, body: &str) -> Vec<String> {
        self.step("start");
        let mut actions = self.step(&format!("twiml {body}"));
        if let Some(at) = actions.iter().position(|action| action == "answer 200") {
            actions.remove(at);
            actions.extend(self.step("answered"));
        }
        actions
    }

    /// Remembers what later events are about, and says the action in words.
    pub(crate) fn show(&mut self, action: &Action) -> Option<String> {
        match action {
            Action::Dial(plan) => self.dials.push(plan.id),
            Action::DialQueue(plan) => self.dials.push(plan.id),
            Action::Fetch(request) => self.fetch = request.id,
            Action::StartMedia(media) => {
                if matches!(media.kind, MediaKind::Listen(_)) {
                    self.listening = media.id;
                } else {
                    self.media = media.id;
                }
                let shown = show(action).unwrap();
                let name = shown.split(' ').next().unwrap().to_owned();
                self.media_names.insert(media.id, name);
            }
            Action::StartSiprec(plan) => {
                let name = plan.name.clone().unwrap_or_default();
                self.siprecs.insert(name, plan.id);
                self.siprec = plan.id;
            }
            Action::StartStream(plan) => {
                let name = plan.name.clone().unwrap_or_default();
                self.streams.insert(name, plan.id);
                self.stream = plan.id;
            }
            Action::StartTimer(timer, _) => {
                self.timers.insert(format!("{:?}", timer.kind), *timer);
            }
            Action::StopMedia(id) => return Some(format!("stop {}", self.media_names[id])),
            _ => {}
        }
        show(action)
    }

    /// Whether there was a `<Dial>`.
    pub(crate) fn has_dialled(&self) -> bool {
        self.dials.len() > 1
    }

    /// How often a `<Dial>` was said to be over.
    pub(crate) fn ended(&self) -> usize {
        self.ended
    }

    fn event(&mut self, line: &str) -> Event {
        let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
        match name {
            "start" => Event::Start,
            "answered" => Event::Answered(true),
            "lost" => Event::Answered(false),
            "bye" => Event::CallerHungUp,
            "cancel" => Event::CallerCancelled,
            "operator" => Event::HangUp,
            "key" => Event::Digit(rest.chars().next().unwrap()),
            "twiml" => self.reply("text/xml", rest),
            "text" => self.reply("text/plain", rest),
            "audio" => self.reply("audio/mpeg", ""),
            "reply" => {
                let (content_type, body) = rest.split_once(' ').unwrap();
                self.reply(content_type, body)
            }
            "error" => {
                let error = FetchError::new(code(rest), "no reply");
                Event::Fetched(self.fetch, Box::new(Err(error)))
            }
            "timer" => Event::TimerFired(self.timers[rest]),
            "done" | "failed" | "unavailable" | "silent" | "recorded" | "stopped" => {
                Event::MediaDone(self.media, outcome(name, rest))
            }
            "recording" => Event::RecordingStarted(self.media, begun()),
            "speech" => Event::Speech(self.listening, speech(rest)),
            "heard" | "mumble" | "deaf" => Event::MediaDone(self.listening, outcome(name, rest)),
            "ringing" | "callee" | "ended" | "dial-recording" | "next" => self.dial(name, rest),
            "referred" | "refused" | "notify" | "refer" | "transfer" => refer(name, rest),
            "enqueued" | "place" | "dequeued" | "queue" => queue(name, rest),
            "conference" => Event::Conference(conference(rest)),
            "siprec" => fork(rest, SidKind::Siprec, &self.siprecs, self.siprec),
            "stream" => fork(rest, SidKind::Stream, &self.streams, self.stream),
            _ => panic!("unknown event {line}"),
        }
    }

    fn reply(&self, content_type: &str, body: &str) -> Event {
        let body = body.replace("\\n", "\n");
        let base = url("http://app.test/voice?customParameter=x");
        let reply = Reply::new(base, content_type, body);
        Event::Fetched(self.fetch, Box::new(Ok(reply)))
    }

    fn dial(&mut self, name: &str, rest: &str) -> Event {
        match name {
            "ringing" => Event::DialRinging {
                early_media: rest == "early",
            },
            "callee" => Event::DialAnswered,
            "dial-recording" => Event::DialRecording(begun()),
            "next" => Event::DialQueueWaits,
            _ => {
                // `ended first …` is the first `<Dial>`, otherwise it is the last one.
                let first = rest.strip_prefix("first ");
                self.ended += 1;
                let id = match first {
                    Some(_) => self.dials[1],
                    None => *self.dials.last().unwrap(),
                };
                Event::DialEnded(id, vec![dial_outcome(first.unwrap_or(rest))])
            }
        }
    }
}

/// What happens to the stream or the session of that name, or to the last one.
fn fork(words: &str, kind: SidKind, named: &HashMap<String, StreamId>, last: StreamId) -> Event {
    let words: Vec<_> = words.split(' ').collect();
    let id = words.get(1).and_then(|name| named.get(*name));
    let id = id.copied().unwrap_or(last);
    let sid = Sid::new(kind, [4; 16]);
    let error = match words[0] {
        "started" => return Event::StreamStarted { id, sid },
        "ended" => None,
        _ => Some(StreamError {
            code: code(words[1]),
            detail: words[2..].join(" "),
        }),
    };
    Event::StreamEnded { id, sid, error }
}

fn outcome(name: &str, rest: &str) -> MediaOutcome {
    match name {
        "done" => MediaOutcome::Finished,
        "silent" | "mumble" => MediaOutcome::Silent,
        "failed" | "deaf" => MediaOutcome::Failed(rest.to_owned()),
        "unavailable" => {
            let (number, file) = rest.split_once(' ').unwrap();
            MediaOutcome::Unavailable {
                code: code(number),
                url: url(file),
                detail: "404 Not Found".to_owned(),
            }
        }
        "recorded" => MediaOutcome::Recorded(recording()),
        "stopped" => MediaOutcome::Recorded(Recording::default()),
        _ => {
            let (confidence, text) = rest.split_once(' ').unwrap_or((rest, ""));
            MediaOutcome::Heard(Heard {
                text: text.to_owned(),
                confidence: confidence.parse().unwrap(),
            })
        }
    }
}

fn speech(words: &str) -> Speech {
    match words.strip_prefix("partial ") {
        None => Speech::Started,
        Some(rest) => {
            let (stability, text) = rest.split_once(' ').unwrap();
            Speech::Partial {
                text: text.to_owned(),
                stability: stability.parse().unwrap(),
            }
        }
    }
}

fn recording() -> Recording {
    Recording {
        duration: Duration::from_secs(7),
        ..begun()
    }
}

fn begun() -> Recording {
    Recording {
        url: Some("http://media.test/RE1".to_owned()),
        sid: Some(Sid::new(SidKind::Recording, [1; 16])),
        started: Some(UNIX_EPOCH + Duration::from_secs(1_774_605_600)),
        ..Recording::default()
    }
}

fn refer(name: &str, rest: &str) -> Event {
    match name {
        "referred" => Event::ReferAccepted(rest.parse().unwrap()),
        "refused" => Event::ReferRefused(rest.parse().unwrap()),
        "refer" => {
            let (by, refer_to) = rest.split_once(' ').unwrap();
            let by = if by == "caller" {
                Party::Caller
            } else {
                Party::Callee
            };
            let refer_to = refer_to.to_owned();
            Event::ReferRequested { by, refer_to }
        }
        "transfer" => Event::TransferEnded(rest.parse().unwrap()),
        _ => {
            let words: Vec<_> = rest.split(' ').collect();
            let expires = words.iter().find_map(|word| word.strip_prefix("expires="));
            Event::ReferNotified {
                code: words.iter().find_map(|word| word.parse().ok()),
                terminated: words.contains(&"terminated"),
                expires: expires.map(|seconds| Duration::from_secs(seconds.parse().unwrap())),
            }
        }
    }
}

fn queue(name: &str, rest: &str) -> Event {
    let words: Vec<_> = rest.split(' ').collect();
    let sid = Sid::new(SidKind::Queue, [3; 16]);
    let seconds = |text: &str| Duration::from_secs(text.parse().unwrap());
    match name {
        "dequeued" => Event::Dequeued {
            by: Sid::new(SidKind::Call, [9; 16]),
            queue: sid,
            waited: seconds(words[0]),
            whisper: words.get(1).map(|hook| Hook::post(url(hook))),
        },
        "queue" => Event::QueueEnded(QueueEnd {
            reason: match words[0] {
                "bridged" => QueueReason::Bridged,
                "full" => QueueReason::Full,
                "left" => QueueReason::Left,
                _ => QueueReason::Refused,
            },
            sid: (!matches!(words[0], "full" | "refused")).then_some(sid),
            waited: words.get(1).map_or(Duration::ZERO, |text| seconds(text)),
        }),
        _ => {
            let place = QueuePlace {
                sid,
                position: words[0].parse().unwrap(),
                waited: seconds(words[1]),
                average: Duration::from_secs(42),
                size: 3,
                size_max: 100,
            };
            if name == "place" {
                Event::QueuePlace(place)
            } else {
                Event::Enqueued(place)
            }
        }
    }
}

fn conference(word: &str) -> ConferenceNotice {
    ConferenceNotice::Ended(match word {
        "waits" => return ConferenceNotice::Waits,
        "talks" => return ConferenceNotice::Talks,
        "over" => ConferenceEnd::Over,
        "left" => ConferenceEnd::Left,
        "full" => ConferenceEnd::Full,
        "label" => ConferenceEnd::LabelTaken,
        "coach" => ConferenceEnd::NobodyToCoach,
        _ => panic!("unknown notice {word}"),
    })
}

fn dial_outcome(words: &str) -> DialOutcome {
    let mut outcome = DialOutcome {
        call_sid: Some(Sid::new(SidKind::Call, [2; 16])),
        sip_call_id: Some("abc@b".to_owned()),
        sip_headers: vec![
            ("X-Reason".to_owned(), b"full".to_vec()),
            ("Server".to_owned(), b"pbx".to_vec()),
            ("x-hookswitch-call-sid".to_owned(), b"internal".to_vec()),
        ],
        ..DialOutcome::default()
    };
    for word in words.split_whitespace() {
        match word {
            "rang" => outcome.rang = true,
            "bridged" => {
                (outcome.answered, outcome.bridged) = (true, true);
                outcome.duration = Duration::from_secs(12);
                outcome.reason = DialReason::CalleeHungUp;
            }
            "answered" => outcome.answered = true,
            "timeout" => outcome.reason = DialReason::RingTimeout,
            "cancelled" => outcome.reason = DialReason::Cancelled,
            "screened" => outcome.reason = DialReason::ScreenedOut,
            "recorded" => outcome.recording = Some(recording()),
            "nobody" | "no-queue" => {
                outcome = DialOutcome::default();
                outcome.reason = match word {
                    "nobody" => DialReason::Cancelled,
                    _ => DialReason::NoQueue,
                };
            }
            "queued" => {
                let sid = Sid::new(SidKind::Queue, [3; 16]);
                outcome.queue = Some((sid, Duration::from_secs(30)));
                (outcome.sip_call_id, outcome.sip_headers) = (None, Vec::new());
            }
            code => outcome.sip_code = Some(code.parse().unwrap()),
        }
    }
    outcome
}

fn code(number: &str) -> ErrorCode {
    let number: u32 = number.parse().unwrap();
    let mut known = ErrorCode::ALL.iter();
    *known.find(|code| code.number() == number).unwrap()
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}
