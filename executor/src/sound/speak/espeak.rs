//! espeak-ng as a subprocess.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use media::encode::WavHeader;
use tokio::sync::Semaphore;

use crate::sound::audio::{self, Pcm};
use crate::sound::process::{Job, JobError};
use crate::sound::{BoxFuture, SoundError};

use super::voice::Voice;
use super::{SECONDS_MAX, TextToSpeech, Utterance, ssml};

/// How espeak-ng is run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EspeakConfig {
    /// The program.
    pub program: PathBuf,
    /// Words a minute.
    pub words_per_minute: u32,
    /// How many run at a time; more wait.
    pub running_max: usize,
    /// The bound on one rendering with its wait.
    pub time_max: Duration,
}

/// A synthesizer for some hundred languages that needs no network: its text goes in by the
/// standard input, its voice is one of a table.
#[derive(Clone, Debug)]
pub struct Espeak {
    config: EspeakConfig,
    places: Arc<Semaphore>,
}

impl Espeak {
    /// A synthesizer; the program is looked for when it is needed.
    pub fn new(config: EspeakConfig) -> Self {
        let places = Arc::new(Semaphore::new(config.running_max.max(1)));
        Self { config, places }
    }

    async fn run(&self, utterance: &Utterance) -> Result<Pcm, SoundError> {
        let voice = Voice::choose(utterance.voice.as_deref(), &utterance.language);
        let markup = ssml::sanitized(&utterance.text, utterance.ssml.as_deref(), voice);
        let rate = utterance.rate;
        let place = self.places.acquire();
        let _place = place
            .await
            .map_err(|_| SoundError::internal("no place to render speech"))?;
        let job = Job {
            program: self.config.program.clone(),
            arguments: self.arguments(voice),
            input: markup.into_bytes(),
            output_bytes_max: OUTPUT_BYTES_MAX,
            time_max: self.config.time_max,
        };
        let output = job.run().await.map_err(failed)?;
        audio::blocking(move || from_output(&output, rate)).await?
    }

    fn arguments(&self, voice: Voice) -> Vec<OsString> {
        let speed = self.config.words_per_minute.clamp(80, 450).to_string();
        let voice = voice.espeak();
        let arguments = [
            "-v", &voice, "-s", &speed, "-b", "1", "-m", "--stdin", "--stdout",
        ];
        arguments.iter().map(OsString::from).collect()
    }
}

impl TextToSpeech for Espeak {
    fn render<'r>(&'r self, utterance: &'r Utterance) -> BoxFuture<'r, Result<Pcm, SoundError>> {
        Box::pin(async move {
            let time_max = self.config.time_max;
            let done = tokio::time::timeout(time_max, self.run(utterance)).await;
            done.unwrap_or_else(|_| {
                let detail = format!("the speech was not rendered in {time_max:?}");
                Err(SoundError::internal(detail))
            })
        })
    }
}

impl Default for EspeakConfig {
    fn default() -> Self {
        Self {
            program: "espeak-ng".into(),
            words_per_minute: 165,
            running_max: 4,
            time_max: Duration::from_secs(10),
        }
    }
}

/// The program writes its header before it knows the length: what follows the 44 bytes is sound to
/// its end, 16 bits a sample.
fn from_output(output: &[u8], rate: u32) -> Result<Pcm, SoundError> {
    let native = WavHeader::parse(output)
        .map(|header| header.rate)
        .filter(|rate| (8000..=48_000).contains(rate));
    let Some(native) = native else {
        return Err(SoundError::internal("the synthesizer gave no sound"));
    };
    let samples = output.get(WavHeader::LENGTH..).unwrap_or_default();
    let samples: Vec<i16> = samples
        .chunks_exact(2)
        .filter_map(|pair| pair.try_into().ok().map(i16::from_le_bytes))
        .collect();
    Ok(audio::at_rate(native, samples, rate))
}

fn failed(error: JobError) -> SoundError {
    SoundError::internal(format!("speech: {error}"))
}

/// At 22,050 samples a second, which is what all its voices have.
const OUTPUT_BYTES_MAX: usize = SECONDS_MAX as usize * 2 * 22_050;
