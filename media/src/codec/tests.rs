//! What all codecs keep, seen through the public types.

use std::f64::consts::TAU;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const ALL: [Codec; 4] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus];

/// Some voices at once: what a codec of speech has to carry.
fn chord(rate: u32, length: usize) -> Vec<i16> {
    let tones = [
        (220.0, 4000.0),
        (660.0, 2500.0),
        (1500.0, 1500.0),
        (2700.0, 800.0),
    ];
    (0..length)
        .map(|index| {
            let at = index as f64 / f64::from(rate);
            let sum: f64 = tones
                .iter()
                .map(|(hertz, size)| size * (TAU * hertz * at).sin())
                .sum();
            sum as i16
        })
        .collect()
}

fn round(codec: Codec, pcm: &[i16]) -> Vec<i16> {
    let (mut encoder, mut decoder) = (Encoder::new(codec), Decoder::new(codec));
    let mut out = Vec::new();
    for frame in pcm.chunks(codec.frame_samples()) {
        let mut payload = Vec::new();
        encoder.encode(frame, &mut payload);
        assert!(!payload.is_empty() && payload.len() < 400, "{codec:?}");
        decoder.decode(&payload, &mut out);
    }
    out
}

/// Signal to noise in decibels, at the delay of the codec that suits best.
fn quality(wanted: &[i16], heard: &[i16]) -> f64 {
    (0..200)
        .map(|delay| {
            let (mut signal, mut noise) = (0.0, 1.0);
            let settled = 3200;
            for (&a, &b) in wanted.iter().zip(&heard[delay..]).skip(settled) {
                signal += f64::from(a).powi(2);
                noise += (f64::from(a) - f64::from(b)).powi(2);
            }
            10.0 * (signal / noise).log10()
        })
        .fold(f64::MIN, f64::max)
}

#[test]
fn carries_a_chord_with_the_quality_of_its_standard() {
    for (codec, least) in [
        (Codec::Pcmu, 35.0),
        (Codec::Pcma, 35.0),
        (Codec::G722, 25.0),
        (Codec::Opus, 6.0),
    ] {
        let pcm = chord(codec.sample_rate(), codec.frame_samples() * 60);
        let heard = round(codec, &pcm);
        assert_eq!(heard.len(), pcm.len(), "{codec:?}");
        let decibels = quality(&pcm, &heard);
        assert!(decibels > least, "{codec:?}: {decibels:.1} dB");
    }
}

#[test]
fn silence_stays_silence() {
    for codec in ALL {
        let heard = round(codec, &vec![0; codec.frame_samples() * 10]);
        let loudest = heard.iter().map(|sample| sample.unsigned_abs()).max();
        assert!(loudest <= Some(16), "{codec:?}: {loudest:?}");
    }
}

#[test]
fn a_frame_is_20_ms_on_every_scale() {
    let payload = |codec: Codec| {
        let mut out = Vec::new();
        Encoder::new(codec).encode(&chord(codec.sample_rate(), codec.frame_samples()), &mut out);
        out.len()
    };
    assert_eq!(payload(Codec::Pcmu), 160);
    assert_eq!(payload(Codec::Pcma), 160);
    assert_eq!(payload(Codec::G722), 160);
    assert_eq!(ALL.map(Codec::frame_ticks), [160, 160, 160, 960]);
    assert_eq!(ALL.map(Codec::frame_samples), [160, 160, 320, 320]);
    for codec in ALL {
        let mut lost = Vec::new();
        Decoder::new(codec).conceal(20, &mut lost);
        assert_eq!(lost.len(), codec.frame_samples(), "{codec:?}");
    }
}

#[test]
fn a_lost_frame_leaves_the_stream_usable() {
    for codec in ALL {
        let pcm = chord(codec.sample_rate(), codec.frame_samples() * 40);
        let (mut encoder, mut decoder) = (Encoder::new(codec), Decoder::new(codec));
        let mut heard = Vec::new();
        for (index, frame) in pcm.chunks(codec.frame_samples()).enumerate() {
            let mut payload = Vec::new();
            encoder.encode(frame, &mut payload);
            match index {
                10 => decoder.conceal(20, &mut heard),
                _ => decoder.decode(&payload, &mut heard),
            }
        }
        assert_eq!(heard.len(), pcm.len());
        let tail = |samples: &[i16]| -> f64 {
            let from = codec.frame_samples() * 30;
            samples[from..].iter().map(|&s| f64::from(s).powi(2)).sum()
        };
        let ratio = tail(&heard) / tail(&pcm);
        assert!((0.7..1.3).contains(&ratio), "{codec:?}: {ratio}");
    }
}

#[test]
fn packets_of_all_lengths() {
    for codec in ALL {
        for millis in [10, 20, 40, 60] {
            let samples = codec.sample_rate() as usize / 1000 * millis;
            let mut payload = Vec::new();
            Encoder::new(codec).encode(&chord(codec.sample_rate(), samples), &mut payload);
            assert_eq!(codec.millis(&payload) as usize, millis, "{codec:?}");
            let mut heard = Vec::new();
            Decoder::new(codec).decode(&payload, &mut heard);
            assert_eq!(heard.len(), samples, "{codec:?} {millis}");
        }
    }
}

#[test]
fn opus_takes_frames_that_are_too_short_or_too_long() {
    for length in [0, 1, 319, 321, 5000] {
        let mut payload = Vec::new();
        Encoder::new(Codec::Opus).encode(&vec![100; length], &mut payload);
        let mut heard = Vec::new();
        Decoder::new(Codec::Opus).decode(&payload, &mut heard);
        assert_eq!(heard.len(), 320);
    }
}

proptest! {
    #[test]
    fn any_payload_gives_bounded_sound(
        payloads in vec(vec(any::<u8>(), 0..1500), 1..8),
        codec in prop::sample::select(&ALL[..]),
        millis in 0..2000_u32,
    ) {
        let mut decoder = Decoder::new(codec);
        for payload in payloads {
            let mut out = Vec::new();
            decoder.decode(&payload, &mut out);
            let most = match codec {
                Codec::Pcmu | Codec::Pcma => payload.len(),
                Codec::G722 => 2 * payload.len(),
                Codec::Opus => 1920,
            };
            prop_assert!(out.len() <= most);
            decoder.conceal(millis, &mut out);
            decoder.recover(&payload, millis, &mut out);
            prop_assert!(out.len() <= most + 2 * 1920 + 2);
        }
    }

    #[test]
    fn any_sound_can_be_encoded(
        pcm in vec(any::<i16>(), 0..1000),
        codec in prop::sample::select(&ALL[..]),
    ) {
        let mut encoder = Encoder::new(codec);
        let mut out = vec![7];
        encoder.encode(&pcm, &mut out);
        prop_assert_eq!(out[0], 7);
        prop_assert!(out.len() <= 1 + pcm.len().max(400));
    }
}
