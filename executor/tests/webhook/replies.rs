//! Replies: slow, broken, large, and those that are known already.

use super::*;

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
