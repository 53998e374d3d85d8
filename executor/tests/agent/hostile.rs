//! Web servers that are slow, endless, huge, broken or gone: the SIP side always gets its final response.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use executor::Domains;
use executor::run::FetchFailed;
use executor::webhook::{BreakerConfig, Hook};

use crate::phone::Line;
use crate::web::Web;
use crate::world::{URI, World, offer};

/// The paths, their connection overrides, and the number of what is wrong with them.
const PATHS: [(&str, &str, u32); 8] = [
    ("/slow", "rt=300", 11203),
    ("/drip", "tt=500", 11203),
    ("/half", "rt=300", 11203),
    ("/big", "", 11750),
    ("/gzip", "", 11750),
    ("/loop", "", 11215),
    ("/500", "", 11200),
    ("/reset", "", 11205),
];

fn hostile(web: &Web) {
    let head = |headers: &str| format!("HTTP/1.1 200 X\r\nContent-Type: text/xml\r\n{headers}\r\n");
    let send = |mut stream: &TcpStream, bytes: &[u8]| stream.write_all(bytes).is_ok();
    web.answers("/slow", 200, "<Response/>", Duration::from_secs(60));
    let begin = head("Content-Length: 100000\r\n");
    web.raw("/drip", move |stream| {
        let mut goes_on = send(stream, begin.as_bytes());
        while goes_on {
            std::thread::sleep(Duration::from_millis(20));
            goes_on = send(stream, b" ");
        }
    });
    let half = head("Content-Length: 100\r\n") + "<Resp";
    web.raw("/half", move |stream| {
        send(stream, half.as_bytes());
        hold(stream);
    });
    // Without a length, and without an end.
    let begin = head("Connection: close\r\n");
    web.raw("/big", move |stream| {
        let mut goes_on = send(stream, begin.as_bytes());
        while goes_on {
            goes_on = send(stream, &[b' '; 10_000]);
        }
    });
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&vec![b' '; 50_000_000]).unwrap();
    let bomb = bomb.finish().unwrap();
    let headers = format!(
        "Content-Encoding: gzip\r\nContent-Length: {}\r\n",
        bomb.len()
    );
    let begin = head(&headers);
    web.raw("/gzip", move |stream| {
        send(stream, begin.as_bytes());
        send(stream, &bomb);
    });
    let again =
        "HTTP/1.1 307 X\r\nLocation: /loop\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    web.raw("/loop", move |stream| {
        send(stream, again.as_bytes());
    });
    web.answers("/500", 500, "<Response/>", Duration::ZERO);
    web.raw("/reset", move |stream| {
        send(stream, b"HTTP/1.1 200");
        let socket = socket2::SockRef::from(stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    });
}

/// Says nothing until the other side hangs up.
fn hold(mut stream: &TcpStream) {
    let mut rest = [0; 64];
    while matches!(stream.read(&mut rest), Ok(length) if length > 0) {}
}

/// A world whose domain can be given another voice URL.
fn world(failures_max: u32) -> (World, Domains) {
    let mut domains = None;
    let world = World::with(|settings, web| {
        hostile(web);
        settings.fetch_failed = FetchFailed::Reject;
        settings.webhook.breaker = BreakerConfig {
            failures_max,
            pause: Duration::from_secs(3600),
        };
        domains = Some(settings.domains.clone());
    });
    (world, domains.unwrap())
}

fn ask(domains: &Domains, voice: url::Url, fallback: Option<url::Url>) {
    let mut domain = domains.all()[0].clone();
    domain.voice = Hook::post(voice);
    domain.fallback = fallback.map(Hook::post);
    domain.status_callback = None;
    domains.replace(vec![domain]);
}

fn call(world: &World) -> Line<'_> {
    let line = world.phone.invite(URI, "", Some(&offer()));
    world.phone.expect("SIP/2.0 180");
    line
}

#[test]
fn every_call_gets_its_final_response() {
    let (world, domains) = world(0);
    for (path, overrides, code) in PATHS {
        let voice = world.web.url(&format!("{path}#{overrides}"));
        ask(&domains, voice, None);
        // What came is a broken document, and otherwise nothing came.
        let status = if code == 11750 { 500 } else { 503 };
        call(&world).expect_refusal(&format!("SIP/2.0 {status}"));
        world.expect_rest(Duration::from_secs(30));
        assert_eq!(world.log.codes().last(), Some(&code), "{path}");
    }
}

#[test]
fn every_call_gets_its_fallback_once() {
    let (world, domains) = world(0);
    world.web.says("/fallback", "<Reject reason=\"busy\"/>");
    for (at, (path, overrides, code)) in PATHS.into_iter().enumerate() {
        let voice = world.web.url(&format!("{path}#{overrides}"));
        ask(&domains, voice, Some(world.web.url("/fallback")));
        call(&world).expect_refusal("SIP/2.0 486");
        world.expect_rest(Duration::from_secs(30));
        let asked = world.web.asked();
        let fallbacks: Vec<_> = asked.iter().filter(|it| it.path == "/fallback").collect();
        assert_eq!(fallbacks.len(), at + 1, "{path}");
        assert_eq!(fallbacks[at].param("ErrorCode"), code.to_string(), "{path}");
        let requests = asked.iter().filter(|it| it.path == path).count();
        assert_eq!(requests, if path == "/loop" { 11 } else { 1 }, "{path}");
    }
}

#[test]
fn a_server_that_is_gone_in_the_middle_of_a_call() {
    let (world, domains) = world(0);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let next = format!("http://{}/next", listener.local_addr().unwrap());
    let document = format!("<Say>Hello</Say><Redirect>{next}</Redirect>");
    world.web.says("/first", &document);
    world.web.says("/fallback", "<Hangup/>");
    let (voice, fallback) = (world.web.url("/first"), world.web.url("/fallback"));
    ask(&domains, voice, Some(fallback));
    let line = call(&world);
    line.expect_answer();
    drop(listener);
    line.expect_bye();
    assert_eq!(world.web.expect("/fallback").param("ErrorCode"), "11202");
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn a_server_that_fails_again_and_again_is_not_asked_and_the_fallback_decides() {
    let (world, domains) = world(3);
    let other = Web::new();
    other.says("/fallback", "<Reject reason=\"busy\"/>");
    ask(
        &domains,
        world.web.url("/500"),
        Some(other.url("/fallback")),
    );
    for calls in 1..=6 {
        call(&world).expect_refusal("SIP/2.0 486");
        assert_eq!(world.web.asked().len(), calls.min(3));
        let asked = other.asked();
        assert_eq!(asked.len(), calls);
        assert_eq!(asked[calls - 1].param("ErrorCode"), "11200");
    }
    let counters = world.webhooks();
    assert_eq!(
        (counters.open, counters.opened, counters.refused),
        (1, 1, 3)
    );
    world.expect_rest(Duration::from_secs(30));
}
