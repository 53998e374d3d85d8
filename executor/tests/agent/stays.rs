//! Conferences and queues: several calls that hear each other.

use std::time::{Duration, Instant};

use crate::phone::{Line, Msg};
use crate::rtp::{Sound, address_of, is_tone};
use crate::world::{URI, World};

fn answered<'a>(world: &'a World, document: &str, sound: &Sound) -> (Line<'a>, Msg) {
    world.web.says("/voice", document);
    let line = world.phone.invite(URI, "", Some(&sound.sdp("0 101")));
    world.phone.expect("SIP/2.0 180");
    let answer = line.expect_answer();
    (line, answer)
}

/// Both say something at the same time, and hear what the other one says.
#[track_caller]
fn talk(one: (&Sound, &Msg), other: (&Sound, &Msg)) {
    let began = Instant::now();
    let length = Duration::from_millis(1200);
    std::thread::scope(|scope| {
        scope.spawn(|| one.0.say(address_of(one.1), 0, &[600.0], length));
        scope.spawn(|| other.0.say(address_of(other.1), 0, &[900.0], length));
    });
    one.0.expect_tone(&[900.0], began);
    other.0.expect_tone(&[600.0], began);
}

#[test]
fn participants_of_a_conference_hear_each_other() {
    let world = World::new();
    world.web.says("/conference", "");
    let document = "<Dial action=\"/dialled\"><Conference beep=\"false\" waitUrl=\"\" \
                    endConferenceOnExit=\"true\" statusCallback=\"/conference\" \
                    statusCallbackEvent=\"start end join leave\">Room 1</Conference></Dial>";
    world.web.says("/dialled", "<Hangup/>");
    let sounds = [Sound::new(), Sound::new()];
    let (first, first_answer) = answered(&world, document, &sounds[0]);
    let (second, second_answer) = answered(&world, document, &sounds[1]);
    talk((&sounds[0], &first_answer), (&sounds[1], &second_answer));
    first.hang_up();
    // The conference ends with the first one; the document of the other goes on.
    second.expect_bye();
    world.expect_rest(Duration::from_secs(30));
    let asked = world.web.asked_at("/conference");
    let events: Vec<_> = asked
        .iter()
        .map(|asked| asked.param("StatusCallbackEvent"))
        .collect();
    for event in [
        "participant-join",
        "conference-start",
        "participant-leave",
        "conference-end",
    ] {
        assert!(events.contains(&event), "{event} is not among {events:?}");
    }
    let dialled = &world.web.asked_at("/dialled")[0];
    assert_eq!(dialled.param("DialCallStatus"), "answered");
}

/// Frames that another participant hears of twelve that one with this jitter buffer says all at once.
fn heard_of_a_burst(size: &str) -> usize {
    let world = World::new();
    let document = format!(
        "<Dial><Conference beep=\"false\" waitUrl=\"\" endConferenceOnExit=\"true\" \
         jitterBufferSize=\"{size}\">Room 3</Conference></Dial>"
    );
    let sounds = [Sound::new(), Sound::new()];
    let (first, first_answer) = answered(&world, &document, &sounds[0]);
    let (second, second_answer) = answered(&world, &document, &sounds[1]);
    talk((&sounds[0], &first_answer), (&sounds[1], &second_answer));
    let heard = |since| {
        let all = sounds[1].since(since);
        let tones = all.chunks(160).filter(|frame| is_tone(frame, &[1500.0]));
        (all.len() / 160, tones.count())
    };
    let began = Instant::now();
    while heard(began).0 < 30 {
        std::thread::sleep(Duration::from_millis(20));
    }
    // One that the system has broken in two is none.
    let began = loop {
        let began = Instant::now();
        let took = sounds[0].burst(address_of(&first_answer), &[1500.0], 12);
        while heard(began).0 < 50 {
            std::thread::sleep(Duration::from_millis(20));
        }
        if took < Duration::from_millis(5) {
            break began;
        }
    };
    first.hang_up();
    second.expect_bye();
    world.expect_rest(Duration::from_secs(30));
    heard(began).1
}

#[test]
fn jitter_buffers_are_as_deep_as_participants_want() {
    let heard = ["off", "small", "medium", "large"].map(heard_of_a_burst);
    // A burst that the system breaks in two is heard a little longer.
    assert!(heard[0] + 3 < heard[3], "{heard:?}");
    assert!(heard[..3].iter().all(|less| *less < heard[3]), "{heard:?}");
}

#[test]
fn a_conference_is_recorded() {
    let world = World::new();
    world.web.says("/recording", "");
    let document = "<Dial><Conference beep=\"false\" waitUrl=\"\" endConferenceOnExit=\"true\" \
                    record=\"record-from-start\" trim=\"do-not-trim\" \
                    recordingStatusCallback=\"/recording\">Room 2</Conference></Dial>";
    let sounds = [Sound::new(), Sound::new()];
    let (first, first_answer) = answered(&world, document, &sounds[0]);
    let (second, second_answer) = answered(&world, document, &sounds[1]);
    talk((&sounds[0], &first_answer), (&sounds[1], &second_answer));
    first.hang_up();
    second.expect_bye();
    let asked = world.web.expect("/recording");
    assert_eq!(asked.param("RecordingStatus"), "completed");
    assert_eq!(asked.param("RecordingSource"), "Conference");
    let channels = world.recording(asked.param("RecordingSid"));
    assert_eq!(channels.len(), 1);
    let mut parts = channels[0].windows(1600).step_by(160);
    assert!(
        parts.any(|part| is_tone(part, &[600.0, 900.0])),
        "both voices"
    );
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn who_waits_in_a_queue_hears_its_document_and_then_who_takes_it() {
    let world = World::new();
    world.web.says("/wait", "<Say>please wait</Say>");
    world.web.says("/dequeued", "<Hangup/>");
    world.web.says("/dialled", "<Hangup/>");
    let sounds = [Sound::new(), Sound::new()];
    let began = Instant::now();
    let (waiter, waiter_answer) = answered(
        &world,
        "<Enqueue action=\"/dequeued\" waitUrl=\"/wait\">support</Enqueue>",
        &sounds[0],
    );
    sounds[0].expect_tone(&[500.0], began);
    assert_eq!(world.web.expect("/wait").param("QueuePosition"), "1");
    let (agent, agent_answer) = answered(
        &world,
        "<Dial action=\"/dialled\"><Queue>support</Queue></Dial>",
        &sounds[1],
    );
    talk((&sounds[0], &waiter_answer), (&sounds[1], &agent_answer));
    agent.hang_up();
    let asked = world.web.expect("/dequeued");
    assert_eq!(asked.param("QueueResult"), "bridged");
    assert_eq!(
        world.web.expect("/dialled").param("DialCallStatus"),
        "completed"
    );
    waiter.expect_bye();
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn a_queue_that_is_not_there() {
    let world = World::new();
    world.web.says("/dialled", "<Hangup/>");
    let sound = Sound::new();
    let (line, _) = answered(
        &world,
        "<Dial action=\"/dialled\"><Queue>nowhere</Queue></Dial>",
        &sound,
    );
    assert_eq!(
        world.web.expect("/dialled").param("DialCallStatus"),
        "failed"
    );
    line.expect_bye();
    world.expect_rest(Duration::from_secs(30));
}
