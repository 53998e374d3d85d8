//! `<Refer>`: the executor asks the caller's switch for the transfer and follows what it reports.

use loadtest::{Edge, Hit, Report, Sipp, Webhook, answering, encode};

/// Headers in the URI stay as they are: they are the target's business.
const TARGET: &str = "sip:agent@pbx.test:5070;transport=udp?X-Reason=a%3Bb&Replaces=x%40y";

fn caller(scenario: &str, edge: &Edge) -> Sipp {
    Sipp::caller(scenario, edge.public())
        .to("sip:bob@demo.test")
        .argument("-d", "100")
}

/// Runs a transfer with an `action` and gives the request that it led to.
fn action(scenario: &str, set: &[(&str, &str)]) -> (Webhook, Hit, Report) {
    let (hook, edge) = answering(&format!("refer?uri={}&action=/after", encode(TARGET)));
    let sipp = set
        .iter()
        .fold(caller(scenario, &edge), |sipp, (name, value)| {
            sipp.set(name, value)
        });
    let report = sipp.run();
    let hit = hook.wait_for("/after");
    hook.all_signed();
    (hook, hit, report)
}

#[test]
fn a_last_refer_without_action_ends_the_leg() {
    for tcp in [false, true] {
        let (hook, edge) = answering(&format!("refer?uri={}", encode(TARGET)));
        let sipp = caller("caller_is_referred", &edge);
        let report = if tcp { sipp.tcp() } else { sipp }.run();
        assert_eq!(
            report.request("REFER").need("Refer-To"),
            format!("<{TARGET}>")
        );
        assert_eq!(report.statuses("NOTIFY"), [200, 200]);
        let methods: Vec<_> = report
            .received
            .iter()
            .filter_map(loadtest::Message::method)
            .collect();
        assert_eq!(methods, ["REFER", "BYE"]);
        assert_eq!(hook.hits().len(), 1);
    }
}

#[test]
fn the_call_is_answered_before_it_is_transferred() {
    let (_hook, edge) = answering(&format!("refer?uri={}", encode(TARGET)));
    let report = caller("caller_is_referred", &edge).run();
    let mut of_invite = report.statuses("INVITE");
    of_invite.retain(|status| *status != 100);
    of_invite.dedup();
    assert_eq!(of_invite, [180, 200]);
}

#[test]
fn an_action_hears_of_success() {
    let (_hook, hit, report) = action("caller_is_referred", &[]);
    assert_eq!(hit.param("ReferCallStatus"), "in-progress");
    assert_eq!(hit.param("ReferSipResponseCode"), "202");
    assert_eq!(hit.param("NotifySipResponseCode"), "200");
    assert_eq!(report.statuses("NOTIFY"), [200, 200]);
}

#[test]
fn a_200_to_refer_is_as_good_as_a_202() {
    let (_hook, hit, _) = action("caller_is_referred", &[("ACCEPT", "200 OK")]);
    assert_eq!(hit.param("ReferSipResponseCode"), "200");
    assert_eq!(hit.param("NotifySipResponseCode"), "200");
}

#[test]
fn an_action_hears_of_a_busy_target() {
    let (_hook, hit, _) = action("caller_is_referred", &[("FINAL", "486 Busy Here")]);
    assert_eq!(hit.param("ReferCallStatus"), "busy");
    assert_eq!(hit.param("NotifySipResponseCode"), "486");
}

#[test]
fn an_action_hears_of_a_refusal() {
    let (_hook, hit, _) = action("caller_refuses_refer", &[]);
    assert_eq!(hit.param("ReferCallStatus"), "failed");
    assert_eq!(hit.param("ReferSipResponseCode"), "405");
    assert_eq!(hit.get("NotifySipResponseCode"), None);
}

#[test]
fn the_document_goes_on_after_a_refer_that_is_not_its_last_verb() {
    let (hook, edge) = answering(&format!("refer?uri={}&then=redirect", encode(TARGET)));
    caller("caller_is_referred", &edge).run();
    let paths: Vec<_> = hook
        .wait(2)
        .iter()
        .map(|hit| hit.path().to_owned())
        .collect();
    assert_eq!(paths, ["/refer", "/hangup"]);
}

#[test]
fn the_answer_to_the_action_is_executed() {
    let (hook, edge) = answering(&format!(
        "refer?uri={}&action={}",
        encode(TARGET),
        encode("/after?then=redirect")
    ));
    caller("caller_is_referred", &edge).run();
    let paths: Vec<_> = hook
        .wait(3)
        .iter()
        .map(|hit| hit.path().to_owned())
        .collect();
    assert_eq!(paths, ["/refer", "/after", "/hangup"]);
}

#[test]
fn a_report_may_come_late() {
    let (hook, edge) = answering(&format!("refer?uri={}&action=/after", encode(TARGET)));
    let sipp = caller("caller_is_referred", &edge).argument("-d", "6000");
    sipp.run();
    let hit = hook.wait_for("/after");
    assert_eq!(hit.param("ReferCallStatus"), "in-progress");
    assert_eq!(hit.param("NotifySipResponseCode"), "200");
}

#[test]
fn a_transfer_that_is_never_reported_on_is_given_up() {
    let (hook, edge) = answering(&format!("refer?uri={}&action=/after", encode(TARGET)));
    caller("caller_forgets_refer", &edge).run();
    let hit = hook.wait_for("/after");
    assert_eq!(hit.param("ReferSipResponseCode"), "202");
    assert_eq!(hit.get("ReferCallStatus"), None);
    assert_eq!(hit.get("NotifySipResponseCode"), None);
    hook.all_signed();
}

#[test]
fn a_caller_may_hang_up_during_the_transfer() {
    let (_hook, hit, _) = action("caller_leaves_when_referred", &[]);
    assert_eq!(hit.param("ReferCallStatus"), "canceled");
    assert_eq!(hit.param("ReferSipResponseCode"), "202");
    assert_eq!(hit.param("NotifySipResponseCode"), "180");
    assert_eq!(hit.param("CallStatus"), "completed");
}
