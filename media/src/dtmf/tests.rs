//! Keys through a telephone line, and speech that holds none.

use std::f64::consts::TAU;
use std::process::Command;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::codec::g711;
use crate::decode;

/// Two tones with amplitudes, shifted by a factor of frequency.
struct Line {
    row_level: f64,
    column_level: f64,
    shift: f64,
    /// Amplitude of the noise, even over its range.
    noise: f64,
}

const PLAIN: Line = Line {
    row_level: 5000.0,
    column_level: 5000.0,
    shift: 1.0,
    noise: 0.0,
};

/// A cheap sequence that looks random.
fn scatter(seed: &mut u64) -> f64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    (*seed >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0
}

impl Line {
    /// The key for `millis` between pauses, as a µ-law line gives it.
    fn dial(&self, keys: &str, millis: usize, pause: usize) -> Vec<i16> {
        let mut seed = 0x9E37_79B9_7F4A_7C15;
        let mut pcm = Vec::new();
        for key in keys.chars() {
            let (row, column) = frequencies(key).unwrap();
            for index in 0..8 * millis {
                let at = TAU * self.shift * index as f64 / 8000.0;
                pcm.push(
                    self.row_level * (row * at).sin() + self.column_level * (column * at).sin(),
                );
            }
            pcm.extend(vec![0.0; 8 * pause]);
        }
        pcm.iter()
            .map(|sample| {
                let noisy = sample + self.noise * scatter(&mut seed);
                g711::from_ulaw(g711::ulaw(noisy.clamp(-32_768.0, 32_767.0) as i16))
            })
            .collect()
    }
}

fn detect(pcm: &[i16]) -> String {
    let mut detector = Detector::new();
    let mut found: String = pcm
        .chunks(160)
        .filter_map(|frame| detector.push(frame))
        .collect();
    found.extend(detector.push(&[]));
    found
}

const EVERY_KEY: &str = "123A456B789C*0#D";

#[test]
fn finds_every_key_with_the_shortest_tones_and_pauses() {
    for offset in 0..51 {
        let mut pcm = vec![0; offset];
        pcm.extend(PLAIN.dial(EVERY_KEY, 40, 40));
        assert_eq!(detect(&pcm), EVERY_KEY, "offset {offset}");
    }
}

#[test]
fn finds_keys_in_noise() {
    // Even noise of ±2000 has 1155 rms beside 5000 of the two tones: 12.7 dB.
    let line = Line {
        noise: 2000.0,
        ..PLAIN
    };
    assert_eq!(detect(&line.dial(EVERY_KEY, 80, 60)), EVERY_KEY);
    let line = Line {
        noise: 1000.0,
        ..PLAIN
    };
    assert_eq!(detect(&line.dial(EVERY_KEY, 50, 50)), EVERY_KEY);
}

#[test]
fn finds_keys_with_twist() {
    for (row_level, column_level) in [(2600.0, 6000.0), (6000.0, 3200.0)] {
        let line = Line {
            row_level,
            column_level,
            ..PLAIN
        };
        assert_eq!(detect(&line.dial(EVERY_KEY, 50, 50)), EVERY_KEY);
    }
    for (row_level, column_level) in [(1500.0, 6000.0), (6000.0, 2000.0)] {
        let line = Line {
            row_level,
            column_level,
            ..PLAIN
        };
        assert_eq!(
            detect(&line.dial(EVERY_KEY, 50, 50)),
            "",
            "{row_level} {column_level}"
        );
    }
}

#[test]
fn finds_keys_that_are_off_by_what_is_allowed() {
    for shift in [0.985, 0.99, 1.01, 1.015] {
        let line = Line { shift, ..PLAIN };
        assert_eq!(detect(&line.dial(EVERY_KEY, 50, 50)), EVERY_KEY, "{shift}");
    }
    for shift in [0.96, 1.04] {
        let line = Line { shift, ..PLAIN };
        assert_eq!(detect(&line.dial(EVERY_KEY, 50, 50)), "", "{shift}");
    }
}

#[test]
fn finds_keys_loud_and_low() {
    for level in [300.0, 1000.0, 15_000.0] {
        let line = Line {
            row_level: level,
            column_level: level,
            ..PLAIN
        };
        assert_eq!(detect(&line.dial(EVERY_KEY, 50, 50)), EVERY_KEY, "{level}");
    }
    let line = Line {
        row_level: 100.0,
        column_level: 100.0,
        ..PLAIN
    };
    assert_eq!(detect(&line.dial(EVERY_KEY, 50, 50)), "");
}

#[test]
fn a_key_is_told_once_however_long_it_is_down() {
    assert_eq!(detect(&PLAIN.dial("5", 5000, 100)), "5");
    assert_eq!(
        detect(&PLAIN.dial("55 5".replace(' ', "").as_str(), 60, 50)),
        "555"
    );
    // A break of 8 ms is none.
    let mut broken = PLAIN.dial("7", 60, 8);
    broken.extend(PLAIN.dial("7", 60, 50));
    assert_eq!(detect(&broken), "7");
}

#[test]
fn a_blip_is_no_key() {
    assert_eq!(detect(&PLAIN.dial(EVERY_KEY, 22, 60)), "");
}

#[test]
fn one_tone_is_no_key() {
    for (row_level, column_level) in [(8000.0, 0.0), (0.0, 8000.0)] {
        let line = Line {
            row_level,
            column_level,
            ..PLAIN
        };
        assert_eq!(detect(&line.dial(EVERY_KEY, 100, 50)), "");
    }
}

#[test]
fn what_is_made_is_found() {
    for rate in [8000, 16_000, 48_000] {
        let mut pcm = Vec::new();
        for key in EVERY_KEY.chars() {
            pcm.extend(tone(key, rate, 80));
            pcm.extend(vec![0; rate as usize / 12]);
        }
        let narrow = crate::resample::resample(&pcm, rate, 8000);
        assert_eq!(detect(&narrow), EVERY_KEY, "{rate}");
    }
    assert_eq!(tone('5', 8000, 100).len(), 800);
    assert_eq!(detect(&tone('d', 8000, 100)), "D");
    assert!(tone('x', 8000, 100).is_empty() && tone('5', 8000, 0).is_empty());
    assert_eq!(tone('5', 0, u32::MAX).len(), 80_000);
}

/// What a synthesiser says, where one is installed, at 8 kHz.
fn speech(voice: &str) -> Option<Vec<i16>> {
    const TEXT: &str = "The quick brown fox jumps over the lazy dog. Please listen to the whole \
        message, since our options have changed. Peter Piper picked a peck of pickled peppers. \
        Eleven benevolent elephants, oooh, aaah, eeee, uuuh. How now, brown cow? One two three \
        four five six seven eight nine zero, star, pound. She sells sea shells by the sea shore.";
    let said = Command::new("espeak-ng")
        .args(["--stdout", "-v", voice, TEXT])
        .output();
    let said = decode::decode_file(&said.ok()?.stdout, Some("wav"), 600).unwrap();
    let narrow = said.at_rate(8000);
    assert!(narrow.samples.len() > 80_000, "{voice} says too little");
    Some(narrow.samples.to_vec())
}

/// Four minutes of speech, half of it too loud for the line.
#[test]
fn speech_holds_no_key() {
    for voice in [
        "en", "en+f3", "en+m5", "de", "de+f2", "fr", "es+f4", "it+m2",
    ] {
        let speech = speech(voice).unwrap_or_default();
        for gain in [1, 3] {
            let line: Vec<i16> = speech
                .iter()
                .map(|&sample| g711::from_ulaw(g711::ulaw(sample.saturating_mul(gain))))
                .collect();
            assert_eq!(detect(&line), "", "{voice} at {gain}");
        }
    }
}

/// Our own prompt comes back from the line, 20 dB lower, while keys are pressed.
#[test]
fn keys_are_found_under_the_echo_of_a_prompt() {
    let keys = PLAIN.dial(&EVERY_KEY.repeat(5), 80, 80);
    let speech = speech("en").unwrap_or_else(|| vec![0; keys.len()]);
    let line: Vec<i16> = keys
        .iter()
        .zip(speech.iter().cycle())
        .map(|(&key, &voice)| key.saturating_add(voice / 10))
        .collect();
    assert_eq!(detect(&line), EVERY_KEY.repeat(5));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_pieces_do_not_matter(sizes in vec(1..700usize, 1..60)) {
        let pcm = PLAIN.dial("159D", 60, 60);
        let mut detector = Detector::new();
        let mut found = String::new();
        let mut rest = &pcm[..];
        for size in sizes.into_iter().chain([usize::MAX]) {
            let (piece, after) = rest.split_at(size.min(rest.len()));
            found.extend(detector.push(piece));
            rest = after;
        }
        for _ in 0..4 {
            found.extend(detector.push(&[]));
        }
        prop_assert_eq!(found, "159D");
    }

    #[test]
    fn noise_is_no_key(seed in 1u64.., level in 0.0..32_000.0f64) {
        let mut seed = seed;
        let pcm: Vec<i16> = (0..16_000).map(|_| (level * scatter(&mut seed)) as i16).collect();
        prop_assert_eq!(detect(&pcm), "");
    }
}
