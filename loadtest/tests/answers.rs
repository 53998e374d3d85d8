//! Who has answered a `<Dial>`: people, machines and faxes, by how they sound.

use loadtest::hear::Sound;
use loadtest::{App, Handset, Hit, Picks, Setup, Verb, serving};
use punctual::punctually;

const ALICE: u32 = 500;
const GREETING: &str =
    "You have reached the office of Miller and sons. Please leave a message after the tone.";

/// What the application is told of a callee that says this; the two are through meanwhile.
fn told(says: &Sound, detection: &str) -> Hit {
    let carol = Setup::new("carol")
        .saying(&Sound::silence(8000, 0.5).then(says))
        .picking(Picks::AtOnce)
        .start();
    let noun = Verb::of("sip", &carol.uri())
        .set("machine_detection", detection)
        .set("machine_detection_silence_timeout", "3000")
        .set("amd_status_callback", "/who");
    let app = App::new()
        .page("/answer", [Verb::new("dial").with(noun)])
        .page("/who", []);
    let (hook, edge) = serving(app);
    let alice: Handset = Setup::new("alice")
        .humming(ALICE)
        .through(edge.public())
        .start();
    alice.dial("sip:bob@demo.test");
    carol.hears_tone(ALICE, 0.5);
    let hit = hook.wait_for("/who");
    let millis = hit.param("MachineDetectionDuration").parse::<u32>();
    assert!(millis.is_ok_and(|millis| millis > 0), "{}", hit.body());
    assert_ne!(hit.param("CallSid"), hit.param("ParentCallSid"));
    hook.all_signed();
    hit
}

#[test]
fn a_person_says_hello() {
    punctually(|| {
        let hit = told(&Sound::spoken("Hello?"), "Enable");
        assert_eq!(hit.param("AnsweredBy"), "human");
    });
}

#[test]
fn a_machine_speaks_on() {
    punctually(|| {
        let hit = told(&Sound::spoken(GREETING), "Enable");
        assert_eq!(hit.param("AnsweredBy"), "machine_start");
    });
}

#[test]
fn a_machine_is_waited_for_until_its_beep() {
    punctually(|| {
        let beep = Sound::silence(8000, 0.3).then(&Sound::tone(8000, 1000, 0.4));
        let greeting = Sound::spoken(GREETING).then(&beep);
        let hit = told(&greeting, "DetectMessageEnd");
        assert_eq!(hit.param("AnsweredBy"), "machine_end_beep");
    });
}

#[test]
fn a_fax_and_nobody() {
    punctually(|| {
        let hit = told(&Sound::tone(8000, 1100, 0.5), "Enable");
        assert_eq!(hit.param("AnsweredBy"), "fax");
        let hit = told(&Sound::silence(8000, 1.0), "Enable");
        assert_eq!(hit.param("AnsweredBy"), "unknown");
    });
}
