//! Ringing that is acknowledged (RFC 3262), through the proxy.

use loadtest::{Sipp, answering};

#[test]
fn a_caller_acknowledges_that_it_rings() {
    let (hook, edge) = answering("pause?length=3&then=gather");
    let report = Sipp::caller("caller_acknowledges_ringing", edge.public())
        .to("sip:bob@demo.test")
        .set("HEADERS", "Require: 100rel")
        .argument("-d", "100")
        .run();
    assert_eq!(report.statuses("PRACK"), [200]);
    assert_eq!(report.statuses("BYE"), [200]);
    hook.all_signed();
}
