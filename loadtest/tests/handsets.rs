//! The suite's own telephones, against each other: a failure here is a failure of the harness.

use std::time::Duration;

use loadtest::hear::Sound;
use loadtest::{Coding, Picks, Setup};
use punctual::punctually;

#[test]
fn two_handsets_hear_each_other() {
    punctually(|| {
        for (coding, rate) in Coding::ALL {
            let bob = Setup::new("bob").coding(coding).humming(700).start();
            let sweep = Sound::sweep(rate, 300.0, 3000.0, 1.0).padded(1.5).times(3);
            let alice = Setup::new("alice").coding(coding).saying(&sweep).start();
            alice.calls(&bob.uri());
            alice.hears_tone(700, 1.0);
            let one = sweep.part(0.0, 1.0);
            let heard = bob.hears("the sweep", |heard| heard.find(&one).degree > 0.9);
            alice.hang_up();
            bob.is_over();
            assert!(heard.seconds_of(700) < 0.2, "{coding:?} {heard:?}");
        }
    });
}

#[test]
fn a_handset_does_what_it_is_told() {
    punctually(|| {
        let bob = Setup::new("bob").picking(Picks::WhenTold).start();
        let alice = Setup::new("alice").start();
        alice.dial(&bob.uri());
        bob.wait("CALL_INCOMING");
        alice.wait("CALL_RINGING");
        assert!(
            alice
                .has("CALL_ESTABLISHED", Duration::from_millis(300))
                .is_none()
        );
        bob.accept();
        alice.is_through();
        bob.is_through();
        alice.say(&Sound::tone(8000, 1000, 2.0));
        bob.hears_tone(1000, 0.5);
        alice.keys("12#");
        assert_eq!(bob.pressed(3), "12#");
        bob.hang_up();
        alice.is_over();
    });
}

#[test]
fn two_handsets_share_secrets() {
    punctually(|| {
        let bob = Setup::new("bob").secret().humming(700).start();
        let alice = Setup::new("alice").secret().start();
        alice.calls(&bob.uri());
        alice.hears_tone(700, 1.0);
        assert!(bob.output().contains("SRTP is Enabled"), "{}", bob.output());
    });
}
