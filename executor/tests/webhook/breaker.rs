//! Web servers that fail again and again are not asked for a while.

use std::sync::Mutex;

use executor::webhook::{BreakerConfig, WebhookCounters};

use super::*;

const NEVER: Duration = Duration::from_secs(3600);

fn breaking(failures_max: u32, pause: Duration) -> Client {
    let breaker = BreakerConfig {
        failures_max,
        pause,
    };
    client_with(|config| config.breaker = breaker)
}

async fn ask(client: &Client, url: &str) -> Result<Reply, FetchError> {
    client.fetch(&request(url, Method::Post), &call()).await
}

fn counters(client: &Client) -> [u64; 3] {
    let WebhookCounters {
        open,
        opened,
        refused,
    } = client.meter().read();
    [open, opened, refused]
}

#[tokio::test]
async fn every_kind_of_failure_counts_and_is_repeated_at_once() {
    let begun = |headers: &str| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\n{headers}\r\n<Resp");
        Move::Send(head.into_bytes())
    };
    let half = begun("Content-Length: 99\r\n");
    let drip = move || {
        let mut moves = vec![begun("Content-Length: 9999\r\n")];
        for _ in 0..2000 {
            moves.push(Move::Wait(Duration::from_millis(5)));
            moves.push(Move::Send(b" ".to_vec()));
        }
        moves
    };
    let server = Server::start(move |seen| match seen.target() {
        "/500" => response("500 Oops", &[], ""),
        "/reset" => vec![Move::Reset],
        "/slow" => vec![Move::Hang],
        "/half" => vec![half.clone(), Move::Hang],
        "/drip" => drip(),
        _ => vec![Move::Send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec())],
    })
    .await;
    let dead = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/#rc=0", listener.local_addr().unwrap())
    };
    for (url, expected) in [
        (server.url("/500"), 11200),
        (server.url("/reset"), 11205),
        (server.url("/slow#rt=100"), 11203),
        (server.url("/half#rt=100"), 11203),
        (server.url("/drip#tt=100"), 11203),
        (server.url("/odd"), 11206),
        (
            format!("https://127.0.0.1:{}/#ct=100&rc=0", server.port()),
            11201,
        ),
        (dead, 11202),
    ] {
        let client = breaking(3, NEVER);
        for _ in 0..3 {
            let error = ask(&client, &url).await.unwrap_err();
            assert_eq!(
                (error.code.number(), error.exchange.requests),
                (expected, 1),
                "{url}"
            );
        }
        let before = server.connections();
        for _ in 0..5 {
            let error = ask(&client, &url).await.unwrap_err();
            assert_eq!(
                (error.code.number(), error.exchange.requests),
                (expected, 0),
                "{url}"
            );
        }
        assert_eq!(server.connections(), before, "{url}");
        assert_eq!(counters(&client), [1, 1, 5], "{url}");
    }
}

#[tokio::test]
async fn what_answers_is_asked_again() {
    let server = Server::start(|seen| match seen.target() {
        "/404" => response("404 Not Found", &[], ""),
        "/429" => response("429 Too Many Requests", &[], ""),
        "/large" => ok("text/xml", &"x".repeat(70_000)),
        "/loop" => response("307 Again", &[("Location", "/loop")], ""),
        "/500" => response("500 Oops", &[], ""),
        _ => ok("text/xml", TWIML),
    })
    .await;
    let client = breaking(3, NEVER);
    for path in ["/404", "/429", "/large", "/loop"] {
        for _ in 0..5 {
            assert!(ask(&client, &server.url(path)).await.is_err());
        }
    }
    // Two failures and an answer, again and again.
    for _ in 0..5 {
        for path in ["/500", "/500"] {
            assert_eq!(code(ask(&client, &server.url(path)).await), 11200);
        }
        ask(&client, &server.url("/fine")).await.unwrap();
    }
    assert_eq!(counters(&client), [0, 0, 0]);
}

#[tokio::test]
async fn another_server_is_asked_all_the_while() {
    let bad = Server::start(|_| response("503 Later", &[], "")).await;
    let good = Server::start(|_| ok("text/xml", TWIML)).await;
    let client = breaking(3, NEVER);
    for _ in 0..10 {
        assert_eq!(code(ask(&client, &bad.url("/")).await), 11200);
        ask(&client, &good.url("/")).await.unwrap();
    }
    assert_eq!((bad.seen().len(), good.seen().len()), (3, 10));
    assert_eq!(counters(&client), [1, 1, 7]);
}

#[tokio::test]
async fn after_the_pause_one_request_decides() {
    let answer = Arc::new(Mutex::new(response("500 Oops", &[], "")));
    let answers = Arc::clone(&answer);
    let server = Server::start(move |_| answers.lock().unwrap().clone()).await;
    // No pause: the next request is the one that decides.
    let (client, url) = (breaking(3, Duration::ZERO), server.url("/"));
    for _ in 0..3 {
        assert_eq!(code(ask(&client, &url).await), 11200);
    }
    *answer.lock().unwrap() = vec![Move::Hang];
    let (asking, asked) = (client.clone(), url.clone());
    let probe = tokio::spawn(async move { ask(&asking, &asked).await });
    until(|| server.seen().len() == 4).await;
    for _ in 0..5 {
        let error = ask(&client, &url).await.unwrap_err();
        assert_eq!((error.code.number(), error.exchange.requests), (11200, 0));
    }
    assert_eq!(server.seen().len(), 4);
    // Its caller hangs up: the next one decides.
    probe.abort();
    assert!(probe.await.unwrap_err().is_cancelled());
    *answer.lock().unwrap() = ok("text/xml", TWIML);
    assert_eq!(counters(&client), [1, 1, 5]);
    for _ in 0..3 {
        ask(&client, &url).await.unwrap();
    }
    assert_eq!(counters(&client), [0, 1, 5]);
}
