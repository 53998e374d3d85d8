//! Those who hear along with a session: keys in the sound, speech, taps.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::clock::TICK;
use crate::codec::{Codec, Encoder};
use crate::convert::Converter;
use crate::dtmf::Detector;
use crate::silence::VoiceActivity;
use crate::{TapId, TapSink, Track, Tracks};

/// What is found in the sound of a session, and its frames at 8 kHz.
#[derive(Default)]
pub(crate) struct Hearing {
    detector: Option<Detector>,
    speech: Option<Speech>,
    looked: Converter,
    heard: Converter,
    said: Converter,
    narrow: Vec<i16>,
    frames: (Vec<i16>, Vec<i16>),
    key: Option<char>,
    turned: Option<bool>,
}

/// Whether somebody speaks, without the clicks and the gaps between words.
#[derive(Default)]
struct Speech {
    activity: VoiceActivity,
    speaking: bool,
    /// Frames in a row that say otherwise.
    against: u32,
}

impl Hearing {
    pub(super) fn listen(&mut self, on: bool) {
        if on != self.speech.is_some() {
            self.speech = on.then(Speech::default);
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.speech.is_some()
    }

    /// Looks at a frame of what the peer says.
    pub(super) fn look(&mut self, frame: &[i16], rate: u32, keys: bool) {
        if !keys {
            self.detector = None;
        }
        if !keys && self.speech.is_none() {
            return;
        }
        self.looked.frame(frame, rate, NARROW, &mut self.narrow);
        if keys {
            let detector = self.detector.get_or_insert_with(Detector::new);
            self.key = detector.push(&self.narrow);
        }
        if let Some(speech) = &mut self.speech {
            self.turned = speech.push(&self.narrow);
        }
    }

    /// The key in the last frame.
    pub(super) fn key(&mut self) -> Option<char> {
        self.key.take()
    }

    /// Whether speech began or ended with the last frame.
    pub(super) fn turned(&mut self) -> Option<bool> {
        self.turned.take()
    }

    /// Takes the frames of a tick.
    pub(super) fn narrow(&mut self, heard: &[i16], said: &[i16], rate: u32) {
        let (heard_8, said_8) = &mut self.frames;
        convert(&mut self.heard, heard, rate, heard_8);
        convert(&mut self.said, said, rate, said_8);
    }

    /// The frames of the tick, each empty if there is no sound.
    pub(super) fn frames(&self) -> (&[i16], &[i16]) {
        (&self.frames.0, &self.frames.1)
    }
}

fn convert(converter: &mut Converter, frame: &[i16], rate: u32, out: &mut Vec<i16>) {
    if frame.is_empty() {
        out.clear();
    } else {
        converter.frame(frame, rate, NARROW, out);
    }
}

impl Speech {
    fn push(&mut self, frame: &[i16]) -> Option<bool> {
        if self.activity.push(frame) == self.speaking {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let needed = if self.speaking { ENDS } else { BEGINS };
        if self.against < needed {
            return None;
        }
        self.against = 0;
        self.speaking = !self.speaking;
        Some(self.speaking)
    }
}

/// Somebody who hears along.
pub(crate) struct Tap {
    pub(super) id: TapId,
    pub(super) tracks: Tracks,
    sink: Box<dyn TapSink>,
    encoder: Encoder,
    payload: Vec<u8>,
    ticks: u32,
}

impl Tap {
    pub(crate) fn new(id: TapId, tracks: Tracks, sink: Box<dyn TapSink>) -> Self {
        Self {
            id,
            tracks,
            sink,
            encoder: Encoder::new(Codec::Pcmu),
            payload: Vec::with_capacity(160),
            ticks: 0,
        }
    }

    /// The frames of a tick. False if the sink has panicked, and is not to be called again.
    pub(super) fn frame(&mut self, heard: &[i16], said: &[i16]) -> bool {
        let since = TICK * self.ticks;
        self.ticks = self.ticks.saturating_add(1);
        for (track, frame) in [(Track::Inbound, heard), (Track::Outbound, said)] {
            if !self.tracks.has(track) {
                continue;
            }
            self.payload.clear();
            self.encoder.encode(frame, &mut self.payload);
            self.payload.resize(160, SILENCE);
            let Ok(payload) = <&[u8; 160]>::try_from(self.payload.as_slice()) else {
                continue;
            };
            let sink = &mut self.sink;
            let told = catch_unwind(AssertUnwindSafe(|| sink.frame(track, since, payload)));
            if told.is_err() {
                tracing::error!("a tap has panicked");
                return false;
            }
        }
        true
    }
}

/// The rate at which others hear along.
const NARROW: u32 = 8000;

/// µ-law of nothing.
const SILENCE: u8 = 0xff;

/// Frames of speech that are its beginning.
const BEGINS: u32 = 3;

/// Frames without speech that are its end: 300 ms, longer than the gaps between words.
const ENDS: u32 = 15;

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_tap_gets_a_frame_a_tick() {
        let list = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&list);
        let sink = move |track, since: Duration, payload: &[u8; 160]| {
            told.lock()
                .unwrap()
                .push((track, since.as_millis(), payload[0]));
        };
        let mut tap = Tap::new(TapId(1), Tracks::Both, Box::new(sink));
        assert!(tap.frame(&[0; 160], &[]));
        assert!(tap.frame(&[], &[20_000; 160]));
        let list = list.lock().unwrap();
        let (inbound, outbound) = (Track::Inbound, Track::Outbound);
        let times: Vec<_> = list.iter().map(|(track, at, _)| (*track, *at)).collect();
        assert_eq!(
            times,
            [(inbound, 0), (outbound, 0), (inbound, 20), (outbound, 20)]
        );
        let silent: Vec<bool> = list.iter().map(|(.., first)| *first == SILENCE).collect();
        assert_eq!(silent, [true, true, true, false]);
    }

    #[test]
    fn a_tap_that_panics_is_not_called_again() {
        let sink = |_, _, _: &[u8; 160]| panic!("on purpose");
        let mut tap = Tap::new(TapId(1), Tracks::Inbound, Box::new(sink));
        assert!(!tap.frame(&[0; 160], &[]));
    }

    #[test]
    fn speech_begins_and_ends_once() {
        let mut hearing = Hearing::default();
        hearing.listen(true);
        let mut turns = Vec::new();
        for tick in 0..300_usize {
            let loud = (50..150).contains(&tick) && tick % 10 != 0;
            let frame: Vec<i16> = (0..160)
                .map(|at| {
                    let angle = (tick * 160 + at) as f32 / 8000.0 * std::f32::consts::TAU;
                    let level = if loud { 5000.0 } else { 0.0 };
                    (((angle * 300.0).sin() + (angle * 710.0).sin()) * level) as i16
                })
                .collect();
            hearing.look(&frame, 8000, false);
            turns.extend(hearing.turned().map(|started| (tick, started)));
        }
        let [(began, true), (ended, false)] = turns[..] else {
            panic!("{turns:?}");
        };
        assert!(
            (50..60).contains(&began) && (160..200).contains(&ended),
            "{turns:?}"
        );
    }
}
