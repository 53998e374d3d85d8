//! Actions in words.

use std::fmt::Write as _;

use executor::run::{
    Action, ConferencePlan, Detection, DialPlan, DialTarget, DialTo, Listen, MediaKind, SiprecPlan,
    StreamPlan, TimerKind, TranscriptionPlan,
};
use executor::twiml::{Record, Say, SpeechTimeout};
use executor::webhook::{Hook, Purpose, Request};
use executor::{Secret, Sid, SidKind};

/// `None`: traces, stopped timers, and the timers that every leg has.
pub(crate) fn show(action: &Action) -> Option<String> {
    Some(match action {
        Action::AbortFetch(_) => "abort fetch".to_owned(),
        Action::Answer => "answer 200".to_owned(),
        Action::AnswerRefer { by, status } => format!("answer refer of {by:?} {status}"),
        Action::AskQueue => "ask queue".to_owned(),
        Action::Bridge => "bridge".to_owned(),
        Action::CancelDial => "cancel dial".to_owned(),
        Action::Connect => "connect".to_owned(),
        Action::Dial(plan) => dial(plan),
        Action::DialQueue(plan) => {
            let whisper = plan.whisper.as_ref();
            let whisper = whisper.map(|hook| format!(" | whisper {} {}", hook.method, hook.url));
            format!("dial queue {}{}", plan.name, whisper.unwrap_or_default())
        }
        Action::Enqueue(plan) => match plan.size_max {
            Some(size) => format!("enqueue {} of {size}", plan.name),
            None => format!("enqueue {}", plan.name),
        },
        Action::Fetch(request) => shown("fetch", request),
        Action::Finished(finish) => format!(
            "finished {} {} after {:?}",
            finish.status, finish.sip_code, finish.duration
        ),
        Action::HangUp => "bye".to_owned(),
        Action::JoinConference(plan) => join(plan),
        Action::LeaveConference => "leave conference".to_owned(),
        Action::LeaveQueue => "leave queue".to_owned(),
        Action::LetCalleeGo => "let callee go".to_owned(),
        Action::NotifyRefer { by, status } => format!("notify {by:?} {status}"),
        Action::ParkCallee => "park callee".to_owned(),
        Action::Refer(plan) => format!("refer <{}>", plan.refer_to),
        Action::Reject { status, reason } => format!("reject {status} {reason}"),
        Action::ReleaseCallee => "release callee".to_owned(),
        Action::RestoreCallee => "restore callee".to_owned(),
        Action::Ring { early_media: false } => "ring 180".to_owned(),
        Action::Ring { early_media: true } => "ring 183".to_owned(),
        Action::StartMedia(media) => medium(&media.kind),
        Action::StartSiprec(plan) => siprec(plan),
        Action::StartStream(plan) => stream(plan),
        Action::StartTimer(timer, after) => match timer.kind {
            TimerKind::CallLength | TimerKind::PreAnswer | TimerKind::Ring => return None,
            kind => format!("timer {kind:?} {after:?}"),
        },
        Action::StatusCallback(request) => shown("callback", request),
        Action::StopMedia(_) => "stop".to_owned(),
        Action::StopSiprec(_) => "stop siprec".to_owned(),
        Action::StopStream(_) => "stop stream".to_owned(),
        Action::StopTimer(_) | Action::Trace(_) => return None,
        Action::TransferCallee(plan) => {
            let kept = if plan.kept { " for the time being" } else { "" };
            format!("transfer callee{kept}")
        }
        Action::Transcribe(plan) => transcribe(plan),
        Action::TransferDone(status) => format!("transfer done {status}"),
        Action::Warn(warning) => format!("warn {warning}"),
    })
}

fn shown(what: &str, request: &Request) -> String {
    let mut text = format!("{what} {} {}", request.method, request.url);
    match request.purpose {
        Purpose::RecordingCallback | Purpose::SiprecCallback | Purpose::StreamCallback => {}
        _ => write!(text, " {}", request.call_status).unwrap(),
    }
    for (name, value) in &request.params {
        write!(text, " {name}={value}").unwrap();
    }
    text
}

/// What is to be told of a recording once its words are known.
fn transcribe(plan: &TranscriptionPlan) -> String {
    let sid = Sid::new(SidKind::Transcription, [5; 16]);
    match plan.told(sid, Some("words"), plan.call_status) {
        Some(request) => shown("transcribe", &request),
        None => format!("transcribe {}", plan.recording.sid.unwrap()),
    }
}

fn dial(plan: &DialPlan) -> String {
    let mut words = vec![format!("dial for {:?}", plan.timeout)];
    words.extend(plan.sequential.then(|| "sequential".to_owned()));
    words.extend(plan.answer_on_bridge.then(|| "answer_on_bridge".to_owned()));
    words.extend(plan.caller_id.as_ref().map(|id| format!("as {id}")));
    words.extend(plan.ring_tone.as_ref().map(|tone| format!("tone {tone}")));
    words.extend(plan.record.map(|record| {
        let from = if record.from_ringing {
            "ringing"
        } else {
            "answer"
        };
        let channels = if record.dual { "dual" } else { "mono" };
        let trim = if record.trim_silence { " trimmed" } else { "" };
        format!(
            "record {channels} {} from {from}{trim}",
            record.track.as_str()
        )
    }));
    words.extend(plan.targets.iter().map(target));
    words.join(" ")
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
    if let Some(keys) = &target.send_digits {
        write!(text, " | keys {keys}").unwrap();
    }
    if let Some(hook) = &target.screening {
        write!(text, " | screen {} {}", hook.method, hook.url).unwrap();
    }
    if let Some(callback) = &target.status_callback {
        let events = callback.events;
        let told = [
            (events.initiated, "initiated"),
            (events.ringing, "ringing"),
            (events.answered, "answered"),
            (events.completed, "completed"),
        ];
        let told: Vec<_> = told.iter().filter(|(told, _)| *told).collect();
        let told: Vec<_> = told.iter().map(|(_, name)| *name).collect();
        let Hook { url, method } = &callback.hook;
        write!(text, " | callback {method} {url} {}", told.join(" ")).unwrap();
    }
    if let Some(Detection { hook, asked }) = &target.detection {
        let until = if asked.message_end { "end" } else { "start" };
        let times = [asked.timeout, asked.speech, asked.speech_end, asked.silence];
        let [timeout, speech, end, silence] = times.map(|time| time.as_millis());
        write!(
            text,
            " | who answers, {until} {timeout} {speech} {end} {silence}"
        )
        .unwrap();
        write!(text, " {} {}", hook.method, hook.url).unwrap();
    }
    text + "]"
}

fn join(plan: &ConferencePlan) -> String {
    let mut words = vec![format!("join {} beep {:?}", plan.name, plan.beep)];
    words.extend(plan.muted.then(|| "muted".to_owned()));
    words.extend((!plan.start_on_enter).then(|| "waits for a moderator".to_owned()));
    words.extend(plan.end_on_exit.then(|| "ends it".to_owned()));
    words.extend(plan.label.as_ref().map(|label| format!("called {label}")));
    words.push(format!("buffer {:?}", plan.jitter_buffer));
    words.push(format!("of {}", plan.participants_max));
    if plan.record {
        let trim = if plan.trim_silence { " trimmed" } else { "" };
        words.push(format!("record{trim}"));
    }
    words.extend(plan.coach.map(|call| format!("coaches {call}")));
    words.extend(plan.status_callback.as_ref().map(|callback| {
        let Hook { url, method } = &callback.hook;
        format!("callback {method} {url} {:?}", callback.events).replace("ConferenceEvents ", "")
    }));
    words.extend(plan.recording_callback.as_ref().map(|callback| {
        let Hook { url, method } = &callback.hook;
        format!("recording {method} {url} {:?}", callback.events).replace("RecordingEvents ", "")
    }));
    words.join(" | ")
}

fn medium(kind: &MediaKind) -> String {
    match kind {
        MediaKind::Fetch(urls) => {
            let urls: Vec<_> = urls.iter().map(ToString::to_string).collect();
            format!("get {}", urls.join(" "))
        }
        MediaKind::HoldMusic => "music".to_owned(),
        MediaKind::Listen(spec) => listen(spec),
        MediaKind::Play { url, times } => format!("play {url} x{times}"),
        MediaKind::PlayDigits(keys) => format!("keys {keys}"),
        MediaKind::Record(verb) => record(verb),
        MediaKind::Speak(verb) => say(verb),
    }
}

fn listen(spec: &Listen) -> String {
    let silence = match spec.silence {
        SpeechTimeout::Auto => "auto".to_owned(),
        SpeechTimeout::After(time) => format!("{time:?}"),
    };
    let mut words = vec![format!(
        "listen {} silence {silence} max {:?}",
        spec.language, spec.length_max
    )];
    if !spec.hints.is_empty() {
        words.push(format!("hints {:?}", spec.hints));
    }
    words.extend(spec.model.as_ref().map(|model| format!("model {model}")));
    words.extend(spec.enhanced.then(|| "enhanced".to_owned()));
    words.extend((!spec.profanity_filter).then(|| "unfiltered".to_owned()));
    words.extend(spec.partial.then(|| "partial".to_owned()));
    words.join(" ")
}

fn record(verb: &Record) -> String {
    let mut text = format!(
        "record silence {:?} max {:?}",
        verb.timeout, verb.length_max
    );
    text.push_str(if verb.play_beep { " beep" } else { "" });
    text.push_str(if verb.trim_silence { " trimmed" } else { "" });
    text
}

fn say(verb: &Say) -> String {
    let mut text = format!("say {:?}", verb.text);
    if let Some(voice) = &verb.voice {
        write!(text, " voice {voice}").unwrap();
    }
    if verb.language != "en-US" {
        write!(text, " in {}", verb.language).unwrap();
    }
    if verb.times != 1 {
        write!(text, " x{}", verb.times).unwrap();
    }
    if let Some(ssml) = &verb.ssml {
        write!(text, " as {ssml}").unwrap();
    }
    text
}

fn siprec(plan: &SiprecPlan) -> String {
    let mut text = format!("siprec at {} {:?}", plan.connector, plan.tracks);
    if let Some(name) = &plan.name {
        write!(text, " named {name}").unwrap();
    }
    for (name, value) in &plan.parameters {
        write!(text, " {name}={value}").unwrap();
    }
    text
}

fn stream(plan: &StreamPlan) -> String {
    let mut text = format!("stream {} {:?}", plan.url, plan.tracks);
    if let Some(name) = &plan.name {
        write!(text, " named {name}").unwrap();
    }
    for (name, value) in &plan.parameters {
        write!(text, " {name}={value}").unwrap();
    }
    text.push_str(if plan.bidirectional { " both ways" } else { "" });
    text
}
