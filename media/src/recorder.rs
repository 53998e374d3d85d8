//! A recording, as the media thread has it: what goes into the file, and when it ends.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::TICK;
use crate::mix;
use crate::silence::VoiceActivity;
use crate::teller::Teller;
use crate::writer::{Ending, FileKey, Job, Opening, Outbox, RECORD_RATE};
use crate::{RecordId, RecordReason, RecordSpec, RecordTracks};

/// A recording that goes on.
pub(crate) struct Recorder {
    pub(crate) id: RecordId,
    spec: Box<RecordSpec>,
    file: FileKey,
    channels: usize,
    /// Its beep is still to be heard.
    beeping: bool,
    activity: VoiceActivity,
    speaking: u32,
    silent: u32,
    heard: bool,
    ticks: u32,
    frame: Vec<i16>,
    /// The last moments before anybody spoke, if the silence before them is left out.
    lead: VecDeque<i16>,
    /// Silence that is left out if it is the last.
    held: Vec<i16>,
    batch: Vec<i16>,
    /// What is in the file: less than was heard if the disk is too slow.
    samples: u64,
}

impl Recorder {
    /// Begins a recording into `file`.
    pub(crate) fn new(
        id: RecordId,
        spec: Box<RecordSpec>,
        file: FileKey,
        teller: Teller,
        out: &mut Outbox,
    ) -> Self {
        let channels = if spec.what == RecordTracks::Dual {
            2
        } else {
            1
        };
        out.push(Job::Open(
            file,
            Opening {
                path: spec.path.clone(),
                channels,
                id,
                teller,
                keeper: spec.keeper.clone(),
            },
        ));
        Self {
            id,
            file,
            channels: usize::from(channels),
            beeping: spec.beep,
            activity: VoiceActivity::new(),
            speaking: 0,
            silent: 0,
            heard: false,
            ticks: 0,
            frame: Vec::new(),
            lead: VecDeque::new(),
            held: Vec::new(),
            batch: Vec::new(),
            samples: 0,
            spec,
        }
    }

    /// Whether what the peer says is in it, and whether what it hears is.
    pub(crate) fn tracks(&self) -> (bool, bool) {
        match self.spec.what {
            RecordTracks::Both | RecordTracks::Dual => (true, true),
            RecordTracks::Inbound => (true, false),
            RecordTracks::Outbound => (false, true),
        }
    }

    /// Its beep is over.
    pub(crate) fn begin(&mut self) {
        self.beeping = false;
    }

    /// Whether a key ends it.
    pub(crate) fn ends_on(&self, key: char) -> bool {
        self.spec.finish_on.contains(key)
    }

    /// One tick: what the peer said and what it heard, at 8 kHz. Why it ends, if it does.
    pub(crate) fn frame(
        &mut self,
        heard: &[i16],
        said: &[i16],
        out: &mut Outbox,
    ) -> Option<RecordReason> {
        if self.beeping {
            return None;
        }
        let voice = if self.spec.what == RecordTracks::Outbound {
            said
        } else {
            heard
        };
        self.note(voice);
        let mut frame = std::mem::take(&mut self.frame);
        compose(self.spec.what, heard, said, &mut frame);
        self.keep(&frame, out);
        self.frame = frame;
        self.ticks += 1;
        if TICK * self.ticks >= self.spec.max {
            return Some(RecordReason::MaxLength);
        }
        let silent = TICK * self.silent;
        self.spec
            .silence
            .filter(|most| silent >= *most)
            .map(|_| RecordReason::Silence)
    }

    /// Ends it: the file is completed.
    pub(crate) fn end(mut self, reason: RecordReason, out: &mut Outbox) {
        if self.spec.trim {
            self.held.truncate(TAIL * self.channels);
        }
        let held = std::mem::take(&mut self.held);
        self.write(&held, out);
        self.hand_over(out);
        let millis = self.samples / self.channels as u64 * 1000 / u64::from(RECORD_RATE);
        let ending = Ending {
            duration: Duration::from_millis(millis),
            reason,
            heard: self.heard,
        };
        out.push(Job::Close(self.file, ending));
    }

    fn note(&mut self, voice: &[i16]) {
        if self.activity.push(voice) {
            self.speaking += 1;
            if self.speaking >= SPEECH {
                self.heard = true;
                self.silent = 0;
                return;
            }
        } else {
            self.speaking = 0;
        }
        self.silent += 1;
    }

    fn keep(&mut self, frame: &[i16], out: &mut Outbox) {
        if !self.spec.trim {
            self.write(frame, out);
        } else if !self.heard {
            self.lead.extend(frame);
            let most = LEAD * self.channels;
            if self.lead.len() > most {
                self.lead.drain(..self.lead.len() - most);
            }
        } else if self.silent > 0 {
            self.held.extend_from_slice(frame);
            if self.held.len() > HELD_MAX * self.channels {
                let held = std::mem::take(&mut self.held);
                self.write(&held, out);
            }
        } else {
            let lead: Vec<i16> = self.lead.drain(..).collect();
            self.write(&lead, out);
            let held = std::mem::take(&mut self.held);
            self.write(&held, out);
            self.write(frame, out);
        }
    }

    fn write(&mut self, samples: &[i16], out: &mut Outbox) {
        self.batch.extend_from_slice(samples);
        if self.batch.len() >= BATCH * self.channels {
            self.hand_over(out);
        }
    }

    fn hand_over(&mut self, out: &mut Outbox) {
        let length = self.batch.len() as u64;
        if length > 0 && out.push(Job::Write(self.file, std::mem::take(&mut self.batch))) {
            self.samples += length;
        }
    }
}

/// A frame of the file.
fn compose(what: RecordTracks, heard: &[i16], said: &[i16], out: &mut Vec<i16>) {
    const FRAME: usize = RECORD_RATE as usize / 50;
    let sample = |frame: &[i16], at: usize| frame.get(at).copied().unwrap_or(0);
    match what {
        RecordTracks::Both => mix::both(heard, said, out),
        RecordTracks::Dual => {
            out.clear();
            for at in 0..FRAME {
                out.extend([sample(heard, at), sample(said, at)]);
            }
        }
        RecordTracks::Inbound => {
            out.clear();
            out.extend_from_slice(heard);
        }
        RecordTracks::Outbound => {
            out.clear();
            out.extend_from_slice(said);
        }
    }
    // A track without sound at the moment is silent.
    out.resize(FRAME * if what == RecordTracks::Dual { 2 } else { 1 }, 0);
}

/// Frames of speech in a row that are somebody speaking rather than a click.
const SPEECH: u32 = 3;

/// Samples that are kept before the first words: 300 ms, which also holds the frames that it took
/// to know them.
const LEAD: usize = 2400;

/// Samples that are kept after the last words.
const TAIL: usize = 1600;

/// Samples of silence that are held back: 15 s. What is longer is taken for a part of what is said.
const HELD_MAX: usize = 15 * 8000;

/// Samples that are handed over at once: 200 ms.
const BATCH: usize = 1600;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::writer::Writer;

    const SILENT: [i16; 160] = [0; 160];

    /// A voice: loud and soft in turn, as syllables are.
    fn voice(tick: usize) -> [i16; 160] {
        std::array::from_fn(|at| {
            let angle = (tick * 160 + at) as f32 / 8000.0 * std::f32::consts::TAU;
            let syllable = 0.6 + 0.4 * (angle * 4.0).sin();
            (((angle * 220.0).sin() + (angle * 610.0).sin()) * 5000.0 * syllable) as i16
        })
    }

    struct Heard {
        samples: Vec<i16>,
        reason: RecordReason,
        duration: Duration,
        heard: bool,
        ticks: usize,
    }

    /// Records what `script` says for each tick, until it ends by itself or the script is over.
    fn record(spec: RecordSpec, script: &[([i16; 160], [i16; 160])]) -> Heard {
        let (writer, _thread) = Writer::start(1).unwrap();
        let mut out = Outbox::default();
        let teller = Teller::new(Box::new(|_| {}));
        let mut recorder =
            Recorder::new(RecordId(1), Box::new(spec), writer.key(), teller, &mut out);
        let mut reason = RecordReason::Stopped;
        let mut ticks = 0;
        for (heard, said) in script {
            ticks += 1;
            if let Some(end) = recorder.frame(heard, said, &mut out) {
                reason = end;
                break;
            }
        }
        recorder.end(reason, &mut out);
        let mut samples = Vec::new();
        for job in out.jobs() {
            match job {
                Job::Write(_, more) => samples.extend(more),
                Job::Close(_, ending) => {
                    return Heard {
                        samples,
                        reason: ending.reason,
                        duration: ending.duration,
                        heard: ending.heard,
                        ticks,
                    };
                }
                _ => {}
            }
        }
        panic!("never closed");
    }

    fn script(silent: usize, speech: usize, after: usize) -> Vec<([i16; 160], [i16; 160])> {
        let silence = |count| std::iter::repeat_n((SILENT, SILENT), count);
        let speech = (0..speech).map(|tick| (voice(tick), SILENT));
        silence(silent)
            .chain(speech)
            .chain(silence(after))
            .collect()
    }

    fn spec() -> RecordSpec {
        RecordSpec::new("/nowhere.wav")
    }

    #[test]
    fn ends_with_silence() {
        let spec = RecordSpec {
            silence: Some(Duration::from_secs(2)),
            ..spec()
        };
        let heard = record(spec, &script(50, 100, 500));
        assert_eq!(heard.reason, RecordReason::Silence);
        assert!(heard.heard);
        assert!((245..=275).contains(&heard.ticks), "{}", heard.ticks);
        assert_eq!(heard.samples.len(), heard.ticks * 160);
    }

    #[test]
    fn nobody_speaks() {
        let spec = RecordSpec {
            silence: Some(Duration::from_secs(2)),
            trim: true,
            ..spec()
        };
        let heard = record(spec, &script(500, 0, 0));
        assert_eq!(heard.reason, RecordReason::Silence);
        assert!(!heard.heard);
        assert_eq!((heard.ticks, heard.duration), (100, Duration::ZERO));
    }

    #[test]
    fn trimmed() {
        let spec = RecordSpec {
            trim: true,
            ..spec()
        };
        let heard = record(spec, &script(200, 100, 200));
        assert_eq!(heard.reason, RecordReason::Stopped);
        // Two seconds of speech, and what is kept around it.
        let length = heard.samples.len();
        assert!(
            (16_000..=16_000 + LEAD + TAIL + 4000).contains(&length),
            "{length}"
        );
        let spoken: Vec<i16> = (0..100).flat_map(voice).collect();
        let start = heard
            .samples
            .iter()
            .position(|sample| *sample != 0)
            .unwrap();
        let first = spoken.iter().position(|sample| *sample != 0).unwrap();
        let (kept, all) = (&heard.samples[start..], &spoken[first..]);
        assert_eq!(&kept[..all.len()], all, "nothing that was said is lost");
    }

    #[test]
    fn no_longer_than_it_may_be() {
        let spec = RecordSpec {
            max: Duration::from_secs(1),
            ..spec()
        };
        let heard = record(spec, &script(0, 500, 0));
        assert_eq!(heard.reason, RecordReason::MaxLength);
        assert_eq!(heard.duration, Duration::from_secs(1));
        assert_eq!(heard.samples.len(), 8000);
    }

    #[test]
    fn two_channels_and_a_mix() {
        let frames = [([100; 160], [7; 160]); 3];
        let dual = RecordSpec {
            what: RecordTracks::Dual,
            ..spec()
        };
        let heard = record(dual, &frames);
        assert_eq!(heard.samples, [100, 7].repeat(480));
        assert_eq!(heard.duration, Duration::from_millis(60));
        let both = RecordSpec {
            what: RecordTracks::Both,
            ..spec()
        };
        assert_eq!(record(both, &frames).samples, [107; 480]);
        let outbound = RecordSpec {
            what: RecordTracks::Outbound,
            ..spec()
        };
        assert_eq!(record(outbound, &frames).samples, [7; 480]);
    }

    #[test]
    fn nothing_before_the_beep_is_over() {
        let spec = RecordSpec {
            beep: true,
            max: Duration::from_millis(20),
            finish_on: "#*".to_owned(),
            ..spec()
        };
        let mut out = Outbox::default();
        let (writer, _thread) = Writer::start(1).unwrap();
        let teller = Teller::new(Box::new(|_| {}));
        let mut recorder =
            Recorder::new(RecordId(1), Box::new(spec), writer.key(), teller, &mut out);
        assert_eq!(recorder.frame(&SILENT, &SILENT, &mut out), None);
        recorder.begin();
        assert!(recorder.ends_on('*') && !recorder.ends_on('1'));
        let end = recorder.frame(&SILENT, &SILENT, &mut out);
        assert_eq!(end, Some(RecordReason::MaxLength));
    }
}
