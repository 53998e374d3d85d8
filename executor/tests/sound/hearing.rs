//! Speech that becomes text: by pocketsphinx, which `make deps` installs, and by a service.

use std::sync::Arc;
use std::time::{Duration, Instant};

use executor::sound::hear::{
    Heard, HttpHearing, HttpHearingConfig, ListenSpec, Listening, Pocketsphinx, PocketsphinxConfig,
    SpeechToText,
};
use executor::sound::speak::{Espeak, EspeakConfig, TextToSpeech, Utterance};
use executor::sound::{Pcm, SoundError};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use crate::support::{Move, Server};
use crate::web::{head, reply};

async fn voice(text: &str) -> Pcm {
    let config = EspeakConfig {
        words_per_minute: 150,
        ..EspeakConfig::default()
    };
    let utterance = Utterance {
        text: text.to_owned(),
        ssml: None,
        voice: None,
        language: "en-US".to_owned(),
        rate: 8000,
    };
    Espeak::new(config).render(&utterance).await.unwrap()
}

fn hints(hints: &[&str]) -> ListenSpec {
    ListenSpec {
        hints: hints.iter().map(|hint| (*hint).to_owned()).collect(),
        ..ListenSpec::new("en-US")
    }
}

/// Speaks between two moments of silence, frame by frame.
fn speak(listening: &Listening, pcm: &Pcm) {
    let silence = [0; 160];
    for _ in 0..25 {
        listening.audio.push(&silence);
    }
    for frame in pcm.samples.chunks(160) {
        listening.audio.push(frame);
    }
    for _ in 0..40 {
        listening.audio.push(&silence);
    }
}

/// The partial texts, and the final result.
async fn results(listening: &mut Listening) -> (Vec<String>, Result<(String, f32), SoundError>) {
    let mut partial = Vec::new();
    loop {
        let next = tokio::time::timeout(Duration::from_secs(60), listening.results.next());
        match next
            .await
            .expect("a result in time")
            .expect("a last result")
        {
            Ok(Heard::Partial { text, stability }) => {
                assert!((0.0..=1.0).contains(&stability));
                partial.push(text);
            }
            Ok(Heard::Final { text, confidence }) => {
                assert!(listening.results.next().await.is_none());
                return (partial, Ok((text, confidence)));
            }
            Err(error) => {
                assert!(listening.results.next().await.is_none());
                return (partial, Err(error));
            }
        }
    }
}

#[tokio::test]
async fn what_is_said_is_understood() {
    let sphinx = Pocketsphinx::new(PocketsphinxConfig::default());
    let spec = hints(&[
        "account balance",
        "speak to an operator",
        "support",
        "sales",
        "no such w0rd xyzzyplugh",
    ]);
    for said in ["account balance", "speak to an operator", "sales"] {
        let mut listening = sphinx.listen(&spec).unwrap();
        speak(&listening, &voice(said).await);
        listening.audio.finish();
        let (partial, heard) = results(&mut listening).await;
        let (text, confidence) = heard.unwrap();
        assert_eq!(text, said);
        assert!(confidence > 0.0 && confidence <= 1.0, "{confidence}");
        assert_eq!(partial, [said]);
    }
}

/// Without hints it is dictation: words come, and in time. Which ones is the model's affair.
#[tokio::test]
async fn speech_without_hints_is_dictation() {
    let sphinx = Pocketsphinx::new(PocketsphinxConfig::default());
    let mut listening = sphinx.listen(&ListenSpec::new("en-US")).unwrap();
    let said = "I would like to know the balance of my account please";
    speak(&listening, &voice(said).await);
    listening.audio.finish();
    let (_, heard) = results(&mut listening).await;
    let (text, confidence) = heard.unwrap();
    assert!(text.split(' ').count() > 2, "{text}");
    assert!(confidence > 0.0 && confidence < 1.0, "{confidence}");
}

/// Partial results come while the caller goes on.
#[tokio::test]
async fn an_utterance_is_told_before_the_end() {
    let sphinx = Pocketsphinx::new(PocketsphinxConfig::default());
    let mut listening = sphinx
        .listen(&hints(&["support", "account balance"]))
        .unwrap();
    speak(&listening, &voice("support").await);
    let next = tokio::time::timeout(Duration::from_secs(20), listening.results.next());
    let partial = next.await.expect("a partial result before the end");
    assert!(matches!(partial, Some(Ok(Heard::Partial { text, .. })) if text == "support"));
    speak(&listening, &voice("account balance").await);
    listening.audio.finish();
    let (_, heard) = results(&mut listening).await;
    assert_eq!(heard.unwrap().0, "support account balance");
}

#[tokio::test]
async fn silence_is_an_empty_result() {
    let sphinx = Pocketsphinx::new(PocketsphinxConfig::default());
    let mut listening = sphinx.listen(&hints(&["sales"])).unwrap();
    for _ in 0..100 {
        listening.audio.push(&[0; 160]);
    }
    drop(listening.audio.clone());
    listening.audio.finish();
    let (partial, heard) = results(&mut listening).await;
    assert_eq!((partial, heard), (Vec::new(), Ok((String::new(), 0.0))));
}

#[tokio::test]
async fn what_cannot_be_listened_to_is_refused() {
    let config = PocketsphinxConfig {
        running_max: 1,
        ..PocketsphinxConfig::default()
    };
    let sphinx = Pocketsphinx::new(config);
    let error = sphinx.listen(&ListenSpec::new("de-DE")).unwrap_err();
    assert_eq!(error.code.number(), 90110);
    let first = sphinx.listen(&hints(&["sales"])).unwrap();
    assert!(sphinx.listen(&hints(&["sales"])).is_err());
    drop(first);
    for _ in 0..100 {
        if sphinx.listen(&hints(&["sales"])).is_ok() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the place was not given back");
}

#[tokio::test]
async fn a_missing_or_broken_recognizer_is_an_error() {
    for program in ["/nonexistent/program", "false"] {
        let config = PocketsphinxConfig {
            program: program.into(),
            ..PocketsphinxConfig::default()
        };
        let mut listening = Pocketsphinx::new(config)
            .listen(&hints(&["sales"]))
            .unwrap();
        listening.audio.finish();
        let (_, heard) = results(&mut listening).await;
        assert_eq!(heard.unwrap_err().code.number(), 12400, "{program}");
    }
}

/// What a service got: the line of JSON, and the bytes behind it.
type Got = Arc<Mutex<Option<(Value, Vec<u8>)>>>;

/// A service that takes a chunked body, tells a partial result with the first sound, and the final
/// one at the end.
async fn service() -> (String, Got) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/listen", listener.local_addr().unwrap());
    let got = Got::default();
    let kept = Arc::clone(&got);
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream, kept).await;
    });
    (url, got)
}

async fn serve(stream: TcpStream, got: Got) {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        read.read_line(&mut line).await.unwrap();
    }
    let answer =
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n";
    write.write_all(answer.as_bytes()).await.unwrap();
    let (mut body, mut told) = (Vec::new(), false);
    loop {
        line.clear();
        read.read_line(&mut line).await.unwrap();
        let length = usize::from_str_radix(line.trim(), 16).unwrap();
        let mut chunk = vec![0; length + 2];
        read.read_exact(&mut chunk).await.unwrap();
        if length == 0 {
            break;
        }
        body.extend_from_slice(&chunk[..length]);
        let head = body.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        if body.len() > head && !told {
            told = true;
            let partial =
                b"{\"type\":\"partial\",\"text\":\"please\",\"stability\":0.5}\nnonsense\n";
            write.write_all(partial).await.unwrap();
        }
    }
    let end = body.iter().position(|byte| *byte == b'\n').unwrap();
    let head = serde_json::from_slice(&body[..end]).unwrap();
    *got.lock().await = Some((head, body[end + 1..].to_vec()));
    let last = b"{\"type\":\"final\",\"text\":\"please this shit\",\"confidence\":7}";
    write.write_all(last).await.unwrap();
}

#[tokio::test]
async fn a_service_hears_while_the_caller_speaks() {
    let (url, got) = service().await;
    let hearing = HttpHearing::new(HttpHearingConfig::new(url.parse().unwrap())).unwrap();
    let mut listening = hearing.listen(&hints(&["one", "two"])).unwrap();
    listening.audio.push(&[1, -2, 300]);
    let partial = listening.results.next().await.unwrap().unwrap();
    let expected = Heard::Partial {
        text: "please".to_owned(),
        stability: 0.5,
    };
    assert_eq!(partial, expected);
    listening.audio.push(&[4]);
    listening.audio.finish();
    let (_, heard) = results(&mut listening).await;
    assert_eq!(heard.unwrap(), ("please this s***".to_owned(), 1.0));
    let (head, sound) = got.lock().await.take().unwrap();
    assert_eq!(sound, [1, 0, 0xfe, 0xff, 0x2c, 1, 4, 0]);
    let expected = serde_json::json!({
        "language": "en-US", "hints": ["one", "two"], "model": null, "profanity_filter": true,
        "encoding": "s16le", "sample_rate": 8000, "channels": 1,
    });
    assert_eq!(head, expected);
}

#[tokio::test]
async fn a_bad_service_is_an_error() {
    let server = Server::start(|seen| match seen.target() {
        "/500" => reply("500 Oops", &[], b""),
        "/nothing" => reply(
            "200 OK",
            &[],
            b"{\"type\":\"partial\",\"text\":\"a\"}\n[]\n\xff\xfe",
        ),
        "/endless" => {
            let mut moves = vec![Move::Send(head("200 OK", &[], None))];
            moves.extend((0..100).map(|_| Move::Send(vec![b'a'; 10_000])));
            moves
        }
        _ => vec![Move::Reset],
    })
    .await;
    let began = Instant::now();
    for path in ["/500", "/nothing", "/endless", "/reset"] {
        let config = HttpHearingConfig::new(server.url(path).parse().unwrap());
        let mut listening = HttpHearing::new(config)
            .unwrap()
            .listen(&ListenSpec::new("en-US"))
            .unwrap();
        listening.audio.push(&[0; 160]);
        listening.audio.finish();
        let (_, heard) = results(&mut listening).await;
        assert_eq!(heard.unwrap_err().code.number(), 12400, "{path}");
    }
    assert!(began.elapsed() < Duration::from_secs(10));
}
