//! How well the peers of ended sessions were received.

use media::codec::Codec;

use crate::support::{Phone, engine, eventually, open, talk, tone};

#[test]
fn sessions_to_which_something_came_are_counted_when_they_end() {
    let engine = engine();
    // One to which nothing comes.
    drop(open(&engine, 2));
    let (session, _events) = open(&engine, 1);
    let mut phone = Phone::connected(&session, Codec::Pcmu);
    let say = |_, tick| Some(tone(500.0, tick, Codec::Pcmu));
    talk(&mut [&mut phone], 10, say);
    // Two are lost on their way.
    phone.sequence = phone.sequence.wrapping_add(2);
    talk(&mut [&mut phone], 5, say);
    eventually("received", || engine.counters().packets_lost >= 2);
    assert_eq!(engine.counters().quality.jitter.counts, [0; 11]);
    drop(session);
    let quality = || engine.counters().quality;
    eventually("counted", || quality().jitter.counts != [0; 11]);
    let quality = quality();
    assert_eq!(quality.jitter.counts.iter().sum::<u64>(), 1);
    assert_eq!(quality.lost.sum, 2);
    assert_eq!(quality.lost.counts, [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
}
