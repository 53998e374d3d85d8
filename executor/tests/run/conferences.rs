//! The conferences of all calls: who comes and goes, and what follows.

use std::sync::Arc;

use executor::conference::{Conferences, Effect};
use executor::run::{ConferenceCallback, ConferencePlan, Recording, RecordingCallback};
use executor::twiml::{Beep, ConferenceEvents, JitterBuffer, RecordingEvents};
use executor::webhook::{Hook, Purpose};
use executor::{Sid, SidKind};
use proptest::prelude::*;
use url::Url;

use crate::legs::{call, sid};

/// The legs are letters.
struct World {
    conferences: Conferences<char>,
    fresh: u8,
}

impl World {
    fn new() -> Self {
        Self {
            conferences: Conferences::default(),
            fresh: 0,
        }
    }

    fn join(&mut self, key: char, change: impl FnOnce(&mut ConferencePlan)) -> Vec<String> {
        let mut plan = plan();
        change(&mut plan);
        self.fresh += 1;
        let fresh = Sid::new(SidKind::Conference, [self.fresh; 16]);
        let effects = self
            .conferences
            .join(key, &Arc::new(call(key)), &plan, fresh);
        effects.iter().map(shown).collect()
    }

    fn leave(&mut self, key: char) -> Vec<String> {
        let effects = self.conferences.leave(key);
        effects.iter().map(shown).collect()
    }
}

fn plan() -> ConferencePlan {
    ConferencePlan {
        name: "room".to_owned(),
        muted: false,
        beep: Beep::Always,
        start_on_enter: true,
        end_on_exit: false,
        label: None,
        jitter_buffer: JitterBuffer::Large,
        participants_max: 250,
        record: false,
        trim_silence: true,
        coach: None,
        status_callback: None,
        recording_callback: None,
    }
}

fn hook(path: &str) -> Hook {
    Hook::post(Url::parse(&format!("http://app.test/{path}")).unwrap())
}

fn told(plan: &mut ConferencePlan) {
    plan.status_callback = Some(ConferenceCallback {
        hook: hook("events"),
        events: ConferenceEvents {
            start: true,
            end: true,
            join: true,
            leave: true,
            speaker: true,
        },
    });
}

fn shown(effect: &Effect<char>) -> String {
    match effect {
        Effect::Callback { request, .. } => {
            let what = match request.purpose {
                Purpose::ConferenceCallback => "event",
                _ => "recording",
            };
            let params: Vec<_> = request
                .params
                .iter()
                .filter(|(name, _)| !matches!(name.as_str(), "ConferenceSid" | "FriendlyName"))
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            format!("{what} {}", params.join(" "))
        }
        Effect::Close { .. } => "close".to_owned(),
        Effect::Record { trim_silence, .. } => format!("record trim {trim_silence}"),
        Effect::Seat { key, member, .. } => {
            let mut text = format!("seat {key}");
            text.push_str(if member.muted { " muted" } else { "" });
            text.push_str(if member.beep_on_enter { " beep" } else { "" });
            text.push_str(if member.beep_on_exit {
                " beep-later"
            } else {
                ""
            });
            if let Some(pupil) = member.coach {
                text.push_str(&format!(" coaches {pupil}"));
            }
            if member.jitter_buffer != JitterBuffer::Large {
                text.push_str(&format!(" buffer {:?}", member.jitter_buffer));
            }
            text
        }
        Effect::StopRecording { .. } => "stop recording".to_owned(),
        Effect::Tell { key, event } => {
            let text = format!("{event:?}");
            let text = text.trim_start_matches("Conference(").trim_end_matches(')');
            format!("tell {key} {}", text.replace('(', " "))
        }
        Effect::Unseat { key, .. } => format!("unseat {key}"),
    }
}

#[test]
fn it_begins_with_the_second_participant() {
    let mut world = World::new();
    assert_eq!(world.join('a', |_| {}), ["tell a Waits"]);
    assert_eq!(
        world.join('b', |_| {}),
        [
            "seat a beep-later",
            "tell a Talks",
            "seat b beep beep-later",
            "tell b Talks",
        ]
    );
    assert_eq!(
        world.join('c', |_| {}),
        ["seat c beep beep-later", "tell c Talks"]
    );
    assert_eq!(world.leave('b'), ["unseat b", "tell b Ended Left"]);
    assert_eq!(world.leave('a'), ["unseat a", "tell a Ended Left"]);
    assert_eq!(world.leave('c'), ["unseat c", "tell c Ended Left", "close"]);
    assert!(world.conferences.is_empty());
}

#[test]
fn it_waits_for_somebody_who_may_start_it() {
    let mut world = World::new();
    let guest = |plan: &mut ConferencePlan| plan.start_on_enter = false;
    assert_eq!(world.join('a', guest), ["tell a Waits"]);
    assert_eq!(world.join('b', guest), ["tell b Waits"]);
    assert_eq!(world.leave('b'), ["tell b Ended Left"]);
    assert_eq!(
        world.join('m', |_| {}),
        [
            "seat a beep-later",
            "tell a Talks",
            "seat m beep beep-later",
            "tell m Talks"
        ]
    );
}

#[test]
fn it_ends_with_the_moderator() {
    let mut world = World::new();
    world.join('m', |plan| {
        plan.end_on_exit = true;
        told(plan);
        plan.label = Some("boss".to_owned());
    });
    world.join('b', |_| {});
    let m = sid('m');
    let b = sid('b');
    assert_eq!(
        world.leave('m'),
        [
            "unseat m".to_owned(),
            "tell m Ended Left".to_owned(),
            format!(
                "event StatusCallbackEvent=participant-leave CallSid={m} Muted=false Hold=false \
                 Coaching=false EndConferenceOnExit=true StartConferenceOnEnter=true \
                 ParticipantLabel=boss SequenceNumber=3"
            ),
            "unseat b".to_owned(),
            "tell b Ended Over".to_owned(),
            format!(
                "event StatusCallbackEvent=participant-leave CallSid={b} Muted=false Hold=false \
                 Coaching=false EndConferenceOnExit=false StartConferenceOnEnter=true \
                 SequenceNumber=4"
            ),
            "close".to_owned(),
            format!(
                "event StatusCallbackEvent=conference-end CallSidEndingConference={m} \
                 ParticipantLabelEndingConference=boss \
                 ReasonConferenceEnded=participant-with-end-conference-on-exit-left \
                 SequenceNumber=5"
            ),
        ]
    );
    assert!(world.conferences.is_empty());
    assert_eq!(world.leave('b'), Vec::<String>::new());
    // The name is free again, for another conference.
    assert_eq!(world.join('b', |_| {}), ["tell b Waits"]);
}

#[test]
fn the_first_participant_says_where_events_go() {
    let mut world = World::new();
    let a = sid('a');
    assert_eq!(
        world.join('a', |plan| {
            told(plan);
            plan.muted = true;
        }),
        [
            format!(
                "event StatusCallbackEvent=participant-join CallSid={a} Muted=true Hold=false \
                 Coaching=false EndConferenceOnExit=false StartConferenceOnEnter=true \
                 SequenceNumber=0"
            ),
            "tell a Waits".to_owned(),
        ]
    );
    let effects = world.join('b', |plan| {
        plan.status_callback = Some(ConferenceCallback {
            hook: hook("elsewhere"),
            events: ConferenceEvents::default(),
        });
    });
    assert!(effects[0].contains("participant-join"), "{effects:?}");
    assert!(effects[1].contains("conference-start"), "{effects:?}");
    assert!(effects[1].ends_with("SequenceNumber=2"), "{effects:?}");
    assert_eq!(effects[2], "seat a muted beep-later");
}

#[test]
fn only_the_events_that_are_wanted_are_told() {
    let mut world = World::new();
    let only_end = |plan: &mut ConferencePlan| {
        plan.status_callback = Some(ConferenceCallback {
            hook: hook("events"),
            events: ConferenceEvents {
                end: true,
                ..ConferenceEvents::default()
            },
        });
    };
    assert_eq!(world.join('a', only_end), ["tell a Waits"]);
    assert_eq!(
        world.leave('a'),
        [
            "tell a Ended Left".to_owned(),
            format!(
                "event StatusCallbackEvent=conference-end CallSidEndingConference={} \
                 ReasonConferenceEnded=last-participant-left SequenceNumber=0",
                sid('a')
            ),
        ]
    );
}

#[test]
fn who_cannot_join_is_told_why() {
    let mut world = World::new();
    world.join('a', |plan| {
        plan.participants_max = 2;
        plan.label = Some("one".to_owned());
    });
    let taken = |plan: &mut ConferencePlan| plan.label = Some("one".to_owned());
    assert_eq!(world.join('b', taken), ["tell b Ended LabelTaken"]);
    let lost = |plan: &mut ConferencePlan| plan.coach = Some(sid('z'));
    assert_eq!(world.join('b', lost), ["tell b Ended NobodyToCoach"]);
    world.join('b', |_| {});
    assert_eq!(world.join('c', |_| {}), ["tell c Ended Full"]);
    // Nobody is left to coach in a conference that is not there.
    let other = |plan: &mut ConferencePlan| {
        plan.name = "other".to_owned();
        plan.coach = Some(sid('a'));
    };
    assert_eq!(world.join('c', other), ["tell c Ended NobodyToCoach"]);
    assert_eq!(world.conferences.len(), 1);
}

#[test]
fn a_coach_is_heard_by_one_and_then_by_nobody() {
    let mut world = World::new();
    world.join('a', |_| {});
    world.join('b', |_| {});
    let coach = |plan: &mut ConferencePlan| {
        plan.coach = Some(sid('a'));
        plan.beep = Beep::Never;
    };
    assert_eq!(world.join('c', coach), ["seat c coaches a", "tell c Talks"]);
    assert_eq!(
        world.leave('a'),
        ["unseat a", "tell a Ended Left", "seat c muted coaches a"]
    );
}

#[test]
fn beeps_are_the_participants_own() {
    for (beep, seat) in [
        (Beep::Always, "seat c beep beep-later"),
        (Beep::Never, "seat c"),
        (Beep::OnEnter, "seat c beep"),
        (Beep::OnExit, "seat c beep-later"),
    ] {
        let mut world = World::new();
        world.join('a', |_| {});
        world.join('b', |_| {});
        assert_eq!(world.join('c', |plan| plan.beep = beep)[0], seat);
    }
}

#[test]
fn each_has_a_jitter_buffer_of_its_own() {
    let mut world = World::new();
    world.join('a', |_| {});
    for (key, size) in [
        ('b', JitterBuffer::Off),
        ('c', JitterBuffer::Small),
        ('d', JitterBuffer::Medium),
    ] {
        let effects = world.join(key, |plan| plan.jitter_buffer = size);
        let seat = format!("seat {key} beep beep-later buffer {size:?}");
        assert!(effects.contains(&seat), "{effects:?}");
    }
}

#[test]
fn speech_is_told() {
    let mut world = World::new();
    world.join('a', told);
    world.join('b', |_| {});
    let conferences = &mut world.conferences;
    assert!(conferences.wants_speakers('b'));
    for (key, speaks, expected) in [
        ('b', true, Some("speech-start")),
        ('b', true, None),
        ('b', false, Some("speech-stop")),
        ('x', true, None),
    ] {
        let effects: Vec<_> = conferences.speaks(key, speaks).iter().map(shown).collect();
        assert_eq!(effects.len(), usize::from(expected.is_some()));
        for (effect, event) in effects.iter().zip(expected) {
            let start = format!("event StatusCallbackEvent=participant-{event} ");
            assert!(effect.starts_with(&start), "{effect}");
        }
    }
}

#[test]
fn a_recording_outlives_its_conference() {
    let mut world = World::new();
    world.join('a', |plan| {
        plan.record = true;
        plan.recording_callback = Some(RecordingCallback {
            hook: hook("recorded"),
            events: RecordingEvents {
                in_progress: true,
                completed: true,
                absent: true,
            },
        });
    });
    let effects = world.join('b', |_| {});
    assert_eq!(effects.last().unwrap(), "record trim true");
    let room = world.conferences.of('a').unwrap();
    let recording = Recording {
        url: Some("http://media.test/RE1".to_owned()),
        duration: std::time::Duration::from_secs(9),
        ..Recording::default()
    };
    let started = world.conferences.recording_started(room, &recording);
    assert_eq!(
        shown(&started[0]),
        format!(
            "recording RecordingUrl=http://media.test/RE1 RecordingStatus=in-progress \
             RecordingChannels=1 RecordingSource=Conference RecordingTrack=both"
        )
    );
    world.leave('a');
    assert_eq!(
        world.leave('b'),
        ["unseat b", "tell b Ended Left", "stop recording", "close"]
    );
    assert_eq!(world.conferences.len(), 0);
    assert!(!world.conferences.is_empty());
    let done = world.conferences.recorded(room, Some(&recording));
    assert_eq!(
        shown(&done[0]),
        "recording RecordingUrl=http://media.test/RE1 RecordingDuration=9 \
         RecordingStatus=completed RecordingChannels=1 RecordingSource=Conference \
         RecordingTrack=both"
    );
    assert!(world.conferences.is_empty());
    assert!(world.conferences.recorded(room, None).is_empty());
}

#[test]
fn a_name_is_free_with_the_end_though_the_recording_is_still_written() {
    let mut world = World::new();
    let recorded = |plan: &mut ConferencePlan| plan.record = true;
    world.join('a', recorded);
    world.join('b', recorded);
    let first = world.conferences.of('a').unwrap();
    world.leave('a');
    world.leave('b');
    world.join('c', recorded);
    world.join('d', recorded);
    let second = world.conferences.of('c').unwrap();
    assert_ne!(first, second);
    assert_eq!(world.conferences.len(), 1);
    world.conferences.recorded(first, None);
    assert_eq!(world.conferences.of('d'), Some(second));
    world.leave('c');
    world.leave('d');
    assert_eq!(world.conferences.len(), 0);
    world.conferences.recorded(second, None);
    assert!(world.conferences.is_empty());
}

#[test]
fn accounts_do_not_meet() {
    let mut world = World::new();
    world.join('a', |_| {});
    let mut other = call('b');
    other.account_sid = Sid::derive(SidKind::Account, "other");
    let fresh = Sid::new(SidKind::Conference, [99; 16]);
    let effects = world
        .conferences
        .join('b', &Arc::new(other), &plan(), fresh);
    assert_eq!(
        effects.iter().map(shown).collect::<Vec<_>>(),
        ["tell b Waits"]
    );
    assert_eq!(world.conferences.len(), 2);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Join(char, bool, bool),
    Leave(char),
    Speak(char, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let key = || prop::sample::select(vec!['a', 'b', 'c', 'd']);
    prop_oneof![
        (key(), any::<bool>(), any::<bool>())
            .prop_map(|(key, start, end)| Step::Join(key, start, end)),
        key().prop_map(Step::Leave),
        (key(), any::<bool>()).prop_map(|(key, speaks)| Step::Speak(key, speaks)),
    ]
}

proptest! {
    /// Whatever happens: each who joins is told its end once, seats are left as they were taken,
    /// and nothing is left behind.
    #[test]
    fn each_who_joins_ends_once(steps in prop::collection::vec(step(), 0..60)) {
        let mut world = World::new();
        let (mut begun, mut log) = (0, Vec::new());
        for step in steps {
            log.extend(match step {
                Step::Join(key, start, end) => {
                    begun += 1;
                    world.join(key, |plan| {
                        (plan.start_on_enter, plan.end_on_exit) = (start, end);
                        told(plan);
                    })
                }
                Step::Leave(key) => world.leave(key),
                Step::Speak(key, speaks) => {
                    world.conferences.speaks(key, speaks).iter().map(shown).collect()
                }
            });
        }
        for key in ['a', 'b', 'c', 'd'] {
            log.extend(world.leave(key));
        }
        prop_assert!(world.conferences.is_empty());
        let count = |what: &str| log.iter().filter(|text| text.contains(what)).count();
        prop_assert_eq!(count(" Ended "), begun, "{:#?}", log);
        prop_assert_eq!(count("conference-start"), count("close"), "{:#?}", log);
        let mut seated = Vec::new();
        for line in &log {
            if let Some(rest) = line.strip_prefix("seat ") {
                let key = rest.chars().next().unwrap();
                if !seated.contains(&key) {
                    seated.push(key);
                }
            } else if let Some(rest) = line.strip_prefix("unseat ") {
                let key = rest.chars().next().unwrap();
                prop_assert!(seated.contains(&key), "{:#?}", log);
                seated.retain(|seated| *seated != key);
            }
        }
        prop_assert_eq!(seated, Vec::<char>::new());
    }
}
