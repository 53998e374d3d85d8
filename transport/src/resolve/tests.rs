use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sip::Transport::{Tcp, Tls, Udp, Wss};

use super::*;

/// A DNS that says what the test wrote.
#[derive(Default)]
struct Fake {
    naptr: HashMap<&'static str, Vec<Naptr>>,
    srv: HashMap<&'static str, Vec<Srv>>,
    addresses: HashMap<&'static str, Vec<IpAddr>>,
    hosts: HashMap<&'static str, Vec<IpAddr>>,
    delay: Duration,
    down: Mutex<bool>,
    questions: AtomicUsize,
}

impl Fake {
    async fn answer<T: Clone>(&self, records: Option<&Vec<T>>) -> Result<Answer<T>, LookupError> {
        self.questions.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(self.delay).await;
        if *self.down.lock().expect("a lock") {
            return Err(LookupError::Failed);
        }
        let records = records.cloned().ok_or(LookupError::NotFound(None))?;
        Ok(Answer {
            records,
            ttl: Duration::from_secs(60),
        })
    }

    fn address(mut self, name: &'static str, ips: &[&str]) -> Self {
        self.addresses.insert(
            name,
            ips.iter()
                .map(|ip| ip.parse().expect("an address"))
                .collect(),
        );
        self
    }

    fn service(mut self, name: &'static str, targets: &[(u16, u16, u16, &str)]) -> Self {
        let record = |&(priority, weight, port, target): &(u16, u16, u16, &str)| Srv {
            priority,
            weight,
            port,
            target: target.into(),
        };
        self.srv.insert(name, targets.iter().map(record).collect());
        self
    }

    fn pointer(mut self, name: &'static str, records: &[(u16, u16, &str, &str, &str)]) -> Self {
        let record =
            |&(order, preference, flags, services, replacement): &(u16, u16, &str, &str, &str)| {
                Naptr {
                    order,
                    preference,
                    flags: flags.into(),
                    services: services.into(),
                    replacement: replacement.into(),
                }
            };
        self.naptr
            .insert(name, records.iter().map(record).collect());
        self
    }

    fn resolver(self) -> (Resolver, Arc<Self>) {
        self.resolver_with(ResolverOptions::default())
    }

    fn resolver_with(self, options: ResolverOptions) -> (Resolver, Arc<Self>) {
        let fake = Arc::new(self);
        (
            Resolver::with_lookup(options, Arc::clone(&fake) as Arc<dyn Lookup>),
            fake,
        )
    }
}

#[async_trait]
impl Lookup for Fake {
    async fn naptr(&self, name: &str) -> Result<Answer<Naptr>, LookupError> {
        self.answer(self.naptr.get(name)).await
    }
    async fn srv(&self, name: &str) -> Result<Answer<Srv>, LookupError> {
        self.answer(self.srv.get(name)).await
    }
    async fn addresses(&self, name: &str) -> Result<Answer<IpAddr>, LookupError> {
        self.answer(self.addresses.get(name)).await
    }
    fn local_addresses(&self, name: &str) -> Vec<IpAddr> {
        self.hosts.get(name).cloned().unwrap_or_default()
    }
}

fn hop(transport: Transport, addr: &str) -> Hop {
    Hop {
        transport,
        addr: addr.parse().expect("an address"),
    }
}

const ALL: [Transport; 5] = [Udp, Tcp, Tls, Transport::Ws, Wss];

fn all_transports() -> ResolverOptions {
    ResolverOptions {
        transports: ALL.into(),
        ..ResolverOptions::default()
    }
}

#[tokio::test]
async fn addresses_need_no_dns() {
    let (resolver, fake) = Fake::default().resolver_with(all_transports());
    for (host, port, transport, secure, expected) in [
        ("192.0.2.1", None, None, false, hop(Udp, "192.0.2.1:5060")),
        (
            "192.0.2.1",
            Some(5070),
            Some(Tcp),
            false,
            hop(Tcp, "192.0.2.1:5070"),
        ),
        ("192.0.2.1", None, None, true, hop(Tls, "192.0.2.1:5061")),
        (
            "192.0.2.1",
            None,
            Some(Tcp),
            true,
            hop(Tls, "192.0.2.1:5061"),
        ),
        (
            "[2001:db8::1]",
            None,
            None,
            false,
            hop(Udp, "[2001:db8::1]:5060"),
        ),
        (
            "2001:db8::1",
            Some(1),
            Some(Wss),
            false,
            hop(Wss, "[2001:db8::1]:1"),
        ),
    ] {
        assert_eq!(
            resolver.resolve(host, port, transport, secure).await,
            Ok(vec![expected]),
            "{host}"
        );
    }
    assert_eq!(
        resolver.resolve("192.0.2.1", None, Some(Udp), true).await,
        Err(ResolveError::Unsupported)
    );
    assert_eq!(
        resolver.resolve("not a host", None, None, false).await,
        Err(ResolveError::BadHost)
    );
    assert_eq!(fake.questions.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn localhost_and_the_hosts_file_need_no_dns() {
    let mut fake = Fake::default();
    fake.hosts
        .insert("pbx", vec!["10.0.0.9".parse().expect("an address")]);
    let (resolver, fake) = fake.resolver();
    let both = vec![hop(Udp, "127.0.0.1:5060"), hop(Udp, "[::1]:5060")];
    assert_eq!(
        resolver.resolve("localhost", None, None, false).await,
        Ok(both)
    );
    assert_eq!(
        resolver.resolve("PBX.", None, Some(Tcp), false).await,
        Ok(vec![hop(Tcp, "10.0.0.9:5060")])
    );
    assert_eq!(fake.questions.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_port_means_addresses_only() {
    let fake = Fake::default()
        .address("example.com", &["192.0.2.1", "2001:db8::1"])
        .service("_sip._udp.example.com.", &[(1, 1, 9, "other.example.com.")]);
    let (resolver, _) = fake.resolver();
    let expected = vec![hop(Udp, "192.0.2.1:5080"), hop(Udp, "[2001:db8::1]:5080")];
    assert_eq!(
        resolver
            .resolve("Example.com", Some(5080), None, false)
            .await,
        Ok(expected)
    );
}

#[tokio::test]
async fn a_name_without_a_dot_is_a_host() {
    let (resolver, fake) = Fake::default()
        .address("executor", &["10.0.0.2"])
        .resolver();
    let hops = resolver.resolve("executor", None, None, false).await;
    assert_eq!(hops, Ok(vec![hop(Udp, "10.0.0.2:5060")]));
    assert_eq!(fake.questions.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn naptr_chooses_the_transport_and_srv_the_order() {
    let fake = Fake::default()
        .pointer(
            "example.com.",
            &[
                (50, 50, "s", "SIPS+D2T", "_sips._tcp.example.com."),
                (90, 50, "S", "sip+d2t", "_sip._tcp.example.com."),
                (90, 10, "s", "SIP+D2U", "_sip._udp.example.com"),
                (10, 10, "a", "SIP+D2U", "wrong.example.com."),
                (10, 10, "s", "E2U+sip", "wrong.example.com."),
            ],
        )
        .service(
            "_sips._tcp.example.com.",
            &[(1, 1, 5061, "tls.example.com.")],
        )
        .service(
            "_sip._tcp.example.com.",
            &[(1, 1, 5060, "one.example.com.")],
        )
        .service(
            "_sip._udp.example.com.",
            &[
                (20, 1, 5060, "two.example.com."),
                (10, 1, 5070, "one.example.com."),
            ],
        )
        .address("one.example.com.", &["192.0.2.1"])
        .address("two.example.com.", &["192.0.2.2"])
        .address("tls.example.com.", &["192.0.2.3"]);
    let (resolver, fake) = fake.resolver();
    let expected = vec![
        hop(Udp, "192.0.2.1:5070"),
        hop(Udp, "192.0.2.2:5060"),
        hop(Tcp, "192.0.2.1:5060"),
    ];
    assert_eq!(
        resolver.resolve("example.com", None, None, false).await,
        Ok(expected.clone())
    );
    let questions = fake.questions.load(Ordering::Relaxed);
    assert_eq!(
        resolver.resolve("example.com", None, None, false).await,
        Ok(expected)
    );
    assert_eq!(
        fake.questions.load(Ordering::Relaxed),
        questions,
        "the second time by the cache"
    );
    // A transport that was asked for goes past NAPTR.
    let tcp = resolver
        .resolve("example.com", None, Some(Tcp), false)
        .await;
    assert_eq!(tcp, Ok(vec![hop(Tcp, "192.0.2.1:5060")]));
    // We have no TLS here, and sips takes nothing less.
    assert_eq!(
        resolver
            .resolve("example.com", None, Some(Tls), false)
            .await,
        Err(ResolveError::Unsupported)
    );
}

#[tokio::test]
async fn sips_is_never_less_than_tls() {
    let fake = Fake::default()
        .pointer(
            "example.com.",
            &[(1, 1, "s", "SIP+D2U", "_sip._udp.example.com.")],
        )
        .service(
            "_sip._udp.example.com.",
            &[(1, 1, 5060, "one.example.com.")],
        )
        .service(
            "_sips._tcp.example.com.",
            &[(1, 1, 5061, "one.example.com.")],
        )
        .address("one.example.com.", &["192.0.2.1"])
        .address("plain.example", &["192.0.2.9"]);
    let (resolver, _) = fake.resolver_with(all_transports());
    let tls = resolver.resolve("example.com", None, None, true).await;
    assert_eq!(tls, Ok(vec![hop(Tls, "192.0.2.1:5061")]));
    let tls = resolver.resolve("plain.example", None, None, true).await;
    assert_eq!(tls, Ok(vec![hop(Tls, "192.0.2.9:5061")]));
}

#[tokio::test]
async fn without_service_records_the_addresses_are_tried() {
    let (resolver, _) = Fake::default()
        .address("example.com", &["192.0.2.1"])
        .resolver();
    let hops = resolver.resolve("example.com", None, None, false).await;
    assert_eq!(hops, Ok(vec![hop(Udp, "192.0.2.1:5060")]));
    let hops = resolver
        .resolve("example.com", None, Some(Tcp), false)
        .await;
    assert_eq!(hops, Ok(vec![hop(Tcp, "192.0.2.1:5060")]));
    assert_eq!(
        resolver.resolve("nowhere.example", None, None, false).await,
        Err(ResolveError::NotFound)
    );
}

#[tokio::test]
async fn a_service_that_is_switched_off_is_not_guessed() {
    let fake = Fake::default()
        .service("_sip._udp.example.com.", &[(0, 0, 0, ".")])
        .address("example.com", &["192.0.2.1"]);
    let (resolver, _) = fake.resolver();
    assert_eq!(
        resolver
            .resolve("example.com", None, Some(Udp), false)
            .await,
        Err(ResolveError::Failed)
    );
}

#[tokio::test]
async fn a_thousand_targets_are_too_many() {
    let targets: Vec<(u16, u16, u16, &str)> = (0..1_000)
        .map(|port| (1, 1, port, "one.example.com."))
        .collect();
    let fake = Fake::default()
        .service("_sip._udp.example.com.", &targets)
        .address("one.example.com.", &["192.0.2.1"]);
    let (resolver, _) = fake.resolver();
    let hops = resolver
        .resolve("example.com", None, Some(Udp), false)
        .await
        .expect("hops");
    assert_eq!(hops.len(), 32);
}

#[tokio::test(start_paused = true)]
async fn slow_servers_cost_the_budget_and_no_more() {
    let fake = Fake {
        delay: Duration::from_secs(30),
        ..Fake::default()
    };
    let (resolver, _) = fake.resolver();
    let start = Instant::now();
    assert_eq!(
        resolver.resolve("example.com", None, None, false).await,
        Err(ResolveError::TimedOut)
    );
    assert!(
        start.elapsed() <= Duration::from_millis(2_010),
        "{:?}",
        start.elapsed()
    );
    // Addresses do not wait for anyone.
    resolver
        .resolve("192.0.2.1", None, None, false)
        .await
        .expect("a hop");
}

#[tokio::test(start_paused = true)]
async fn what_was_found_in_time_is_given() {
    let targets: Vec<(u16, u16, u16, &str)> = vec![
        (1, 1, 1, "one.example.com."),
        (2, 1, 2, "two.example.com."),
        (3, 1, 3, "three.example.com."),
    ];
    let fake = Fake {
        delay: Duration::from_millis(900),
        ..Fake::default()
    };
    let fake = fake
        .service("_sip._udp.example.com.", &targets)
        .address("one.example.com.", &["192.0.2.1"])
        .address("two.example.com.", &["192.0.2.2"]);
    let (resolver, _) = fake.resolver();
    let hops = resolver
        .resolve("example.com", None, Some(Udp), false)
        .await;
    assert_eq!(hops, Ok(vec![hop(Udp, "192.0.2.1:1")]));
}

#[tokio::test(start_paused = true)]
async fn old_answers_outlive_a_failure_of_dns() {
    let (resolver, fake) = Fake::default()
        .address("example.com", &["192.0.2.1"])
        .resolver();
    let resolve = || resolver.resolve("example.com", Some(5060), None, false);
    resolve().await.expect("a hop");
    *fake.down.lock().expect("a lock") = true;
    tokio::time::advance(Duration::from_secs(600)).await;
    assert_eq!(resolve().await, Ok(vec![hop(Udp, "192.0.2.1:5060")]));
    tokio::time::advance(Duration::from_secs(3_600)).await;
    assert_eq!(resolve().await, Err(ResolveError::Failed));
}

#[tokio::test]
async fn questions_at_once_are_bounded() {
    let fake = Fake {
        delay: Duration::from_millis(200),
        ..Fake::default()
    };
    let options = ResolverOptions {
        questions_max: 1,
        ..ResolverOptions::default()
    };
    let (resolver, _) = fake.resolver_with(options);
    let (first, second) = tokio::join!(
        resolver.resolve("one.example", Some(1), None, false),
        resolver.resolve("two.example", Some(1), None, false),
    );
    assert_eq!(
        (first, second),
        (Err(ResolveError::NotFound), Err(ResolveError::Overloaded))
    );
}

/// A DNS server with one domain, on a socket of this host: the whole way through the DNS client.
#[tokio::test]
async fn a_real_dns_client_asks_a_real_server() {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("bind");
    let server: SocketAddr = socket.local_addr().expect("bound");
    let serving = tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut buffer).await {
            let answer = dns_answer(&buffer[..length]);
            socket.send_to(&answer, client).await.expect("send");
        }
    });
    let lookup = Arc::new(SystemLookup::with_servers(&[server]));
    let resolver = Resolver::with_lookup(ResolverOptions::default(), lookup);
    let hops = resolver
        .resolve("carrier.test-zone", None, None, false)
        .await;
    assert_eq!(
        hops,
        Ok(vec![
            hop(Tcp, "192.0.2.7:5071"),
            hop(Tcp, "[2001:db8::7]:5071")
        ])
    );
    let missing = resolver
        .resolve("missing.test-zone", Some(5060), None, false)
        .await;
    assert_eq!(missing, Err(ResolveError::NotFound));
    serving.abort();
}

/// Answers `query` from the zone of the test (RFC 1035 §4).
fn dns_answer(query: &[u8]) -> Vec<u8> {
    let end = 12
        + query[12..]
            .iter()
            .position(|&byte| byte == 0)
            .expect("a name")
        + 1;
    let (name, kind) = (
        query[12..end].to_ascii_lowercase(),
        u16::from_be_bytes([query[end], query[end + 1]]),
    );
    let data = match (&name[..], kind) {
        (b"\x07carrier\x09test-zone\0", 35) => Some(
            [
                &b"\0\x0a\0\x0a\x01s\x07SIP+D2T\0"[..],
                b"\x04_sip\x04_tcp\x07carrier\x09test-zone\0",
            ]
            .concat(),
        ),
        (b"\x04_sip\x04_tcp\x07carrier\x09test-zone\0", 33) => Some(
            [
                &b"\0\x01\0\x01"[..],
                &5_071_u16.to_be_bytes(),
                b"\x03sbc\x09test-zone\0",
            ]
            .concat(),
        ),
        (b"\x03sbc\x09test-zone\0", 1) => Some(vec![192, 0, 2, 7]),
        (b"\x03sbc\x09test-zone\0", 28) => Some(
            "2001:db8::7"
                .parse::<Ipv6Addr>()
                .expect("an address")
                .octets()
                .into(),
        ),
        _ => None,
    };
    let missing = name.starts_with(b"\x07missing");
    let mut answer = query[..2].to_vec();
    // A response, recursion available, NXDOMAIN or no error; one question, one answer or none.
    answer.extend([0x81, if missing { 0x83 } else { 0x80 }]);
    answer.extend([0, 1, 0, u8::from(data.is_some()), 0, 0, 0, 0]);
    answer.extend(&query[12..end + 4]);
    if let Some(data) = data {
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 60]);
        answer.extend((data.len() as u16).to_be_bytes());
        answer.extend(data);
    }
    answer
}
