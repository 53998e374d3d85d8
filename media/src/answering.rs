//! Who has answered: a person, a machine with its greeting, or a fax.
//!
//! ```text
//! silence ──speech──► greeting ──a pause──► a person
//!    │                   │ it goes on
//!    │ nobody speaks     ▼
//!    ▼                a machine ──a beep, or a pause──► its end
//! unknown
//! ```
//!
//! A person says a word or two and waits; a machine speaks on. What it is is decided by time and by tones alone, frame by
//! frame of 20 ms, so the same sound gives the same answer.

use std::time::Duration;

use crate::clock::TICK;
use crate::codec::g711;
use crate::silence::VoiceActivity;

/// Who has answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AnsweredBy {
    /// A fax calls: 1100 Hz.
    Fax,
    /// Somebody who spoke shortly and waits.
    Human,
    /// A machine has ended its greeting with a beep.
    MachineEndBeep,
    /// A machine did not end its greeting in time.
    MachineEndOther,
    /// A machine has ended its greeting and is silent.
    MachineEndSilence,
    /// A machine speaks.
    MachineStart,
    /// Nobody said anything, or nothing was certain in time.
    Unknown,
}

/// How long what may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AnsweringSpec {
    /// Whether the end of a machine's greeting is waited for.
    pub message_end: bool,
    /// After this, it is as certain as it gets.
    pub timeout: Duration,
    /// A greeting that is longer is a machine's.
    pub speech: Duration,
    /// A pause that is longer ends a greeting.
    pub speech_end: Duration,
    /// Nobody speaks for so long after the answer.
    pub silence: Duration,
}

/// Listens from the answer on.
#[derive(Debug)]
pub struct Answering {
    spec: AnsweringSpec,
    activity: VoiceActivity,
    pcm: Vec<i16>,
    heard: Duration,
    /// From the first word to the last.
    spoken: Duration,
    /// Since the last word, or since the answer.
    silent: Duration,
    machine: bool,
    tone: Tone,
}

/// A tone under way.
#[derive(Debug, Default)]
struct Tone {
    /// 2 cos ω of its last frame.
    turn: f64,
    lasts: Duration,
}

impl Answering {
    /// Begins at the answer.
    #[must_use]
    pub fn new(spec: AnsweringSpec) -> Self {
        Self {
            spec,
            activity: VoiceActivity::new(),
            pcm: Vec::new(),
            heard: Duration::ZERO,
            spoken: Duration::ZERO,
            silent: Duration::ZERO,
            machine: false,
            tone: Tone::default(),
        }
    }

    /// How much was heard so far.
    #[must_use]
    pub fn heard(&self) -> Duration {
        self.heard
    }

    /// Takes the next 20 ms of what the callee says, 160 samples of µ-law; tells once it is certain. What comes after that
    /// means nothing.
    pub fn push(&mut self, payload: &[u8; 160]) -> Option<AnsweredBy> {
        let mut pcm = std::mem::take(&mut self.pcm);
        pcm.clear();
        g711::decode_ulaw(payload, &mut pcm);
        let decided = self.take(&pcm);
        self.pcm = pcm;
        decided
    }

    fn take(&mut self, pcm: &[i16]) -> Option<AnsweredBy> {
        self.heard += TICK;
        let speaks = self.activity.push(pcm);
        let before = self.tone.lasts;
        let turn = turn_of(pcm);
        self.tone.follow(turn);
        if turn.is_some() {
            if self.tone.is_fax() {
                return Some(AnsweredBy::Fax);
            }
        } else if before >= BEEP_MIN {
            // The beep is over: what is said now is recorded.
            return Some(match self.spec.message_end {
                true => AnsweredBy::MachineEndBeep,
                false => AnsweredBy::MachineStart,
            });
        } else if speaks {
            // The pauses between its words belong to a greeting.
            let pause = if self.spoken.is_zero() {
                Duration::ZERO
            } else {
                self.silent
            };
            self.spoken += pause + TICK;
            self.silent = Duration::ZERO;
        } else {
            self.silent += TICK;
        }
        self.verdict()
    }

    fn verdict(&mut self) -> Option<AnsweredBy> {
        let spec = &self.spec;
        if self.spoken >= spec.speech {
            if !spec.message_end {
                return Some(AnsweredBy::MachineStart);
            }
            self.machine = true;
        }
        if self.spoken.is_zero() {
            if self.silent >= spec.silence {
                return Some(AnsweredBy::Unknown);
            }
        } else if self.silent >= spec.speech_end {
            return Some(match self.machine {
                true => AnsweredBy::MachineEndSilence,
                false => AnsweredBy::Human,
            });
        }
        (self.heard >= spec.timeout).then_some(match self.machine {
            true => AnsweredBy::MachineEndOther,
            false => AnsweredBy::Unknown,
        })
    }
}

impl Tone {
    fn follow(&mut self, turn: Option<f64>) {
        let Some(turn) = turn else {
            return *self = Self::default();
        };
        if (turn - self.turn).abs() > SAME_TURN {
            self.lasts = Duration::ZERO;
        }
        self.turn = turn;
        self.lasts += TICK;
    }

    fn is_fax(&self) -> bool {
        let hertz = (self.turn / 2.0).acos() * RATE / std::f64::consts::TAU;
        self.lasts >= FAX_MIN && (hertz - FAX).abs() < FAX_OFF
    }
}

/// The 2 cos ω of a frame that is one tone between 300 and 2500 Hz and little else.
///
/// Of a tone, `x[n-1] + x[n+1] = 2 cos ω · x[n]` everywhere: the factor that fits best is found, and how much it leaves.
fn turn_of(pcm: &[i16]) -> Option<f64> {
    let (mut power, mut along, mut around) = (0.0, 0.0, 0.0);
    for three in pcm.windows(3) {
        let [before, here, after] = three else { break };
        let (here, beside) = (f64::from(*here), f64::from(*before) + f64::from(*after));
        power += here * here;
        along += here * beside;
        around += beside * beside;
    }
    let count = pcm.len().saturating_sub(2).max(1) as f64;
    if power / count < POWER_MIN {
        return None;
    }
    let turn = along / power;
    let rest = around - turn * along;
    // What noise of the line's own coding is worth, beside twice the tone.
    (rest < power * REST_MAX && (TURN_MIN..TURN_MAX).contains(&turn)).then_some(turn)
}

const RATE: f64 = 8000.0;
/// A tone below this mean square, about -40 dBm0, is no beep.
const POWER_MIN: f64 = 40_000.0;
/// What may be left of the neighbours' power where a tone is taken out of it.
const REST_MAX: f64 = 0.02;
/// 2500 Hz.
const TURN_MIN: f64 = -0.765;
/// 300 Hz.
const TURN_MAX: f64 = 1.945;
/// Frames of one tone differ by less.
const SAME_TURN: f64 = 0.05;
/// A beep is longer; a vowel that happens to be a tone is not.
const BEEP_MIN: Duration = Duration::from_millis(140);
/// The calling tone of a fax (T.30 §4.2): half a second of 1100 Hz, 38 Hz about.
const FAX: f64 = 1100.0;
const FAX_OFF: f64 = 38.0;
const FAX_MIN: Duration = Duration::from_millis(400);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SPEC: AnsweringSpec = AnsweringSpec {
        message_end: false,
        timeout: Duration::from_secs(30),
        speech: Duration::from_millis(2400),
        speech_end: Duration::from_millis(1200),
        silence: Duration::from_millis(5000),
    };
    const TO_THE_END: AnsweringSpec = AnsweringSpec {
        message_end: true,
        ..SPEC
    };

    /// What is heard: milliseconds of silence, of a voice, or of a tone.
    enum Part {
        Silence(u32),
        Voice(u32),
        Tone(f64, u32),
    }
    use Part::{Silence, Tone, Voice};

    fn sample(part: &Part, at: u32) -> i16 {
        let wave = |hertz: f64| (f64::from(at) / RATE * hertz * std::f64::consts::TAU).sin();
        match part {
            Silence(_) => 0,
            // A pitch with overtones, and syllables.
            Voice(_) => {
                let pitch = 110.0 + 20.0 * wave(2.5);
                let buzz: f64 = (1..12)
                    .map(|k| wave(pitch * f64::from(k)) / f64::from(k))
                    .sum();
                (buzz * 4000.0 * (0.6 + 0.4 * wave(4.0))) as i16
            }
            Tone(hertz, _) => (wave(*hertz) * 6000.0) as i16,
        }
    }

    /// What is decided, and after how many milliseconds.
    fn decided(spec: AnsweringSpec, parts: &[Part]) -> Option<(AnsweredBy, u128)> {
        let mut answering = Answering::new(spec);
        for part in parts {
            let (Silence(millis) | Voice(millis) | Tone(_, millis)) = part;
            for frame in 0..millis / 20 {
                let mut payload = [0; 160];
                for (index, byte) in payload.iter_mut().enumerate() {
                    *byte = g711::ulaw(sample(part, frame * 160 + index as u32));
                }
                if let Some(by) = answering.push(&payload) {
                    return Some((by, answering.heard().as_millis()));
                }
            }
        }
        None
    }

    #[test]
    fn a_person_says_hello_and_waits() {
        let hello = [Silence(400), Voice(700), Silence(4000)];
        for spec in [SPEC, TO_THE_END] {
            let (by, after) = decided(spec, &hello).expect("a decision");
            assert_eq!(by, AnsweredBy::Human);
            // Speech goes on for 200 ms after the last loud frame.
            assert!((2300..2600).contains(&after), "{after} ms");
        }
    }

    #[test]
    fn a_machine_speaks_on() {
        let greeting = [
            Silence(400),
            Voice(1000),
            Silence(300),
            Voice(3000),
            Silence(4000),
        ];
        let (by, after) = decided(SPEC, &greeting).expect("a decision");
        assert_eq!(by, AnsweredBy::MachineStart);
        assert!((2700..3100).contains(&after), "{after} ms");
        let (by, after) = decided(TO_THE_END, &greeting).expect("a decision");
        assert_eq!(by, AnsweredBy::MachineEndSilence);
        assert!((5900..6300).contains(&after), "{after} ms");
    }

    #[test]
    fn a_beep_is_the_end() {
        for hertz in [440.0, 1000.0, 1400.0, 2000.0] {
            let greeting = [
                Silence(200),
                Voice(3000),
                Silence(500),
                Tone(hertz, 400),
                Silence(1000),
            ];
            let (by, after) = decided(TO_THE_END, &greeting).expect("a decision");
            assert_eq!(by, AnsweredBy::MachineEndBeep, "{hertz} Hz");
            assert!((4100..4160).contains(&after), "{after} ms");
            // A machine without a greeting.
            let beep = [Silence(600), Tone(hertz, 400), Silence(1000)];
            assert_eq!(decided(SPEC, &beep), Some((AnsweredBy::MachineStart, 1020)));
        }
    }

    #[test]
    fn a_fax_whistles() {
        let fax = [Silence(1000), Tone(1100.0, 500), Silence(3000)];
        assert_eq!(decided(SPEC, &fax), Some((AnsweredBy::Fax, 1400)));
    }

    #[test]
    fn who_says_nothing_is_nobody() {
        assert_eq!(
            decided(SPEC, &[Silence(9000)]),
            Some((AnsweredBy::Unknown, 5000))
        );
    }

    #[test]
    fn there_is_an_end() {
        let spec = AnsweringSpec {
            timeout: Duration::from_secs(3),
            ..TO_THE_END
        };
        assert_eq!(
            decided(spec, &[Voice(9000)]),
            Some((AnsweredBy::MachineEndOther, 3000))
        );
        let slow = AnsweringSpec {
            speech: Duration::from_secs(6),
            ..spec
        };
        assert_eq!(
            decided(slow, &[Voice(9000)]),
            Some((AnsweredBy::Unknown, 3000))
        );
    }

    proptest! {
        #[test]
        fn whatever_is_heard_there_is_a_decision_in_time(
            seed in prop::collection::vec(any::<u8>(), 1..400),
            message_end in any::<bool>(),
        ) {
            let spec = AnsweringSpec { message_end, timeout: Duration::from_secs(3), ..SPEC };
            let mut answering = Answering::new(spec);
            let mut bytes = seed.iter().copied().cycle();
            let mut decided = None;
            while decided.is_none() {
                prop_assert!(answering.heard() < spec.timeout);
                decided = answering.push(&std::array::from_fn(|_| bytes.next().unwrap_or(0)));
            }
        }
    }
}
