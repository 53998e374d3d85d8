//! Connections: their end, their number, and TLS.

use super::*;

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
