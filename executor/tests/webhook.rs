//! The webhook client against a web server that behaves badly on demand.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "webhook/breaker.rs"]
mod breaker;
#[path = "webhook/handshake.rs"]
mod handshake;
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

#[tokio::test]
async fn acceptance_2_post_has_all_parameters_under_their_exact_names() {
    let server = Server::start(|_| ok("text/xml", TWIML)).await;
    let url = server.url("/twiml.php?customParameter=xxxxxxxxx&customValue=true");
    let mut request = request(&url, Method::Post);
    request.params = vec![
        ("Digits".to_owned(), "1#".to_owned()),
        ("CallSid".to_owned(), "evil".to_owned()),
    ];
    let reply = client().fetch(&request, &call()).await.unwrap();
    assert_eq!((reply.status, reply.body.as_ref()), (200, TWIML.as_bytes()));
    assert_eq!(reply.content_type.as_deref(), Some("text/xml"));
    assert_eq!(reply.url.as_str(), url);
    assert_eq!(reply.exchange.requests, 1);

    let [seen] = server.seen().try_into().unwrap();
    assert_eq!(
        seen.line,
        "POST /twiml.php?customParameter=xxxxxxxxx&customValue=true HTTP/1.1"
    );
    let expected = [
        ("CallSid", "CAabababababababababababababababab"),
        ("AccountSid", &call().account_sid.to_string()),
        ("From", "sip:alice@caller.example"),
        ("To", "sip:service@demo.example"),
        ("Caller", "sip:alice@caller.example"),
        ("Called", "sip:service@demo.example"),
        ("CallStatus", "ringing"),
        ("ApiVersion", "2010-04-01"),
        ("Direction", "inbound"),
        ("SipDomain", "demo.example"),
        ("SipDomainSid", &call().sip.domain_sid.unwrap().to_string()),
        ("SipUsername", "alice"),
        ("SipCallId", "a84b4c76e66710@pc33.example"),
        ("SipSourceIp", "203.0.113.9"),
        ("SipHeader_X-Route-Id", "42"),
        ("SipHeader_User-to-User", "04c8;encoding=hex"),
        ("SipHeader_X-Test", "a=1;b=2 & c"),
        ("Digits", "1#"),
    ];
    let expected: Vec<_> = expected
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    assert_eq!(form(&seen), expected);
    assert_eq!(reply.exchange.params, expected);
    assert_eq!(
        seen.header("content-type"),
        "application/x-www-form-urlencoded; charset=UTF-8"
    );
    assert!(seen.header("user-agent").starts_with("Hookswitch/0."));
    assert_eq!(seen.header("accept"), "*/*");
    assert_eq!(seen.header("accept-encoding"), "gzip");
    assert_eq!(seen.header("i-twilio-idempotency-token").len(), 36);
    assert_eq!(
        seen.header("x-twilio-signature"),
        sign(&Secret::new("12345"), &url, &form(&seen))
    );
    assert!(
        seen.body.contains("SipHeader_X-Test=a%3D1%3Bb%3D2+%26+c"),
        "{}",
        seen.body
    );
}

#[tokio::test]
async fn get_keeps_the_query_and_signs_the_whole_url() {
    let server = Server::start(|_| ok("text/xml", TWIML)).await;
    let url = server.url("/twiml.php?customParameter=a%20b&customValue=true");
    let reply = get(&url).await.unwrap();
    assert_eq!(reply.url.as_str(), url);
    let [seen] = server.seen().try_into().unwrap();
    let target = seen.target();
    assert!(
        target.starts_with("/twiml.php?customParameter=a%20b&customValue=true&CallSid=CAab"),
        "{target}"
    );
    assert!(
        target.contains("&From=sip%3Aalice%40caller.example&"),
        "{target}"
    );
    assert!(target.contains("&SipHeader_X-Route-Id=42&"), "{target}");
    assert_eq!(
        seen.header("x-twilio-signature"),
        sign(&Secret::new("12345"), &server.url(target), &[])
    );
    assert_eq!((seen.body.as_str(), seen.header("content-type")), ("", ""));
}

#[tokio::test]
async fn acceptance_3_and_4_only_x_headers_and_user_to_user_are_passed() {
    let server = Server::start(|_| ok("text/xml", TWIML)).await;
    let mut call = call();
    call.sip.headers = vec![
        header("X-A", "1"),
        header("x-a", " 2 "),
        header("x-inin-cnv", "lower"),
        header("X-A", "3,4"),
        header("P-Asserted-Identity", "<sip:a@b>"),
        header("X-Hookswitch-Trunk", "internal"),
        header("x-hookswitch-source", "10.0.0.1:5060"),
        header("X-Forwarded-For", "1\r\n folded"),
        ("X-B".to_owned(), b"\xff\xfe&CallSid=evil\x00\x07".to_vec()),
        header("USER-TO-USER", "00"),
        header("X-", "none"),
        header("X-\u{e4}", "none"),
    ];
    client()
        .fetch(&request(&server.url("/"), Method::Post), &call)
        .await
        .unwrap();
    let [seen] = server.seen().try_into().unwrap();
    let passed: Vec<_> = form(&seen)
        .into_iter()
        .filter(|(name, _)| name.starts_with("SipHeader_"))
        .collect();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        passed,
        [
            pair("SipHeader_X-A", "1, 2, 3,4"),
            pair("SipHeader_x-inin-cnv", "lower"),
            pair("SipHeader_X-Forwarded-For", "1 folded"),
            pair("SipHeader_X-B", "\u{fffd}\u{fffd}&CallSid=evil"),
            pair("SipHeader_USER-TO-USER", "00"),
        ]
    );
    assert_eq!(
        form(&seen)
            .iter()
            .filter(|(name, _)| name == "CallSid")
            .count(),
        1
    );
    assert_eq!(seen.header("x-forwarded-for"), "");
}

#[tokio::test]
async fn acceptance_12_fragment_and_userinfo_are_neither_sent_nor_signed() {
    let server = Server::start(|_| ok("text/xml", TWIML)).await;
    let url = server
        .url("/hook?a=b#rc=2&rp=5xx")
        .replace("http://", "http://user:geheim@");
    let reply = post(&url).await.unwrap();
    let [seen] = server.seen().try_into().unwrap();
    assert_eq!(seen.line, "POST /hook?a=b HTTP/1.1");
    assert_eq!(seen.header("authorization"), "");
    assert_eq!(
        seen.header("x-twilio-signature"),
        sign(
            &Secret::new("12345"),
            &server.url("/hook?a=b"),
            &form(&seen)
        )
    );
    assert_eq!(reply.exchange.url, server.url("/hook?a=b"));
    assert!(reply.warnings.is_empty());
    assert_eq!(
        reply.url.as_str(),
        url,
        "the base keeps credentials and overrides"
    );
}

#[tokio::test]
async fn acceptance_11_a_503_is_repeated_only_if_asked_for() {
    let server = Server::start(|_| response("503 Service Unavailable", &[], "")).await;
    for (fragment, attempts) in [
        ("", 1),
        ("#rc=3", 1),
        ("#rp=5xx", 2),
        ("#rc=3&rp=5xx", 4),
        ("#rc=2&rp=all", 3),
        ("#rc=0&rp=all", 1),
        ("#rc=2&rp=4xx", 1),
    ] {
        let before = server.seen().len();
        let error = post(&server.url(&format!("/{fragment}")))
            .await
            .unwrap_err();
        assert_eq!(
            (error.code.number(), error.exchange.status),
            (11200, Some(503)),
            "{fragment}"
        );
        assert_eq!(server.seen().len() - before, attempts, "{fragment}");
    }
}

#[tokio::test]
async fn the_idempotency_token_is_the_same_on_all_attempts_and_new_on_the_next_fetch() {
    let server = Server::start(|_| response("500 Oops", &[], "")).await;
    let url = server.url("/#rc=2&rp=5xx");
    assert_eq!(code(post(&url).await), 11200);
    assert_eq!(code(post(&url).await), 11200);
    let tokens: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| seen.header("i-twilio-idempotency-token").to_owned())
        .collect();
    assert_eq!(tokens.len(), 6);
    assert!(tokens[..3].iter().all(|token| *token == tokens[0]));
    assert!(tokens[3..].iter().all(|token| *token == tokens[3]));
    assert_ne!(tokens[0], tokens[3]);
}

#[tokio::test]
async fn acceptance_11_a_connection_that_takes_too_long_is_repeated_once() {
    // A server that accepts and says nothing never finishes the TLS handshake.
    let server = Server::start(|_| vec![Move::Hang]).await;
    let began = Instant::now();
    let error = post(&format!("https://127.0.0.1:{}/#ct=200", server.port()))
        .await
        .unwrap_err();
    assert_eq!(error.code.number(), 11201);
    assert_eq!((error.exchange.requests, server.connections()), (2, 2));
    assert!(
        (400..8000).contains(&began.elapsed().as_millis()),
        "{:?}",
        began.elapsed()
    );
    let error = post(&format!("https://127.0.0.1:{}/#ct=200&rc=0", server.port()))
        .await
        .unwrap_err();
    assert_eq!(error.exchange.requests, 1);
}

#[tokio::test]
async fn a_refused_connection_is_11202_and_is_repeated() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let error = post(&format!("http://127.0.0.1:{port}/"))
        .await
        .unwrap_err();
    assert_eq!((error.code.number(), error.exchange.requests), (11202, 2));
}

#[tokio::test]
async fn acceptance_16_the_eleventh_redirect_is_11215() {
    let server = Server::start(|seen| {
        let number: u32 = seen.target()[1..]
            .split('?')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        if number == 0 {
            return ok("text/xml", TWIML);
        }
        response(
            "302 Found",
            &[("Location", &format!("/{}", number - 1))],
            "",
        )
    })
    .await;
    let reply = post(&server.url("/10")).await.unwrap();
    assert_eq!(
        (reply.exchange.requests, reply.url.as_str()),
        (11, server.url("/0").as_str())
    );
    assert_eq!(code(post(&server.url("/11")).await), 11215);
}

#[tokio::test]
async fn a_redirect_to_itself_ends() {
    let server = Server::start(|_| response("307 Again", &[("Location", "/loop")], "")).await;
    assert_eq!(code(post(&server.url("/loop")).await), 11215);
    assert_eq!(server.seen().len(), 11);
}

#[tokio::test]
async fn redirects_change_or_keep_the_method_and_are_signed_again() {
    for (status, method) in [
        (301, "GET"),
        (302, "GET"),
        (303, "GET"),
        (307, "POST"),
        (308, "POST"),
    ] {
        let server = Server::start(move |seen| {
            if seen.target().starts_with("/new") {
                return ok("text/xml", TWIML);
            }
            response(&format!("{status} Moved"), &[("Location", "/new?x=y")], "")
        })
        .await;
        let reply = post(&server.url("/old#rc=2")).await.unwrap();
        assert_eq!(reply.url.as_str(), server.url("/new?x=y#rc=2"));
        let [_, seen] = server.seen().try_into().unwrap();
        assert!(seen.line.starts_with(method), "{status}: {}", seen.line);
        let url = server.url(seen.target());
        assert_eq!(
            seen.header("x-twilio-signature"),
            sign(&Secret::new("12345"), &url, &form(&seen))
        );
        if method == "GET" {
            assert!(
                seen.target().starts_with("/new?x=y&CallSid=CA"),
                "{}",
                seen.target()
            );
        } else {
            assert!(seen.body.starts_with("CallSid=CA"), "{}", seen.body);
        }
    }
}

#[tokio::test]
async fn redirects_to_nowhere_are_11216() {
    for location in [
        Some("ftp://127.0.0.1/"),
        Some("file:///etc/passwd"),
        Some("http://"),
        None,
    ] {
        let headers: Vec<_> = location
            .map(|location| ("Location", location))
            .into_iter()
            .collect();
        let answer = response("302 Found", &headers, "");
        let server = Server::start(move |_| answer.clone()).await;
        assert_eq!(code(post(&server.url("/")).await), 11216, "{location:?}");
    }
}

#[tokio::test]
async fn a_redirect_to_an_address_that_is_not_allowed_is_not_followed() {
    let canary = Server::start_on("127.0.0.2", |_| ok("text/xml", TWIML)).await;
    for host in [
        "127.0.0.2",
        "[::ffff:127.0.0.2]",
        "2130706434",
        "0x7f.2",
        "0177.0.0.2",
    ] {
        let location = format!("http://{host}:{}/", canary.port());
        let server =
            Server::start(move |_| response("302 Found", &[("Location", &location)], "")).await;
        let error = post(&server.url("/")).await.unwrap_err();
        assert_eq!(
            (error.code.number(), error.exchange.requests),
            (11210, 1),
            "{host}"
        );
    }
    assert_eq!((canary.seen().len(), canary.connections()), (0, 0));
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused_in_all_spellings() {
    let client = client_with(|config| config.allow.clear());
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "017700000001",
        "127.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1]",
        "[fd00::1]",
        "10.0.0.1",
        "100.64.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "192.0.0.8",
        "198.19.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "%6c%6fcalhost",
        "127.0.0.1.",
    ] {
        let url = format!("http://{host}:9/");
        let error = client
            .fetch(&request(&url, Method::Post), &call())
            .await
            .unwrap_err();
        assert_eq!(error.code.number(), 11210, "{host}: {error}");
    }
}

#[test]
fn the_guard_knows_the_ranges() {
    let guard = Guard::new(
        vec!["10.1.0.0/16".parse().unwrap()],
        Arc::new(SystemLookup::new()),
    );
    for public in [
        "8.8.8.8",
        "1.1.1.1",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "198.17.255.255",
        "223.255.255.255",
        "2606:4700::1111",
        "::ffff:8.8.8.8",
        "10.1.2.3",
        "::ffff:10.1.2.3",
    ] {
        assert!(guard.allows(public.parse().unwrap()), "{public}");
    }
    for special in [
        "0.1.2.3",
        "10.2.0.1",
        "100.64.0.0",
        "100.127.255.255",
        "127.255.255.255",
        "169.254.169.254",
        "172.16.0.0",
        "192.0.0.255",
        "192.168.0.0",
        "198.18.0.0",
        "198.19.255.255",
        "224.0.0.0",
        "240.0.0.0",
        "255.255.255.255",
        "::",
        "::1",
        "fc00::",
        "fdff::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "::ffff:192.168.0.1",
        "64:ff9b::808:808",
        "2002:808:808::1",
        "2001:db8::1",
        "2001::1",
        "::127.0.0.1",
        "100::1",
    ] {
        assert!(!guard.allows(special.parse().unwrap()), "{special}");
    }
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

#[tokio::test]
async fn a_name_is_refused_if_any_of_its_addresses_is_not_public() {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let public: IpAddr = "8.8.8.8".parse().unwrap();
    let server = Server::start(|_| ok("text/xml", TWIML)).await;
    let names = Arc::new(Names(
        HashMap::from([
            ("mixed.test", vec![vec![public, loopback]]),
            ("allowed.test", vec![vec![loopback]]),
            ("none.test", vec![vec![]]),
        ]),
        std::sync::Mutex::default(),
    ));
    let strict = client_with(|config| {
        config.allow.clear();
        config.lookup = names.clone();
    });
    for name in ["mixed.test", "allowed.test", "none.test"] {
        let url = format!("http://{name}:{}/", server.port());
        assert_eq!(
            code(strict.fetch(&request(&url, Method::Post), &call()).await),
            11210,
            "{name}"
        );
    }
    assert_eq!(server.connections(), 0);
    let lenient = client_with(|config| config.lookup = names);
    let url = format!("http://allowed.test:{}/", server.port());
    assert!(
        lenient
            .fetch(&request(&url, Method::Post), &call())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn what_was_checked_is_what_is_connected_to() {
    // The second answer, which a check before the request would never see, is not public.
    let server = Server::start(|_| response("503 Later", &[], "")).await;
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let other: IpAddr = "127.0.0.2".parse().unwrap();
    let names = Names(
        HashMap::from([("rebind.test", vec![vec![loopback], vec![other]])]),
        std::sync::Mutex::default(),
    );
    let client = client_with(|config| config.lookup = Arc::new(names));
    let url = format!("http://rebind.test:{}/#rc=1&rp=5xx", server.port());
    assert_eq!(
        code(client.fetch(&request(&url, Method::Post), &call()).await),
        11210
    );
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn odd_urls_are_11100() {
    for url in ["ftp://127.0.0.1/", "file:///etc/passwd", "data:text/xml,x"] {
        assert_eq!(code(post(url).await), 11100, "{url}");
    }
}

#[tokio::test]
async fn a_slow_server_ends_by_rt_and_is_not_repeated() {
    let server = Server::start(|_| vec![Move::Hang]).await;
    let began = Instant::now();
    let error = post(&server.url("/slow#rt=300")).await.unwrap_err();
    assert_eq!((error.code.number(), error.exchange.requests), (11203, 1));
    assert!(
        (250..12000).contains(&began.elapsed().as_millis()),
        "{:?}",
        began.elapsed()
    );
    let error = post(&server.url("/slow#rt=100&rp=rt&rc=2"))
        .await
        .unwrap_err();
    assert_eq!(error.exchange.requests, 3);
}

#[tokio::test]
async fn a_dripping_server_ends_by_tt() {
    let server = Server::start(|_| {
        let mut moves = vec![Move::Send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 1000\r\n\r\n".to_vec(),
        )];
        for _ in 0..100 {
            moves.extend([
                Move::Wait(Duration::from_millis(50)),
                Move::Send(b" ".to_vec()),
            ]);
        }
        moves
    })
    .await;
    let began = Instant::now();
    let error = post(&server.url("/drip#tt=600&rp=all&rc=5"))
        .await
        .unwrap_err();
    assert_eq!((error.code.number(), error.exchange.requests), (11203, 1));
    assert!(
        (550..12000).contains(&began.elapsed().as_millis()),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_body_that_pauses_ends_by_rt_and_is_not_repeated() {
    let server = Server::start(|_| {
        vec![
            Move::Send(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 99\r\n\r\n<Resp"
                    .to_vec(),
            ),
            Move::Hang,
        ]
    })
    .await;
    let began = Instant::now();
    let error = post(&server.url("/half#rt=300&rp=all&rc=5"))
        .await
        .unwrap_err();
    assert_eq!((error.code.number(), error.exchange.requests), (11203, 1));
    assert!(began.elapsed() < Duration::from_secs(12));
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_and_is_not_repeated() {
    let server = Server::start(|_| {
        vec![Move::Send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 99\r\n\r\n<Resp"
                .to_vec(),
        )]
    })
    .await;
    let error = post(&server.url("/half#rp=all&rc=5")).await.unwrap_err();
    assert!(matches!(error.code.number(), 11205 | 11206), "{error}");
    assert_eq!(error.exchange.requests, 1);
}

#[tokio::test]
async fn a_connection_that_breaks_is_11205() {
    let server = Server::start(|_| vec![Move::Reset]).await;
    assert_eq!(code(post(&server.url("/reset")).await), 11205);
    let server = Server::start(|_| vec![]).await;
    assert_eq!(code(post(&server.url("/closed")).await), 11205);
}

#[tokio::test]
async fn what_is_no_http_is_11206() {
    let server =
        Server::start(|_| vec![Move::Send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n\r\n".to_vec())]).await;
    assert_eq!(code(post(&server.url("/")).await), 11206);
}

#[tokio::test]
async fn acceptance_28_a_body_of_65_kb_is_11750() {
    let server = Server::start(|seen| {
        let bytes = seen.target()[1..].parse().unwrap();
        ok("text/xml", &"x".repeat(bytes))
    })
    .await;
    assert_eq!(
        post(&server.url("/65536")).await.unwrap().body.len(),
        65_536
    );
    assert_eq!(code(post(&server.url("/65537")).await), 11750);
    assert_eq!(code(post(&server.url("/10000000")).await), 11750);
}

#[tokio::test]
async fn bodies_are_decompressed_and_bombs_are_11750() {
    let server = Server::start(|seen| {
        let body = if seen.target() == "/bomb" { gzip(&vec![b' '; 50_000_000]) } else { gzip(TWIML.as_bytes()) };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        vec![Move::Send([head.into_bytes(), body].concat())]
    })
    .await;
    assert_eq!(
        post(&server.url("/fine")).await.unwrap().body.as_ref(),
        TWIML.as_bytes()
    );
    assert_eq!(code(post(&server.url("/bomb")).await), 11750);
}

#[tokio::test]
async fn basic_authentication_is_asked_for_once_and_kept_for_the_call() {
    let server = Server::start(|seen| {
        if seen.header("authorization") == "Basic dXNlcjpwOnM=" {
            return ok("text/xml", TWIML);
        }
        response(
            "401 Unauthorized",
            &[("WWW-Authenticate", "Basic realm=\"x\"")],
            "",
        )
    })
    .await;
    let url = server.url("/a").replace("http://", "http://user:p%3As@");
    let (client, call) = (client(), call());
    let reply = client
        .fetch(&request(&url, Method::Post), &call)
        .await
        .unwrap();
    assert_eq!(reply.exchange.requests, 2);
    let reply = client
        .fetch(&request(&url, Method::Get), &call)
        .await
        .unwrap();
    assert_eq!(reply.exchange.requests, 1);
    let wrong = server.url("/a").replace("http://", "http://user:wrong@");
    let error = client
        .fetch(&request(&wrong, Method::Post), &self::call())
        .await
        .unwrap_err();
    assert_eq!((error.code.number(), error.exchange.requests), (11200, 2));
    assert!(!format!("{error:?}").contains("wrong"));
    assert_eq!(code(post(&server.url("/a")).await), 11200);
}

#[tokio::test]
async fn digest_authentication_counts_its_uses() {
    let server = Server::start(|seen| {
        let authorization = seen.header("authorization");
        if authorization.starts_with("Digest username=\"user\", realm=\"r\", nonce=\"n\"") {
            return ok("text/xml", authorization);
        }
        let challenge = "Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=SHA-256";
        response("401 Unauthorized", &[("WWW-Authenticate", challenge)], "")
    })
    .await;
    let url = server.url("/a?b=c").replace("http://", "http://user:pass@");
    let (client, call) = (client(), call());
    for count in ["nc=00000001", "nc=00000002"] {
        let reply = client
            .fetch(&request(&url, Method::Post), &call)
            .await
            .unwrap();
        let authorization = String::from_utf8_lossy(&reply.body).into_owned();
        assert!(authorization.contains(count), "{authorization}");
        assert!(authorization.contains("uri=\"/a?b=c\""), "{authorization}");
    }
}

#[tokio::test]
async fn credentials_do_not_go_to_another_origin() {
    let other = Server::start(|_| {
        response(
            "401 Unauthorized",
            &[("WWW-Authenticate", "Basic realm=\"x\"")],
            "",
        )
    })
    .await;
    let location = other.url("/");
    let server =
        Server::start(move |_| response("302 Found", &[("Location", &location)], "")).await;
    let url = server.url("/").replace("http://", "http://user:pass@");
    assert_eq!(code(post(&url).await), 11200);
    assert!(
        other
            .seen()
            .iter()
            .all(|seen| seen.header("authorization").is_empty())
    );
    assert_eq!(other.seen().len(), 1);
}

#[tokio::test]
async fn cookies_are_kept_for_the_call() {
    let server = Server::start(|_| {
        response(
            "200 OK",
            &[
                ("Content-Type", "text/xml"),
                ("Set-Cookie", "a=1; Path=/"),
                ("Set-Cookie", "b=2; Path=/other"),
            ],
            "<Response/>",
        )
    })
    .await;
    let (client, first) = (client(), call());
    client
        .fetch(&request(&server.url("/x"), Method::Post), &first)
        .await
        .unwrap();
    client
        .fetch(&request(&server.url("/y"), Method::Post), &first.clone())
        .await
        .unwrap();
    client
        .fetch(&request(&server.url("/z"), Method::Post), &call())
        .await
        .unwrap();
    let cookies: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| seen.header("cookie").to_owned())
        .collect();
    assert_eq!(cookies, ["", "a=1", ""]);
}

#[tokio::test]
async fn replies_to_get_are_revalidated() {
    let server = Server::start(|seen| {
        if seen.header("if-none-match") == "\"v1\"" {
            return response("304 Not Modified", &[("ETag", "\"v1\"")], "");
        }
        response(
            "200 OK",
            &[("Content-Type", "text/xml"), ("ETag", "\"v1\"")],
            TWIML,
        )
    })
    .await;
    let client = client();
    for method in [Method::Get, Method::Get, Method::Post] {
        let reply = client
            .fetch(&request(&server.url("/"), method), &call())
            .await
            .unwrap();
        assert_eq!((reply.status, reply.body.as_ref()), (200, TWIML.as_bytes()));
        assert_eq!(reply.content_type.as_deref(), Some("text/xml"));
    }
    let conditions: Vec<_> = server
        .seen()
        .iter()
        .map(|seen| seen.header("if-none-match").to_owned())
        .collect();
    assert_eq!(conditions, ["", "\"v1\"", ""]);
}

#[tokio::test]
async fn a_304_that_nobody_asked_for_is_an_error() {
    let server = Server::start(|_| response("304 Not Modified", &[], "")).await;
    assert_eq!(code(get(&server.url("/")).await), 11200);
}

#[tokio::test]
async fn sound_is_not_read() {
    let server = Server::start(|_| ok("audio/mpeg", &"x".repeat(1_000_000))).await;
    let reply = get(&server.url("/a.mp3")).await.unwrap();
    assert_eq!(
        (reply.content_type.as_deref(), reply.body.len()),
        (Some("audio/mpeg"), 0)
    );
}

#[tokio::test]
async fn overrides_are_warnings_if_they_are_wrong() {
    let server = Server::start(|_| ok("text/xml", TWIML)).await;
    let reply = post(&server.url("/#xx=1&ct=abc&rt=99&rp=never&rc=1"))
        .await
        .unwrap();
    let codes: Vec<_> = reply
        .warnings
        .iter()
        .map(|warning| warning.code.number())
        .collect();
    assert_eq!(codes, [11240, 11241, 11242, 11243]);
}

#[test]
fn every_override_has_its_range_and_default() {
    let parse = |fragment: &str| Overrides::parse(Some(fragment));
    let (default, warnings) = Overrides::parse(None);
    assert!(warnings.is_empty());
    assert_eq!(
        (default.connect.as_millis(), default.read.as_millis()),
        (5000, 15_000)
    );
    assert_eq!((default.total.as_millis(), default.retries), (15_000, 1));
    assert!(default.policy.connect && !default.policy.read && !default.policy.server_errors);
    for (key, lowest, highest) in [
        ("ct", 100, 10_000),
        ("rt", 100, 15_000),
        ("tt", 100, 15_000),
        ("rc", 0, 5),
    ] {
        for value in [lowest, highest] {
            let (overrides, warnings) = parse(&format!("{key}={value}"));
            assert!(warnings.is_empty(), "{key}={value}");
            let got = match key {
                "ct" => overrides.connect.as_millis(),
                "rt" => overrides.read.as_millis(),
                "tt" => overrides.total.as_millis(),
                _ => overrides.retries.into(),
            };
            assert_eq!(got, value as u128, "{key}={value}");
        }
        for value in [lowest - 1, highest + 1] {
            let (overrides, warnings) = parse(&format!("{key}={value}"));
            assert_eq!(
                (overrides, warnings.len()),
                (default.clone(), 1),
                "{key}={value}"
            );
        }
    }
    for (fragment, codes) in [
        ("sni=y", &[][..]),
        ("sni=n&e=dublin", &[]),
        ("e=ashburn,sao-paulo, tokyo", &[]),
        ("e=ashburn,atlantis", &[11240]),
        ("e=frankfurt-ix", &[11242]),
        ("sni=x", &[11241]),
        ("e=", &[11240]),
        ("rp=4xx,5xx,ct,rt", &[]),
        ("rp=all", &[]),
        ("rp=", &[11243]),
        ("rp=6xx", &[11243]),
        ("rc=many", &[11241]),
        ("section", &[11240]),
        ("&&", &[]),
    ] {
        let (_, warnings) = parse(fragment);
        assert_eq!(
            warnings
                .iter()
                .map(|warning| warning.code.number())
                .collect::<Vec<_>>(),
            codes,
            "{fragment}"
        );
    }
    assert!(default.server_name && parse("sni=y").0.server_name);
    assert!(!parse("sni=n").0.server_name && parse("sni=x").0.server_name);
    let (overrides, _) = parse("rp=4xx,rt");
    assert!(overrides.policy.client_errors && overrides.policy.read && !overrides.policy.connect);
}

#[tokio::test]
async fn status_callbacks_have_a_timestamp_and_their_failure_is_15003() {
    let server = Server::start(|seen| {
        if seen.target() == "/fine" {
            response("204 No Content", &[], "")
        } else {
            response("404 Not Found", &[], "")
        }
    })
    .await;
    let mut request = request(&server.url("/fine"), Method::Post);
    request.purpose = Purpose::StatusCallback;
    request.call_status = CallStatus::Completed;
    assert_eq!(client().status_callback(&request, &call()).await, None);
    let [seen] = server.seen().try_into().unwrap();
    let timestamp = form(&seen)
        .into_iter()
        .find(|(name, _)| name == "Timestamp")
        .unwrap()
        .1;
    assert!(
        timestamp.ends_with(" +0000") && timestamp.len() == 31,
        "{timestamp}"
    );
    assert!(form(&seen).contains(&("CallStatus".to_owned(), "completed".to_owned())));
    request.url = Url::parse(&server.url("/gone")).unwrap();
    assert_eq!(
        client()
            .status_callback(&request, &call())
            .await
            .unwrap()
            .code
            .number(),
        15003
    );
}

#[tokio::test]
async fn dropping_the_future_closes_the_connection() {
    let server = Server::start(|_| vec![Move::Hang]).await;
    let client = client();
    let (request, call) = (request(&server.url("/slow"), Method::Post), call());
    let fetch = client.fetch(&request, &call);
    tokio::select! {
        _ = fetch => panic!("nobody answers"),
        () = until(|| server.seen().len() == 1) => {}
    }
    let began = Instant::now();
    while server.hung_up() == 0 {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "the server still waits"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn one_slow_host_does_not_hold_another_back() {
    let slow = Server::start(|_| vec![Move::Hang]).await;
    let quick = Server::start(|_| ok("text/xml", TWIML)).await;
    let names = Names(
        HashMap::from([("slow.test", vec![vec![IpAddr::V4(Ipv4Addr::LOCALHOST)]])]),
        std::sync::Mutex::default(),
    );
    let client = client_with(|config| {
        (config.host_running_max, config.host_waiting_max) = (2, 1);
        config.lookup = Arc::new(names);
    });
    let url = format!("http://slow.test:{}/#rc=0", slow.port());
    let fetch = |url: String| {
        let client = client.clone();
        tokio::spawn(async move { client.fetch(&request(&url, Method::Post), &call()).await })
    };
    let held: Vec<_> = (0..3).map(|_| fetch(url.clone())).collect();
    until(|| slow.seen().len() == 2).await;
    // More than there may be for one host at a time, one after another and all at once.
    for _ in 0..10 {
        let error = fetch(url.clone()).await.unwrap().unwrap_err();
        assert_eq!(error.code.number(), 11205, "the queue is full");
        fetch(quick.url("/")).await.unwrap().unwrap();
    }
    // As many as there may be for one host, running and waiting.
    let many: Vec<_> = (0..3).map(|_| fetch(quick.url("/"))).collect();
    for one in many {
        one.await.unwrap().unwrap();
    }
    assert_eq!(quick.seen().len(), 13);
    // All that while nothing became of the slow one's requests: two of them are there, one waits.
    assert!(held.iter().all(|held| !held.is_finished()));
    assert_eq!((slow.seen().len(), slow.hung_up()), (2, 0));
    let [first, second, third] = held.try_into().unwrap();
    first.abort();
    until(|| slow.seen().len() == 3).await;
    assert!(!second.is_finished() && !third.is_finished());
}

/// Waits for something that will be so.
async fn until(so: impl Fn() -> bool) {
    while !so() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn proxies_of_the_environment_are_ignored() {
    // reqwest reads the environment when a client is built; this one is told not to.
    let server = Server::start(|_| ok("text/xml", TWIML)).await;
    assert!(post(&server.url("/")).await.is_ok());
    assert_eq!(
        server.seen()[0].line,
        "POST / HTTP/1.1",
        "not in absolute form"
    );
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?} {:?}", call(), client());
    assert!(!shown.contains("12345"), "{shown}");
}

#[tokio::test]
async fn a_self_signed_certificate_is_11237() {
    let port = support::tls_server().await;
    assert_eq!(
        code(post(&format!("https://127.0.0.1:{port}/#rc=0")).await),
        11237
    );
}

#[tokio::test]
async fn what_is_no_tls_is_11220() {
    let server = Server::start(|_| vec![]).await;
    let plain = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = plain.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            use tokio::io::AsyncWriteExt;
            drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await);
        }
    });
    assert_eq!(
        code(post(&format!("https://127.0.0.1:{port}/#rc=0")).await),
        11220
    );
    drop(server);
}
