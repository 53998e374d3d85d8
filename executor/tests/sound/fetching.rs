//! Files of `<Play>` from servers that are good, slow, endless and hostile.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use executor::sound::fetch::{FetchConfig, Fetcher};
use executor::sound::{Pcm, SoundError};
use executor::webhook::{Client, ClientConfig, Lookup};
use url::Url;

use crate::support::{self, Move, Server};
use crate::wave;
use crate::web::{client, head, reply};

const WAV: (&str, &str) = ("Content-Type", "audio/wav");

fn fetcher() -> Fetcher {
    fetcher_with(|_| {})
}

fn fetcher_with(change: impl FnOnce(&mut FetchConfig)) -> Fetcher {
    let mut config = FetchConfig::default();
    change(&mut config);
    Fetcher::new(client(), config)
}

async fn get(fetcher: &Fetcher, url: &str) -> Result<Pcm, SoundError> {
    fetcher.get(&Url::parse(url).unwrap(), 8000).await
}

async fn code(fetcher: &Fetcher, url: &str) -> u32 {
    let error = get(fetcher, url).await.expect_err("no sound");
    error.code.number()
}

fn file() -> Vec<u8> {
    wave::wav(&wave::tone(440.0, 8000, 500), 8000)
}

#[tokio::test]
async fn a_file_is_heard_at_both_rates() {
    let server = Server::start(|_| reply("200 OK", &[WAV], &file())).await;
    let url = Url::parse(&server.url("/a.wav")).unwrap();
    for rate in [8000, 16_000] {
        let pcm = fetcher().get(&url, rate).await.unwrap();
        assert_eq!(pcm.rate, rate);
        let expected = rate as usize / 2;
        assert!(pcm.samples.len().abs_diff(expected) <= expected / 20);
        assert!(wave::share_of(440.0, &pcm.samples, rate) > 0.95);
    }
    let [seen, _] = server.seen().try_into().unwrap();
    assert_eq!(seen.line, "GET /a.wav HTTP/1.1");
    assert_eq!(seen.header("x-twilio-signature"), "");
}

#[tokio::test]
async fn simultaneous_requests_are_one() {
    let server = Server::start(|_| {
        let mut moves = vec![Move::Wait(Duration::from_millis(200))];
        moves.extend(reply(
            "200 OK",
            &[WAV, ("Cache-Control", "no-store")],
            &file(),
        ));
        moves
    })
    .await;
    let (fetcher, url) = (fetcher(), server.url("/a.wav"));
    let (one, two) = tokio::join!(get(&fetcher, &url), get(&fetcher, &url));
    assert!(Arc::ptr_eq(&one.unwrap().samples, &two.unwrap().samples));
    assert_eq!(server.seen().len(), 1);
    // What must not be stored is asked for again.
    get(&fetcher, &url).await.unwrap();
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn what_is_fresh_is_not_asked_for_and_what_is_not_is_asked_about() {
    let server = Server::start(|seen| match seen.target() {
        "/fresh" => reply("200 OK", &[WAV, ("Cache-Control", "max-age=60")], &file()),
        _ if seen.header("if-none-match") == "\"v1\"" => {
            reply("304 Not Modified", &[("ETag", "\"v1\"")], b"")
        }
        _ => reply("200 OK", &[WAV, ("ETag", "\"v1\"")], &file()),
    })
    .await;
    let fetcher = fetcher();
    for _ in 0..3 {
        get(&fetcher, &server.url("/fresh")).await.unwrap();
    }
    assert_eq!(server.seen().len(), 1);
    let first = get(&fetcher, &server.url("/tagged")).await.unwrap();
    let second = get(&fetcher, &server.url("/tagged")).await.unwrap();
    assert_eq!(server.seen().len(), 3);
    assert!(Arc::ptr_eq(&first.samples, &second.samples));
    let third = get(&fetcher, &server.url("/tagged")).await.unwrap();
    assert_eq!(third.samples, first.samples);
}

#[tokio::test]
async fn what_a_redirect_leads_to_this_time_is_not_kept_under_its_url() {
    let fresh = [WAV, ("Cache-Control", "max-age=86400"), ("ETag", "\"v1\"")];
    let server = Server::start(move |seen| match seen.target() {
        "/next" => reply("302 Found", &[("Location", "/file"), fresh[1]], b""),
        "/moved" => reply("308 Permanent Redirect", &[("Location", "/file")], b""),
        "/both" => reply("301 Moved Permanently", &[("Location", "/next")], b""),
        _ => reply("200 OK", &fresh, &file()),
    })
    .await;
    let fetcher = fetcher();
    let asked = || server.seen().len();
    for (path, requests) in [
        ("/next", [2, 2]),
        ("/both", [3, 3]),
        ("/moved", [2, 0]),
        ("/file", [1, 0]),
    ] {
        for expected in requests {
            let before = asked();
            get(&fetcher, &server.url(path)).await.unwrap();
            assert_eq!(asked() - before, expected, "{path}");
        }
    }
    // Nor is what is known about the one asked of the other.
    let conditional = |seen: &support::Seen| !seen.header("if-none-match").is_empty();
    assert!(!server.seen().iter().any(conditional));
}

#[tokio::test]
async fn validators_stay_with_their_url() {
    let turn = AtomicUsize::new(0);
    let server = Server::start(move |seen| match seen.target() {
        "/a" if turn.fetch_add(1, Ordering::SeqCst) == 0 => {
            reply("200 OK", &[WAV, ("ETag", "\"a\"")], &file())
        }
        "/a" => reply("307 Temporary Redirect", &[("Location", "/b")], b""),
        // A file with the same tag and another content.
        _ if seen.header("if-none-match") == "\"a\"" => reply("304 Not Modified", &[], b""),
        _ => reply("200 OK", &[WAV, ("ETag", "\"a\"")], &file()),
    })
    .await;
    let fetcher = fetcher();
    for _ in 0..2 {
        get(&fetcher, &server.url("/a")).await.unwrap();
    }
    let [_, again, other] = server.seen().try_into().unwrap();
    assert_eq!(again.header("if-none-match"), "\"a\"");
    assert_eq!((other.target(), other.header("if-none-match")), ("/b", ""));
}

#[tokio::test]
async fn files_that_wait_for_a_decoder_are_bounded_together() {
    let server = Server::start(|seen| match seen.target() {
        "/large" => reply("200 OK", &[WAV], &vec![0; 40_000]),
        "/half" => {
            let mut bytes = head("200 OK", &[WAV], Some(40_000));
            bytes.extend(vec![0; 15_000]);
            vec![Move::Send(bytes), Move::Hang]
        }
        _ => reply("200 OK", &[WAV], &file()),
    })
    .await;
    let fetcher = fetcher_with(|config| config.waiting_bytes_max = 20 * 1024);
    assert_eq!(code(&fetcher, &server.url("/large")).await, 12400);
    // What is fetched and decoded, or given up, takes no room.
    for number in 0..5 {
        let url = server.url(&format!("/{number}"));
        get(&fetcher, &url).await.unwrap();
    }
    let hold = || {
        let (fetcher, url) = (fetcher.clone(), server.url("/half"));
        tokio::spawn(async move { get(&fetcher, &url).await })
    };
    // Whichever of the two comes later finds no room.
    let mut held = hold();
    let error = loop {
        if held.is_finished() {
            held = hold();
        }
        if let Err(error) = get(&fetcher, &server.url("/other")).await {
            break error;
        }
    };
    assert_eq!(error.code.number(), 12400);
    held.abort();
    held.await.ok();
    let url = server.url("/again");
    while get(&fetcher, &url).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_cache_is_bounded() {
    let fresh = ("Cache-Control", "max-age=60");
    let server = Server::start(move |_| reply("200 OK", &[WAV, fresh], &file())).await;
    // Room for four of these files.
    let fetcher = fetcher_with(|config| config.cache_bytes_max = 4 * 9000);
    for number in 0..6 {
        get(&fetcher, &server.url(&format!("/{number}")))
            .await
            .unwrap();
    }
    get(&fetcher, &server.url("/5")).await.unwrap();
    assert_eq!(server.seen().len(), 6);
    get(&fetcher, &server.url("/0")).await.unwrap();
    assert_eq!(server.seen().len(), 7);
}

#[tokio::test]
async fn what_is_no_sound_is_13420() {
    let server = Server::start(|seen| match seen.target() {
        // The body never comes: the head decides.
        "/html" => vec![
            Move::Send(head("200 OK", &[("Content-Type", "text/html")], Some(10))),
            Move::Hang,
        ],
        "/none" => reply("200 OK", &[], &file()),
        _ => reply("200 OK", &[WAV], b"\x00\xff\x13 is no sound"),
    })
    .await;
    let (fetcher, began) = (fetcher(), Instant::now());
    for path in ["/html", "/none", "/garbage"] {
        assert_eq!(code(&fetcher, &server.url(path)).await, 13420, "{path}");
    }
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn addresses_that_are_not_public_are_not_asked() {
    let canary = Server::start_on("127.0.0.2", |_| reply("200 OK", &[WAV], &file())).await;
    let (port, inner) = (canary.port(), "http://169.254.169.254/latest/meta-data");
    let server = Server::start(move |seen| {
        let location = match seen.target() {
            "/metadata" => inner.to_owned(),
            "/mapped" => format!("http://[::ffff:127.0.0.2]:{port}/"),
            "/number" => format!("http://2130706434:{port}/"),
            "/file" => "file:///etc/passwd".to_owned(),
            _ => format!("http://127.0.0.2:{port}/"),
        };
        reply("302 Found", &[("Location", &location)], b"")
    })
    .await;
    let fetcher = fetcher();
    for path in ["/loopback", "/metadata", "/mapped", "/number"] {
        assert_eq!(code(&fetcher, &server.url(path)).await, 11210, "{path}");
    }
    assert_eq!(code(&fetcher, &server.url("/file")).await, 11216);
    assert_eq!(code(&fetcher, inner).await, 11210);
    let direct = format!("http://127.0.0.2:{port}/");
    assert_eq!(code(&fetcher, &direct).await, 11210);
    assert_eq!(canary.connections(), 0);
}

/// Says what it was told to, whatever the name.
struct Names(Mutex<Vec<&'static str>>);

impl Lookup for Names {
    fn lookup(
        &self,
        _name: &str,
    ) -> std::pin::Pin<Box<dyn Future<Output = std::io::Result<Vec<std::net::IpAddr>>> + Send>>
    {
        let address = self.0.lock().unwrap().pop().unwrap();
        Box::pin(async move { Ok(vec![address.parse().unwrap()]) })
    }
}

#[tokio::test]
async fn a_name_is_checked_where_it_is_resolved() {
    let server = Server::start(|_| reply("200 OK", &[WAV], &file())).await;
    // The first answer is allowed, the second is not.
    let names = Names(Mutex::new(vec!["10.0.0.1", "127.0.0.1"]));
    let config = ClientConfig {
        allow: vec!["127.0.0.1/32".parse().unwrap()],
        lookup: Arc::new(names),
        ..ClientConfig::default()
    };
    let fetcher = Fetcher::new(Client::new(config).unwrap(), FetchConfig::default());
    let url = format!("http://sound.example:{}/a.wav", server.port());
    get(&fetcher, &url).await.unwrap();
    assert_eq!(code(&fetcher, &url).await, 11210);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn endless_and_large_bodies_are_cut_off() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let server = Server::start(move |seen| {
        let length = (seen.target() == "/declared").then_some(2_000_000);
        let mut moves = vec![Move::Send(head("200 OK", &[WAV], length))];
        if length.is_some() {
            moves.push(Move::Hang);
        } else {
            counted.fetch_add(1, Ordering::SeqCst);
            moves.extend((0..10_000).map(|_| Move::Send(vec![0; 10_000])));
        }
        moves
    })
    .await;
    let fetcher = fetcher_with(|config| config.bytes_max = 1_000_000);
    let began = Instant::now();
    assert_eq!(code(&fetcher, &server.url("/declared")).await, 11750);
    assert_eq!(code(&fetcher, &server.url("/endless")).await, 11750);
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(sent.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn slow_and_short_bodies_are_errors_and_are_not_kept() {
    let server = Server::start(|seen| {
        let fresh = [WAV, ("Cache-Control", "max-age=60")];
        match seen.target() {
            "/silent" => vec![Move::Hang],
            "/drip" => {
                let mut moves = vec![Move::Send(head("200 OK", &fresh, Some(100_000)))];
                for _ in 0..100 {
                    moves.push(Move::Wait(Duration::from_millis(100)));
                    moves.push(Move::Send(vec![0]));
                }
                moves
            }
            _ => {
                let mut bytes = head("200 OK", &fresh, Some(100_000));
                bytes.extend(file());
                vec![Move::Send(bytes)]
            }
        }
    })
    .await;
    let fetcher = fetcher_with(|config| config.time_max = Duration::from_millis(600));
    let began = Instant::now();
    assert_eq!(code(&fetcher, &server.url("/silent")).await, 11203);
    assert_eq!(code(&fetcher, &server.url("/drip")).await, 11203);
    for _ in 0..2 {
        let short = code(&fetcher, &server.url("/short")).await;
        assert!((11200..11300).contains(&short), "{short}");
    }
    assert!(began.elapsed() < Duration::from_secs(5));
    let shorts = server.seen();
    assert_eq!(
        shorts
            .iter()
            .filter(|seen| seen.target() == "/short")
            .count(),
        2
    );
}

#[tokio::test]
async fn a_fetch_ends_with_whoever_waits() {
    let server = Server::start(|_| vec![Move::Hang]).await;
    let (fetcher, url) = (fetcher(), server.url("/a.wav"));
    let given_up = tokio::time::timeout(Duration::from_millis(300), get(&fetcher, &url)).await;
    assert!(given_up.is_err());
    for _ in 0..1000 {
        if server.hung_up() == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("the connection is still open");
}

#[tokio::test]
async fn refusals_loops_and_credentials() {
    let server = Server::start(|seen| match seen.target() {
        "/loop" => reply("302 Found", &[("Location", "/loop")], b""),
        "/secret" if seen.header("authorization") == "Basic dXNlcjpwYXNz" => {
            reply("200 OK", &[WAV], &file())
        }
        "/secret" => {
            let challenge = ("WWW-Authenticate", "Basic realm=\"r\"");
            reply("401 Unauthorized", &[challenge], b"")
        }
        _ => reply("404 Not Found", &[], b""),
    })
    .await;
    let fetcher = fetcher();
    assert_eq!(code(&fetcher, &server.url("/missing")).await, 11200);
    assert_eq!(code(&fetcher, &server.url("/loop")).await, 11215);
    assert_eq!(code(&fetcher, &server.url("/secret")).await, 11200);
    let secret = server
        .url("/secret")
        .replace("http://", "http://user:pass@");
    get(&fetcher, &secret).await.unwrap();
    assert_eq!(code(&fetcher, "ftp://127.0.0.1/a.wav").await, 11100);
    assert_eq!(code(&fetcher, "file:///a.wav").await, 11100);
    assert_eq!(code(&fetcher, "http://127.0.0.1:1/a.wav").await, 11202);
}
