//! `<Conference>`, `<Enqueue>`, `<Queue>` and `<Leave>`: who is in the room, who waits, and what they hear.

use std::time::Duration;

use loadtest::hear::Sound;
use loadtest::{App, Config, Edge, Handset, Hit, Setup, Verb, Webhook, sound_keys};
use punctual::punctually;

/// Silence to wait in, so that nothing but the members is heard.
const QUIET: &str = "";

/// Rooms and queues belong to an account, not to a domain.
const ACCOUNT: &str = "account_sid = \"AC0123456789abcdef0123456789abcdef\"";

fn room(attributes: &[(&str, &str)]) -> Verb {
    let room = Verb::of("conference", "the room")
        .set("wait_url", QUIET)
        .set("beep", "false");
    let room = attributes
        .iter()
        .fold(room, |room, (name, value)| room.set(name, value));
    Verb::new("dial").set("action", "/left").with(room)
}

/// An edge with a domain of its own for each of these documents: `a.test`, `b.test`, ….
fn domains(app: App, names: &[&str]) -> (Webhook, Edge) {
    let hook = app.start();
    let config = Config::new().executor_keys(&sound_keys(&hook));
    let config = names.iter().fold(config, |config, name| {
        config.domain_with(&format!("{name}.test"), &hook.url(name), ACCOUNT)
    });
    (hook, Edge::start(config))
}

fn caller(edge: &Edge, hz: u32, domain: &str) -> Handset {
    let setup = Setup::new(&format!("hz{hz}")).humming(hz);
    let phone = setup.through(edge.public()).start();
    phone.calls(&format!("sip:room@{domain}.test"));
    phone
}

fn hears_among(phone: &Handset, hz: &[u32], seconds: f64) -> Sound {
    phone.hears(&format!("{seconds} s of each of {hz:?}"), |heard| {
        hz.iter().all(|hz| heard.seconds_among(*hz) >= seconds)
    })
}

fn told(hook: &Webhook, event: &str) -> Hit {
    hook.wait_until(event, |hit| hit.get("StatusCallbackEvent") == Some(event))
}

#[test]
fn each_of_three_hears_the_other_two() {
    punctually(|| {
        let callbacks = [
            ("status_callback", "/events"),
            ("status_callback_event", "start end join leave"),
        ];
        let app = App::new().page("/a", [room(&callbacks)]).page("/left", []);
        let (hook, edge) = domains(app, &["a"]);
        let tones = [500, 900, 1300];
        let phones = tones.map(|hz| caller(&edge, hz, "a"));
        for (phone, own) in phones.iter().zip(tones) {
            let others: Vec<u32> = tones.into_iter().filter(|hz| *hz != own).collect();
            let heard = hears_among(phone, &others, 1.0);
            assert!(
                heard.seconds_among(own) < 0.2,
                "{own} hears itself: {heard:?}"
            );
        }
        phones.iter().for_each(Handset::hang_up);
        let start = told(&hook, "conference-start");
        assert!(start.param("ConferenceSid").starts_with("CF"));
        assert_eq!(start.param("FriendlyName"), "the room");
        told(&hook, "participant-leave");
        let end = told(&hook, "conference-end");
        assert_eq!(end.param("ConferenceSid"), start.param("ConferenceSid"));
        let joined = hook.hits();
        let joined = joined
            .iter()
            .filter(|hit| hit.get("StatusCallbackEvent") == Some("participant-join"));
        assert_eq!(joined.count(), 3);
        hook.all_signed();
    });
}

#[test]
fn one_who_is_muted_hears_and_is_not_heard() {
    punctually(|| {
        let app = App::new()
            .page("/a", [room(&[])])
            .page("/b", [room(&[("muted", "true")])]);
        let (_hook, edge) = domains(app, &["a", "b"]);
        let (speaker, mute) = (caller(&edge, 500, "a"), caller(&edge, 900, "b"));
        hears_among(&mute, &[500], 1.5);
        assert!(
            speaker.heard().seconds_among(900) < 0.1,
            "{:?}",
            speaker.heard()
        );
    });
}

#[test]
fn the_room_opens_with_its_moderator_and_closes_with_him() {
    punctually(|| {
        let waiting = Sound::tone(8000, 1700, 0.5).padded(0.7);
        let guest = room(&[
            ("start_conference_on_enter", "false"),
            ("wait_url", "/wait"),
        ]);
        let host = room(&[("end_conference_on_exit", "true")]);
        let app = App::new()
            .wav("wait.wav", &waiting)
            .wav("left.wav", &Sound::tone(8000, 2100, 0.6))
            .page("/a", [guest])
            .page("/b", [host])
            .page("/wait", [Verb::of("play", "/files/wait.wav")])
            .page("/left", [Verb::of("play", "/files/left.wav")]);
        let (hook, edge) = domains(app, &["a", "b"]);
        let guests = [500, 700].map(|hz| caller(&edge, hz, "a"));
        // The document of the wait begins anew when it ends.
        let heard = guests[0].hears_tone(1700, 1.2);
        assert!(
            heard.seconds_among(700) < 0.1,
            "guests hear each other: {heard:?}"
        );
        assert_eq!(hook.wait_for("/wait").param("CallStatus"), "in-progress");
        let host = caller(&edge, 900, "b");
        hears_among(&guests[0], &[700, 900], 1.0);
        hears_among(&guests[1], &[500, 900], 1.0);
        host.hang_up();
        for guest in &guests {
            let heard = guest.is_over();
            assert!(heard.seconds_of(2100) > 0.3, "{heard:?}");
        }
        let hit = hook.wait_for("/left");
        assert_eq!(hit.param("DialCallStatus"), "answered");
        assert_eq!(hit.get("DialCallSid"), None);
    });
}

#[test]
fn music_is_heard_until_there_is_somebody_to_talk_to() {
    punctually(|| {
        let guest = Verb::of("conference", "the room").set("beep", "false");
        let app = App::new()
            .page("/a", [Verb::new("dial").with(guest)])
            .page("/b", [room(&[])]);
        let (_hook, edge) = domains(app, &["a", "b"]);
        let guest = Setup::new("guest").through(edge.public()).start();
        guest.calls("sip:room@a.test");
        let music = guest.hears("music", |heard| heard.loud_seconds() > 3.0);
        // No silence in it, and more than one tone.
        let stretches = music.stretches(Duration::from_millis(500));
        assert_eq!(stretches.len(), 1, "{music:?}");
        assert!(music.loudest().1 < 0.7, "{music:?}");
        let other = caller(&edge, 1300, "b");
        hears_among(&guest, &[1300], 0.5);
        let from = guest.heard().seconds();
        let talk = guest.hears("the other", |heard| {
            heard.after(from).seconds_of(1300) >= 1.5
        });
        let talk = talk.after(from);
        assert!(
            talk.loud_seconds() - talk.seconds_of(1300) < 0.5,
            "{talk:?}"
        );
        assert!(other.heard().loud_seconds() < 0.2, "{:?}", other.heard());
    });
}

#[test]
fn a_beep_says_who_comes_and_who_goes() {
    punctually(|| {
        let pages = [
            ("a", "false", [false, false]),
            ("b", "true", [true, true]),
            ("c", "onEnter", [true, false]),
            ("d", "onExit", [false, true]),
        ];
        let app = pages.iter().fold(App::new(), |app, (path, beep, _)| {
            app.page(&format!("/{path}"), [room(&[("beep", beep)])])
        });
        let names = pages.map(|(path, ..)| path);
        let (_hook, edge) = domains(app.page("/left", []), &names);
        let silent = |path: &str| {
            let phone = Setup::new(path).through(edge.public()).start();
            phone.calls(&format!("sip:room@{path}.test"));
            phone
        };
        let first = silent("a");
        // How long it beeps from then on.
        let beeps = |from: f64, wanted: bool| {
            let loud = |heard: &Sound| heard.after(from).loud_seconds();
            if wanted {
                first.hears("a beep", |heard| loud(heard) > 0.1);
            }
            let loud = first.settles("a beep", loud);
            assert!(loud < 0.1 || (0.2..1.0).contains(&loud), "{loud} s");
            loud > 0.1
        };
        for (path, beep, wanted) in pages {
            let from = first.heard().seconds();
            let other = silent(path);
            let comes = beeps(from, wanted[0]);
            let from = first.heard().seconds();
            other.hang_up();
            assert_eq!([comes, beeps(from, wanted[1])], wanted, "{beep}");
        }
    });
}

#[test]
fn a_coach_is_heard_by_the_one_who_is_coached_and_by_nobody_else() {
    punctually(|| {
        let first = [
            ("status_callback", "/events"),
            ("status_callback_event", "join"),
        ];
        let app = App::new()
            .page("/a", [room(&first)])
            .page("/b", [room(&[])])
            .page("/c", [room(&[("coach", "{call /a}")])])
            .page("/left", []);
        let (hook, edge) = domains(app, &["a", "b", "c"]);
        let agent = caller(&edge, 500, "a");
        let customer = caller(&edge, 900, "b");
        hears_among(&agent, &[900], 0.5);
        let coach = caller(&edge, 1300, "c");
        hears_among(&agent, &[900, 1300], 1.5);
        hears_among(&coach, &[500, 900], 1.5);
        let heard = hears_among(&customer, &[500], 2.5);
        assert!(heard.seconds_among(1300) < 0.1, "{heard:?}");
        let joined = hook.wait_until("the coach", |hit| hit.get("Coaching") == Some("true"));
        assert_eq!(
            joined.param("CallSidToCoach"),
            hook.wait_for("/a").param("CallSid")
        );
        // Without anybody to coach there is nobody to hear him.
        agent.hang_up();
        let from = customer.heard().seconds();
        std::thread::sleep(Duration::from_millis(1500));
        let rest = customer.heard().after(from);
        assert!(rest.seconds_among(1300) < 0.1, "{rest:?}");
    });
}

#[test]
fn a_full_room_takes_nobody() {
    punctually(|| {
        let app = App::new()
            .page("/a", [room(&[("max_participants", "2")])])
            .page("/left", []);
        let (_hook, edge) = domains(app, &["a"]);
        let (one, other) = (caller(&edge, 500, "a"), caller(&edge, 900, "a"));
        hears_among(&one, &[900], 0.5);
        let third = caller(&edge, 1300, "a");
        third.is_over();
        assert!(
            other.heard().seconds_among(1300) < 0.1,
            "{:?}",
            other.heard()
        );
    });
}

#[test]
fn a_conference_is_recorded() {
    punctually(|| {
        let attributes = [
            ("record", "record-from-start"),
            ("recording_status_callback", "/tape"),
            ("end_conference_on_exit", "true"),
        ];
        let app = App::new().page("/a", [room(&attributes)]).page("/left", []);
        let (hook, edge) = domains(app, &["a"]);
        let (one, other) = (caller(&edge, 500, "a"), caller(&edge, 900, "a"));
        hears_among(&one, &[900], 2.0);
        other.hang_up();
        let hit = hook.wait_until("the recording", |hit| hit.path() == "/tape");
        assert_eq!(hit.param("RecordingSource"), "Conference");
        let answer = loadtest::fetch(hit.param("RecordingUrl")).expect("an answer");
        let sound = &loadtest::hear::channels(&answer.bytes).expect("a WAV file")[0];
        assert!(
            sound.seconds_among(500) > 1.0 && sound.seconds_among(900) > 1.0,
            "{sound:?}"
        );
    });
}

fn enqueue() -> Verb {
    Verb::of("enqueue", "support")
        .set("action", "/after")
        .set("wait_url", "/wait")
}

/// Callers to `a.test` wait for those to `b.test`.
fn queueing(wait: Vec<Verb>) -> (Webhook, Edge) {
    let queue = Verb::of("queue", "support").set("url", "/whisper");
    let app = App::new()
        .wav("wait.wav", &Sound::tone(8000, 1700, 0.5).padded(0.7))
        .wav("whisper.wav", &Sound::tone(8000, 2100, 0.6))
        .wav("after.wav", &Sound::tone(8000, 2500, 0.6))
        .page("/a", [enqueue()])
        .page(
            "/b",
            [Verb::new("dial").set("action", "/served").with(queue)],
        )
        .page("/wait", wait)
        .page("/whisper", [Verb::of("play", "/files/whisper.wav")])
        .page("/after", [Verb::of("play", "/files/after.wav")])
        .page("/served", []);
    domains(app, &["a", "b"])
}

#[test]
fn one_who_waits_is_fetched_and_the_two_talk() {
    punctually(|| {
        let (hook, edge) = queueing(vec![Verb::of("play", "/files/wait.wav")]);
        let waiting = caller(&edge, 500, "a");
        waiting.hears_tone(1700, 1.2);
        let hit = hook.wait_for("/wait");
        assert!(hit.param("QueueSid").starts_with("QU"));
        assert_eq!(hit.param("QueuePosition"), "1");
        assert_eq!(hit.param("CurrentQueueSize"), "1");
        let agent = caller(&edge, 900, "b");
        waiting.hears_tone(2100, 0.4);
        waiting.hears_tone(900, 1.0);
        agent.hears_tone(500, 1.0);
        let whisper = hook.wait_for("/whisper");
        assert_eq!(whisper.param("QueueSid"), hit.param("QueueSid"));
        assert!(whisper.get("DequeingCallSid").is_some(), "{whisper:?}");
        agent.hang_up();
        let after = hook.wait_for("/after");
        assert_eq!(after.param("QueueResult"), "bridged");
        assert!(waiting.is_over().seconds_of(2500) > 0.4);
        hook.all_signed();
    });
}

#[test]
fn one_who_waits_may_leave() {
    punctually(|| {
        let gather = Verb::new("gather")
            .set("num_digits", "1")
            .set("action", "/leave");
        let play = Verb::of("play", "/files/wait.wav").set("loop", "20");
        let app = App::new()
            .wav("wait.wav", &Sound::tone(8000, 1700, 0.5).padded(0.7))
            .wav("after.wav", &Sound::tone(8000, 2500, 0.6))
            .page("/a", [enqueue()])
            .page("/wait", [gather.with(play)])
            .page("/leave", [Verb::new("leave")])
            .page("/after", [Verb::of("play", "/files/after.wav")]);
        let (hook, edge) = domains(app, &["a"]);
        let waiting = caller(&edge, 500, "a");
        waiting.hears_tone(1700, 0.4);
        waiting.keys("1");
        let hit = hook.wait_for("/after");
        assert_eq!(hit.param("QueueResult"), "leave");
        assert!(
            hit.param("QueueTime")
                .parse::<u32>()
                .is_ok_and(|seconds| seconds < 30)
        );
        assert!(waiting.is_over().seconds_of(2500) > 0.4);
    });
}

#[test]
fn one_who_waits_may_hang_up() {
    punctually(|| {
        let (hook, edge) = queueing(vec![Verb::of("play", "/files/wait.wav")]);
        let waiting = caller(&edge, 500, "a");
        waiting.hears_tone(1700, 0.4);
        waiting.hang_up();
        let hit = hook.wait_for("/after");
        assert_eq!(hit.param("QueueResult"), "hangup");
        assert_eq!(hit.param("CallStatus"), "completed");
        // Nobody is left in it: the next one to fetch somebody waits.
        let agent = caller(&edge, 900, "b");
        assert!(agent.has("CALL_CLOSED", Duration::from_secs(1)).is_none());
    });
}
