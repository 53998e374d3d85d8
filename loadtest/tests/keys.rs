//! `<Gather>`: keys as events and as tones, and speech.

use loadtest::hear::Sound;
use loadtest::{App, Edge, Handset, Setup, Sipp, Verb, Webhook, serving};
use punctual::punctually;

const DEMO: &str = "sip:bob@demo.test";

fn gather(attributes: &[(&str, &str)]) -> Verb {
    let gather = Verb::new("gather").set("action", "/keys");
    attributes
        .iter()
        .fold(gather, |gather, (name, value)| gather.set(name, value))
}

/// An application whose first document gathers like that, and ends with a tone of 1500 Hz when nothing was pressed.
fn asking(gather: Verb) -> App {
    App::new()
        .wav("prompt.wav", &Sound::tone(8000, 500, 20.0))
        .wav("none.wav", &Sound::tone(8000, 1500, 0.6))
        .wav("thanks.wav", &Sound::tone(8000, 900, 0.6))
        .page("/answer", [gather, Verb::of("play", "/files/none.wav")])
        .page("/keys", [Verb::of("play", "/files/thanks.wav")])
}

fn called(app: App) -> (Webhook, Edge, Handset) {
    let (hook, edge) = serving(app);
    let phone = Setup::new("alice").through(edge.public()).start();
    phone.calls(DEMO);
    (hook, edge, phone)
}

#[test]
fn the_wanted_number_of_keys_ends_it() {
    punctually(|| {
        let (hook, _edge, phone) = called(asking(gather(&[("num_digits", "3")])));
        phone.keys("1*2");
        let hit = hook.wait_for("/keys");
        assert_eq!(hit.param("Digits"), "1*2");
        assert_eq!(hit.param("CallStatus"), "in-progress");
        let heard = phone.is_over();
        assert!(
            heard.seconds_of(900) > 0.4 && heard.seconds_of(1500) < 0.1,
            "{heard:?}"
        );
        hook.all_signed();
    });
}

#[test]
fn a_key_stops_the_prompt() {
    punctually(|| {
        let prompt = Verb::of("play", "/files/prompt.wav");
        let (hook, _edge, phone) = called(asking(gather(&[("num_digits", "2")]).with(prompt)));
        phone.hears_tone(500, 0.6);
        let before = phone.heard().seconds_of(500);
        phone.keys("4");
        // It has twenty seconds.
        let all = phone.settles("the prompt", |heard| heard.seconds_of(500));
        assert!(all < before + 6.0, "the prompt goes on: {before} {all}");
        phone.keys("5");
        assert_eq!(hook.wait_for("/keys").param("Digits"), "45");
    });
}

#[test]
fn the_finish_key_ends_it_and_is_left_out() {
    punctually(|| {
        let (hook, _edge, phone) = called(asking(gather(&[("finish_on_key", "*")])));
        phone.keys("4#2*");
        assert_eq!(hook.wait_for("/keys").param("Digits"), "4#2");
        phone.is_over();
    });
}

#[test]
fn a_while_without_keys_ends_it() {
    punctually(|| {
        let (hook, _edge, phone) = called(asking(gather(&[("timeout", "2")])));
        phone.keys("7");
        assert_eq!(hook.wait_for("/keys").param("Digits"), "7");
        phone.is_over();
    });
}

#[test]
fn nobody_presses_anything() {
    punctually(|| {
        let (hook, _edge, phone) = called(asking(gather(&[("timeout", "1")])));
        let heard = phone.is_over();
        assert!(heard.seconds_of(1500) > 0.4, "{heard:?}");
        assert!(hook.hits().iter().all(|hit| hit.path() != "/keys"));
    });
}

#[test]
fn nobody_presses_anything_and_it_is_told() {
    punctually(|| {
        let told = [("timeout", "1"), ("action_on_empty_result", "true")];
        let (hook, _edge, phone) = called(asking(gather(&told)));
        assert_eq!(hook.wait_for("/keys").param("Digits"), "");
        let heard = phone.is_over();
        assert!(heard.seconds_of(1500) < 0.1, "{heard:?}");
    });
}

#[test]
fn keys_are_heard_as_tones_where_there_are_no_events() {
    punctually(|| {
        let keys = "5081#".chars().map(|key| Sound::key(8000, key));
        let sound = keys.fold(Sound::silence(8000, 1.0), |sound, key| sound.then(&key));
        let (hook, edge) = serving(asking(gather(&[])));
        let folder = loadtest::Scratch::new("tones");
        let file = folder.write("tones.ulaw", sound.padded(6.0).ulaw());
        Sipp::caller("caller_speaks", edge.public())
            .to(DEMO)
            .set("FILE", &file.display().to_string())
            .run();
        assert_eq!(hook.wait_for("/keys").param("Digits"), "5081");
    });
}

#[test]
fn what_the_caller_says_is_understood() {
    punctually(|| {
        let said = "your order has been sent";
        let hints =
            format!("{said},please call my sister,the weather is fine today,open the window");
        let attributes = [
            ("input", "speech"),
            ("speech_timeout", "2"),
            ("timeout", "8"),
            ("hints", &hints),
        ];
        let (hook, edge) = serving(asking(gather(&attributes)));
        let sentence = Sound::silence(8000, 1.0).then(&Sound::spoken(said));
        let phone = Setup::new("alice")
            .saying(&sentence)
            .through(edge.public())
            .start();
        phone.calls(DEMO);
        let hit = hook.wait_until("the speech", |hit| hit.path() == "/keys");
        let result = hit.param("SpeechResult").to_lowercase();
        assert_eq!(
            result.trim_matches(|c: char| !c.is_alphanumeric()),
            said,
            "{hit:?}"
        );
        let confidence: f64 = hit.param("Confidence").parse().expect("a number");
        assert!((0.0..=1.0).contains(&confidence), "{confidence}");
        phone.is_over();
        hook.all_signed();
    });
}

#[test]
fn what_is_understood_so_far_is_told_while_the_caller_speaks() {
    punctually(|| {
        let (first, second) = ("your order has been sent", "the weather is fine today");
        let hints = format!("{first},{second},please call my sister,open the window");
        let attributes = [
            ("input", "speech"),
            ("speech_timeout", "3"),
            ("timeout", "8"),
            ("hints", &hints),
            ("partial_result_callback", "/partial"),
        ];
        // A break that parts two utterances and is no end yet.
        let says = [first, second].map(|sentence| Sound::spoken(sentence).then(&pause(1.5)));
        let says = pause(1.0).then(&says[0]).then(&says[1]);
        let (hook, edge) = serving(asking(gather(&attributes)));
        let phone = Setup::new("alice")
            .saying(&says)
            .through(edge.public())
            .start();
        phone.calls(DEMO);
        let partial = hook.wait_until("a part", |hit| hit.path() == "/partial");
        assert_eq!(partial.method(), "POST");
        assert_eq!(partial.param("UnstableSpeechResult"), first, "{partial:?}");
        assert_eq!(partial.param("SequenceNumber"), "0");
        let stability: f64 = partial.param("Stability").parse().expect("a number");
        assert!((0.0..=1.0).contains(&stability), "{stability}");
        let hit = hook.wait_until("the speech", |hit| hit.path() == "/keys");
        assert_eq!(hit.param("SpeechResult"), format!("{first} {second}"));
        assert!(partial.at() < hit.at() - 1.0, "it came with the result");
        assert_eq!(partial.param("CallSid"), hit.param("CallSid"));
        assert_eq!(partial.param("CallStatus"), "in-progress");
        // Each is told once, in order.
        let hits = hook.hits();
        let parts = hits.iter().filter(|hit| hit.path() == "/partial");
        let numbers: Vec<_> = parts.map(|hit| hit.param("SequenceNumber")).collect();
        assert!(
            numbers == ["0"] || numbers == ["0", "1"],
            "numbers: {numbers:?}"
        );
        phone.is_over();
        hook.all_signed();
    });
}

fn pause(seconds: f64) -> Sound {
    Sound::silence(8000, seconds)
}

#[test]
fn a_key_is_as_good_as_a_word() {
    punctually(|| {
        let attributes = [
            ("input", "dtmf speech"),
            ("num_digits", "1"),
            ("timeout", "8"),
        ];
        let (hook, _edge, phone) = called(asking(gather(&attributes)));
        phone.keys("3");
        assert_eq!(hook.wait_for("/keys").param("Digits"), "3");
        phone.is_over();
    });
}
