//! What holds for a run whatever happens to it.

use std::time::Duration;

use executor::run::Event;
use proptest::prelude::*;

use crate::driver::Driver;

/// What may happen to a leg, in any order, at any time.
const ANYTHING: &[&str] = &[
    "start",
    "answered",
    "lost",
    "bye",
    "cancel",
    "operator",
    "key 1",
    "key #",
    "key *",
    "twiml <Response><Say>a</Say><Redirect/></Response>",
    "twiml <Response><Pause/><Reject/></Response>",
    "twiml <Response><Gather><Say>a</Say><Pause/></Gather><Record/></Response>",
    "twiml <Response><Gather numDigits='1' actionOnEmptyResult='true'/></Response>",
    "twiml <Response><Gather input='dtmf speech' partialResultCallback='/p'><Play>a</Play></Gather></Response>",
    "twiml <Response><Gather input='speech' bargeIn='false'><Play>a</Play></Gather></Response>",
    "twiml <Response><Record action='/r' recordingStatusCallback='/c'/><Play digits='1'>a</Play></Response>",
    "twiml <Response><Dial answerOnBridge='true' action='/d'>100</Dial><Say>b</Say></Response>",
    "twiml <Response><Dial answerOnBridge='true' referUrl='/r' record='true' recordingStatusCallback='/c'>100</Dial></Response>",
    "twiml <Response><Dial referUrl='/r'>100</Dial></Response>",
    "twiml <Response><Dial hangupOnStar='true'>100</Dial><Reject/></Response>",
    "twiml <Response><Dial action='file:///x'>100</Dial></Response>",
    "twiml <Response><Dial/><Dial/><Redirect>ftp://x</Redirect></Response>",
    "twiml <Response><Dial action='/d' hangupOnStar='true'><Conference>c</Conference></Dial><Say>b</Say></Response>",
    "twiml <Response><Dial><Conference waitUrl='/w'>c</Conference></Dial></Response>",
    "twiml <Response><Dial action='/d' timeout='5'><Queue url='/w'>q</Queue></Dial></Response>",
    "twiml <Response><Enqueue action='/q'>q</Enqueue></Response>",
    "twiml <Response><Enqueue waitUrl='/w'>q</Enqueue><Say>b</Say></Response>",
    "twiml <Response><Pause/><Leave/></Response>",
    "twiml <Response><Start><Stream name='s' url='wss://s.test/a' statusCallback='/s'/></Start><Pause/></Response>",
    "twiml <Response><Stop><Stream name='s'/></Stop><Connect action='/x'><Stream url='wss://s.test/b'/></Connect></Response>",
    "twiml <Response><Start><Siprec name='s' statusCallback='/s'/></Start><Pause/></Response>",
    "twiml <Response><Stop><Siprec name='s'/></Stop><Say>s</Say></Response>",
    "twiml <Response><Refer action='/f'><Sip>a@b</Sip></Refer><Say>c</Say></Response>",
    "twiml <Response><Refer action='http://'><Sip>a@b</Sip></Refer></Response>",
    "twiml <Response><Refer><Sip>a@b</Sip></Refer></Response>",
    "twiml <Response/>",
    "twiml <broken",
    "audio",
    "error 11200",
    "done",
    "silent",
    "failed x",
    "unavailable 11200 http://app.test/a",
    "recorded",
    "recording",
    "speech started",
    "speech partial 0.5 a",
    "heard 0.9 yes",
    "mumble",
    "deaf x",
    "timer Pause",
    "timer GatherInput",
    "timer SpeechResult",
    "timer PreAnswer",
    "timer Ring",
    "timer DialLimit",
    "timer QueueWait",
    "timer WaitAgain",
    "timer ReferResponse",
    "timer ReferNotify",
    "timer ReferEnd",
    "timer ReferHangUp",
    "timer CallLength",
    "ringing",
    "callee",
    "next",
    "dial-recording",
    "ended bridged 200",
    "ended 486",
    "ended first bridged 200",
    "referred 202",
    "refused 405",
    "notify 100",
    "notify 200 terminated",
    "refer callee <sip:x@y>",
    "refer caller <sip:x@y>",
    "transfer 200",
    "transfer 486",
    "enqueued 1 0",
    "place 1 9",
    "dequeued 9",
    "dequeued 9 http://app.test/whisper",
    "queue bridged 9",
    "queue full",
    "queue left 9",
    "conference waits",
    "conference talks",
    "conference over",
    "conference full",
    "stream started",
    "stream ended",
    "stream failed 31902 refused",
    "siprec started",
    "siprec ended",
    "siprec failed 90134 refused",
];

/// What has happened before, so that any order of events goes deep.
const BEFORE: &[&[&str]] = &[
    &[],
    &[
        "twiml <Response><Dial referUrl='/r' action='/d' record='true' recordingStatusCallback='/c'>100</Dial><Say>b</Say></Response>",
        "answered",
        "callee",
    ],
    &[
        "twiml <Response><Dial referUrl='/r' answerOnBridge='true' action='/d'>100</Dial></Response>",
        "callee",
        "answered",
        "refer callee <sip:x@y>",
    ],
    &[
        "twiml <Response><Dial referUrl='/r' answerOnBridge='true'>100</Dial><Say>b</Say></Response>",
        "callee",
        "answered",
        "refer callee <sip:x@y>",
        "twiml <Response><Dial action='/e'>200</Dial></Response>",
    ],
    &[
        "twiml <Response><Dial referUrl='/r' answerOnBridge='true' action='/d'>100</Dial></Response>",
        "callee",
        "answered",
        "refer caller <sip:x@y>",
        "twiml <Response><Dial>200</Dial></Response>",
    ],
    &[
        "twiml <Response><Enqueue action='/q' waitUrl='/w'>q</Enqueue><Say>b</Say></Response>",
        "answered",
        "enqueued 1 0",
        "twiml <Response><Gather><Say>a</Say></Gather><Leave/></Response>",
    ],
    &[
        "twiml <Response><Enqueue action='/q'>q</Enqueue></Response>",
        "answered",
        "enqueued 1 0",
        "dequeued 9 http://app.test/whisper",
    ],
    &[
        "twiml <Response><Dial action='/d' hangupOnStar='true'><Conference waitUrl='/w'>c</Conference></Dial></Response>",
        "answered",
        "conference waits",
    ],
    &[
        "twiml <Response><Dial action='/d'><Conference>c</Conference></Dial><Say>b</Say></Response>",
        "answered",
        "conference talks",
    ],
    &[
        "twiml <Response><Dial action='/d' timeout='5'><Queue url='/w'>q</Queue></Dial></Response>",
        "answered",
        "ringing",
    ],
    &[
        "twiml <Response><Gather input='dtmf speech' action='/g'><Play>a</Play><Say>b</Say></Gather></Response>",
        "answered",
        "done",
    ],
    &[
        "twiml <Response><Start><Stream name='s' url='wss://s.test/a' statusCallback='/s'/></Start><Connect action='/x'><Stream url='wss://s.test/b' statusCallback='/s'/></Connect></Response>",
        "answered",
        "stream started",
    ],
    &[
        "twiml <Response><Refer action='/f'><Sip>a@b</Sip></Refer><Say>c</Say></Response>",
        "answered",
        "referred 202",
    ],
];

/// Legs that are answered when their run begins.
const LEGS: &[&str] = &[
    "screening",
    "transferee <Response><Dial action='/d'>100</Dial></Response>",
    "transferee <Response><Enqueue waitUrl='/w'>q</Enqueue></Response>",
    "transferee <broken",
    "kept-transferee <Response><Dial action='/d'>100</Dial></Response>",
    "kept-transferee <Response><Redirect>/more</Redirect></Response>",
    "kept-transferee <Response><Pause/><Say>a</Say></Response>",
    "kept-transferee <broken",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Whatever happens: one final response, no BYE before the ACK, an end after the caller is
    /// gone, and nothing after the end.
    #[test]
    fn any_order_of_events_ends_well(
        fallback: bool,
        reject: bool,
        before in 0..BEFORE.len(),
        events in prop::collection::vec((0..ANYTHING.len(), 0..3u64), 1..40),
    ) {
        let mut leg = Driver::default();
        for (set, setting) in [(fallback, "fallback"), (reject, "fetch_failed reject"), (true, "status_callback")] {
            if set {
                leg.set(setting);
            }
        }
        let mut actions = leg.step("start");
        for event in BEFORE[before] {
            actions.extend(leg.step(event));
        }
        for (event, seconds) in events {
            leg.now += Duration::from_secs(seconds);
            if let Some(timer) = ANYTHING[event].strip_prefix("timer ") && !leg.timers.contains_key(timer) {
                continue;
            }
            if ANYTHING[event].starts_with("ended first") && !leg.has_dialled() {
                continue;
            }
            let acknowledges = matches!(ANYTHING[event], "answered" | "lost");
            if acknowledges && !actions.iter().any(|action| action == "answer 200") {
                continue;
            }
            actions.extend(leg.step(ANYTHING[event]));
        }
        let answering = actions.iter().any(|action| action == "answer 200");
        let last_words = if answering { ["answered", "bye"] } else { ["cancel", "cancel"] };
        for event in last_words {
            actions.extend(leg.step(event));
        }
        if let Some(timer) = leg.timers.get("WrapUp").copied() {
            let run = leg.run.as_mut().unwrap();
            let late = run.step(leg.now, Event::TimerFired(timer));
            actions.extend(late.iter().filter_map(|action| leg.show(action)));
        }
        let count = |what: &str| actions.iter().filter(|action| action.starts_with(what)).count();
        prop_assert_eq!(count("finished"), 1, "{:#?}", actions);
        prop_assert!(actions.last().unwrap().starts_with("finished"), "{:#?}", actions);
        prop_assert_eq!(count("callback GET http://app.test/status"), 1, "{:#?}", actions);
        prop_assert_eq!(count("answer 200") + count("reject"), 1, "{:#?}", actions);
        prop_assert!(count("bye") <= 1, "{:#?}", actions);
        let place = |what: &str| actions.iter().position(|action| action.starts_with(what));
        for needs_answer in ["bye", "refer", "bridge", "say", "play", "record", "listen", "music", "siprec", "stream", "enqueue", "join"] {
            if let Some(at) = place(needs_answer) {
                prop_assert!(place("answer 200").is_some_and(|answer| answer < at), "{:#?}", actions);
            }
        }
        // What is begun with somebody else is ended.
        let parked = count("restore callee") + count("release callee") + leg.ended();
        prop_assert!(count("park callee") <= parked, "{:#?}", actions);
        prop_assert!(count("stop siprec") <= count("siprec "), "{:#?}", actions);
        prop_assert!(count("stop stream") <= count("stream "), "{:#?}", actions);
    }

    /// A leg that was screened or transferred: one end, and what a kept one owes is told once.
    #[test]
    fn other_legs_end_well(
        kind in 0..LEGS.len(),
        events in prop::collection::vec((0..ANYTHING.len(), 0..3u64), 1..30),
    ) {
        let mut leg = Driver::default();
        leg.set(LEGS[kind]);
        let mut actions = leg.step("start");
        for (event, seconds) in events {
            leg.now += Duration::from_secs(seconds);
            let event = ANYTHING[event];
            let timer = event.strip_prefix("timer ");
            if timer.is_some_and(|timer| !leg.timers.contains_key(timer))
                || (event.starts_with("ended first") && !leg.has_dialled())
            {
                continue;
            }
            actions.extend(leg.step(event));
        }
        actions.extend(leg.step("bye"));
        if let Some(timer) = leg.timers.get("WrapUp").copied() {
            let run = leg.run.as_mut().unwrap();
            let late = run.step(leg.now, Event::TimerFired(timer));
            actions.extend(late.iter().filter_map(|action| leg.show(action)));
        }
        let count = |what: &str| actions.iter().filter(|action| action.starts_with(what)).count();
        prop_assert_eq!(count("finished"), 1, "{:#?}", actions);
        prop_assert!(actions.last().unwrap().starts_with("finished"), "{:#?}", actions);
        prop_assert!(count("bye") + count("transfer done") - count("transfer done 200") <= 1, "{:#?}", actions);
        prop_assert!(count("transfer done") <= 1, "{:#?}", actions);
        prop_assert_eq!(count("answer 200") + count("reject") + count("ring"), 0, "{:#?}", actions);
    }
}
