//! `<Start>` and `<Stop>` of a `<Siprec>`: SIPp is the recording server, and what it is sent is heard.

use std::io::Write;
use std::process::{Command, Stdio};

use loadtest::hear::Sound;
use loadtest::{App, Ear, Edge, Handset, Hit, Setup, Sipp, Verb, Webhook, serving_with};
use punctual::punctually;

const DEMO: &str = "sip:bob@demo.test";

fn sweep() -> Sound {
    Sound::sweep(8000, 400.0, 2800.0, 1.5)
}

fn start(connector: &str) -> Verb {
    let parameter = Verb::new("parameter")
        .set("name", "case")
        .set("value", "<4711> & more");
    let siprec = Verb::new("siprec")
        .set("name", "copy")
        .set("connector_name", connector)
        .set("track", "both_tracks")
        .set("status_callback", "/events")
        .with(parameter);
    Verb::new("start").with(siprec)
}

fn stop() -> Verb {
    Verb::new("stop").with(Verb::new("siprec").set("name", "copy"))
}

/// Tones that no sweep comes near: of what is recorded, and of what is not.
const HUM: u32 = 200;
const AFTER: u32 = 3200;

/// A document that plays one tone while it is recorded, and another one after.
fn app(connector: &str, between: &[Verb]) -> App {
    let verbs = [
        start(connector),
        Verb::new("pause").set("length", "2"),
        Verb::of("play", "/files/hum.wav"),
        Verb::new("pause").set("length", "4"),
    ];
    let verbs = verbs.into_iter().chain(between.iter().cloned());
    App::new()
        .wav("hum.wav", &Sound::tone(8000, HUM, 1.0))
        .wav("after.wav", &Sound::tone(8000, AFTER, 1.0))
        .page(
            "/answer",
            verbs.chain([Verb::of("play", "/files/after.wav")]),
        )
}

/// An edge whose connector `vault` is this server, and a telephone that says the sweep again and
/// again, so that one of them is recorded from its begin to its end.
fn calling(app: App, server: &Sipp) -> (Webhook, Edge, Handset) {
    let uri = format!("sip:srs@{};transport=tcp", server.address());
    let keys = format!("siprec = [{{ name = \"vault\", uri = \"{uri}\" }}]");
    let (hook, edge) = serving_with(app, |config, _| config.executor_keys(&keys));
    let says = Sound::silence(8000, 1.5).then(&sweep().padded(2.0).times(12));
    let phone = Setup::new("alice")
        .saying(&says)
        .through(edge.public())
        .start();
    (hook, edge, phone)
}

fn server(ears: &[Ear; 2]) -> Sipp {
    let [first, second] = ears.each_ref().map(|ear| ear.port().to_string());
    Sipp::callee("recording_server")
        .tcp()
        .set("FIRST", &first)
        .set("SECOND", &second)
}

fn told(hook: &Webhook, event: &str) -> Hit {
    let hit = hook.wait_until(event, |hit| hit.get("SiprecEvent") == Some(event));
    assert_eq!(hit.param("SiprecName"), "copy");
    hit
}

/// The texts of the elements of this name, as Python reads the document.
fn texts(document: &str, name: &str) -> Vec<String> {
    const READ: &str = "import sys, xml.etree.ElementTree as tree\n\
        for node in tree.fromstring(sys.stdin.buffer.read()).iter():\n    \
        if node.tag.split('}')[1] == sys.argv[1]: print(node.text)";
    let mut python = Command::new("python3")
        .args(["-c", READ, name])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    let mut stdin = python.stdin.take().expect("a pipe");
    stdin.write_all(document.as_bytes()).expect("python reads");
    drop(stdin);
    let output = python.wait_with_output().expect("python ends");
    assert!(output.status.success(), "not XML: {document}");
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_recording_server_hears_both_sides() {
    punctually(|| {
        let ears = [Ear::new(), Ear::new()];
        let server = server(&ears);
        let (hook, _edge, phone) = calling(app("vault", &[stop()]), &server);
        let server = server.start();
        phone.calls(DEMO);
        let started = told(&hook, "siprec-started");
        assert!(started.param("SiprecSid").starts_with("SR"));
        let [first, second] = &ears;
        let inbound = first.hears("sweep", |heard| heard.find(&sweep()).degree > 0.95);
        assert!(inbound.seconds_of(HUM) < 0.1, "{inbound:?}");
        phone.is_over();
        // What was played after the stop is not in it.
        let outbound = second.heard();
        let hum = outbound.seconds_of(HUM);
        assert!((0.8..1.2).contains(&hum), "{outbound:?}");
        assert!(outbound.seconds_of(AFTER) < 0.1, "{outbound:?}");
        assert!(outbound.find(&sweep()).degree < 0.5, "{outbound:?}");

        let report = server.finish();
        let invite = report.request("INVITE");
        assert_eq!(invite.need("Require"), "siprec");
        assert!(invite.header("X-Hookswitch-Parent-Call-Id").is_none());
        let (_, metadata) = invite
            .body
            .split_once("recording-session")
            .expect("metadata");
        let (_, metadata) = metadata.split_once("<?xml").expect("a document");
        let (metadata, _) = metadata.split_once("</recording>").expect("its end");
        let document = format!("<?xml{metadata}</recording>");
        assert_eq!(texts(&document, "label"), ["1", "2"]);
        assert_eq!(texts(&document, "Parameter"), ["<4711> & more"]);
        assert_eq!(texts(&document, "send").len(), 2);
        let stopped = told(&hook, "siprec-stopped");
        assert_eq!(stopped.param("SiprecSid"), started.param("SiprecSid"));
        hook.all_signed();
    });
}

#[test]
fn the_end_of_the_call_is_the_end_of_the_recording() {
    punctually(|| {
        let ears = [Ear::new(), Ear::new()];
        let server = server(&ears);
        let (hook, _edge, phone) = calling(app("vault", &[]), &server);
        let server = server.start();
        phone.calls(DEMO);
        told(&hook, "siprec-started");
        ears[0].hears("sweep", |heard| heard.find(&sweep()).degree > 0.95);
        phone.hang_up();
        // It ends with the BYE.
        server.finish();
        told(&hook, "siprec-stopped");
    });
}

#[test]
fn a_call_goes_on_without_its_recording_server() {
    punctually(|| {
        let ears = [Ear::new(), Ear::new()];
        // Nobody listens there.
        let nobody = server(&ears);
        let (hook, _edge, phone) = calling(app("vault", &[start("elsewhere")]), &nobody);
        phone.calls(DEMO);
        let codes = ["90134", "90130"];
        for code in codes {
            let hit = hook.wait_until(code, |hit| hit.get("SiprecErrorCode") == Some(code));
            assert_eq!(hit.param("SiprecEvent"), "siprec-error");
            assert!(!hit.param("SiprecError").is_empty());
        }
        let heard = phone.is_over();
        assert!((0.8..1.2).contains(&heard.seconds_of(HUM)), "{heard:?}");
        assert!((0.8..1.2).contains(&heard.seconds_of(AFTER)), "{heard:?}");
    });
}
