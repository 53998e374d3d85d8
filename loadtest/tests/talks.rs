//! `<Dial>` with sound: who hears whom, from the first ring to the recording.

use std::time::{Duration, Instant};

use loadtest::hear::{Sound, channels};
use loadtest::{
    App, Config, Edge, Handset, Picks, Setup, Sipp, Verb, Webhook, fetch, serving_with,
};
use punctual::punctually;

const DEMO: &str = "sip:bob@demo.test";

/// The tones of the caller and of the two callees.
const ALICE: u32 = 500;
const CAROL: u32 = 900;
const DAVE: u32 = 1300;

fn dial(attributes: &[(&str, &str)]) -> Verb {
    let dial = Verb::new("dial").set("action", "/after");
    attributes
        .iter()
        .fold(dial, |dial, (name, value)| dial.set(name, value))
}

fn carol(picks: Picks) -> Handset {
    Setup::new("carol").humming(CAROL).picking(picks).start()
}

fn sip(callee: &Handset) -> Verb {
    Verb::of("sip", &callee.uri())
}

/// A caller who has called this document; the action's document is a tone of 1500 Hz.
fn calling(dial: Verb) -> (Webhook, Edge, Handset) {
    calling_app(App::new(), dial, |config| config)
}

fn calling_app(
    app: App,
    dial: Verb,
    change: impl FnOnce(Config) -> Config,
) -> (Webhook, Edge, Handset) {
    let app = app
        .wav("after.wav", &Sound::tone(8000, 1500, 0.6))
        .page("/answer", [dial])
        .page("/after", [Verb::of("play", "/files/after.wav")]);
    let (hook, edge) = serving_with(app, |config, _| change(config));
    let alice = Setup::new("alice")
        .humming(ALICE)
        .through(edge.public())
        .start();
    alice.dial(DEMO);
    (hook, edge, alice)
}

#[test]
fn both_hear_each_other() {
    punctually(|| {
        let carol = carol(Picks::AtOnce);
        let (hook, _edge, alice) = calling(dial(&[]).with(sip(&carol)));
        alice.hears_tone(CAROL, 1.0);
        let heard = carol.hears_tone(ALICE, 1.0);
        assert!(
            heard.seconds_of(CAROL) < 0.1,
            "she hears herself: {heard:?}"
        );
        carol.hang_up();
        let hit = hook.wait_for("/after");
        assert_eq!(hit.param("DialCallStatus"), "completed");
        assert_eq!(hit.param("DialBridged"), "true");
        assert!(
            hit.param("DialCallDuration")
                .parse::<u32>()
                .is_ok_and(|seconds| seconds <= 30)
        );
        let heard = alice.is_over();
        assert!(heard.seconds_of(1500) > 0.4, "{heard:?}");
        hook.all_signed();
    });
}

#[test]
fn one_side_has_secrets_and_the_other_has_none() {
    punctually(|| {
        // Whose call comes by SRTP: the caller's, then the callee's.
        for (of_alice, of_carol) in [(true, false), (false, true), (true, true)] {
            let setup = |name: &str, hz: u32, is_secret: bool| {
                let setup = Setup::new(name).humming(hz);
                if is_secret { setup.secret() } else { setup }
            };
            let carol = setup("carol", CAROL, of_carol).start();
            let app = App::new().page("/answer", [dial(&[]).with(sip(&carol))]);
            let (_hook, edge) = serving_with(app, |config, _| {
                config.executor_keys(&format!("secure_media = {of_carol}"))
            });
            let alice = setup("alice", ALICE, of_alice)
                .through(edge.public())
                .start();
            alice.calls(DEMO);
            alice.hears_tone(CAROL, 1.0);
            carol.hears_tone(ALICE, 1.0);
            for (phone, is_secret) in [(&alice, of_alice), (&carol, of_carol)] {
                let output = phone.output();
                assert_eq!(output.contains("SRTP is Enabled"), is_secret, "{output}");
            }
            alice.hang_up();
            carol.is_over();
        }
    });
}

#[test]
fn clients_are_called_where_they_registered() {
    punctually(|| {
        let dial = dial(&[]).with(Verb::of("client", "carol"));
        let app = App::new().page("/answer", [dial]).page("/after", []);
        let (hook, edge) = serving_with(app, |config, _| {
            let user = |name: &str| {
                format!("[[domain.user]]\nusername = {name:?}\npassword = \"of-{name}\"\n")
            };
            config.section(&(user("alice") + &user("carol")))
        });
        let client = |name: &str, hz: u32| {
            let setup = Setup::new(name).humming(hz).through(edge.public());
            setup.registered(&format!("of-{name}")).start()
        };
        let (alice, carol) = (client("alice", ALICE), client("carol", CAROL));
        let until = Instant::now() + Duration::from_secs(30);
        while edge.metric("hookswitch_registrations ") != Some(2.0) {
            assert!(Instant::now() < until, "not registered: {}", edge.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        alice.calls(DEMO);
        alice.hears_tone(CAROL, 1.0);
        carol.hears_tone(ALICE, 1.0);
        assert_eq!(hook.wait_for("/answer").param("SipUsername"), "alice");
        carol.hang_up();
        alice.wait("CALL_CLOSED");
        hook.all_signed();
    });
}

#[test]
fn the_caller_hears_it_ring_as_in_france() {
    punctually(|| {
        let carol = carol(Picks::WhenTold);
        let (_hook, _edge, alice) = calling(dial(&[("ring_tone", "fr")]).with(sip(&carol)));
        carol.wait("CALL_INCOMING");
        alice.is_through();
        alice.hears_tone(440, 1.0);
        assert!(alice.heard().seconds_of(CAROL) < 0.1);
        carol.accept();
        alice.hears_tone(CAROL, 1.0);
        let ringing = alice.heard().seconds_of(440);
        std::thread::sleep(Duration::from_secs(2));
        assert!(alice.heard().seconds_of(440) - ringing < 0.2, "it rings on");
        carol.hears_tone(ALICE, 0.5);
    });
}

#[test]
fn early_media_come_through_before_the_answer() {
    punctually(|| {
        let folder = loadtest::Scratch::new("early");
        let file = folder.write("early.ulaw", Sound::tone(8000, CAROL, 30.0).ulaw());
        let carol = Sipp::callee("callee_is_early")
            .set("FILE", &file.display().to_string())
            .argument("-d", "8000")
            .start();
        let noun = Verb::of("sip", &format!("sip:carol@{}", carol.address()));
        let (_hook, _edge, alice) = calling(dial(&[("answer_on_bridge", "true")]).with(noun));
        alice.hears_tone(CAROL, 1.0);
        assert!(
            alice.events("CALL_ESTABLISHED").is_empty(),
            "answered too early"
        );
        alice.is_through();
        alice.hang_up();
        carol.finish();
    });
}

#[test]
fn a_star_lets_the_callee_go() {
    punctually(|| {
        let carol = carol(Picks::AtOnce);
        let (hook, _edge, alice) = calling(dial(&[("hangup_on_star", "true")]).with(sip(&carol)));
        alice.hears_tone(CAROL, 0.5);
        alice.keys("1");
        assert!(
            carol
                .has("CALL_CLOSED", Duration::from_millis(500))
                .is_none(),
            "1 is no star"
        );
        alice.keys("*");
        carol.is_over();
        assert_eq!(hook.wait_for("/after").param("DialCallStatus"), "completed");
        alice.hears_tone(1500, 0.4);
    });
}

#[test]
fn keys_reach_the_callee() {
    punctually(|| {
        let carol = carol(Picks::AtOnce);
        let (_hook, _edge, alice) = calling(dial(&[]).with(sip(&carol)));
        alice.hears_tone(CAROL, 0.5);
        alice.keys("59#");
        assert_eq!(carol.pressed(3), "59#");
    });
}

#[test]
fn a_talk_is_no_longer_than_it_may_be() {
    punctually(|| {
        let carol = carol(Picks::AtOnce);
        let (hook, _edge, alice) = calling(dial(&[("time_limit", "3")]).with(sip(&carol)));
        let heard = carol.is_over();
        assert!((1.5..6.0).contains(&heard.seconds_of(ALICE)), "{heard:?}");
        assert_eq!(hook.wait_for("/after").param("DialCallStatus"), "completed");
        alice.is_over();
    });
}

#[test]
fn both_sides_are_recorded_in_channels_of_their_own() {
    punctually(|| {
        let carol = carol(Picks::AtOnce);
        let attributes = [
            ("record", "record-from-answer-dual"),
            ("recording_status_callback", "/tape"),
        ];
        let (hook, _edge, alice) = calling(dial(&attributes).with(sip(&carol)));
        alice.hears_tone(CAROL, 2.0);
        carol.hang_up();
        let hit = hook.wait_until("the recording", |hit| hit.path() == "/tape");
        assert_eq!(hit.param("RecordingChannels"), "2");
        assert_eq!(hit.param("RecordingSource"), "DialVerb");
        let file = fetch(hit.param("RecordingUrl")).expect("an answer");
        let sides = channels(&file.bytes).expect("a WAV file");
        assert_eq!(sides.len(), 2);
        // The parent is always the first.
        for (side, own, other) in [(0, ALICE, CAROL), (1, CAROL, ALICE)] {
            assert!(
                sides[side].seconds_of(own) > 1.0,
                "{side} {:?}",
                sides[side]
            );
            assert!(
                sides[side].seconds_of(other) < 0.1,
                "{side} {:?}",
                sides[side]
            );
        }
        assert_eq!(
            hook.wait_for("/after").param("RecordingUrl"),
            hit.param("RecordingUrl")
        );
    });
}

#[test]
fn both_sides_are_recorded_in_one_channel() {
    punctually(|| {
        let carol = carol(Picks::AtOnce);
        let attributes = [("record", "true"), ("recording_status_callback", "/tape")];
        let (hook, _edge, alice) = calling(dial(&attributes).with(sip(&carol)));
        alice.hears_tone(CAROL, 2.0);
        alice.hang_up();
        let hit = hook.wait_until("the recording", |hit| hit.path() == "/tape");
        let file = fetch(hit.param("RecordingUrl")).expect("an answer");
        let sides = channels(&file.bytes).expect("a WAV file");
        assert_eq!(sides.len(), 1);
        let sound = &sides[0];
        assert!(
            sound.seconds_among(ALICE) > 1.0 && sound.seconds_among(CAROL) > 1.0,
            "{sound:?}"
        );
    });
}

#[test]
fn one_is_called_after_the_other() {
    punctually(|| {
        let carol = carol(Picks::WhenTold);
        let dave = Setup::new("dave").humming(DAVE).start();
        let dial = dial(&[("sequential", "true"), ("timeout", "5")]);
        let (_hook, _edge, alice) = calling(dial.with(sip(&carol)).with(sip(&dave)));
        carol.wait("CALL_INCOMING");
        assert!(
            dave.has("CALL_INCOMING", Duration::from_secs(1)).is_none(),
            "both at once"
        );
        carol.hang_up();
        alice.hears_tone(DAVE, 0.5);
        dave.hears_tone(ALICE, 0.5);
    });
}

#[test]
fn a_callee_is_asked_before_the_two_hear_each_other() {
    punctually(|| {
        let carol = carol(Picks::AtOnce);
        let gather = Verb::new("gather")
            .set("num_digits", "1")
            .set("action", "/chosen");
        let app = App::new()
            .wav("ask.wav", &Sound::tone(8000, 1700, 20.0))
            .page(
                "/screen",
                [
                    gather.with(Verb::of("play", "/files/ask.wav")),
                    Verb::new("hangup"),
                ],
            )
            .page("/chosen", []);
        let dial = dial(&[]).with(sip(&carol).set("url", "/screen"));
        let (hook, _edge, alice) = calling_app(app, dial, |config| config);
        let asked = carol.hears_tone(1700, 1.0);
        assert!(asked.seconds_of(ALICE) < 0.1, "{asked:?}");
        assert!(alice.heard().seconds_of(CAROL) < 0.1);
        carol.keys("1");
        let hit = hook.wait_for("/chosen");
        assert_eq!(hit.param("Digits"), "1");
        assert_eq!(hit.param("Direction"), "outbound-dial");
        alice.hears_tone(CAROL, 1.0);
        carol.hears_tone(ALICE, 1.0);
    });
}

#[test]
fn a_callee_that_hangs_up_when_asked_is_not_bridged() {
    punctually(|| {
        let carol = carol(Picks::AtOnce);
        let app = App::new().page("/screen", [Verb::new("hangup")]);
        let dial = dial(&[]).with(sip(&carol).set("url", "/screen"));
        let (hook, _edge, alice) = calling_app(app, dial, |config| config);
        carol.is_over();
        let hit = hook.wait_for("/after");
        assert_eq!(hit.param("DialBridged"), "false");
        assert!(alice.is_over().seconds_of(CAROL) < 0.1);
    });
}

#[test]
fn a_number_is_called_by_the_trunk_and_gets_its_keys() {
    punctually(|| {
        let carol = Setup::new("+14158675309").humming(CAROL).start();
        let number = Verb::of("number", "+14158675309").set("send_digits", "w12");
        let target = format!("sip:{}", carol.address());
        let (_hook, _edge, alice) = calling_app(App::new(), dial(&[]).with(number), |config| {
            config
                .trunk("carrier-a", "127.0.0.250/32", &[&target])
                .executor_keys("dial_trunk = \"carrier-a\"")
        });
        alice.hears_tone(CAROL, 1.0);
        carol.hears_tone(ALICE, 1.0);
        assert_eq!(carol.pressed(2), "12");
    });
}

#[test]
fn every_event_of_a_callee_is_told() {
    punctually(|| {
        let carol = carol(Picks::WhenTold);
        let noun = sip(&carol).set("status_callback", "/events").set(
            "status_callback_event",
            "initiated ringing answered completed",
        );
        let (hook, _edge, alice) = calling(dial(&[]).with(noun));
        carol.wait("CALL_INCOMING");
        carol.accept();
        alice.hears_tone(CAROL, 0.5);
        carol.hang_up();
        hook.wait_for("/after");
        let told = |status: &str| {
            hook.wait_until(status, |hit| {
                hit.path() == "/events" && hit.get("CallStatus") == Some(status)
            })
        };
        let numbers: Vec<_> = ["initiated", "ringing", "in-progress", "completed"]
            .iter()
            .map(|status| told(status).param("SequenceNumber").to_owned())
            .collect();
        assert_eq!(numbers, ["0", "1", "2", "3"]);
        hook.all_signed();
    });
}

#[test]
fn one_side_may_hold_the_other_and_come_back() {
    punctually(|| {
        let carol = carol(Picks::AtOnce);
        let (_hook, _edge, alice) = calling(dial(&[]).with(sip(&carol)));
        carol.hears_tone(ALICE, 0.5);
        alice.hold();
        let alone = carol.settles("the one who holds", |heard| heard.seconds_of(ALICE));
        alice.resume();
        carol.hears_tone(ALICE, alone + 1.0);
    });
}

#[test]
fn a_caller_that_asks_for_it_is_replaced_by_another() {
    punctually(|| {
        // Inbound REFER: the reply of `referUrl` is run on the other leg.
        for answer_on_bridge in ["false", "true"] {
            let (carol, dave) = (
                carol(Picks::AtOnce),
                Setup::new("dave").humming(DAVE).start(),
            );
            let attributes = [
                ("refer_url", "/refer"),
                ("answer_on_bridge", answer_on_bridge),
            ];
            let onward = Verb::new("dial")
                .set("answer_on_bridge", "true")
                .with(sip(&dave));
            let app = App::new().page("/refer", [onward]);
            let dial = dial(&attributes).with(sip(&carol));
            let (hook, _edge, alice) = calling_app(app, dial, |config| config);
            carol.hears_tone(ALICE, 0.5);
            alice.transfer("sip:dave@elsewhere.test?X-Why=lunch");
            let hit = hook.wait_for("/refer");
            let target = hit.param("ReferTransferTarget");
            assert!(
                target.contains("dave@elsewhere.test") && target.contains("X-Why=lunch"),
                "{target}"
            );
            carol.hears_tone(DAVE, 1.0);
            dave.hears_tone(CAROL, 1.0);
            alice.is_over();
        }
    });
}
