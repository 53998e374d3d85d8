//! pocketsphinx as a subprocess.
//!
//! Its model is for 16,000 samples a second; a telephone's voice is brought up to that roughly, on
//! purpose (see [`Doubler`]). With hints it listens for those phrases and nothing else, which it does
//! well and in a tenth of real time; without them it takes dictation, poorly. Partial results are the
//! utterances that ended so far.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::Semaphore;

use crate::ErrorCode;
use crate::sound::scratch::Scratch;
use crate::sound::{SoundError, audio, process};

use super::dictionary::Dictionary;
use super::ear::{Teller, Voice};
use super::transcript::{Line, Transcript};
use super::{EAR_RATE, Heard, ListenSpec, Listening, SLACK, SpeechToText, grammar, profanity};

/// How pocketsphinx is run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PocketsphinxConfig {
    /// The program.
    pub program: PathBuf,
    /// What it knows of languages.
    pub models: Vec<Model>,
    /// How many run at a time; one more is refused.
    pub running_max: usize,
}

/// A language.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Model {
    /// The first part of its tags, such as `en`.
    pub language: String,
    /// The folder of the acoustic model.
    pub acoustic: PathBuf,
    /// The language model for dictation.
    pub dictation: PathBuf,
    /// The dictionary.
    pub dictionary: PathBuf,
}

/// A recognizer that needs no network.
#[derive(Clone, Debug)]
pub struct Pocketsphinx(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    program: PathBuf,
    models: Vec<Loaded>,
    places: Arc<Semaphore>,
}

struct Loaded {
    model: Model,
    words: OnceLock<Dictionary>,
}

impl Pocketsphinx {
    /// A recognizer; the program and its models are looked for when they are needed.
    pub fn new(config: PocketsphinxConfig) -> Self {
        let loaded = |model| Loaded {
            model,
            words: OnceLock::new(),
        };
        Self(Arc::new(Inner {
            program: config.program,
            models: config.models.into_iter().map(loaded).collect(),
            places: Arc::new(Semaphore::new(config.running_max.max(1))),
        }))
    }
}

impl SpeechToText for Pocketsphinx {
    fn listen(&self, spec: &ListenSpec) -> Result<Listening, SoundError> {
        let index = self.0.model(&spec.language).ok_or_else(|| {
            let detail = format!("speech in {:?} is not recognised here", spec.language);
            SoundError::new(ErrorCode::NOT_SUPPORTED, detail)
        })?;
        let place = Arc::clone(&self.0.places).try_acquire_owned();
        let place = place.map_err(|_| SoundError::internal("too many speeches are recognised"))?;
        let (inner, wanted) = (Arc::clone(&self.0), spec.clone());
        Ok(Listening::start(spec, move |voice, teller| async move {
            let _place = place;
            inner.recognize(index, &wanted, voice, teller).await
        }))
    }
}

impl Inner {
    fn model(&self, language: &str) -> Option<usize> {
        let first = language.trim().split(['-', '_']).next()?;
        self.models
            .iter()
            .position(|loaded| loaded.model.language.eq_ignore_ascii_case(first))
    }

    async fn recognize(
        self: Arc<Self>,
        index: usize,
        spec: &ListenSpec,
        voice: Voice,
        teller: Teller,
    ) -> Result<Heard, SoundError> {
        let (inner, phrases) = (Arc::clone(&self), spec.phrases().collect());
        let task = audio::blocking(move || inner.task(index, phrases)).await?;
        let (arguments, _scratch) = task.map_err(|error| self.absent(&error))?;
        let child = process::start(&self.program, &arguments);
        let mut child = child.map_err(|error| self.absent(&error))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(SoundError::internal("the recognizer cannot be spoken to"));
        };
        let filter = |text: &str| match spec.profanity_filter {
            true => profanity::starred(text),
            false => text.to_owned(),
        };
        let tell = |text: &str| {
            let partial = Heard::Partial {
                text: filter(text),
                stability: 0.9,
            };
            // Partial results are a courtesy: one that nobody takes in time is left out.
            teller.try_send(Ok(partial)).ok();
        };
        let transcript = converse(stdin, stdout, voice, spec.slack(), tell).await?;
        let ended = tokio::time::timeout(SLACK, child.wait()).await;
        match ended {
            Ok(Ok(status)) if status.success() => Ok(Heard::Final {
                text: filter(transcript.text()),
                confidence: transcript.confidence(),
            }),
            _ => Err(SoundError::internal("the recognizer failed")),
        }
    }

    /// There is no program or no model: the operator has to know of which, and where it is named.
    fn absent(&self, error: &io::Error) -> SoundError {
        let program = self.program.display();
        SoundError::internal(format!(
            "{program} cannot be run with its model ({error}): \
             `stt` of [executor] names a program like it, or a service"
        ))
    }

    /// What to run, with the file that the grammar is in. Blocks.
    fn task(
        &self,
        index: usize,
        phrases: Vec<String>,
    ) -> io::Result<(Vec<OsString>, Option<Scratch>)> {
        let missing = || io::Error::other("the model is gone");
        let loaded = self.models.get(index).ok_or_else(missing)?;
        let model = &loaded.model;
        let grammar = grammar::of_hints(phrases.into_iter(), loaded.words()?);
        let scratch = grammar
            .map(|grammar| Scratch::write("grammar", grammar.as_bytes()))
            .transpose()?;
        let (listen_for, effort): ((&str, &Path), _) = match &scratch {
            Some(scratch) => (("-jsgf", scratch.path()), PHRASES),
            None => (("-lm", &model.dictation), DICTATION),
        };
        let fixed = FIXED.iter().chain(effort);
        let mut arguments: Vec<OsString> = fixed.map(OsString::from).collect();
        for (name, path) in [
            ("-hmm", model.acoustic.as_path()),
            ("-dict", &model.dictionary),
            listen_for,
        ] {
            arguments.extend([name.into(), path.into()]);
        }
        Ok((arguments, scratch))
    }
}

impl Loaded {
    /// The words of the dictionary, read once.
    fn words(&self) -> io::Result<&Dictionary> {
        if let Some(words) = self.words.get() {
            return Ok(words);
        }
        let words = Dictionary::read(&self.model.dictionary)?;
        Ok(self.words.get_or_init(|| words))
    }
}

/// Gives the program the voice, and takes what it understands, until it has said all.
async fn converse(
    mut stdin: ChildStdin,
    stdout: ChildStdout,
    mut voice: Voice,
    slack: Duration,
    tell: impl Fn(&str),
) -> Result<Transcript, SoundError> {
    let speak = async move {
        let (mut doubler, mut bytes) = (Doubler::default(), Vec::new());
        while let Some(frame) = voice.recv().await {
            bytes.clear();
            doubler.append(&frame, &mut bytes);
            if stdin.write_all(&bytes).await.is_err() {
                break;
            }
        }
        // A moment of silence lets the last word end.
        stdin.write_all(&[0; SILENCE_BYTES]).await.ok();
        drop(stdin);
    };
    let listen = async move {
        let mut transcript = Transcript::default();
        let mut lines = BufReader::new(stdout.take(OUTPUT_BYTES_MAX)).lines();
        while let Some(line) = lines.next_line().await.map_err(|error| failed(&error))? {
            if transcript.line(&line) == Line::Utterance {
                tell(transcript.text());
            }
        }
        Ok(transcript)
    };
    tokio::pin!(speak);
    tokio::pin!(listen);
    tokio::select! {
        () = &mut speak => {}
        transcript = &mut listen => return transcript,
    }
    // The standard input is closed: the rest comes soon.
    let rest = tokio::time::timeout(slack, listen).await;
    rest.unwrap_or_else(|_| {
        Err(SoundError::internal(
            "the recognizer did not come to an end",
        ))
    })
}

/// Two samples for each one, half held and half interpolated.
///
/// That leaves a faint mirror image of the voice above 4 kHz. It stands in for what the telephone cut
/// off there: of 24 phrases in three voices the model understood 22, and 13 when a clean resampler had
/// left nothing.
#[derive(Default)]
struct Doubler {
    last: i16,
}

impl Doubler {
    /// Appends the samples as bytes, little-endian.
    fn append(&mut self, samples: &[i16], bytes: &mut Vec<u8>) {
        for sample in samples {
            let between = (i32::from(self.last) + 3 * i32::from(*sample)) / 4;
            // A mean of two samples is within their range.
            bytes.extend((between as i16).to_le_bytes());
            bytes.extend(sample.to_le_bytes());
            self.last = *sample;
        }
    }
}

fn failed(error: &io::Error) -> SoundError {
    SoundError::internal(format!("speech recognition: {error}"))
}

impl Default for PocketsphinxConfig {
    fn default() -> Self {
        let folder = Path::new("/usr/share/pocketsphinx/model/en-us");
        Self {
            program: "pocketsphinx_continuous".into(),
            models: vec![Model {
                language: "en".to_owned(),
                acoustic: folder.join("en-us"),
                dictation: folder.join("en-us.lm.bin"),
                dictionary: folder.join("cmudict-en-us.dict"),
            }],
            running_max: 8,
        }
    }
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Loaded").field(&self.model).finish()
    }
}

/// A quarter of a second of silence at the rate of the models, which is twice the ear's.
const SILENCE_BYTES: usize = 2 * 2 * EAR_RATE as usize / 4;
const OUTPUT_BYTES_MAX: u64 = 1024 * 1024;

/// A little noise below the voice: without it, silence is emptier than any that the model has heard.
const FIXED: &[&str] = &[
    "-infile",
    "/dev/stdin",
    "-time",
    "yes",
    "-logfn",
    "/dev/null",
    "-dither",
    "yes",
    "-seed",
    "1",
];
/// A few phrases can be searched thoroughly.
const PHRASES: &[&str] = &["-beam", "1e-80", "-pbeam", "1e-80", "-wbeam", "1e-60"];
/// All of a language has to be searched in less time than it is spoken in.
const DICTATION: &[&str] = &["-maxhmmpf", "3000", "-maxwpf", "10", "-ds", "2"];
