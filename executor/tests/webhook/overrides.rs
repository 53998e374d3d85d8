//! The overrides in the fragment of a URL, and the attempts that they ask for.

use super::*;

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
