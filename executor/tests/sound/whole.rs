//! All of it behind one object, as the user agent has it.

use std::time::Duration;

use executor::sound::hear::{Heard, ListenSpec, Listening, SpeechToText};
use executor::sound::recordings::RecordingsConfig;
use executor::sound::speak::{TextToSpeech, Utterance};
use executor::sound::{
    BoxFuture, HearingConfig, Pcm, Sound, SoundConfig, SoundError, SpeechConfig, SpeechEngine,
};
use executor::twiml::Say;
use media::TapSink;
use std::sync::Arc;

use crate::support::Server;
use crate::wave;
use crate::web::{client, reply};

/// A folder that goes with the test.
struct Folder(std::path::PathBuf);

impl Folder {
    fn config(&self) -> RecordingsConfig {
        RecordingsConfig {
            folder: self.0.clone(),
            ..RecordingsConfig::default()
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

fn folder(name: &str) -> Folder {
    let name = format!("hookswitch-whole-{name}-{}", std::process::id());
    Folder(std::env::temp_dir().join(name))
}

#[tokio::test]
async fn the_defaults_speak_listen_and_play() {
    let folder = folder("defaults");
    let config = SoundConfig {
        recordings: folder.config(),
        ..SoundConfig::default()
    };
    let sound = Sound::new(config, &client()).unwrap();
    let server = Server::start(|_| {
        let file = wave::wav(&wave::tone(600.0, 16_000, 300), 16_000);
        reply("200 OK", &[("Content-Type", "audio/x-wav")], &file)
    })
    .await;
    let url = server.url("/tone.wav").parse().unwrap();
    let tone = sound.fetch(&url, 8000).await.unwrap();
    assert!(wave::share_of(600.0, &tone.samples, 8000) > 0.95);

    // What is said comes back as text, by way of the taps of the media.
    let spec = ListenSpec {
        hints: vec!["account balance".to_owned(), "operator".to_owned()],
        ..ListenSpec::new("en-GB")
    };
    let Listening { audio, mut results } = sound.listen(&spec).unwrap();
    let utterance = Utterance::of(&Say::plain("account balance"), 8000);
    let speech = sound.say(&utterance).await.unwrap();
    let mut tap = audio.clone();
    let mut ulaw = Vec::new();
    media::codec::Encoder::new(media::codec::Codec::Pcmu).encode(&speech.samples, &mut ulaw);
    let silence = [0xff; 160];
    let frames = ulaw
        .chunks_exact(160)
        .map(|frame| frame.try_into().unwrap());
    let quiet = std::iter::repeat_n(silence, 25);
    for frame in quiet.clone().chain(frames).chain(quiet) {
        tap.frame(media::Track::Inbound, Duration::ZERO, &frame);
    }
    audio.finish();
    loop {
        match results.next().await.expect("a final result").unwrap() {
            Heard::Partial { .. } => {}
            Heard::Final { text, .. } => return assert_eq!(text, "account balance"),
        }
    }
}

/// Says and hears nothing but itself.
struct Own;

impl TextToSpeech for Own {
    fn render<'r>(&'r self, utterance: &'r Utterance) -> BoxFuture<'r, Result<Pcm, SoundError>> {
        let samples = vec![7; utterance.text.len()];
        Box::pin(async move { Ok(Pcm::new(utterance.rate, samples)) })
    }
}

impl SpeechToText for Own {
    fn listen(&self, _spec: &ListenSpec) -> Result<Listening, SoundError> {
        Err(SoundError::new(
            executor::ErrorCode::NOT_SUPPORTED,
            "it is deaf",
        ))
    }
}

#[tokio::test]
async fn other_engines_take_the_places() {
    let folder = folder("own");
    let config = SoundConfig {
        speech: SpeechConfig {
            engine: SpeechEngine::Own(Arc::new(Own)),
            ..SpeechConfig::default()
        },
        hearing: HearingConfig::Own(Arc::new(Own)),
        recordings: folder.config(),
        ..SoundConfig::default()
    };
    let sound = Sound::new(config, &client()).unwrap();
    let utterance = Utterance::of(&Say::plain("seven"), 8000);
    let pcm = sound.say(&utterance).await.unwrap();
    assert_eq!(*pcm.samples, [7; 5]);
    let error = sound.listen(&ListenSpec::new("en-US")).unwrap_err();
    assert_eq!(error.code.number(), 90110);
}
