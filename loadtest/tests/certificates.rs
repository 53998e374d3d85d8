//! TLS of what the executor connects to: whom it believes, and what it says of others.

use loadtest::hear::Sound;
use loadtest::{App, Authority, Config, Scratch, Setup, Verb, Webhook, calling, serving_with};

/// Where the web server is.
const HOST: &str = "127.0.0.1";

fn sweep() -> Sound {
    Sound::sweep(8000, 400.0, 2800.0, 1.5)
}

/// An authority, the file that it is known by, and the key of the configuration that names the file.
struct Known {
    authority: Authority,
    key: String,
    _folder: Scratch,
}

impl Known {
    fn new() -> Self {
        let (authority, folder) = (Authority::new(), Scratch::new("authority"));
        let file = folder.write("ca.pem", authority.pem());
        Self {
            authority,
            key: format!("ca_file = {file:?}"),
            _folder: folder,
        }
    }
}

/// A document that waits for a stream by TLS, and then plays a tone of 1500 Hz.
fn streaming() -> App {
    let stream = Verb::new("stream")
        .set("url", "{wss}/echo")
        .set("status_callback", "{http}/events");
    App::new()
        .wav("next.wav", &Sound::tone(8000, 1500, 0.6))
        .page(
            "/answer",
            [
                Verb::new("connect").with(stream),
                Verb::of("play", "{http}/files/next.wav"),
            ],
        )
        .page("/events", [])
}

#[test]
fn a_stream_goes_to_a_server_whose_authority_is_known() {
    let known = Known::new();
    let app = streaming().vouched_for(&known.authority, HOST);
    let (hook, _edge, phone) = calling(app, &sweep(), |config, _| config.executor_keys(&known.key));
    phone.hears("the echo", |heard| heard.find(&sweep()).degree > 0.9);
    phone.hang_up();
    let carried = hook.carried("/echo", "gone");
    // The URL of the signature is that of the document, with wss.
    assert!(carried.is_valid, "the handshake is not signed");
    let sound = hook.streamed("/echo", "inbound").expect("sound");
    assert!(sound.find(&sweep()).degree > 0.95, "{sound:?}");
    hook.all_signed();
}

/// The call goes on without the stream, and the application learns why.
fn refused(app: App, keys: &str, reason: &str) {
    let (hook, edge, phone) = calling(app, &sweep(), |config, _| config.executor_keys(keys));
    let hit = hook.wait_until("the error", |hit| hit.path() == "/events");
    assert_eq!(hit.param("StreamEvent"), "stream-error");
    assert!(hit.param("StreamError").contains(reason), "{hit:?}");
    assert!(hit.param("StreamSid").starts_with("MZ"));
    for name in ["AccountSid", "CallSid", "Timestamp"] {
        assert!(!hit.param(name).is_empty(), "{name}");
    }
    let heard = phone.is_over();
    assert!(heard.seconds_of(1500) > 0.4, "{heard:?}");
    assert!(edge.logs("31910"), "no warning in the log");
    hook.all_signed();
}

#[test]
fn a_stream_to_a_server_that_nobody_vouches_for_is_refused() {
    let app = streaming().vouched_for(&Authority::new(), HOST);
    refused(app, "", "UnknownIssuer");
}

#[test]
fn a_stream_to_a_server_by_another_name_is_refused() {
    let known = Known::new();
    let app = streaming().vouched_for(&known.authority, "web.example");
    refused(app, &known.key, "not valid for name");
}

/// An application whose documents and files come by TLS.
fn secure_app() -> App {
    App::new()
        .wav("a.wav", &sweep())
        .page("/answer", [Verb::of("redirect", "/next")])
        .page("/next", [Verb::of("play", "files/a.wav")])
}

fn asks_securely(config: Config, hook: &Webhook) -> Config {
    let fallback = format!("fallback_url = {:?}", hook.url("busy"));
    config.domain_with("secure.test", &hook.secure_url("answer"), &fallback)
}

#[test]
fn documents_and_files_come_from_a_server_whose_authority_is_known() {
    let known = Known::new();
    let app = secure_app().vouched_for(&known.authority, HOST);
    let (hook, edge) = serving_with(app, |config, hook| {
        asks_securely(config.executor_keys(&known.key), hook)
    });
    let phone = Setup::new("alice").through(edge.public()).start();
    phone.calls("sip:bob@secure.test");
    let heard = phone.is_over();
    assert!(heard.find(&sweep()).degree > 0.95, "{heard:?}");
    let hits = hook.hits();
    assert_eq!(hits.len(), 3, "{hits:#?}");
    assert!(hits.iter().all(|hit| hit.url().starts_with("https://")));
    hook.all_signed();
}

#[test]
fn documents_of_a_server_that_nobody_vouches_for_go_to_the_fallback() {
    let app = secure_app().vouched_for(&Authority::new(), HOST);
    let (hook, edge) = serving_with(app, asks_securely);
    let phone = Setup::new("alice").through(edge.public()).start();
    phone.dial("sip:bob@secure.test");
    let hit = hook.wait_for("/busy");
    assert_eq!(hit.param("ErrorCode"), "11237");
    assert_eq!(hit.param("ErrorUrl"), hook.secure_url("answer"));
    phone.wait("CALL_CLOSED");
    assert!(phone.events("CALL_ESTABLISHED").is_empty());
}
