//! Redirects.

use super::*;

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
