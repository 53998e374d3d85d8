//! Text that becomes speech: by espeak-ng, which `make deps` installs, and by a service.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use executor::Secret;
use executor::sound::speak::{
    Espeak, EspeakConfig, HttpSpeech, HttpSpeechConfig, Speaker, TextToSpeech, Utterance,
};

use crate::support::{Move, Server};
use crate::wave;
use crate::web::{head, reply};

fn speaker() -> Speaker {
    speaker_of(EspeakConfig::default())
}

fn speaker_of(config: EspeakConfig) -> Speaker {
    Speaker::new(Arc::new(Espeak::new(config)), 16 * 1024 * 1024)
}

fn say(text: &str) -> Utterance {
    Utterance {
        text: text.to_owned(),
        ssml: None,
        voice: None,
        language: "en-US".to_owned(),
        rate: 8000,
    }
}

#[tokio::test]
async fn a_text_is_heard() {
    let speaker = speaker();
    for rate in [8000, 16_000] {
        let utterance = Utterance {
            rate,
            ..say("Please hold the line.")
        };
        let pcm = speaker.say(&utterance).await.unwrap();
        assert_eq!(pcm.rate, rate);
        let seconds = pcm.samples.len() as f64 / f64::from(rate);
        assert!((0.8..3.0).contains(&seconds), "{seconds} s");
        assert!(wave::loudness(&pcm.samples) > 300.0);
    }
}

#[tokio::test]
async fn a_text_is_rendered_once() {
    let speaker = speaker();
    let utterance = say("Good morning.");
    let (one, two) = tokio::join!(speaker.say(&utterance), speaker.say(&utterance));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert!(Arc::ptr_eq(&one.samples, &two.samples));
    let three = speaker.say(&utterance).await.unwrap();
    assert!(Arc::ptr_eq(&one.samples, &three.samples));
    let woman = Utterance {
        voice: Some("woman".to_owned()),
        ..utterance.clone()
    };
    let french = Utterance {
        language: "fr-FR".to_owned(),
        ..utterance
    };
    assert_ne!(speaker.say(&woman).await.unwrap(), one);
    assert_ne!(speaker.say(&french).await.unwrap(), one);
}

#[tokio::test]
async fn markup_changes_what_is_heard() {
    let speaker = speaker();
    let length = async |ssml: &str| {
        let utterance = Utterance {
            ssml: Some(ssml.to_owned()),
            ..say("one two")
        };
        speaker.say(&utterance).await.unwrap().samples.len() as i64
    };
    let plain = length("one two").await;
    let paused = length("one <break time=\"1s\"/> two").await;
    assert!((paused - plain - 8000).abs() < 4000, "{plain} {paused}");
    let slow = length("<prosody rate=\"50%\">one two</prosody>").await;
    assert!(slow > plain * 5 / 4, "{plain} {slow}");
    // A file that the synthesizer would read, if it got to know of it.
    let foreign = length("<audio src=\"/dev/zero\">one two</audio>").await;
    assert!((foreign - plain).abs() < 800, "{plain} {foreign}");
}

#[tokio::test]
async fn odd_texts_are_no_danger() {
    let speaker = speaker();
    for text in ["", " \n"] {
        let error = speaker.say(&say(text)).await.unwrap_err();
        assert_eq!(error.code.number(), 13520);
    }
    let long = speaker.say(&say(&"a".repeat(100_000))).await.unwrap_err();
    assert_eq!(long.code.number(), 13521);
    for text in [
        "-v !v/croak --stdout",
        "a\u{0}b",
        "<speak><audio src='x'/>",
        "$(id)",
        "𝄞 ok",
    ] {
        speaker.say(&say(text)).await.unwrap();
    }
}

/// A program that stands in for the synthesizer.
struct Script(PathBuf);

impl Script {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("hookswitch-test-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        Self(path)
    }

    fn config(&self) -> EspeakConfig {
        EspeakConfig {
            program: self.0.clone(),
            time_max: Duration::from_secs(3),
            ..EspeakConfig::default()
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        fs::remove_file(&self.0).unwrap();
    }
}

#[tokio::test]
async fn a_broken_synthesizer_is_an_error_in_time() {
    let began = Instant::now();
    for (name, text) in [
        ("silent", "cat >/dev/null"),
        ("garbage", "head -c 100000 /dev/urandom"),
        ("failing", "exit 3"),
        ("endless", "exec yes"),
        ("sleeping", "exec sleep 60"),
    ] {
        let script = Script::new(name, text);
        let spoken = speaker_of(script.config()).say(&say("hello")).await;
        let error = spoken.expect_err(name);
        assert_eq!(error.code.number(), 12400, "{name}");
    }
    assert!(began.elapsed() < Duration::from_secs(20));
    let missing = EspeakConfig {
        program: "/nonexistent/espeak".into(),
        ..EspeakConfig::default()
    };
    assert!(speaker_of(missing).say(&say("hello")).await.is_err());
}

#[tokio::test]
async fn only_so_many_run_at_a_time() {
    let folder = std::env::temp_dir().join(format!("hookswitch-running-{}", std::process::id()));
    fs::create_dir(&folder).unwrap();
    let shown = folder.display();
    // Each run leaves a file while it goes on, and a line with how many there are.
    let text = format!(
        "touch {shown}/run.$$; ls {shown} | grep -c run >> {shown}/counts; sleep 0.2; rm {shown}/run.$$; exit 1"
    );
    let script = Script::new("counting", &text);
    let config = EspeakConfig {
        running_max: 2,
        ..script.config()
    };
    let speaker = speaker_of(config);
    let mut asked = tokio::task::JoinSet::new();
    for number in 0..6 {
        let speaker = speaker.clone();
        asked.spawn(async move { speaker.say(&say(&format!("text {number}"))).await });
    }
    asked.join_all().await;
    let counts = fs::read_to_string(folder.join("counts")).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(counts.lines().count(), 6);
    let most = counts
        .lines()
        .map(|line| line.trim().parse::<u32>().unwrap())
        .max();
    assert_eq!(most, Some(2));
}

#[tokio::test]
async fn a_service_speaks() {
    let server = Server::start(|_| {
        let file = wave::wav(&wave::tone(500.0, 8000, 300), 8000);
        reply("200 OK", &[("Content-Type", "audio/wav")], &file)
    })
    .await;
    let config = HttpSpeechConfig {
        key: Some(Secret::new("sesame")),
        ..HttpSpeechConfig::new(server.url("/speak").parse().unwrap())
    };
    let speech = HttpSpeech::new(config).unwrap();
    let utterance = Utterance {
        ssml: Some("<s>Hello</s>".to_owned()),
        voice: Some("Polly.Joanna".to_owned()),
        ..say("Hello")
    };
    let pcm = speech.render(&utterance).await.unwrap();
    assert!(wave::share_of(500.0, &pcm.samples, 8000) > 0.95);
    let [seen] = server.seen().try_into().unwrap();
    assert_eq!(seen.line, "POST /speak HTTP/1.1");
    assert_eq!(seen.header("authorization"), "Bearer sesame");
    assert_eq!(seen.header("content-type"), "application/json");
    let body: serde_json::Value = serde_json::from_str(&seen.body).unwrap();
    let expected = serde_json::json!({
        "text": "Hello", "ssml": "<s>Hello</s>", "voice": "Polly.Joanna", "language": "en-US",
        "sample_rate": 8000,
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_bad_service_is_an_error_in_time() {
    let server = Server::start(|seen| match seen.target() {
        "/500" => reply("500 Oops", &[], b""),
        "/redirect" => reply("302 Found", &[("Location", "http://127.0.0.2/")], b""),
        "/garbage" => reply("200 OK", &[("Content-Type", "audio/wav")], b"\x01\x02"),
        "/endless" => {
            let mut moves = vec![Move::Send(head("200 OK", &[], None))];
            moves.extend((0..1000).map(|_| Move::Send(vec![0; 10_000])));
            moves
        }
        _ => vec![Move::Hang],
    })
    .await;
    for path in ["/500", "/redirect", "/garbage", "/endless", "/silent"] {
        let config = HttpSpeechConfig {
            time_max: Duration::from_secs(2),
            bytes_max: 100_000,
            ..HttpSpeechConfig::new(server.url(path).parse().unwrap())
        };
        let began = Instant::now();
        let error = HttpSpeech::new(config).unwrap().render(&say("a")).await;
        assert_eq!(error.unwrap_err().code.number(), 12400, "{path}");
        assert!(began.elapsed() < Duration::from_secs(15), "{path}");
    }
}
