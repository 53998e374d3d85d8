//! Recordings that become text: by pocketsphinx, and by recognizers that do as they are told.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use executor::sound::hear::{HttpHearingConfig, ListenSpec, Model, PocketsphinxConfig};
use executor::sound::recordings::{
    NewRecording, RecordingSource, RecordingTrack, RecordingsConfig,
};
use executor::sound::speak::{EspeakConfig, Utterance};
use executor::sound::{HearingConfig, Sound, SoundConfig, SoundError, SpeechConfig, SpeechEngine};
use executor::twiml::Say;
use executor::{Sid, SidKind};

use crate::support::Server;
use crate::wave;
use crate::web::{client, reply};

/// Sound with a folder that goes with the test.
struct Desk {
    sound: Sound,
    folder: PathBuf,
}

impl Desk {
    fn new(name: &str, hearing: impl FnOnce(&Path) -> HearingConfig) -> Self {
        let name = format!("hookswitch-transcribing-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let config = SoundConfig {
            speech: SpeechConfig {
                engine: SpeechEngine::Espeak(EspeakConfig {
                    words_per_minute: 140,
                    ..EspeakConfig::default()
                }),
                ..SpeechConfig::default()
            },
            hearing: hearing(&folder),
            recordings: RecordingsConfig {
                folder: folder.join("recordings"),
                ..RecordingsConfig::default()
            },
            ..SoundConfig::default()
        };
        let sound = Sound::new(config, &client()).unwrap();
        Self { sound, folder }
    }

    /// One with a recognizer that runs these commands of a shell.
    fn doing(name: &str, commands: &str) -> Self {
        Self::new(name, |folder| {
            fs::write(folder.join("does"), commands).unwrap();
            HearingConfig::Pocketsphinx(obedient(folder))
        })
    }

    /// A finished recording of this file, as long as it says.
    fn keep(&self, file: &[u8], duration: Duration) -> Sid {
        let begun = self.sound.recordings().begin(NewRecording {
            account: Sid::derive(SidKind::Account, "demo.example"),
            call: Sid::new(SidKind::Call, [7; 16]),
            source: RecordingSource::RecordVerb,
            track: RecordingTrack::Inbound,
            channels: 1,
        });
        let begun = begun.unwrap();
        fs::write(&begun.path, file).unwrap();
        self.sound.recordings().finish(begun.sid, duration).unwrap();
        begun.sid
    }

    fn tone(&self, seconds: u32) -> Sid {
        let file = wave::wav(&wave::tone(440.0, 8000, seconds * 1000), 8000);
        self.keep(&file, Duration::from_secs(seconds.into()))
    }

    /// How many recognizers of the test are at work.
    fn running(&self) -> usize {
        let files = fs::read_dir(&self.folder).unwrap().flatten();
        files
            .filter(|file| file.file_name().to_string_lossy().starts_with("runs."))
            .count()
    }

    async fn failure(&self, recording: Sid) -> SoundError {
        let text = self.sound.transcribe(recording);
        let text = tokio::time::timeout(Duration::from_secs(60), text);
        text.await.expect("an end in time").unwrap_err()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// `recognizer.sh`, with a model of nothing.
fn obedient(folder: &Path) -> PocketsphinxConfig {
    let dictionary = folder.join("words");
    fs::write(&dictionary, "word W ER D\n").unwrap();
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    PocketsphinxConfig {
        program: home.join("tests/sound/recognizer.sh"),
        models: vec![Model {
            language: "en".to_owned(),
            acoustic: folder.to_owned(),
            dictation: folder.join("lm"),
            dictionary,
        }],
        ..PocketsphinxConfig::default()
    }
}

#[tokio::test]
async fn what_was_recorded_is_understood() {
    let desk = Desk::new("understood", |_| HearingConfig::default());
    let said = "I want to order a large house and I want to order a large car";
    let utterance = Utterance::of(&Say::plain(said), 8000);
    let speech = desk.sound.say(&utterance).await.unwrap();
    let file = wave::wav(&speech.samples, 8000);
    let text = desk.sound.transcribe(desk.keep(&file, speech.duration()));
    let text = text.await.unwrap();
    // All words of a dictation would be luck.
    for word in ["want", "order", "large"] {
        assert!(text.split(' ').any(|heard| heard == word), "{text}");
    }
}

/// The program begins to read late, and all that was recorded still reaches it.
#[tokio::test]
async fn nothing_of_a_long_recording_is_lost() {
    let desk = Desk::doing(
        "long",
        "sleep 1; bytes=$(wc -c); echo heard $((bytes / 32000)) seconds",
    );
    // With a second and a quarter of silence around it.
    for (seconds, heard) in [(2, "heard 3 seconds"), (120, "heard 121 seconds")] {
        let text = desk.sound.transcribe(desk.tone(seconds)).await;
        assert_eq!(text.unwrap(), heard);
    }
}

#[tokio::test]
async fn the_length_of_a_recording_counts() {
    let desk = Desk::doing("length", "cat > /dev/null; echo heard");
    let file = wave::wav(&wave::tone(440.0, 8000, 2000), 8000);
    for (millis, is_transcribed) in [
        (0, false),
        (1_999, false),
        (2_000, true),
        (120_900, true),
        (121_000, false),
    ] {
        let recording = desk.keep(&file, Duration::from_millis(millis));
        let text = desk.sound.transcribe(recording).await;
        let code = text.as_ref().err().map(|error| error.code.number());
        assert_eq!(
            code,
            (!is_transcribed).then_some(13617),
            "{millis} {text:?}"
        );
    }
}

#[tokio::test]
async fn a_file_that_is_gone_or_broken_has_no_text() {
    let desk = Desk::doing("gone", "cat > /dev/null; echo heard");
    let second = Duration::from_secs(2);
    let (deleted, removed) = (desk.tone(2), desk.tone(2));
    assert!(desk.sound.recordings().discard(deleted));
    let path = desk.folder.join(format!("recordings/{removed}.wav"));
    fs::remove_file(path).unwrap();
    let broken = desk.keep(b"RIFF and nothing", second);
    let empty = desk.keep(b"", second);
    for recording in [deleted, removed, broken, empty] {
        let error = desk.failure(recording).await;
        assert_eq!(error.code.number(), 90112, "{error}");
        assert!(error.detail.starts_with("the recording "), "{error}");
    }
}

#[tokio::test]
async fn a_recognizer_that_fails_gives_no_text() {
    for (name, commands) in [
        ("fails", "cat > /dev/null; echo heard; exit 1"),
        ("dies", "kill -9 $$"),
    ] {
        let desk = Desk::doing(name, commands);
        let error = desk.failure(desk.tone(2)).await;
        assert_eq!(error.code.number(), 90112, "{error}");
    }
    let server = Server::start(|_| reply("500 Oops", &[], b"")).await;
    let url = server.url("/listen").parse().unwrap();
    let desk = Desk::new("refuses", |_| {
        HearingConfig::Http(HttpHearingConfig::new(url))
    });
    let error = desk.failure(desk.tone(2)).await;
    assert!(error.detail.contains("500"), "{error}");
}

#[tokio::test]
async fn without_a_recognizer_it_is_said_what_is_missing() {
    let program = Desk::new("program", |folder| {
        HearingConfig::Pocketsphinx(PocketsphinxConfig {
            program: "/nonexistent/pocketsphinx".into(),
            ..obedient(folder)
        })
    });
    let model = Desk::new("model", |folder| {
        let mut config = obedient(folder);
        config.models[0].dictionary = "/nonexistent/words".into();
        HearingConfig::Pocketsphinx(config)
    });
    for desk in [program, model] {
        let error = desk.failure(desk.tone(2)).await;
        assert_eq!(error.code.number(), 90112, "{error}");
        assert!(error.detail.contains("`stt` of [executor]"), "{error}");
    }
    let deaf = Desk::new("deaf", |folder| {
        HearingConfig::Pocketsphinx(PocketsphinxConfig {
            models: Vec::new(),
            ..obedient(folder)
        })
    });
    let error = deaf.failure(deaf.tone(2)).await;
    assert!(error.detail.contains("en-US"), "{error}");
}

/// Two are at work, sixty-two wait, and more are refused at once.
#[tokio::test]
async fn few_are_transcribed_at_a_time_and_some_wait() {
    let desk = Desk::doing(
        "many",
        ": > $folder/runs.$$; while [ ! -e $folder/go ]; do sleep 0.05; done\n\
         rm $folder/runs.$$; cat > /dev/null; echo heard",
    );
    let recording = desk.tone(2);
    let mut texts = Vec::new();
    for _ in 0..67 {
        let sound = desk.sound.clone();
        texts.push(tokio::spawn(
            async move { sound.transcribe(recording).await },
        ));
    }
    for refused in texts.split_off(64) {
        let error = refused.await.unwrap().unwrap_err();
        assert_eq!(error.code.number(), 90112);
        assert!(error.detail.contains("too many"), "{error}");
    }
    let until = Instant::now() + Duration::from_secs(10);
    while desk.running() < 2 {
        assert!(Instant::now() < until, "nothing is transcribed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(desk.running(), 2);
    }
    fs::write(desk.folder.join("go"), "").unwrap();
    for text in texts {
        assert_eq!(text.await.unwrap().unwrap(), "heard");
    }
    // There is room again.
    let text = desk.sound.transcribe(recording).await;
    assert_eq!(text.unwrap(), "heard");
}

#[tokio::test]
async fn callers_are_listened_to_first() {
    let desk = Desk::new("first", |folder| {
        fs::write(folder.join("does"), "cat > /dev/null; echo heard").unwrap();
        HearingConfig::Pocketsphinx(PocketsphinxConfig {
            running_max: 1,
            ..obedient(folder)
        })
    });
    let caller = desk.sound.listen(&ListenSpec::new("en-US")).unwrap();
    let text = desk.sound.transcribe(desk.tone(2));
    tokio::pin!(text);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut text).await;
    assert!(early.is_err(), "{early:?}");
    drop(caller);
    assert_eq!(text.await.unwrap(), "heard");
}
