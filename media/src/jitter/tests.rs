use super::*;

const SOUND: Kind = Kind::Sound(Codec::Pcmu);

fn push(buffer: &mut JitterBuffer, sequence: u16) -> Pushed {
    buffer.push(sequence, SOUND, 20, &sequence.to_be_bytes())
}

/// One tick of a reader: what it heard.
fn tick(buffer: &mut JitterBuffer) -> Option<Result<u16, ()>> {
    buffer.tick();
    match buffer.pull() {
        Pulled::Sound(_, payload) => Some(Ok(u16::from_be_bytes([payload[0], payload[1]]))),
        Pulled::Lost => Some(Err(())),
        Pulled::Dry | Pulled::Other => None,
    }
}

#[test]
fn begins_with_its_target_and_goes_on_in_order() {
    let mut buffer = JitterBuffer::new();
    push(&mut buffer, 0xffff);
    assert_eq!(tick(&mut buffer), None);
    push(&mut buffer, 1);
    push(&mut buffer, 0);
    assert_eq!(tick(&mut buffer), Some(Ok(0xffff)));
    assert_eq!(tick(&mut buffer), Some(Ok(0)));
    assert_eq!(tick(&mut buffer), Some(Ok(1)));
    assert_eq!(tick(&mut buffer), None);
}

#[test]
fn long_packets_wait_for_each_other() {
    for (millis, length) in [(40_u32, 2), (60, 3), (120, 6)] {
        let mut buffer = JitterBuffer::new();
        let (mut ready, mut dry) = (0, 0);
        for turn in 0..300_u32 {
            // Every other packet comes a tick late.
            let late = turn / length % 2;
            if turn % length == late {
                let sequence = (turn / length) as u16;
                buffer.push(sequence, SOUND, millis, &[]);
            }
            buffer.tick();
            if ready == 0 {
                match buffer.pull() {
                    Pulled::Sound(..) => ready = millis,
                    _ => dry += 1,
                }
            }
            ready = ready.saturating_sub(TICK_MS);
        }
        assert!(dry <= length + 1, "{millis}: {dry}");
    }
}

#[test]
fn what_stands_behind_a_loss() {
    let mut buffer = JitterBuffer::new();
    for sequence in [10, 12, 13] {
        push(&mut buffer, sequence);
    }
    assert_eq!(tick(&mut buffer), Some(Ok(10)));
    assert_eq!(buffer.peek(), None);
    assert_eq!(tick(&mut buffer), Some(Err(())));
    assert_eq!(buffer.peek(), Some((Codec::Pcmu, &[0, 12][..])));
    assert_eq!(tick(&mut buffer), Some(Ok(12)));
}

#[test]
fn a_lone_packet_is_not_kept_for_ever() {
    let mut buffer = JitterBuffer::new();
    push(&mut buffer, 7);
    let heard: Vec<_> = (0..4).filter_map(|_| tick(&mut buffer)).collect();
    assert_eq!(heard, [Ok(7)]);
}

#[test]
fn lost_late_and_double() {
    let mut buffer = JitterBuffer::new();
    for sequence in [10, 11, 13, 14] {
        assert_eq!(push(&mut buffer, sequence), Pushed::Kept);
    }
    assert_eq!(push(&mut buffer, 13), Pushed::Duplicate);
    assert_eq!(tick(&mut buffer), Some(Ok(10)));
    assert_eq!(tick(&mut buffer), Some(Ok(11)));
    assert_eq!(tick(&mut buffer), Some(Err(())));
    assert_eq!(push(&mut buffer, 12), Pushed::Late);
    assert_eq!(tick(&mut buffer), Some(Ok(13)));
}

#[test]
fn an_earlier_packet_may_still_be_the_first() {
    let mut buffer = JitterBuffer::new();
    push(&mut buffer, 5);
    push(&mut buffer, 4);
    assert_eq!(tick(&mut buffer), Some(Ok(4)));
    assert_eq!(tick(&mut buffer), Some(Ok(5)));
}

#[test]
fn the_target_follows_the_network() {
    let mut buffer = JitterBuffer::new();
    assert_eq!(buffer.target_ms, 40);
    // Packets come in fours, after three ticks and after five: at first it runs dry.
    let mut sequence = 0;
    let mut dry = Vec::new();
    for turn in 0..400 {
        if [0, 5].contains(&(turn % 8)) {
            for _ in 0..4 {
                push(&mut buffer, sequence);
                sequence += 1;
            }
        }
        if tick(&mut buffer).is_none() {
            dry.push(turn);
        }
    }
    assert_eq!(dry, [4]);
    assert_eq!(buffer.target_ms, 60);
    // Smooth for half a minute: back to the least.
    for _ in 0..2500 {
        push(&mut buffer, sequence);
        sequence += 1;
        tick(&mut buffer);
    }
    assert_eq!(buffer.target_ms, 40);
}

#[test]
fn a_faster_peer_does_not_fill_it() {
    let mut buffer = JitterBuffer::new();
    let mut sequence: u16 = 0;
    let mut most = 0;
    for turn in 0..20_000 {
        push(&mut buffer, sequence);
        sequence = sequence.wrapping_add(1);
        if turn % 400 == 0 {
            push(&mut buffer, sequence);
            sequence = sequence.wrapping_add(1);
        }
        tick(&mut buffer);
        most = most.max(buffer.held);
    }
    assert!(most < 8, "{most}");
}

#[test]
fn an_outage_takes_its_time_once() {
    let mut buffer = JitterBuffer::new();
    for sequence in 0..5 {
        push(&mut buffer, sequence);
    }
    for _ in 0..20 {
        tick(&mut buffer);
    }
    let (mut lost, mut most) = (0, 0);
    for sequence in 20..60 {
        push(&mut buffer, sequence);
        lost += usize::from(tick(&mut buffer) == Some(Err(())));
        most = most.max(buffer.held);
    }
    assert!(lost <= 2 && most <= 3, "{lost} {most}");
}

#[test]
fn a_burst_keeps_the_newest() {
    let mut buffer = JitterBuffer::new();
    for sequence in 0..40 {
        assert_eq!(push(&mut buffer, sequence), Pushed::Kept);
        assert!(buffer.held <= SLOTS);
    }
    assert_eq!(tick(&mut buffer), Some(Ok(24)));
    // A jump ahead leaves all behind that there was.
    push(&mut buffer, 5000);
    assert_eq!(tick(&mut buffer), Some(Ok(5000)));
    assert_eq!(buffer.held, 0);
    assert_eq!(buffer.held_ms, 0);
}

#[test]
fn a_stream_that_begins_anew() {
    let mut buffer = JitterBuffer::new();
    for sequence in 5000..5005 {
        push(&mut buffer, sequence);
    }
    assert_eq!(tick(&mut buffer), Some(Ok(5000)));
    assert_eq!(push(&mut buffer, 100), Pushed::Kept);
    push(&mut buffer, 101);
    assert_eq!(tick(&mut buffer), Some(Ok(100)));
}

#[test]
fn events_hold_their_place() {
    let mut buffer = JitterBuffer::new();
    push(&mut buffer, 1);
    buffer.push(2, Kind::Other, 0, b"");
    push(&mut buffer, 3);
    assert_eq!(tick(&mut buffer), Some(Ok(1)));
    assert_eq!(buffer.pull(), Pulled::Other);
    assert_eq!(tick(&mut buffer), Some(Ok(3)));
}

#[test]
fn anything_may_come() {
    let mut state = 1_u32;
    let mut buffer = JitterBuffer::new();
    for _ in 0..200_000 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let sequence = (state >> 16) as u16;
        let near = if state & 8 == 0 {
            sequence
        } else {
            sequence % 40
        };
        match state % 3 {
            0 => {
                buffer.push(near, SOUND, 20, &[1, 2]);
            }
            1 => buffer.tick(),
            _ => {
                buffer.pull();
            }
        }
        let full = buffer.slots.iter().filter(|slot| slot.full);
        assert_eq!(full.clone().count(), buffer.held);
        assert_eq!(full.map(|slot| slot.millis).sum::<u32>(), buffer.held_ms);
    }
}

/// The most that waited after a reader's tick, when packets come eight at a time.
fn waits(depth: Depth) -> usize {
    let mut buffer = JitterBuffer::new();
    buffer.set_depth(depth);
    let mut most = 0;
    for turn in 0..800_u16 {
        if turn % 8 == 0 {
            for ahead in 0..8 {
                push(&mut buffer, turn + ahead);
            }
        }
        tick(&mut buffer);
        most = most.max(buffer.held);
    }
    most
}

/// Frames between a packet and its sound, when a packet comes every tick.
fn begins(depth: Depth) -> usize {
    let mut buffer = JitterBuffer::new();
    buffer.set_depth(depth);
    let silent = |sequence: &u16| {
        push(&mut buffer, *sequence);
        tick(&mut buffer).is_none()
    };
    (0..20).take_while(silent).count()
}

#[test]
fn less_waits_the_shallower_it_is() {
    let depths = [Depth::Off, Depth::Small, Depth::Medium, Depth::Large];
    assert_eq!(depths.map(begins), [0, 1, 1, 1]);
    assert_eq!(depths.map(waits), [1, 3, 6, 7]);
}

#[test]
fn without_depth_nothing_is_late_by_more_than_a_packet() {
    for (millis, held) in [(10, 3), (20, 2), (40, 2), (60, 2)] {
        let mut buffer = JitterBuffer::new();
        buffer.set_depth(Depth::Off);
        for sequence in 0..10 {
            buffer.push(sequence, SOUND, millis, &sequence.to_be_bytes());
        }
        assert_eq!(buffer.held, held, "{millis}");
        buffer.tick();
        let first = 10 - buffer.held as u16;
        let heard = Pulled::Sound(Codec::Pcmu, &first.to_be_bytes()[..]) == buffer.pull();
        assert!(heard, "{millis}");
    }
}

#[test]
fn a_depth_that_changes_holds_at_once_and_stays() {
    let mut buffer = JitterBuffer::new();
    for sequence in 0..12 {
        push(&mut buffer, sequence);
    }
    assert_eq!(buffer.held, 12);
    buffer.set_depth(Depth::Small);
    assert_eq!((buffer.held, buffer.held_ms), (4, 80));
    buffer.restart();
    assert_eq!(buffer.depth, Depth::Small);
    // What was lost on the way is passed over as well.
    for sequence in [0, 1, 5, 6, 7, 8, 9] {
        push(&mut buffer, sequence);
    }
    assert_eq!(tick(&mut buffer), Some(Ok(6)));
    buffer.set_depth(Depth::Large);
    for sequence in 10..20 {
        assert_eq!(push(&mut buffer, sequence), Pushed::Kept);
    }
    assert_eq!(buffer.held, 13);
}
