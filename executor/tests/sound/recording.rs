//! The folder of recordings and its web server.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use executor::sound::recordings::{
    Begun, NewRecording, RecordingServer, RecordingSource, RecordingTrack, Recordings,
    RecordingsConfig,
};
use executor::webhook::Hook;
use executor::{Domain, Domains, Secret, Sid, SidKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::AbortHandle;

use crate::wave;
use crate::web::{Answer, ask};

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let name = format!("hookswitch-recordings-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn config(&self) -> RecordingsConfig {
        RecordingsConfig {
            folder: self.0.clone(),
            listen: Some("127.0.0.1:0".parse().unwrap()),
            ..RecordingsConfig::default()
        }
    }

    pub(crate) fn files(&self) -> usize {
        fs::read_dir(&self.0).unwrap().count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

pub(crate) fn new() -> NewRecording {
    NewRecording {
        account: Sid::derive(SidKind::Account, "demo.example"),
        call: Sid::new(SidKind::Call, [7; 16]),
        source: RecordingSource::RecordVerb,
        track: RecordingTrack::Inbound,
        channels: 1,
    }
}

fn sound() -> Vec<u8> {
    wave::wav(&wave::tone(440.0, 8000, 1500), 8000)
}

/// Begins a recording, and describes it.
pub(crate) fn begin(recordings: &Recordings) -> Begun {
    let begun = recordings.begin(new()).unwrap();
    recordings.describe(begun.sid).unwrap();
    begun
}

pub(crate) fn record(recordings: &Recordings) -> Sid {
    let begun = begin(recordings);
    fs::write(&begun.path, sound()).unwrap();
    let duration = Duration::from_millis(1500);
    recordings.finish(begun.sid, duration).unwrap();
    begun.sid
}

fn domains() -> Domains {
    let hook = Hook::post("http://localhost/".parse().unwrap());
    let domain = |name, token| Domain::new(name, Secret::new(token), hook.clone());
    Domains::new(vec![
        domain("demo.example", "12345"),
        domain("other.example", "54321"),
        domain("open.example", ""),
    ])
}

/// A running server; it ends with this.
pub(crate) struct Serving(SocketAddr, AbortHandle);

impl Serving {
    pub(crate) fn start(recordings: &Recordings) -> Self {
        let server = RecordingServer::bind(recordings, &domains()).unwrap();
        let server = server.expect("an address is configured");
        let address = server.address();
        let task = tokio::spawn(server.run());
        Self(address, task.abort_handle())
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        ask(self.0, method, path, headers).await
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.1.abort();
    }
}

fn path(sid: Sid) -> String {
    let account = new().account;
    format!("/2010-04-01/Accounts/{account}/Recordings/{sid}")
}

pub(crate) fn basic(user: &str, password: &str) -> String {
    let pair = format!("{user}:{password}");
    format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(pair)
    )
}

pub(crate) fn owner() -> String {
    basic(&new().account.to_string(), "12345")
}

#[tokio::test]
async fn a_recording_is_had_under_its_url() {
    let folder = Folder::new("had");
    let recordings = Recordings::open(folder.config()).unwrap();
    let serving = Serving::start(&recordings);
    let begun = begin(&recordings);
    let url = begun.url.unwrap();
    assert_eq!(url, format!("http://{}{}", serving.0, path(begun.sid)));
    fs::write(&begun.path, sound()).unwrap();
    // It is not to be had before it is finished.
    assert_eq!(serving.ask("GET", &path(begun.sid), &[]).await.status, 404);
    recordings
        .finish(begun.sid, Duration::from_millis(1500))
        .unwrap();

    for ending in ["", ".wav"] {
        let target = format!("{}{ending}", path(begun.sid));
        let whole = serving.ask("GET", &target, &[]).await;
        assert_eq!(whole.status, 200);
        assert_eq!(whole.header("content-type"), "audio/x-wav");
        assert_eq!(whole.body, sound());
    }
    let head = serving.ask("HEAD", &path(begun.sid), &[]).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), sound().len().to_string());
    let part = serving
        .ask("GET", &path(begun.sid), &[("Range", "bytes=44-143")])
        .await;
    assert_eq!(
        (part.status, part.body.as_slice()),
        (206, &sound()[44..144])
    );
    let range = format!("bytes 44-143/{}", sound().len());
    assert_eq!(part.header("content-range"), range);
    let beyond = serving
        .ask("GET", &path(begun.sid), &[("Range", "bytes=999999-")])
        .await;
    assert_eq!(beyond.status, 416);
}

#[tokio::test]
async fn an_mp3_is_made_when_it_is_asked_for() {
    let folder = Folder::new("mp3");
    let recordings = Recordings::open(folder.config()).unwrap();
    let serving = Serving::start(&recordings);
    let sid = record(&recordings);
    let target = format!("{}.mp3", path(sid));
    let (one, two) = tokio::join!(
        serving.ask("GET", &target, &[]),
        serving.ask("GET", &target, &[])
    );
    assert_eq!((one.status, two.status), (200, 200));
    assert_eq!(one.header("content-type"), "audio/mpeg");
    assert_eq!(one.body, two.body);
    assert_eq!(folder.files(), 3);
    let pcm = media::decode::decode_file(&one.body, Some("audio/mpeg"), 60).unwrap();
    assert!(wave::share_of(440.0, &pcm.samples, pcm.rate) > 0.9);
    assert!(recordings.discard(sid));
    while folder.files() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_description_and_the_deletion_want_the_token() {
    let folder = Folder::new("token");
    let recordings = Recordings::open(folder.config()).unwrap();
    let serving = Serving::start(&recordings);
    let sid = record(&recordings);
    let json = format!("{}.json", path(sid));
    let account = new().account.to_string();
    let wrong = basic(&account, "54321");
    let other = basic(
        &Sid::derive(SidKind::Account, "other.example").to_string(),
        "54321",
    );
    for credentials in [None, Some(wrong), Some(other), Some("Basic ???".to_owned())] {
        let headers: Vec<_> = credentials
            .iter()
            .map(|it| ("Authorization", it.as_str()))
            .collect();
        for (method, target) in [("GET", &json), ("DELETE", &path(sid))] {
            let refused = serving.ask(method, target, &headers).await;
            assert_eq!(refused.status, 401, "{method} {headers:?}");
            assert!(refused.header("www-authenticate").starts_with("Basic "));
        }
    }
    let owner = owner();
    let headers = [("Authorization", owner.as_str())];
    let described = serving.ask("GET", &json, &headers).await;
    let description: serde_json::Value = serde_json::from_slice(&described.body).unwrap();
    assert_eq!(description["sid"], sid.to_string());
    assert_eq!(description["account_sid"], account);
    assert_eq!(description["status"], "completed");
    assert_eq!(description["duration"], "1");
    assert_eq!(description["source"], "RecordVerb");
    assert_eq!(description["channels"], 1);
    assert_eq!(
        serving.ask("DELETE", &path(sid), &headers).await.status,
        204
    );
    assert_eq!(serving.ask("GET", &path(sid), &[]).await.status, 404);
    assert_eq!(
        serving.ask("DELETE", &path(sid), &headers).await.status,
        404
    );
    assert_eq!(folder.files(), 0);
    // An account without a token has nobody who knows it.
    let open = Sid::derive(SidKind::Account, "open.example");
    let target = format!("/2010-04-01/Accounts/{open}/Recordings/{sid}");
    let empty = basic(&open.to_string(), "");
    let refused = serving
        .ask("DELETE", &target, &[("Authorization", &empty)])
        .await;
    assert_eq!(refused.status, 401);
}

#[tokio::test]
async fn sounds_can_want_the_token_too() {
    let folder = Folder::new("authenticate");
    let config = RecordingsConfig {
        authenticate: true,
        ..folder.config()
    };
    let recordings = Recordings::open(config).unwrap();
    let serving = Serving::start(&recordings);
    let sid = record(&recordings);
    assert_eq!(serving.ask("GET", &path(sid), &[]).await.status, 401);
    let owner = owner();
    let headers = [("Authorization", owner.as_str())];
    assert_eq!(serving.ask("GET", &path(sid), &headers).await.body, sound());
}

#[tokio::test]
async fn odd_requests_get_nothing() {
    let folder = Folder::new("odd");
    fs::write(folder.0.join("secret.wav"), b"secret").unwrap();
    let recordings = Recordings::open(folder.config()).unwrap();
    let serving = Serving::start(&recordings);
    let sid = record(&recordings);
    let account = new().account;
    let other = Sid::derive(SidKind::Account, "other.example");
    for target in [
        "/".to_owned(),
        "/secret.wav".to_owned(),
        format!("/2010-04-01/Accounts/{account}/Recordings/../../../secret.wav"),
        format!("/2010-04-01/Accounts/{account}/Recordings/..%2fsecret.wav"),
        format!("/2010-04-01/Accounts/{account}/Recordings/secret"),
        format!("/2010-04-01/Accounts/{other}/Recordings/{sid}"),
        path(Sid::new(SidKind::Recording, [9; 16])),
        format!("{}.exe", path(sid)),
    ] {
        assert_eq!(
            serving.ask("GET", &target, &[]).await.status,
            404,
            "{target}"
        );
    }
    assert_eq!(serving.ask("PUT", &path(sid), &[]).await.status, 405);

    // Garbage and a head without an end cost a connection and nothing else.
    let mut garbage = tokio::net::TcpStream::connect(serving.0).await.unwrap();
    garbage
        .write_all(b"\x16\x03\x01\x02\x00garbage\r\n\r\n")
        .await
        .unwrap();
    let mut rest = Vec::new();
    garbage.read_to_end(&mut rest).await.unwrap();
    assert!(rest.starts_with(b"HTTP/1.1 400"));
    let mut long = tokio::net::TcpStream::connect(serving.0).await.unwrap();
    let head = format!("GET / HTTP/1.1\r\nX-Long: {}", "a".repeat(100_000));
    long.write_all(head.as_bytes()).await.ok();
    let mut rest = Vec::new();
    long.read_to_end(&mut rest).await.ok();
    assert_eq!(serving.ask("GET", &path(sid), &[]).await.status, 200);
}

#[test]
fn the_oldest_make_place_and_what_goes_on_stays() {
    let folder = Folder::new("bounds");
    let config = RecordingsConfig {
        count_max: 3,
        ..folder.config()
    };
    let recordings = Recordings::open(config).unwrap();
    let going_on = begin(&recordings);
    let sids: Vec<_> = (0..4).map(|_| record(&recordings)).collect();
    assert_eq!(recordings.count(), 3);
    let there = |sid: Sid| folder.0.join(format!("{sid}.wav")).exists();
    assert_eq!(sids.iter().filter(|sid| there(**sid)).count(), 2);
    assert!(there(sids[3]));
    fs::write(&going_on.path, sound()).unwrap();
    recordings
        .finish(going_on.sid, Duration::from_secs(1))
        .unwrap();
    // With as many going on as there may be, one more is refused.
    let _more: Vec<_> = (0..3).map(|_| recordings.begin(new()).unwrap()).collect();
    assert!(recordings.begin(new()).is_err());
    assert_eq!(recordings.count(), 3);
}

#[test]
fn bytes_and_age_are_bounded() {
    let folder = Folder::new("bytes");
    let config = RecordingsConfig {
        bytes_max: 2 * sound().len() as u64 + 10,
        ..folder.config()
    };
    let recordings = Recordings::open(config.clone()).unwrap();
    let first = record(&recordings);
    record(&recordings);
    record(&recordings);
    assert_eq!(recordings.count(), 2);
    assert!(!recordings.discard(first));
    drop(recordings);
    let young = RecordingsConfig {
        age_max: Duration::ZERO,
        ..config
    };
    let recordings = Recordings::open(young).unwrap();
    assert_eq!((recordings.count(), folder.files()), (0, 0));
}

#[test]
fn a_restart_finds_what_was_there_and_mends_what_was_not_finished() {
    let folder = Folder::new("restart");
    let recordings = Recordings::open(folder.config()).unwrap();
    let finished = record(&recordings);
    let broken = begin(&recordings);
    // The header of a writer that was killed says that there is nothing.
    let mut file = sound();
    file[4..8].fill(0);
    file[40..44].fill(0);
    fs::write(&broken.path, &file).unwrap();
    let empty = begin(&recordings);
    drop(recordings);
    for (name, content) in [
        ("RE1.json", "{}"),
        ("REx.json", "{}"),
        ("note.txt", "note"),
        (&format!("{}.json", path(finished).replace('/', "_")), "{}"),
    ] {
        fs::write(folder.0.join(name), content).unwrap();
    }
    let recordings = Recordings::open(folder.config()).unwrap();
    assert_eq!(recordings.count(), 2);
    assert_eq!(fs::read(&broken.path).unwrap(), sound());
    assert!(!Path::new(&empty.path).with_extension("json").exists());
    assert!(recordings.discard(finished) && recordings.discard(broken.sid));
}

#[test]
fn a_restart_deletes_what_belongs_to_no_recording() {
    let folder = Folder::new("orphans");
    let recordings = Recordings::open(folder.config()).unwrap();
    let kept = record(&recordings);
    let truncated = record(&recordings);
    drop(recordings);
    // A disk that was full has left an empty description; others have left sounds, and halves of files.
    fs::write(folder.0.join(format!("{truncated}.json")), "").unwrap();
    let nobodys = Sid::new(SidKind::Recording, [9; 16]);
    for name in [
        format!("{nobodys}.wav"),
        format!("{nobodys}.mp3"),
        format!("{kept}.0123456789abcdef.new"),
        "RE1.wav".to_owned(),
        "note.new".to_owned(),
    ] {
        fs::write(folder.0.join(name), "sound").unwrap();
    }
    let recordings = Recordings::open(folder.config()).unwrap();
    assert_eq!(recordings.count(), 1);
    let mut names: Vec<_> = fs::read_dir(&folder.0)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut expected = [
        format!("{kept}.json"),
        format!("{kept}.wav"),
        "RE1.wav".to_owned(),
        "note.new".to_owned(),
    ];
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn a_runtime_does_not_wait_for_what_is_deleted() {
    let folder = Folder::new("deleting");
    let config = RecordingsConfig {
        count_max: 1,
        ..folder.config()
    };
    let recordings = Recordings::open(config).unwrap();
    let old = record(&recordings);
    // The only thread for such work is busy.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    let (done, busy) = std::sync::mpsc::channel::<()>();
    runtime.spawn_blocking(move || busy.recv());
    let there = || folder.0.join(format!("{old}.wav")).exists();
    runtime.block_on(async {
        let begun = recordings.begin(new()).unwrap();
        assert!(there(), "the file is deleted by another thread");
        assert!(recordings.discard(begun.sid));
        drop(done);
        // Behind what was to be deleted.
        tokio::task::spawn_blocking(|| ()).await.unwrap();
    });
    assert!(!there());
    assert_eq!(folder.files(), 0);
}
