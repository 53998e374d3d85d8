//! Keys as telephone events (RFC 4733), in and out.

/// Finds the keys in the events of a stream.
///
/// A key is told when the first packet of it is seen, whichever that is: so it does not matter
/// which are lost, and what is played stops at once. The others, and the three that end it, are
/// known by their timestamp.
#[derive(Debug, Default)]
pub(crate) struct KeyReader {
    last: Option<Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    timestamp: u32,
    event: u8,
    ended: bool,
    tick: u64,
}

/// What an event packet says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct KeyEvent {
    /// The number of the event.
    pub(crate) event: u8,
    /// It is over.
    pub(crate) end: bool,
    /// Its power, in negative dBm0.
    pub(crate) volume: u8,
    /// How long it has been, in units of the timestamp.
    pub(crate) duration: u16,
}

impl KeyEvent {
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let [event, flags, d0, d1, ..] = *payload else {
            return None;
        };
        Some(Self {
            event,
            end: flags & 0x80 != 0,
            volume: flags & 0x3f,
            duration: u16::from_be_bytes([d0, d1]),
        })
    }

    pub(crate) fn to_bytes(self) -> [u8; 4] {
        let [d0, d1] = self.duration.to_be_bytes();
        [
            self.event,
            u8::from(self.end) << 7 | self.volume & 0x3f,
            d0,
            d1,
        ]
    }
}

impl KeyReader {
    /// Another stream begins.
    pub(crate) fn restart(&mut self) {
        self.last = None;
    }

    /// The key that this packet is the first of. `now` counts ticks.
    pub(crate) fn read(
        &mut self,
        timestamp: u32,
        marker: bool,
        event: KeyEvent,
        now: u64,
    ) -> Option<char> {
        let key = KEYS.get(usize::from(event.event)).copied()?;
        if let Some(last) = &mut self.last {
            let age = now.saturating_sub(last.tick);
            let same_event = last.event == event.event;
            if age < REPEATED {
                if last.timestamp == timestamp && same_event {
                    last.ended |= event.end;
                    last.tick = now;
                    return None;
                }
                // A packet of an earlier key that comes late.
                if (timestamp.wrapping_sub(last.timestamp) as i32) < 0 {
                    return None;
                }
            }
            // RFC 4733 §2.5.1.3: a long key goes on under another timestamp. There are also senders
            // that give each packet of a key a timestamp of its own.
            if same_event && !last.ended && !marker && age <= GOES_ON {
                last.timestamp = timestamp;
                last.ended = event.end;
                last.tick = now;
                return None;
            }
        }
        self.last = Some(Seen {
            timestamp,
            event: event.event,
            ended: event.end,
            tick: now,
        });
        Some(char::from(key))
    }
}

/// The number of the event of a key.
pub(crate) fn event_of(key: char) -> Option<u8> {
    let upper = key.to_ascii_uppercase();
    let place = KEYS.iter().position(|known| char::from(*known) == upper)?;
    u8::try_from(place).ok()
}

/// What is to be sent in one tick of a row of keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum KeyStep {
    /// The row is over.
    Done,
    /// A packet of an event that has been for so many ticks.
    Event {
        event: u8,
        ticks: u16,
        first: bool,
        end: bool,
    },
    /// Nothing.
    Pause,
}

/// Sends a row of keys, one step a tick.
#[derive(Debug)]
pub(crate) struct KeyWriter {
    keys: std::collections::VecDeque<char>,
    tick: u16,
}

impl KeyWriter {
    pub(crate) fn new(keys: &str) -> Self {
        Self {
            keys: keys.chars().collect(),
            tick: 0,
        }
    }

    pub(crate) fn step(&mut self) -> KeyStep {
        let Some(key) = self.keys.front() else {
            return KeyStep::Done;
        };
        self.tick += 1;
        let tick = self.tick;
        let (step, length) = match (event_of(*key), *key) {
            (_, 'w') => (KeyStep::Pause, 25),
            (_, 'W') => (KeyStep::Pause, 50),
            (Some(event), _) => {
                let step = if tick < PRESSED + ENDS {
                    KeyStep::Event {
                        event,
                        ticks: tick.min(PRESSED),
                        first: tick == 1,
                        end: tick >= PRESSED,
                    }
                } else {
                    KeyStep::Pause
                };
                (step, PRESSED + ENDS - 1 + GAP)
            }
            (None, _) => (KeyStep::Pause, 1),
        };
        if tick >= length {
            self.keys.pop_front();
            self.tick = 0;
        }
        step
    }

    /// The keys, for a peer that wants tones: each with the time that it takes.
    pub(crate) fn tones(&self) -> impl Iterator<Item = Tone> {
        self.keys.iter().map(|key| match *key {
            'w' => Tone::Pause(500),
            'W' => Tone::Pause(1000),
            key => Tone::Key(key.to_ascii_uppercase()),
        })
    }
}

/// A step of a row of keys that are sent as tones.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tone {
    Key(char),
    Pause(u32),
}

impl Tone {
    /// How long a key is pressed, and how long nothing is before the next.
    pub(crate) const KEY_MS: u32 = PRESSED as u32 * 20;
    pub(crate) const GAP_MS: u32 = 100;
}

/// RFC 4733 §3.2: the DTMF events in the order of their numbers.
const KEYS: &[u8; 16] = b"0123456789*#ABCD";

/// Ticks that a key is pressed: 100 ms, well above the 40 ms that receivers need.
const PRESSED: u16 = 5;

/// RFC 4733 §2.5.1.4: the packet that ends a key is sent three times.
const ENDS: u16 = 3;

/// Ticks between the last packet of a key and the next.
const GAP: u16 = 3;

/// Ticks in which another packet of a timestamp is the same key: a second.
const REPEATED: u64 = 50;

/// Ticks in which a key that was not ended goes on.
const GOES_ON: u64 = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn event(event: u8, end: bool) -> KeyEvent {
        KeyEvent {
            event,
            end,
            volume: 10,
            duration: 160,
        }
    }

    /// What is told of packets (tick, timestamp, event, end), with the marker on none.
    fn told(packets: &[(u64, u32, u8, bool)]) -> String {
        let mut reader = KeyReader::default();
        packets
            .iter()
            .filter_map(|(now, timestamp, code, end)| {
                reader.read(*timestamp, false, event(*code, *end), *now)
            })
            .collect()
    }

    #[test]
    fn once_a_key() {
        let key = |start: u64, stamp: u32, code: u8| {
            (0..8).map(move |tick| (start + tick, stamp, code, tick >= 5))
        };
        let two: Vec<_> = key(0, 1000, 5).chain(key(9, 2600, 5)).collect();
        assert_eq!(told(&two), "55");
        // Only the last end packet of the first key comes, and none of the second.
        let few: Vec<_> = two
            .iter()
            .copied()
            .enumerate()
            .filter(|(at, _)| [7, 8, 9].contains(at))
            .map(|(_, packet)| packet)
            .collect();
        assert_eq!(told(&few), "55");
    }

    #[test]
    fn lost_ends_and_another_key() {
        assert_eq!(told(&[(0, 1000, 5, false), (6, 2000, 6, false)]), "56");
        // The same key after a pause.
        assert_eq!(told(&[(0, 1000, 5, false), (8, 2400, 5, false)]), "55");
    }

    #[test]
    fn out_of_order() {
        let mixed = [
            (0, 1000, 1, false),
            (9, 3000, 2, false),
            (9, 1000, 1, true),
            (10, 3000, 2, true),
            (10, 3000, 2, false),
        ];
        assert_eq!(told(&mixed), "12");
    }

    #[test]
    fn a_timestamp_for_each_packet_and_a_very_long_key() {
        let odd: Vec<_> = (0..8)
            .map(|tick| (tick, 1000 + tick as u32 * 160, 9, tick == 7))
            .collect();
        assert_eq!(told(&odd), "9");
        assert_eq!(
            told(&[
                (0, 0, 11, false),
                (2, 0xffff, 11, false),
                (3, 0xffff, 11, true)
            ]),
            "#"
        );
    }

    #[test]
    fn the_same_timestamp_much_later_is_a_new_key() {
        assert_eq!(
            told(&[(0, 7, 1, true), (30, 7, 1, true), (200, 7, 1, true)]),
            "11"
        );
    }

    #[test]
    fn not_keys() {
        assert_eq!(KeyEvent::parse(&[1, 2, 3]), None);
        assert_eq!(told(&[(0, 1, 16, false), (9, 2, 255, true)]), "");
        let event = KeyEvent::parse(&[11, 0x8a, 0x03, 0x20]).unwrap();
        assert_eq!(
            event,
            KeyEvent {
                event: 11,
                end: true,
                volume: 10,
                duration: 800
            }
        );
        assert_eq!(event.to_bytes(), [11, 0x8a, 0x03, 0x20]);
    }

    #[test]
    fn a_row_of_keys() {
        let mut writer = KeyWriter::new("1w#x");
        let mut steps = Vec::new();
        loop {
            match writer.step() {
                KeyStep::Done => break,
                step => steps.push(step),
            }
        }
        assert_eq!(steps.len(), 10 + 25 + 10 + 1);
        let key = |steps: &[KeyStep], event: u8| {
            for (at, step) in steps.iter().enumerate() {
                let expected = if at < 7 {
                    KeyStep::Event {
                        event,
                        ticks: (at as u16 + 1).min(5),
                        first: at == 0,
                        end: at >= 4,
                    }
                } else {
                    KeyStep::Pause
                };
                assert_eq!(*step, expected, "{at}");
            }
        };
        key(&steps[..10], 1);
        assert!(steps[10..35].iter().all(|step| *step == KeyStep::Pause));
        key(&steps[35..45], 11);
        let tones: Vec<_> = KeyWriter::new("aW").tones().collect();
        assert_eq!(tones, [Tone::Key('A'), Tone::Pause(1000)]);
    }
}
