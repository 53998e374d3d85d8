//! The queues of all calls: who waits, who is taken out, who talks with whom.

use std::time::Duration;

use executor::queue::{Effect, QUEUE_SIZE, Queues};
use executor::run::{DialId, DialQueuePlan, EnqueuePlan, Event};
use executor::webhook::Hook;
use executor::{Sid, SidKind};
use proptest::prelude::*;
use sip::Instant;
use url::Url;

use crate::legs::call;

/// The legs are letters: who waits is a small one, who takes is a capital.
struct World {
    queues: Queues<char>,
    now: Instant,
}

impl World {
    fn new() -> Self {
        Self {
            queues: Queues::default(),
            now: Instant::ZERO,
        }
    }

    fn at(&mut self, seconds: u64) -> &mut Self {
        self.now = Instant::ZERO + Duration::from_secs(seconds);
        self
    }

    fn enqueue(&mut self, key: char, size_max: Option<u32>) -> Vec<String> {
        let plan = EnqueuePlan {
            name: "sales".to_owned(),
            size_max,
        };
        let fresh = Sid::new(SidKind::Queue, [3; 16]);
        let effects = self.queues.enqueue(key, &call(key), &plan, fresh, self.now);
        effects.iter().map(shown).collect()
    }

    fn dial(&mut self, key: char, whisper: bool) -> Vec<String> {
        let whisper = whisper.then(|| Hook::post(Url::parse("http://app.test/w").unwrap()));
        let plan = DialQueuePlan {
            id: DialId(1),
            name: "sales".to_owned(),
            whisper,
        };
        let effects = self.queues.dial(key, &call(key), &plan, self.now);
        effects.iter().map(shown).collect()
    }

    fn leave(&mut self, key: char) -> Vec<String> {
        let effects = self.queues.leave(key, self.now);
        effects.iter().map(shown).collect()
    }

    fn cancel(&mut self, key: char) -> Vec<String> {
        let effects = self.queues.cancel(key, self.now);
        effects.iter().map(shown).collect()
    }

    fn ready(&mut self, key: char) -> Vec<String> {
        self.queues.ready(key).iter().map(shown).collect()
    }
}

fn shown(effect: &Effect<char>) -> String {
    let (key, event) = match effect {
        Effect::Part { dialler, waiter } => return format!("part {dialler} {waiter}"),
        Effect::Tell { key, event } => (key, event),
    };
    let what = match event {
        Event::DialAnswered => "answered".to_owned(),
        Event::DialEnded(_, outcomes) => {
            let outcome = &outcomes[0];
            let talked = outcome.duration.as_secs();
            let bridged = if outcome.bridged {
                format!(" after {talked} s")
            } else {
                String::new()
            };
            format!("dial ended {:?}{bridged}", outcome.reason)
        }
        Event::DialQueueWaits => "waits again".to_owned(),
        Event::DialRinging { .. } => "found somebody".to_owned(),
        Event::Dequeued {
            waited, whisper, ..
        } => {
            let whisper = if whisper.is_some() { ", hears" } else { "" };
            format!("dequeued after {} s{whisper}", waited.as_secs())
        }
        Event::Enqueued(place) => format!(
            "is {} of {} (max {}), average {} s",
            place.position,
            place.size,
            place.size_max,
            place.average.as_secs()
        ),
        Event::QueueEnded(end) => format!("out {:?} after {} s", end.reason, end.waited.as_secs()),
        other => format!("{other:?}"),
    };
    format!("{key} {what}")
}

#[test]
fn they_are_taken_in_the_order_in_which_they_came() {
    let mut world = World::new();
    assert_eq!(
        world.enqueue('a', None),
        [format!("a is 1 of 1 (max {QUEUE_SIZE}), average 0 s")]
    );
    assert_eq!(
        world.at(5).enqueue('b', None),
        ["b is 2 of 2 (max 100), average 0 s"]
    );
    assert_eq!(
        world.at(20).dial('X', false),
        ["a dequeued after 20 s", "X found somebody"]
    );
    let place = world.queues.place('b', world.now).unwrap();
    assert_eq!((place.position, place.size), (1, 1));
    assert_eq!((place.waited.as_secs(), place.average.as_secs()), (15, 20));
    assert_eq!(world.ready('a'), ["X answered"]);
    assert_eq!(world.queues.bridge('X', world.now), Some('a'));
    assert!(world.queues.is_dialler('X') && !world.queues.is_dialler('a'));
    assert_eq!(
        world.at(60).cancel('X'),
        [
            "part X a",
            "a out Bridged after 20 s",
            "X dial ended Cancelled after 40 s"
        ]
    );
    assert_eq!(
        world.at(65).dial('X', false),
        ["b dequeued after 60 s", "X found somebody"]
    );
    assert_eq!(
        world.enqueue('c', None),
        ["c is 1 of 1 (max 100), average 40 s"]
    );
}

#[test]
fn who_takes_from_an_empty_queue_waits() {
    let mut world = World::new();
    world.enqueue('a', None);
    world.leave('a');
    assert_eq!(world.dial('X', true), Vec::<String>::new());
    assert_eq!(world.dial('Y', false), Vec::<String>::new());
    // The turn of who comes is there at once, and nobody is told a place.
    assert_eq!(
        world.enqueue('b', None),
        ["b dequeued after 0 s, hears", "X found somebody"]
    );
    assert_eq!(world.cancel('Y'), ["Y dial ended Cancelled"]);
    assert_eq!(world.cancel('Y'), Vec::<String>::new());
}

#[test]
fn a_queue_that_never_was_fails() {
    let mut world = World::new();
    assert_eq!(world.dial('X', false), ["X dial ended NoQueue"]);
}

#[test]
fn a_full_queue_takes_nobody() {
    let mut world = World::new();
    assert_eq!(
        world.enqueue('a', Some(1)),
        ["a is 1 of 1 (max 1), average 0 s"]
    );
    assert_eq!(world.enqueue('b', None), ["b out Full after 0 s"]);
    assert_eq!(
        world.enqueue('b', Some(2)),
        ["b is 2 of 2 (max 2), average 0 s"]
    );
}

#[test]
fn leaving_is_told_with_the_time() {
    let mut world = World::new();
    world.enqueue('a', None);
    world.enqueue('b', None);
    assert_eq!(world.at(7).leave('a'), ["a out Left after 7 s"]);
    assert_eq!(world.leave('a'), Vec::<String>::new());
    assert_eq!(world.queues.place('b', world.now).unwrap().position, 1);
    assert_eq!(world.leave('b'), ["b out Left after 7 s"]);
    assert_eq!(world.queues.count(), (1, 0));
}

#[test]
fn a_dialler_that_goes_before_the_bridge_puts_the_head_back() {
    let mut world = World::new();
    world.enqueue('a', None);
    world.enqueue('b', None);
    world.at(10).dial('X', true);
    assert_eq!(
        world.at(12).cancel('X'),
        [
            "X dial ended Cancelled",
            "a is 1 of 2 (max 100), average 0 s"
        ]
    );
    // With somebody else waiting to take, its turn is there again.
    world.dial('Y', true);
    assert_eq!(
        world.dial('Z', false),
        ["b dequeued after 12 s", "Z found somebody"]
    );
    assert_eq!(world.enqueue('c', None).len(), 1);
    assert_eq!(
        world.dial('V', false),
        ["c dequeued after 0 s", "V found somebody"]
    );
    assert_eq!(
        world.at(13).cancel('Y'),
        [
            "Y dial ended Cancelled",
            "a is 1 of 1 (max 100), average 6 s"
        ]
    );
}

#[test]
fn a_waiter_that_goes_before_the_bridge_leaves_the_dialler_waiting() {
    let mut world = World::new();
    world.enqueue('a', None);
    world.at(10).dial('X', true);
    assert_eq!(
        world.at(11).leave('a'),
        ["a out Left after 10 s", "X waits again"]
    );
    assert_eq!(
        world.at(12).enqueue('b', None),
        ["b dequeued after 0 s, hears", "X found somebody"]
    );
}

#[test]
fn a_waiter_that_hangs_up_while_talking_ends_the_dial() {
    let mut world = World::new();
    world.enqueue('a', None);
    world.at(10).dial('X', false);
    world.ready('a');
    world.queues.bridge('X', world.now);
    // Who talks is not announced twice.
    assert_eq!(world.ready('a'), Vec::<String>::new());
    assert_eq!(
        world.at(30).leave('a'),
        [
            "part X a",
            "a out Bridged after 10 s",
            "X dial ended CalleeHungUp after 20 s"
        ]
    );
    assert_eq!(world.cancel('X'), Vec::<String>::new());
}

#[test]
fn a_leg_is_at_one_place_only() {
    let mut world = World::new();
    world.enqueue('a', None);
    assert_eq!(world.enqueue('a', None), ["a out Refused after 0 s"]);
    assert_eq!(world.dial('a', false), ["a dial ended NoQueue"]);
    assert_eq!(world.queues.count(), (1, 1));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Bridge(char),
    Cancel(char),
    Dial(char, bool),
    Enqueue(char),
    Leave(char),
    Ready(char),
}

fn step() -> impl Strategy<Value = Step> {
    let waiter = || prop::sample::select(vec!['a', 'b', 'c']);
    let dialler = || prop::sample::select(vec!['X', 'Y', 'Z']);
    prop_oneof![
        dialler().prop_map(Step::Bridge),
        dialler().prop_map(Step::Cancel),
        (dialler(), any::<bool>()).prop_map(|(key, whisper)| Step::Dial(key, whisper)),
        waiter().prop_map(Step::Enqueue),
        waiter().prop_map(Step::Leave),
        waiter().prop_map(Step::Ready),
    ]
}

proptest! {
    /// Whatever happens: each stay and each `<Dial>` ends once, and nobody is left behind.
    #[test]
    fn each_stay_and_each_dial_ends_once(steps in prop::collection::vec(step(), 0..60)) {
        let mut world = World::new();
        let (mut begun, mut ended) = (0, 0);
        let ends = |effects: &[String]| {
            effects.iter().filter(|text| text.contains(" out ") || text.contains("dial ended")).count()
        };
        for (second, step) in steps.into_iter().enumerate() {
            world.at(second as u64);
            let effects = match step {
                Step::Bridge(key) => {
                    world.queues.bridge(key, world.now);
                    Vec::new()
                }
                Step::Cancel(key) => world.cancel(key),
                Step::Dial(key, whisper) => {
                    begun += 1;
                    world.dial(key, whisper)
                }
                Step::Enqueue(key) => {
                    begun += 1;
                    world.enqueue(key, None)
                }
                Step::Leave(key) => world.leave(key),
                Step::Ready(key) => world.ready(key),
            };
            ended += ends(&effects);
            prop_assert!(ended <= begun);
        }
        for key in ['a', 'b', 'c'] {
            ended += ends(&world.leave(key));
        }
        for key in ['X', 'Y', 'Z'] {
            ended += ends(&world.cancel(key));
        }
        prop_assert_eq!(begun, ended);
        prop_assert_eq!(world.queues.count().1, 0);
    }
}
