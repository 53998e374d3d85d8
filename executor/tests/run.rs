//! The transcripts of `tests/run/*.txt`: what happens to a leg, and what the run wants done.
//!
//! A case is `=== name`, then settings (`!`), events (`>`) and the actions they must cause (`<`).
//! `@ 2.5` sets the clock. Traces, `StopTimer` and the timers that every leg has are left out.
//! `UPDATE=1 cargo test --test run` writes what the run does now into the files.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use executor::run::{
    Action, DialOutcome, DialReason, DialTarget, DialTo, Event, FetchFailed, MediaId, MediaKind,
    MediaOutcome, Recording, Run, Settings, TimerId, TimerKind, nominal,
};
use executor::webhook::{FetchError, FetchId, Hook, Method, Reply};
use executor::{ErrorCode, Secret, Sid, SidKind};
use proptest::prelude::*;
use url::Url;

#[test]
fn transcripts_hold() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 5, "the fixtures are missing");
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let now = replay(&text);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, now).unwrap();
        } else if let Some((expected, got)) = text
            .lines()
            .zip(now.lines().chain(std::iter::repeat("")))
            .find(|(expected, got)| expected != got)
        {
            wrong.push(format!(
                "{}: expected\n  {expected}\ngot\n  {got}\nin\n{now}",
                file.display()
            ));
        } else if text != now {
            wrong.push(format!("{}: got more\n{now}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What may happen to a leg, in any order, at any time.
const ANYTHING: &[&str] = &[
    "start",
    "answered",
    "lost",
    "bye",
    "cancel",
    "operator",
    "key 1",
    "key #",
    "key *",
    "twiml <Response><Say>a</Say><Redirect/></Response>",
    "twiml <Response><Pause/><Reject/></Response>",
    "twiml <Response><Gather><Say>a</Say><Pause/></Gather><Record/></Response>",
    "twiml <Response><Gather numDigits='1' actionOnEmptyResult='true'/></Response>",
    "twiml <Response><Record action='/r'/><Play digits='1'>a</Play></Response>",
    "twiml <Response><Dial answerOnBridge='true' action='/d'>100</Dial><Say>b</Say></Response>",
    "twiml <Response><Dial hangupOnStar='true'>100</Dial><Reject/></Response>",
    "twiml <Response><Dial action='file:///x'>100</Dial></Response>",
    "twiml <Response><Dial/><Dial/><Redirect>ftp://x</Redirect></Response>",
    "twiml <Response><Refer action='/f'><Sip>a@b</Sip></Refer><Say>c</Say></Response>",
    "twiml <Response><Refer action='http://'><Sip>a@b</Sip></Refer></Response>",
    "twiml <Response><Refer><Sip>a@b</Sip></Refer></Response>",
    "twiml <Response/>",
    "twiml <broken",
    "error 11200",
    "done",
    "silent",
    "recorded",
    "timer Pause",
    "timer GatherInput",
    "timer PreAnswer",
    "timer Ring",
    "timer DialLimit",
    "timer ReferResponse",
    "timer ReferNotify",
    "timer ReferEnd",
    "timer ReferHangUp",
    "timer CallLength",
    "ringing",
    "callee",
    "ended bridged 200",
    "ended 486",
    "referred 202",
    "refused 405",
    "notify 100",
    "notify 200 terminated",
    "replace http://app.test/other",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Whatever happens: one final response, no BYE before the ACK, an end after the caller is
    /// gone, and nothing after the end.
    #[test]
    fn any_order_of_events_ends_well(
        fallback: bool,
        reject: bool,
        events in prop::collection::vec((0..ANYTHING.len(), 0..3u64), 1..40),
    ) {
        let mut leg = Driver::default();
        for (set, setting) in [(fallback, "fallback"), (reject, "fetch_failed reject"), (true, "status_callback")] {
            if set {
                leg.set(setting);
            }
        }
        let mut actions = leg.step("start");
        for (event, seconds) in events {
            leg.now += Duration::from_secs(seconds);
            if let Some(timer) = ANYTHING[event].strip_prefix("timer ") && !leg.timers.contains_key(timer) {
                continue;
            }
            let acknowledges = matches!(ANYTHING[event], "answered" | "lost");
            if acknowledges && !actions.iter().any(|action| action == "answer 200") {
                continue;
            }
            actions.extend(leg.step(ANYTHING[event]));
        }
        let answering = actions.iter().any(|action| action == "answer 200");
        let last_words = if answering { ["answered", "bye"] } else { ["cancel", "cancel"] };
        for event in last_words {
            actions.extend(leg.step(event));
        }
        if let Some(timer) = leg.timers.get("WrapUp").copied() {
            let run = leg.run.as_mut().unwrap();
            let late = run.step(leg.now, Event::TimerFired(timer));
            actions.extend(late.into_iter().filter_map(|action| leg.show(action)));
        }
        let count = |what: &str| actions.iter().filter(|action| action.starts_with(what)).count();
        prop_assert_eq!(count("finished"), 1, "{:#?}", actions);
        prop_assert!(actions.last().unwrap().starts_with("finished"), "{:#?}", actions);
        prop_assert_eq!(count("callback"), 1, "{:#?}", actions);
        prop_assert_eq!(count("answer 200") + count("reject"), 1, "{:#?}", actions);
        prop_assert!(count("bye") <= 1, "{:#?}", actions);
        let place = |what: &str| actions.iter().position(|action| action.starts_with(what));
        for needs_answer in ["bye", "refer", "bridge", "say", "play", "record"] {
            if let Some(at) = place(needs_answer) {
                prop_assert!(place("answer 200").is_some_and(|answer| answer < at), "{:#?}", actions);
            }
        }
    }
}

/// The cases with their actions as they are now.
fn replay(cases: &str) -> String {
    let mut text = String::new();
    let mut leg = Driver::default();
    for line in cases.lines() {
        if line.starts_with("=== ") {
            leg = Driver::default();
        }
        match line.split_at_checked(2) {
            Some(("< ", _)) => {}
            Some(("! ", setting)) => {
                leg.set(setting);
                writeln!(text, "{line}").unwrap();
            }
            Some(("@ ", seconds)) => {
                leg.now = Duration::from_secs_f64(seconds.parse().unwrap());
                writeln!(text, "{line}").unwrap();
            }
            Some(("> ", event)) => {
                writeln!(text, "{line}").unwrap();
                for action in leg.step(event) {
                    writeln!(text, "< {action}").unwrap();
                }
            }
            _ => writeln!(text, "{line}").unwrap(),
        }
    }
    text
}

struct Driver {
    settings: Settings,
    screening: bool,
    run: Option<Run>,
    now: Duration,
    fetch: FetchId,
    media: MediaId,
    timers: HashMap<String, TimerId>,
}

impl Default for Driver {
    fn default() -> Self {
        let voice = Hook::post(url("http://app.test/voice?customParameter=x"));
        Self {
            settings: Settings::new(voice),
            screening: false,
            run: None,
            now: Duration::ZERO,
            fetch: FetchId(0),
            media: MediaId(0),
            timers: HashMap::new(),
        }
    }
}

impl Driver {
    fn set(&mut self, setting: &str) {
        match setting {
            "fallback" => {
                self.settings.fallback = Some(Hook::post(url("http://app.test/fallback")))
            }
            "status_callback" => {
                let hook = Hook {
                    url: url("http://app.test/status"),
                    method: Method::Get,
                };
                self.settings.status_callback = Some(hook);
            }
            "fetch_failed reject" => self.settings.fetch_failed = FetchFailed::Reject,
            "screening" => self.screening = true,
            "userinfo" => self.settings.voice.url = url("http://u:secret@app.test/voice#rc=2"),
            _ => panic!("unknown setting {setting}"),
        }
    }

    fn step(&mut self, line: &str) -> Vec<String> {
        let event = self.event(line);
        let (settings, screening) = (self.settings.clone(), self.screening);
        let run = self.run.get_or_insert_with(|| {
            if screening {
                Run::screening(settings)
            } else {
                Run::new(settings)
            }
        });
        let actions = run.step(self.now, event);
        actions
            .into_iter()
            .filter_map(|action| self.show(action))
            .collect()
    }

    fn event(&self, line: &str) -> Event {
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
                let code = rest.parse().unwrap();
                let code = *ErrorCode::ALL
                    .iter()
                    .find(|known| known.number() == code)
                    .unwrap();
                Event::Fetched(self.fetch, Box::new(Err(FetchError::new(code, "no reply"))))
            }
            "done" => Event::MediaDone(self.media, MediaOutcome::Finished),
            "silent" => Event::MediaDone(self.media, MediaOutcome::Silent),
            "recorded" => {
                let recording = Recording {
                    url: Some("http://media.test/RE1".to_owned()),
                    sid: Some(Sid::new(SidKind::Recording, [1; 16])),
                    duration: Duration::from_secs(7),
                };
                Event::MediaDone(self.media, MediaOutcome::Recorded(recording))
            }
            "stopped" => Event::MediaDone(self.media, MediaOutcome::Recorded(Recording::default())),
            "timer" => Event::TimerFired(self.timers[rest]),
            "ringing" => Event::DialRinging {
                early_media: rest == "early",
            },
            "callee" => Event::DialAnswered,
            "ended" => Event::DialEnded(vec![outcome(rest)]),
            "referred" => Event::ReferAccepted(rest.parse().unwrap()),
            "refused" => Event::ReferRefused(rest.parse().unwrap()),
            "notify" => {
                let words: Vec<_> = rest.split(' ').collect();
                Event::ReferNotified {
                    code: words.iter().find_map(|word| word.parse().ok()),
                    terminated: words.contains(&"terminated"),
                    expires: words.iter().find_map(|word| {
                        Some(Duration::from_secs(
                            word.strip_prefix("expires=")?.parse().unwrap(),
                        ))
                    }),
                }
            }
            "replace" => Event::Replace(Hook::post(url(rest))),
            _ => panic!("unknown event {line}"),
        }
    }

    fn reply(&self, content_type: &str, body: &str) -> Event {
        let body = body.replace("\\n", "\n");
        let base = url("http://app.test/voice?customParameter=x");
        Event::Fetched(
            self.fetch,
            Box::new(Ok(Reply::new(base, content_type, body))),
        )
    }

    fn show(&mut self, action: Action) -> Option<String> {
        Some(match action {
            Action::AbortFetch(_) => "abort fetch".to_owned(),
            Action::Answer => "answer 200".to_owned(),
            Action::Bridge => "bridge".to_owned(),
            Action::CancelDial => "cancel dial".to_owned(),
            Action::Connect => "connect".to_owned(),
            Action::Dial(plan) => {
                let mut words = vec![format!("dial for {:?}", plan.timeout)];
                words.extend(plan.sequential.then(|| "sequential".to_owned()));
                words.extend(plan.answer_on_bridge.then(|| "answer_on_bridge".to_owned()));
                words.extend(plan.caller_id.map(|id| format!("as {id}")));
                words.extend(plan.targets.iter().map(target));
                words.join(" ")
            }
            Action::Fetch(request) => {
                self.fetch = request.id;
                shown("fetch", &request)
            }
            Action::Finished(finish) => {
                format!(
                    "finished {} {} after {:?}",
                    finish.status, finish.sip_code, finish.duration
                )
            }
            Action::HangUp => "bye".to_owned(),
            Action::Refer(plan) => format!("refer <{}>", plan.refer_to),
            Action::Reject { status, reason } => format!("reject {status} {reason}"),
            Action::Ring { early_media: false } => "ring 180".to_owned(),
            Action::Ring { early_media: true } => "ring 183".to_owned(),
            Action::StartMedia(media) => {
                self.media = media.id;
                let (time, _) = nominal::render(&media.kind);
                let what = match media.kind {
                    MediaKind::Play { url, times } => format!("play {url} x{times}"),
                    MediaKind::PlayDigits(keys) => format!("keys {keys}"),
                    MediaKind::Record(_) => "record".to_owned(),
                    MediaKind::Speak(say) => format!("say {:?}", say.text),
                };
                format!("{what} ({time:?})")
            }
            Action::StartTimer(timer, after) => {
                self.timers.insert(format!("{:?}", timer.kind), timer);
                match timer.kind {
                    TimerKind::CallLength | TimerKind::PreAnswer | TimerKind::Ring => return None,
                    kind => format!("timer {kind:?} {after:?}"),
                }
            }
            Action::StatusCallback(request) => shown("callback", &request),
            Action::StopMedia(_) => "stop media".to_owned(),
            Action::StopTimer(_) | Action::Trace(_) => return None,
            Action::Warn(warning) => format!("warn {warning}"),
        })
    }
}

fn shown(what: &str, request: &executor::webhook::Request) -> String {
    let mut text = format!(
        "{what} {} {} {}",
        request.method, request.url, request.call_status
    );
    for (name, value) in &request.params {
        write!(text, " {name}={value}").unwrap();
    }
    text
}

fn target(target: &DialTarget) -> String {
    let mut text = match &target.to {
        DialTo::Client(identity) => format!("[client {identity}"),
        DialTo::Number(number) => format!("[number {number}"),
        DialTo::Sip(uri) => format!("[{uri}"),
    };
    for (name, value) in &target.headers {
        write!(text, " | {name}: {value}").unwrap();
    }
    if let Some(credentials) = &target.credentials {
        assert_eq!(credentials.password, Secret::new("p"));
        write!(text, " | user {}", credentials.username).unwrap();
    }
    if let Some(hook) = &target.screening {
        write!(text, " | screen {} {}", hook.method, hook.url).unwrap();
    }
    if let Some(callback) = &target.status_callback {
        write!(text, " | callback {}", callback.hook.url).unwrap();
    }
    text + "]"
}

fn outcome(words: &str) -> DialOutcome {
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
            "timeout" => outcome.reason = DialReason::RingTimeout,
            "cancelled" => outcome.reason = DialReason::Cancelled,
            code => outcome.sip_code = Some(code.parse().unwrap()),
        }
    }
    outcome
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}
