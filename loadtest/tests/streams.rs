//! `<Connect>`, `<Start>` and `<Stop>` of a `<Stream>`, against a WebSocket server in Python.

use std::time::Duration;

use loadtest::hear::Sound;
use loadtest::{App, Carried, Edge, Handset, Verb, Webhook};
use punctual::punctually;

/// Tones that no sweep comes near: of a hum, and of what follows.
const HUM: u32 = 200;
const AFTER: u32 = 3200;

fn sweep() -> Sound {
    Sound::sweep(8000, 400.0, 2800.0, 1.5)
}

fn stream(path: &str) -> Verb {
    Verb::new("stream").set("url", &format!("{{ws}}{path}"))
}

fn calling(app: App) -> (Webhook, Edge, Handset) {
    loadtest::calling(app, &sweep(), |config, _| config)
}

fn connect(stream: Verb) -> App {
    App::new()
        .wav("next.wav", &Sound::tone(8000, AFTER, 0.6))
        .page(
            "/answer",
            [
                Verb::new("connect").with(stream),
                Verb::of("play", "/files/next.wav"),
            ],
        )
}

/// Names of messages, in order.
fn kinds(carried: &Carried) -> Vec<&str> {
    let all = carried.messages.iter();
    all.filter_map(|message| message["event"].as_str())
        .collect()
}

#[test]
fn what_the_caller_says_comes_back_from_an_echo() {
    punctually(|| {
        let parameter =
            |name: &str, value: &str| Verb::new("parameter").set("name", name).set("value", value);
        let app = connect(
            stream("/echo")
                .with(parameter("first", "1"))
                .with(parameter("second", "a&b")),
        );
        let (hook, _edge, phone) = calling(app);
        let heard = phone.hears("the echo", |heard| heard.find(&sweep()).degree > 0.9);
        assert!(heard.seconds_of(AFTER) < 0.1, "{heard:?}");
        phone.keys("5");
        assert_eq!(hook.carried("/echo", "dtmf").of("dtmf").len(), 1);
        phone.hang_up();
        let carried = hook.carried("/echo", "gone");
        assert!(carried.is_valid, "the handshake is not signed");
        assert_eq!(
            kinds(&carried),
            ["handshake", "connected", "start", "dtmf", "stop", "gone"]
        );
        let start = &carried.of("start")[0];
        let sid = start["streamSid"].as_str().unwrap_or("");
        assert!(sid.starts_with("MZ") && sid.len() == 34, "{start}");
        assert_eq!(start["start"]["customParameters"]["first"], "1");
        assert_eq!(start["start"]["customParameters"]["second"], "a&b");
        assert_eq!(start["start"]["mediaFormat"]["encoding"], "audio/x-mulaw");
        assert_eq!(start["start"]["tracks"][0], "inbound");
        assert_eq!(start["start"]["callSid"], *hook.hits()[0].param("CallSid"));
        assert_eq!(carried.of("dtmf")[0]["dtmf"]["digit"], "5");
        let sound = hook.streamed("/echo", "inbound").expect("sound");
        assert!(sound.find(&sweep()).degree > 0.95, "{sound:?}");
    });
}

#[test]
fn what_the_server_says_is_heard_to_its_mark() {
    punctually(|| {
        let app = connect(stream("/talk/talk.ulaw")).file("talk.ulaw", sweep().ulaw());
        let (hook, _edge, phone) = calling(app);
        let carried = hook.carried("/talk/talk.ulaw", "mark");
        // The mark comes when all before it was played, not when it was sent.
        let times = ["start", "mark"].map(|kind| carried.at(kind).expect("a time"));
        assert!(times[1] - times[0] > 1.4, "from start to mark: {times:?}");
        assert_eq!(carried.of("mark")[0]["mark"]["name"], "end");
        phone.hears("the talk", |heard| heard.find(&sweep()).degree > 0.9);
        let said = phone.settles("the talk", Sound::loud_seconds);
        assert!((1.3..1.8).contains(&said), "{said} s");
    });
}

#[test]
fn what_is_cleared_is_not_heard() {
    punctually(|| {
        let long = Sound::tone(8000, 700, 20.0);
        let app = connect(stream("/cut/talk.ulaw")).file("talk.ulaw", long.ulaw());
        let (hook, _edge, phone) = calling(app);
        phone.hears_tone(700, 0.2);
        let carried = hook.carried("/cut/talk.ulaw", "mark");
        assert_eq!(carried.of("mark").len(), 1);
        std::thread::sleep(Duration::from_secs(1));
        let heard = phone.heard();
        assert!(heard.seconds_of(700) < 5.0, "{heard:?}");
    });
}

#[test]
fn a_server_that_leaves_lets_the_call_go_on() {
    punctually(|| {
        let (_hook, _edge, phone) = calling(connect(stream("/leave/25")));
        let heard = phone.is_over();
        assert!(heard.seconds_of(AFTER) > 0.4, "{heard:?}");
    });
}

#[test]
fn a_copy_is_carried_beside_the_call() {
    punctually(|| {
        let copy = stream("/listen")
            .set("name", "copy")
            .set("track", "both_tracks")
            .set("status_callback", "/events");
        let app = App::new()
            .wav("hum.wav", &Sound::tone(8000, HUM, 1.0))
            .page(
                "/answer",
                [
                    Verb::new("start").with(copy),
                    Verb::of("play", "/files/hum.wav"),
                    Verb::new("pause").set("length", "4"),
                    Verb::new("stop").with(Verb::new("stream").set("name", "copy")),
                    Verb::of("play", "/files/hum.wav"),
                ],
            );
        let (hook, _edge, phone) = calling(app);
        let heard = phone.is_over();
        assert!((1.7..2.3).contains(&heard.seconds_of(HUM)), "{heard:?}");
        let carried = hook.carried("/listen", "gone");
        assert_eq!(
            kinds(&carried),
            ["handshake", "connected", "start", "stop", "gone"]
        );
        let inbound = hook.streamed("/listen", "inbound").expect("sound");
        assert!(inbound.find(&sweep()).degree > 0.95, "{inbound:?}");
        assert!(inbound.seconds_of(HUM) < 0.1, "{inbound:?}");
        // What was played after the stop is not in it.
        let outbound = hook.streamed("/listen", "outbound").expect("sound");
        assert!(
            (0.8..1.2).contains(&outbound.seconds_of(HUM)),
            "{outbound:?}"
        );
        for event in ["stream-started", "stream-stopped"] {
            let hit = hook.wait_until(event, |hit| hit.get("StreamEvent") == Some(event));
            assert_eq!(hit.param("StreamName"), "copy");
            assert_eq!(hit.param("StreamSid"), carried.of("start")[0]["streamSid"]);
        }
        hook.all_signed();
    });
}

#[test]
fn a_server_that_is_not_there_is_told_of() {
    punctually(|| {
        let gone = Verb::new("stream")
            .set(
                "url",
                &format!("ws://127.0.0.1:{}/none", loadtest::free_port()),
            )
            .set("status_callback", "/events");
        let (hook, _edge, phone) = calling(connect(gone));
        let hit = hook.wait_until("the error", |hit| {
            hit.get("StreamEvent") == Some("stream-error")
        });
        assert!(!hit.param("StreamError").is_empty());
        phone.is_over();
    });
}
