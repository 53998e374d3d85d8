//! Addresses that may be asked, and those that may not.

use super::*;

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
