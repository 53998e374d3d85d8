//! Keys for those who know no telephone events: they hear them as tones.

use std::time::Duration;

use loadtest::hear::Sound;
use loadtest::{App, Draft, Ear, Edge, Message, Peer, Setup, Verb, Webhook, serving_with};
use punctual::punctually;

const DEMO: &str = "sip:bob@demo.test";

/// What comes up to the last of these keys.
fn pressed(ear: &Ear, keys: &str) -> Sound {
    let heard = ear.hears(keys, |sound| sound.digits().len() >= keys.len());
    assert_eq!(heard.digits(), keys, "{heard:?}");
    // As tones and not as events beside them: nobody is to count them twice.
    assert!(ear.others().is_empty(), "{:?}", ear.others());
    heard
}

/// A callee that answers with nothing but µ-law.
fn picks_up(carol: &Peer, ear: &Ear) -> Message {
    let (invite, proxy) = carol
        .receive_from(Duration::from_secs(20))
        .expect("the INVITE");
    carol.answer(&invite, proxy, 200, &[], &ear.plain());
    carol.request("ACK")
}

/// A telephone that has called a document which dials `noun`, and numbers leave to `carol`.
fn calling(noun: Verb, carol: &Peer) -> (Webhook, Edge, loadtest::Handset) {
    let target = format!("sip:{}", carol.address());
    let app = App::new().page("/answer", [Verb::new("dial").with(noun)]);
    let (hook, edge) = serving_with(app, |config, _| {
        config
            .trunk("carrier-a", "127.0.0.250/32", &[&target])
            .executor_keys("dial_trunk = \"carrier-a\"")
    });
    let alice = Setup::new("alice")
        .humming(500)
        .through(edge.public())
        .start();
    alice.dial(DEMO);
    (hook, edge, alice)
}

#[test]
fn a_caller_hears_the_keys_of_play() {
    punctually(|| {
        let app = App::new().wav("a.wav", &Sound::tone(8000, 700, 20.0)).page(
            "/answer",
            [
                Verb::new("play").set("digits", "1W59*w#D"),
                Verb::of("play", "/files/a.wav"),
            ],
        );
        let (_hook, edge) = loadtest::serving(app);
        let (alice, ear) = (Peer::bind(), Ear::new());
        let invite = Draft::new("INVITE", DEMO, &alice).body(&ear.plain());
        alice.send(edge.public(), invite.text());
        let answer = alice.response(200);
        assert!(!answer.body.contains("telephone-event"), "{}", answer.body);
        alice.send(edge.public(), invite.within("ACK", 1, &answer).text());
        let heard = pressed(&ear, "159*#D");
        // Tones of 40 ms and more with gaps between them (ITU-T Q.24), and a second for the `W`.
        let keys = heard.stretches(Duration::from_millis(20));
        let long = |(from, to): &(f64, f64)| to - from > 0.06;
        assert!(
            keys.len() >= 6 && keys.iter().take(5).all(long),
            "{heard:?}"
        );
        assert!(keys[1].0 - keys[0].1 > 0.9, "{heard:?}");
        // What follows is heard when the last key is over.
        let all = ear.hears("the file", |sound| sound.seconds_of(700) > 0.5);
        let begin = heard.seconds() - 0.3;
        assert!(all.part(0.0, begin).seconds_of(700) < 0.1, "{all:?}");
        alice.send(edge.public(), invite.within("BYE", 2, &answer).text());
        alice.response(200);
    });
}

#[test]
fn a_number_hears_its_keys_before_the_caller() {
    punctually(|| {
        let (carol, ear) = (Peer::bind(), Ear::new());
        let number = Verb::of("number", "+14158675309").set("send_digits", "ww80#");
        let (_hook, _edge, _alice) = calling(number, &carol);
        picks_up(&carol, &ear);
        let heard = pressed(&ear, "80#");
        assert!(heard.seconds_of(500) < 0.1, "{heard:?}");
        ear.hears("the caller", |sound| sound.seconds_of(500) > 1.0);
    });
}

#[test]
fn a_callee_hears_the_keys_that_the_caller_presses_as_events() {
    punctually(|| {
        let (carol, ear) = (Peer::bind(), Ear::new());
        let (_hook, _edge, alice) = calling(Verb::of("number", "+14158675309"), &carol);
        picks_up(&carol, &ear);
        ear.hears("the caller", |sound| sound.seconds_of(500) > 0.5);
        alice.keys("2*7");
        pressed(&ear, "2*7");
    });
}
