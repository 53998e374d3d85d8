//! What a server is shown again: credentials and cookies.

use super::*;

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
