//! Transfers within a bridge that come to nothing: the two who talked go on.
//!
//! The transferor is a SIPp that sends back all sound that it gets. Who talks to it hears itself, which says that both
//! directions are there.

use std::time::{Duration, Instant};

use loadtest::{App, Edge, Handset, Picks, Running, Setup, Sipp, Verb, Webhook, serving};

/// The tone of the one who is talked to.
const CAROL: u32 = 900;

/// Where a transfer is asked to; the reply of `referUrl` says what becomes of it.
const TARGET: &str = "sip:dave@elsewhere.test";

struct Bridge {
    hook: Webhook,
    _edge: Edge,
    alice: Running,
    carol: Handset,
}

/// Alice and Carol talk, and Alice asks for a transfer; `refer` is what `referUrl` answers.
fn transferring(refer: Vec<Verb>) -> Bridge {
    let carol = Setup::new("carol").humming(CAROL).start();
    let dial = Verb::new("dial")
        .set("answer_on_bridge", "true")
        .set("refer_url", "/refer")
        .set("action", "/after");
    let app = App::new()
        .page("/answer", [dial.with(Verb::of("sip", &carol.uri()))])
        .page("/refer", refer)
        .page("/after", []);
    let (hook, edge) = serving(app);
    let alice = Sipp::caller("caller_transfers", edge.public())
        .to("sip:bob@demo.test")
        .set("TARGET", TARGET)
        .argument("-d", "3000")
        .argument("-rtp_echo", "")
        .start();
    carol.hears_tone(CAROL, 0.5);
    Bridge {
        hook,
        _edge: edge,
        alice,
        carol,
    }
}

/// A document that dials somebody, and rings for eight seconds.
fn onward(uri: &str) -> Vec<Verb> {
    let dial = Verb::new("dial")
        .set("timeout", "8")
        .set("action", "/never");
    vec![dial.with(Verb::of("sip", uri))]
}

impl Bridge {
    /// The transferor is told this final response, the two hear each other again, and the call ends as if nothing had been.
    fn fails_and_goes_on(self, response: &str) {
        let hit = self.hook.wait_for("/refer");
        assert!(hit.param("ReferTransferTarget").contains(TARGET), "{hit:?}");
        let line = format!("SIP/2.0 {response}");
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            let report = self.alice.so_far();
            let notifies = report
                .received
                .iter()
                .filter(|message| message.method() == Some("NOTIFY"));
            if notifies
                .clone()
                .any(|message| message.body.trim_end() == line)
            {
                break;
            }
            assert!(Instant::now() < until, "not told: {:#?}", report.received);
            std::thread::sleep(Duration::from_millis(50));
        }
        let from = self.carol.heard().seconds();
        self.carol.hears("herself again", |heard| {
            heard.after(from).seconds_of(CAROL) >= 1.5
        });
        self.carol.hang_up();
        let hit = self.hook.wait_for("/after");
        assert_eq!(hit.param("DialCallStatus"), "completed");
        assert_eq!(hit.param("DialBridged"), "true");
        self.alice.finish();
        assert!(self.hook.hits().iter().all(|hit| hit.path() != "/never"));
        self.hook.all_signed();
    }
}

/// The target refuses, and the transferor is told with what (RFC 3515 §2.4.4).
fn refused_with(response: &str) {
    let dave = Sipp::callee("callee_refuses")
        .set("STATUS", response)
        .start();
    let bridge = transferring(onward(&format!("sip:dave@{}", dave.address())));
    bridge.fails_and_goes_on(response);
    dave.finish();
}

#[test]
fn a_busy_target_brings_the_two_together_again() {
    refused_with("486 Busy Here");
}

#[test]
fn a_target_that_declines_brings_the_two_together_again() {
    refused_with("603 Decline");
}

#[test]
fn a_target_that_is_unknown_brings_the_two_together_again() {
    refused_with("404 Not Found");
}

#[test]
fn a_target_that_does_not_answer_brings_the_two_together_again() {
    let dave = Setup::new("dave").picking(Picks::WhenTold).start();
    let bridge = transferring(onward(&dave.uri()));
    dave.wait("CALL_INCOMING");
    // While it rings the two are apart.
    let carol = &bridge.carol;
    carol.settles("what they hear", |heard| heard.seconds_of(CAROL));
    dave.wait("CALL_CLOSED");
    bridge.fails_and_goes_on("408 Request Timeout");
}

#[test]
fn a_refer_url_that_fails_changes_nothing() {
    let bridge = transferring(vec![Verb::of("redirect", "/status?code=503")]);
    bridge.fails_and_goes_on("503 Service Unavailable");
}
