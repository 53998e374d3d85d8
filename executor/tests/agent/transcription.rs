//! `<Record transcribe>`, with a recognition service over HTTP.

use std::time::{Duration, Instant};

use executor::CallEvent;
use executor::sound::HearingConfig;
use executor::sound::hear::HttpHearingConfig;

use crate::rtp::{Sound, address_of};
use crate::sound::answered;
use crate::speech::recogniser;
use crate::web::Asked;
use crate::world::World;

/// A world with this service, and a recording after which the call is over.
fn world(service: &str, attributes: &str) -> World {
    draining(service, attributes, Duration::from_secs(32))
}

/// The same, with so much time for what goes on at a shutdown.
fn draining(service: &str, attributes: &str, drain: Duration) -> World {
    let world = World::with(|settings, _| {
        let url = service.parse().unwrap();
        settings.sound.hearing = HearingConfig::Http(HttpHearingConfig::new(url));
        settings.drain = drain;
    });
    let record = format!("<Record playBeep=\"false\" action=\"/done\" {attributes}/>");
    world.web.says("/voice", &record);
    world.web.says("/done", "<Hangup/>");
    world.web.says("/text", "");
    world
}

/// Lets a caller speak, who hangs up then.
fn spoken(world: &World, length: Duration) {
    let sound = Sound::new();
    let (line, answer) = answered(world, &sound, "0 101");
    sound.say(address_of(&answer), 0, &[600.0, 750.0], length);
    line.hang_up();
}

/// What has happened of this in the call, once it has.
#[track_caller]
fn noted<T>(world: &World, what: impl Fn(&CallEvent) -> Option<T>) -> T {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let records = world.log.records();
        if let Some(found) = records.iter().find_map(|record| what(&record.event)) {
            return found;
        }
        assert!(Instant::now() < until, "{records:#?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[track_caller]
fn warning(world: &World, number: u32) -> String {
    noted(world, |event| match event {
        CallEvent::Notice(warning) if warning.code.number() == number => {
            Some(warning.message.clone())
        }
        _ => None,
    })
}

const LONG: Duration = Duration::from_millis(3_500);

#[test]
fn the_text_is_told_after_the_call() {
    let world = world(&recogniser(), "transcribeCallback=\"/text?for=me\"");
    spoken(&world, LONG);
    let done = world.web.expect("/done");
    let told = world.web.expect("/text");
    assert_eq!(told.method, "POST");
    assert!(told.signature.is_some());
    let value = |name: &str| told.param(name).to_owned();
    assert_eq!(value("TranscriptionStatus"), "completed");
    assert_eq!(value("TranscriptionText"), "two tones");
    assert!(value("TranscriptionSid").starts_with("TR") && value("TranscriptionSid").len() == 34);
    assert_eq!(value("CallStatus"), "completed");
    assert_eq!(value("ApiVersion"), "2010-04-01");
    assert_eq!(value("Direction"), "inbound");
    assert_eq!(value("for"), "me");
    for name in [
        "CallSid",
        "AccountSid",
        "From",
        "To",
        "RecordingSid",
        "RecordingUrl",
    ] {
        let same =
            |asked: &Asked| !asked.param(name).is_empty() && asked.param(name) == value(name);
        assert!(same(&done), "{name}: {done:?} {told:?}");
    }
    let names: Vec<_> = told.params.iter().map(|(name, _)| name.as_str()).collect();
    assert!(
        !names.contains(&"TranscriptionUrl") && !names.contains(&"Timestamp"),
        "{names:?}"
    );
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn a_text_that_nobody_asks_for_is_in_the_record_of_the_call() {
    let world = world(&recogniser(), "transcribe=\"true\"");
    spoken(&world, LONG);
    let text = noted(&world, |event| match event {
        CallEvent::Trace(trace) if trace.topic == "transcription" => Some(trace.text.clone()),
        _ => None,
    });
    assert!(
        text.starts_with("TR") && text.ends_with(": two tones"),
        "{text}"
    );
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn what_is_too_short_has_failed() {
    let world = world(&recogniser(), "transcribeCallback=\"/text\"");
    spoken(&world, Duration::from_millis(600));
    let told = world.web.expect("/text");
    assert_eq!(told.param("TranscriptionStatus"), "failed");
    assert_eq!(told.param("TranscriptionText"), "");
    assert!(told.param("RecordingSid").starts_with("RE"), "{told:?}");
    assert!(warning(&world, 13617).contains("is not transcribed"));
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn a_service_that_is_not_there_has_failed() {
    // A port that nobody listens on any more.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let world = world(&url, "transcribeCallback=\"/text\"");
    spoken(&world, LONG);
    let told = world.web.expect("/text");
    assert_eq!(told.param("TranscriptionStatus"), "failed");
    assert!(warning(&world, 90112).contains("is not transcribed"));
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn a_callback_that_is_refused_is_a_warning() {
    let world = world(&recogniser(), "transcribeCallback=\"/text\"");
    world
        .web
        .answers("/text", 500, "no", Duration::from_millis(0));
    spoken(&world, LONG);
    world.web.expect("/text");
    warning(&world, 15003);
    world.expect_rest(Duration::from_secs(30));
}

/// Whoever waits for a text is told that there is none, rather than nothing.
#[test]
fn a_shutdown_waits_for_a_text_and_not_for_ever() {
    // It listens, and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let drain = Duration::from_secs(1);
    let world = draining(&url, "transcribeCallback=\"/text\"", drain);
    spoken(&world, LONG);
    world.web.expect("/done");
    world.expect_no_call();
    world.shut_down();
    world.join();
    let asked = world.web.asked();
    let told = asked.iter().find(|asked| asked.path == "/text");
    let told = told.unwrap_or_else(|| panic!("nothing was told: {asked:#?}"));
    assert_eq!(told.param("TranscriptionStatus"), "failed");
    assert!(warning(&world, 90112).contains("the executor ends"));
}

/// The last word is said before the executor is gone.
#[test]
fn a_shutdown_waits_for_what_is_nearly_done() {
    let world = world(&recogniser(), "transcribeCallback=\"/text\"");
    world
        .web
        .answers("/text", 204, "", Duration::from_millis(500));
    spoken(&world, LONG);
    world.web.expect("/done");
    world.shut_down();
    world.join();
    let asked = world.web.asked();
    let told = asked.iter().find(|asked| asked.path == "/text");
    let told = told.unwrap_or_else(|| panic!("nothing was told: {asked:#?}"));
    assert_eq!(told.param("TranscriptionStatus"), "completed");
    assert!(!told.abandoned, "{told:?}");
}
