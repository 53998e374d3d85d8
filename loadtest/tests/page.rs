//! The web page, in a real browser: what a call looks like to the person who watches.

use std::time::{Duration, Instant};

use loadtest::{Browser, Config, Edge, Sipp, Webhook, get};

const SOON: Duration = Duration::from_secs(30);

fn edge(hook: &Webhook) -> Edge {
    let rules = "[[chain.filter]]\ntype = \"uri_headers\"\n[[chain.filter]]\ntype = \"x_headers\"\ndefault = \"pass\"\n\
                 rules = [ { op = \"remove\", header = \"X-Internal-*\" } ]";
    Edge::start(
        Config::new()
            .inbound(rules)
            .domain("demo.test", &hook.url("say?text=Good+morning")),
    )
}

fn call(edge: &Edge) {
    Sipp::caller("caller_is_hung_up", edge.public())
        .to("sip:bob@demo.test?customParameter=xxxxxxxxxx&customValue=true")
        .set("HEADERS", "X-Route-Id: 42\nX-Internal-Secret: s3cret\nX-Markup: <img src=x onerror=document.title='owned'>")
        .run();
}

#[test]
fn the_page_shows_a_call_from_invite_to_answer() {
    let hook = Webhook::start();
    let edge = edge(&hook);
    let browser = Browser::open();
    browser.visit(&format!("http://{}/", edge.console()));
    browser.sees("No call yet", SOON);
    call(&edge);
    browser.visit(&format!("http://{}/#/latest", edge.console()));
    // The INVITE as received …
    browser.shows(
        "#invite",
        "INVITE sip:bob@demo.test?customParameter=xxxxxxxxxx&customValue=true SIP/2.0",
        SOON,
    );
    browser.shows("#invite", "X-Internal-Secret: s3cret", SOON);
    // … what each filter changed …
    browser.shows(
        "#filters .filter[data-name=uri_headers] .change.added",
        "X-customParameter",
        SOON,
    );
    browser.shows(
        "#filters .filter[data-name=x_headers] .change.removed",
        "X-Internal-Secret",
        SOON,
    );
    // … the request to the webhook …
    browser.shows(
        "#webhook tr[data-name='SipHeader_X-customParameter']",
        "xxxxxxxxxx",
        SOON,
    );
    browser.shows(
        "#webhook tr[data-name='SipHeader_X-customValue']",
        "true",
        SOON,
    );
    browser.shows("#webhook tr[data-name='SipHeader_X-Route-Id']", "42", SOON);
    browser.shows("#webhook", &hook.url("say"), SOON);
    // … its TwiML, and the answer.
    browser.shows("#twiml", "<Say>Good morning</Say>", SOON);
    browser.shows("#answer", "200 OK", SOON);
    browser.shows("#ladder", "executor", SOON);
    assert_eq!(
        browser.run("return document.querySelectorAll('#calls .call').length"),
        1
    );
    assert_ne!(
        browser.run("return document.title"),
        "owned",
        "a header became markup"
    );
    assert_eq!(
        browser.run("return document.querySelectorAll('#detail img').length"),
        0
    );
    let state = "return document.querySelector('#calls .call').dataset.state";
    browser.until(state, "completed", SOON);
    browser.keep_screenshot("page");
}

#[test]
fn a_call_appears_while_the_page_is_open() {
    let hook = Webhook::start();
    let edge = edge(&hook);
    let browser = Browser::open();
    browser.visit(&format!("http://{}/", edge.console()));
    browser.sees("No call yet", SOON);
    call(&edge);
    browser.shows("#calls .call", "bob", SOON);
    browser.run("document.querySelector('#calls .call').click()");
    browser.shows("#invite", "INVITE sip:bob@demo.test", SOON);
    let state = "return document.querySelector('#calls .call').dataset.state";
    browser.until(state, "completed", SOON);
}

#[test]
fn a_failed_webhook_is_shown_with_its_code() {
    let hook = Webhook::start();
    let edge = Edge::start(Config::new().domain("demo.test", &hook.url("malformed")));
    Sipp::caller("caller_is_hung_up", edge.public())
        .to("sip:bob@demo.test")
        .run();
    let browser = Browser::open();
    browser.visit(&format!("http://{}/#/latest", edge.console()));
    browser.shows("#errors", "12100", SOON);
}

#[test]
fn the_api_and_the_probes_answer() {
    let hook = Webhook::start();
    let edge = edge(&hook);
    call(&edge);
    let fetch =
        |path: &str| get(edge.console(), path).unwrap_or_else(|| panic!("{path}: no answer"));
    for path in [
        "/",
        "/app.js",
        "/style.css",
        "/healthz",
        "/metrics",
        "/api/info",
        "/api/calls",
    ] {
        assert_eq!(fetch(path).status, 200, "{path}");
    }
    assert_eq!(fetch("/nowhere").status, 404);
    // The caller has answered the BYE; that this is known here takes a moment.
    let until = Instant::now() + SOON;
    let call = loop {
        let calls: serde_json::Value = serde_json::from_str(&fetch("/api/calls").body).unwrap();
        let call = calls["calls"][0].clone();
        if call["state"] == "completed" {
            break call;
        }
        assert!(Instant::now() < until, "{call}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let detail = fetch(&format!("/api/calls/{}", call["id"]));
    for kind in [
        "received",
        "filters",
        "forwarded",
        "webhook",
        "twiml",
        "answered",
    ] {
        assert!(
            detail.body.contains(&format!("\"kind\":\"{kind}\"")),
            "{kind}: {}",
            detail.body
        );
    }
    assert!(!detail.body.contains(loadtest::AUTH_TOKEN));
    assert!(
        !edge.log().contains(loadtest::AUTH_TOKEN),
        "the token is in the log"
    );
    assert!(fetch("/metrics").body.contains("hookswitch_"));
}

#[test]
fn the_page_shows_who_is_registered() {
    let hook = Webhook::start();
    let users = "[[domain.user]]\nusername = \"alice\"\npassword = \"wonderland\"\n";
    let edge =
        Edge::start(Config::new().domain_with("demo.test", &hook.url("say?text=Hello"), users));
    let mut phone = Sipp::caller("caller_registers", edge.public()).argument("-d", "100");
    for (option, value) in [("-s", "alice"), ("-au", "alice"), ("-ap", "wonderland")] {
        phone = phone.argument(option, value);
    }
    phone.run();
    let browser = Browser::open();
    browser.visit(&format!("http://{}/#/registrations", edge.console()));
    browser.sees("alice@demo.test", SOON);
    browser.shows("#registered", "1 registered", SOON);
    browser.shows(".registrations td", "alice@demo.test", SOON);
}
