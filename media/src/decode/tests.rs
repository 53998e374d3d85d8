//! Files of every format, and files of nobody.

use std::process::Command;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::encode::{self, WavWriter};

/// A tone that can be recognised.
fn sine(rate: u32, length: usize) -> Vec<i16> {
    (0..length)
        .map(|index| {
            let turns = 500.0 * index as f64 / f64::from(rate);
            (8000.0 * (turns * std::f64::consts::TAU).sin()) as i16
        })
        .collect()
}

/// How the mean difference to the tone compares with the tone.
fn differs(pcm: &Pcm) -> f64 {
    let wanted = sine(pcm.rate, pcm.samples.len());
    let pairs = pcm.samples.iter().zip(&wanted).skip(200);
    let apart: f64 = pairs
        .map(|(&a, &b)| (f64::from(a) - f64::from(b)).abs())
        .sum();
    apart / (pcm.samples.len() - 200) as f64 / 5093.0
}

fn wav(rate: u32, channels: u16, pcm: &[i16]) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    let mut writer = WavWriter::create(&mut file, rate, channels).unwrap();
    writer.write(pcm).unwrap();
    writer.finish().unwrap();
    file.into_inner()
}

/// A RIFF file with a `fmt ` chunk of one's own.
fn riff(format: u16, rate: u32, bits: u16, data: &[u8]) -> Vec<u8> {
    let block = bits / 8;
    [
        b"RIFF".as_slice(),
        &(data.len() as u32 + 38).to_le_bytes(),
        b"WAVEfmt ",
        &18u32.to_le_bytes(),
        &format.to_le_bytes(),
        &1u16.to_le_bytes(),
        &rate.to_le_bytes(),
        &(rate * u32::from(block)).to_le_bytes(),
        &block.to_le_bytes(),
        &bits.to_le_bytes(),
        &[0, 0],
        b"data",
        &(data.len() as u32).to_le_bytes(),
        data,
    ]
    .concat()
}

fn aiff(pcm: &[i16]) -> Vec<u8> {
    let data: Vec<u8> = pcm.iter().flat_map(|sample| sample.to_be_bytes()).collect();
    [
        b"FORM".as_slice(),
        &(46 + data.len() as u32).to_be_bytes(),
        b"AIFFCOMM",
        &18u32.to_be_bytes(),
        &1u16.to_be_bytes(),
        &(pcm.len() as u32).to_be_bytes(),
        &16u16.to_be_bytes(),
        // 8000 as an extended float: 2^12 · 1.953125.
        &[0x40, 0x0B, 0xFA, 0, 0, 0, 0, 0, 0, 0],
        b"SSND",
        &(8 + data.len() as u32).to_be_bytes(),
        &[0; 8],
        &data,
    ]
    .concat()
}

fn snd(encoding: u32, rate: u32, channels: u32, data: &[u8]) -> Vec<u8> {
    let words = [24, u32::MAX, encoding, rate, channels].map(u32::to_be_bytes);
    [b".snd".as_slice(), words.as_flattened(), data].concat()
}

fn bytes_of<const WIDTH: usize>(pcm: &[i16], bytes: impl Fn(i16) -> [u8; WIDTH]) -> Vec<u8> {
    pcm.iter().flat_map(|&sample| bytes(sample)).collect()
}

#[test]
fn every_format_gives_the_tone() {
    let pcm = sine(8000, 8000);
    let ulaw = bytes_of(&pcm, |sample| [g711::ulaw(sample)]);
    let alaw = bytes_of(&pcm, |sample| [g711::alaw(sample)]);
    let big = bytes_of(&pcm, i16::to_be_bytes);
    let float = |sample: i16| (f32::from(sample) / 32_768.0).to_be_bytes();
    let double = |sample: i16| (f64::from(sample) / 32_768.0).to_be_bytes();
    let files = [
        ("wav", wav(8000, 1, &pcm), None),
        ("wav, a wrong hint", wav(8000, 1, &pcm), Some("audio/basic")),
        ("wav of µ-law", riff(7, 8000, 8, &ulaw), Some("audio/x-wav")),
        ("wav of A-law", riff(6, 8000, 8, &alaw), Some("wav")),
        ("aiff", aiff(&pcm), Some("audio/x-aiff")),
        ("au of µ-law", snd(1, 8000, 1, &ulaw), Some("audio/basic")),
        ("au of A-law", snd(27, 8000, 1, &alaw), None),
        ("au of 16 bits", snd(3, 8000, 1, &big), Some("audio/basic")),
        (
            "au of floats",
            snd(6, 8000, 1, &bytes_of(&pcm, float)),
            None,
        ),
        (
            "au of doubles",
            snd(7, 8000, 1, &bytes_of(&pcm, double)),
            None,
        ),
        ("µ-law", ulaw.clone(), Some("audio/basic")),
        (
            "µ-law by its parameter",
            ulaw,
            Some("Audio/ULaw; rate=8000"),
        ),
        ("A-law", alaw, Some(".al")),
    ];
    for (name, bytes, hint) in files {
        let read = decode_file(&bytes, hint, 10).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((read.rate, read.samples.len()), (8000, 8000), "{name}");
        assert!(differs(&read) < 0.02, "{name}: {}", differs(&read));
    }
}

#[test]
fn mp3_gives_the_tone() {
    let bytes = encode::mp3(&sine(16_000, 16_000), 16_000, 1).unwrap();
    for hint in [None, Some("audio/mpeg"), Some("mp3")] {
        let read = decode_file(&bytes, hint, 10).unwrap();
        assert_eq!(read.rate, 16_000);
        assert!(
            (16_000..19_000).contains(&read.samples.len()),
            "{}",
            read.samples.len()
        );
    }
}

#[test]
fn other_rates_and_channels_become_ours() {
    for (rate, expected) in [
        (11_025, 16_000),
        (22_050, 16_000),
        (44_100, 16_000),
        (48_000, 16_000),
    ] {
        let pcm: Vec<i16> = sine(rate, rate as usize)
            .iter()
            .flat_map(|&s| [s, s])
            .collect();
        let read = decode_file(&wav(rate, 2, &pcm), None, 10).unwrap();
        assert_eq!(
            (read.rate, read.samples.len()),
            (expected, 16_000),
            "{rate}"
        );
        assert!(differs(&read) < 0.02, "{rate}: {}", differs(&read));
    }
}

#[test]
fn a_file_that_breaks_off_gives_its_beginning() {
    let bytes = wav(8000, 1, &sine(8000, 8000));
    let read = decode_file(&bytes[..44 + 8001], None, 10).unwrap();
    assert!(
        (3900..=4000).contains(&read.samples.len()),
        "{}",
        read.samples.len()
    );
    let bytes = encode::mp3(&sine(8000, 40_000), 8000, 1).unwrap();
    let read = decode_file(&bytes[..bytes.len() / 2], None, 10).unwrap();
    assert!((15_000..25_000).contains(&read.samples.len()));
}

#[test]
fn longer_than_allowed_is_refused() {
    let bytes = wav(8000, 1, &sine(8000, 8001));
    assert_eq!(decode_file(&bytes, None, 1), Err(FileError::TooLong));
    assert!(decode_file(&bytes, None, 2).is_ok());
    assert_eq!(
        decode_file(&[0xD5; 80_001], Some("alaw"), 10),
        Err(FileError::TooLong)
    );
    let bytes = encode::mp3(&sine(8000, 80_000), 8000, 1).unwrap();
    assert_eq!(decode_file(&bytes, None, 5), Err(FileError::TooLong));
}

#[test]
fn what_is_no_sound_is_said_so() {
    let page = b"<!DOCTYPE html><html><body>404</body></html>".repeat(50);
    assert_eq!(
        decode_file(&page, Some("text/html"), 10),
        Err(FileError::Unsupported)
    );
    assert_eq!(decode_file(&[], None, 10), Err(FileError::Unsupported));
    assert_eq!(
        decode_file(&[], Some("audio/basic"), 10),
        Err(FileError::Empty)
    );
    assert_eq!(decode_file(b".snd", None, 10), Err(FileError::Malformed));
    for (encoding, rate, channels) in [(99, 8000, 1), (3, 8000, 0), (3, 8000, 1000), (3, 0, 1)] {
        let bytes = snd(encoding, rate, channels, &[0; 64]);
        assert_eq!(decode_file(&bytes, None, 10), Err(FileError::Unsupported));
    }
}

/// Speech of a synthesiser, where one is installed; its header names no length.
#[test]
fn reads_what_espeak_writes() {
    let spoken = Command::new("espeak-ng")
        .args(["--stdout", "hello world"])
        .output();
    if let Ok(spoken) = spoken {
        let read = decode_file(&spoken.stdout, Some("wav"), 10).unwrap();
        assert_eq!(read.rate, 16_000);
        assert!(read.duration().as_millis() > 500, "{:?}", read.duration());
    }
}

/// Beginnings that lead into every reader.
fn beginnings() -> Vec<Vec<u8>> {
    let pcm = sine(8000, 3000);
    let ulaw = bytes_of(&pcm, |sample| [g711::ulaw(sample)]);
    vec![
        wav(8000, 2, &pcm),
        riff(7, 8000, 8, &ulaw),
        riff(2, 8000, 4, &ulaw),
        riff(0x11, 8000, 4, &ulaw),
        riff(0xFFFE, 8000, 16, &ulaw),
        aiff(&pcm),
        snd(3, 8000, 1, &ulaw),
        snd(7, 44_100, 2, &ulaw),
        encode::mp3(&pcm, 8000, 1).unwrap(),
        [b"ID3\x04\x00\x00\x00\x00\x00\x10".as_slice(), &[0; 40]].concat(),
        b"caff\x00\x01\x00\x00desc\x00\x00\x00\x00\x00\x00\x00\x20".to_vec(),
        vec![0xD5; 66],
        Vec::new(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_file_ends_within_its_limit(
        start in prop::sample::select(beginnings()),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<prop::sample::Index>(),
        tail in vec(any::<u8>(), 0..400),
        hint in prop::sample::select(vec![None, Some("mp3"), Some("audio/gsm"), Some("wav"), Some("ul")]),
    ) {
        let mut bytes = start;
        for (at, value) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
        }
        bytes.truncate(cut.index(bytes.len() + 1).max(bytes.len() / 2));
        bytes.extend(tail);
        if let Ok(pcm) = decode_file(&bytes, hint, 2) {
            prop_assert!(pcm.rate == 8000 || pcm.rate == 16_000);
            prop_assert!(!pcm.samples.is_empty());
            prop_assert!(pcm.samples.len() <= 2 * 16_000);
        }
    }
}
