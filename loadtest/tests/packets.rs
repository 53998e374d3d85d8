//! What a description says of packets: how long they are, where RTCP goes, which key protects them.

use loadtest::hear::Sound;
use loadtest::{App, Picks, Setup, Sipp, Verb, answering, serving};
use punctual::punctually;

const DEMO: &str = "sip:bob@demo.test";

const SENT: &str = "hookswitch_executor_media_packets_sent_total";
const RELAYED: &str = "hookswitch_executor_media_packets_relayed_total";

fn tone(seconds: f64) -> App {
    App::new()
        .wav("a.wav", &Sound::tone(8000, 500, seconds))
        .page("/answer", [Verb::of("play", "/files/a.wav")])
}

#[test]
fn a_phone_gets_packets_of_its_length() {
    punctually(|| {
        for millis in [40, 10] {
            let (_hook, edge) = serving(tone(4.0));
            let phone = Setup::new("alice").packets(millis);
            let phone = phone.through(edge.public()).start();
            phone.calls(DEMO);
            let heard = phone.is_over();
            assert!(heard.seconds_of(500) > 3.7, "{millis}: {heard:?}");
            // Before the file is there silence is sent; packets of the usual 20 ms would be twice or half as many.
            let sent = edge.metric(SENT).expect("a count");
            let wanted = heard.seconds() * 1000.0 / f64::from(millis);
            assert!(
                (0.9..1.5).contains(&(sent / wanted)),
                "{millis}: {sent} for {heard:?}"
            );
        }
    });
}

#[test]
fn two_phones_with_packets_of_different_lengths() {
    punctually(|| {
        let bob = Setup::new("bob").humming(700).picking(Picks::AtOnce);
        let bob = bob.packets(30).start();
        let sip = Verb::new("dial").with(Verb::of("sip", &bob.uri()));
        let (_hook, edge) = serving(App::new().page("/answer", [sip]));
        let alice = Setup::new("alice").packets(40).humming(1100);
        let alice = alice.through(edge.public()).start();
        alice.calls(DEMO);
        alice.hears_tone(700, 2.0);
        bob.hears_tone(1100, 2.0);
        alice.hang_up();
        bob.is_over();
        let relayed = edge.metric(RELAYED).expect("a count");
        assert!(relayed < 5.0, "packets of the wrong length: {relayed}");
    });
}

#[test]
fn reports_come_by_the_port_of_the_sound() {
    punctually(|| {
        let (_hook, edge) = serving(tone(30.0));
        let phone = Setup::new("alice").sharing().through(edge.public()).start();
        phone.calls(DEMO);
        phone.wait("CALL_RTCP");
        phone.hears_tone(500, 0.5);
        phone.hang_up();
    });
}

const KEY: &str = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";

#[test]
fn the_first_key_that_is_known_is_taken() {
    punctually(|| {
        let (_hook, edge) = answering("gather?timeout=30");
        let lines = format!(
            "\na=crypto:1 AEAD_AES_256_GCM inline:{KEY}\na=crypto:7 AES_CM_128_HMAC_SHA1_32 inline:{KEY}|2^31\n\
         a=crypto:8 AES_CM_128_HMAC_SHA1_80 inline:{KEY}\na=rtcp-mux\na=ptime:30"
        );
        let report = Sipp::caller("caller_hangs_up", edge.public())
            .to(DEMO)
            .set("PROFILE", "RTP/SAVP")
            .set("ATTRIBUTES", &lines)
            .argument("-d", "100")
            .run();
        let answer = report.find("200 with SDP", |message| {
            message.status() == Some(200) && message.cseq_method() == "INVITE"
        });
        for line in [
            " RTP/SAVP 0 8 101",
            "a=crypto:7 AES_CM_128_HMAC_SHA1_32 inline:",
            "a=rtcp-mux",
            "a=ptime:30",
        ] {
            assert!(answer.body.contains(line), "{line} in {}", answer.body);
        }
        assert_eq!(answer.body.matches("a=crypto:").count(), 1);
    });
}

#[test]
fn without_a_known_key_there_is_no_call() {
    punctually(|| {
        let (hook, edge) = answering("gather?timeout=30");
        let lines = format!("\na=crypto:1 AEAD_AES_256_GCM inline:{KEY}");
        let report = Sipp::caller("caller_is_refused", edge.public())
            .to(DEMO)
            .set("PROFILE", "RTP/SAVP")
            .set("ATTRIBUTES", &lines)
            .set("STATUS", "488")
            .run();
        assert_eq!(report.statuses("INVITE").last(), Some(&488));
        assert!(hook.hits().is_empty(), "nobody is asked about it");
    });
}
