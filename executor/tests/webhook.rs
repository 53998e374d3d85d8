//! The webhook client against a web server that behaves badly on demand.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "webhook/breaker.rs"]
mod breaker;
#[path = "webhook/connections.rs"]
mod connections;
#[path = "webhook/credentials.rs"]
mod credentials;
#[path = "webhook/guard.rs"]
mod guard;
#[path = "webhook/handshake.rs"]
mod handshake;
#[path = "webhook/overrides.rs"]
mod overrides;
#[path = "webhook/redirects.rs"]
mod redirects;
#[path = "webhook/replies.rs"]
mod replies;
#[path = "webhook/requests.rs"]
mod requests;
mod support;

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use executor::webhook::{
    CallContext, CallStatus, Client, ClientConfig, Direction, FetchError, FetchId, Guard, Lookup,
    Method, Overrides, Purpose, Reply, Request, Session, SipContext, SystemLookup, sign,
};
use executor::{Secret, Sid, SidKind};
use support::{Move, Seen, Server, gzip, ok, response};
use url::Url;

const TWIML: &str = "<Response><Reject/></Response>";

fn client() -> Client {
    client_with(|_| {})
}

fn client_with(change: impl FnOnce(&mut ClientConfig)) -> Client {
    let mut config = ClientConfig {
        allow: vec!["127.0.0.1/32".parse().unwrap()],
        ..ClientConfig::default()
    };
    change(&mut config);
    Client::new(config).unwrap()
}

fn call() -> CallContext {
    CallContext {
        call_sid: Sid::new(SidKind::Call, [0xAB; 16]),
        account_sid: Sid::derive(SidKind::Account, "demo.example"),
        auth_token: Secret::new("12345"),
        from: "sip:alice@caller.example".to_owned(),
        to: "sip:service@demo.example".to_owned(),
        direction: Direction::Inbound,
        parent_call_sid: None,
        sip: SipContext {
            domain: Some("demo.example".to_owned()),
            domain_sid: Some(Sid::derive(SidKind::Domain, "demo.example")),
            username: Some("alice".to_owned()),
            call_id: Some("a84b4c76e66710@pc33.example".to_owned()),
            source_ip: Some("203.0.113.9".parse().unwrap()),
            headers: vec![
                header("Subject", "private"),
                header("X-Route-Id", "42"),
                header("User-to-User", "04c8;encoding=hex"),
                header("X-Test", "a=1;b=2 & c"),
            ],
        },
        session: Session::default(),
    }
}

fn header(name: &str, value: &str) -> (String, Vec<u8>) {
    (name.to_owned(), value.as_bytes().to_vec())
}

fn request(url: &str, method: Method) -> Request {
    Request {
        id: FetchId(1),
        url: Url::parse(url).unwrap(),
        method,
        purpose: Purpose::Voice,
        call_status: CallStatus::Ringing,
        params: Vec::new(),
    }
}

async fn post(url: &str) -> Result<Reply, FetchError> {
    client().fetch(&request(url, Method::Post), &call()).await
}

async fn get(url: &str) -> Result<Reply, FetchError> {
    client().fetch(&request(url, Method::Get), &call()).await
}

fn code(result: Result<Reply, FetchError>) -> u32 {
    result.expect_err("no reply").code.number()
}

fn form(seen: &Seen) -> Vec<(String, String)> {
    url::form_urlencoded::parse(seen.body.as_bytes())
        .into_owned()
        .collect()
}

struct Names(
    HashMap<&'static str, Vec<Vec<IpAddr>>>,
    std::sync::Mutex<usize>,
);

impl Lookup for Names {
    fn lookup(
        &self,
        name: &str,
    ) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>> {
        let mut asked = self.1.lock().unwrap();
        let answers = self.0.get(name).cloned().unwrap_or_default();
        let answer = answers
            .get(*asked)
            .or_else(|| answers.last())
            .cloned()
            .unwrap_or_default();
        *asked += 1;
        Box::pin(async move { Ok(answer) })
    }
}

/// Waits for something that will be so.
async fn until(so: impl Fn() -> bool) {
    while !so() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
