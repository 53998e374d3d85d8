use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::*;
use bytes::Bytes;

const SOON: Duration = Duration::from_secs(20);

fn socket(address: &str) -> UdpSocket {
    UdpSocket::bind(address.parse().expect("an address"), &UdpOptions::default()).expect("bind")
}

fn wait(socket: &UdpSocket, timeout: Duration) -> Ready {
    let mut sleeper = Sleeper::new().expect("an event");
    sleeper.sleep([socket.as_fd()].into_iter(), timeout, || true);
    sleeper.ready(0)
}

/// Receives until `count` datagrams are there.
fn receive(socket: &mut UdpSocket, count: usize) -> Vec<Datagram> {
    let mut sink = Vec::new();
    while sink.len() < count {
        assert!(wait(socket, SOON).read, "in time");
        socket.recv_batch(&mut sink).expect("receive");
    }
    sink
}

fn unreachable(socket: &mut UdpSocket) -> PeerUnreachable {
    let (mut datagrams, mut errors) = (Vec::new(), Vec::new());
    while errors.is_empty() {
        assert!(wait(socket, SOON).error, "in time");
        socket.recv_batch(&mut datagrams).expect("receive");
        socket.recv_errors(&mut errors);
    }
    errors.remove(0)
}

fn payload(index: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + index * 7) as u8).collect()
}

fn send_all(socket: &mut UdpSocket, payloads: &[Vec<u8>], destination: SocketAddr) -> SendReport {
    let slices: Vec<[&[u8]; 1]> = payloads.iter().map(|payload| [&payload[..]]).collect();
    let batch: Vec<Outgoing<'_>> = slices
        .iter()
        .map(|slices| Outgoing {
            slices,
            destination,
            source: None,
        })
        .collect();
    socket.send_batch(&batch).clone()
}

fn a_hundred_of_all_sizes(address: &str, longest: usize) {
    let (mut near, mut far) = (socket(address), socket(address));
    let edges = [
        1,
        2,
        2047,
        2048,
        2049,
        4096,
        1472,
        1473,
        9000,
        longest - 1,
        longest,
    ];
    let payloads: Vec<Vec<u8>> = (0..100)
        .map(|index| payload(index, edges.get(index).copied().unwrap_or(1 + index * 37)))
        .collect();
    let report = send_all(&mut near, &payloads, far.local_addr());
    assert_eq!((report.sent, report.failed.len()), (100, 0));

    let received = receive(&mut far, 100);
    assert_eq!(received.len(), 100);
    for (datagram, payload) in received.iter().zip(&payloads) {
        assert_eq!(datagram.bytes, payload, "in order and whole");
        assert_eq!(datagram.source, near.local_addr());
        assert_eq!(datagram.local, far.local_addr());
        assert!(!datagram.truncated);
    }
}

#[test]
fn ipv4_batches_keep_order_sizes_and_addresses() {
    a_hundred_of_all_sizes("127.0.0.1:0", 65_507);
}

#[test]
fn ipv6_batches_keep_order_sizes_and_addresses() {
    a_hundred_of_all_sizes("[::1]:0", 65_527);
}

#[test]
fn an_empty_datagram_is_a_datagram() {
    let (mut near, mut far) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    near.send_to(b"", far.local_addr()).expect("send");
    assert_eq!(receive(&mut far, 1)[0].bytes, Bytes::new());
}

#[test]
fn payloads_that_are_kept_stay_intact_while_buffers_are_reused() {
    let (mut near, mut far) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    let mut kept = Vec::new();
    for round in 0..20 {
        let payloads: Vec<Vec<u8>> = (0..40)
            .map(|index| payload(round * 40 + index, 700))
            .collect();
        send_all(&mut near, &payloads, far.local_addr());
        for (index, datagram) in receive(&mut far, 40).into_iter().enumerate() {
            if index % 3 == 0 {
                kept.push((round * 40 + index, datagram.bytes));
            }
        }
    }
    for (index, bytes) in kept {
        assert_eq!(bytes, payload(index, 700));
    }
}

#[test]
fn buffers_come_back_when_payloads_are_dropped() {
    let (mut near, mut far) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    let mut places = std::collections::HashSet::new();
    for _ in 0..200 {
        send_all(&mut near, &vec![vec![b'x'; 1_200]; 20], far.local_addr());
        for datagram in receive(&mut far, 20) {
            places.insert(datagram.bytes.as_ptr());
        }
    }
    assert!(
        places.len() <= 64,
        "{} buffers for 20 at once",
        places.len()
    );
}

#[test]
fn pieces_arrive_as_their_concatenation() {
    let (mut near, mut far) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    let whole = payload(3, 5_000);
    for pieces in [1, 2, 7, 100, 1_000] {
        let slices: Vec<&[u8]> = whole.chunks(whole.len().div_ceil(pieces)).collect();
        let destination = far.local_addr();
        let report = near.send_batch(&[Outgoing {
            slices: &slices,
            destination,
            source: None,
        }]);
        assert_eq!(report.sent, 1);
        assert_eq!(receive(&mut far, 1)[0].bytes, whole);
    }
}

#[test]
fn what_cannot_be_sent_is_reported_by_index_and_the_rest_goes() {
    let (mut near, mut far) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    let huge = vec![b'x'; 65_508];
    let crumbs = vec![&b"x"[..]; 1_025];
    let (small, large) = ([&b"fits"[..]], [&huge[..]]);
    let destination = far.local_addr();
    let to = |slices, destination| Outgoing {
        slices,
        destination,
        source: None,
    };
    let report = near.send_batch(&[
        to(&small[..], destination),
        to(&large[..], destination),
        to(&small[..], destination),
        to(&crumbs[..], destination),
        to(&small[..], "[::1]:9".parse().expect("an address")),
        to(&small[..], destination),
    ]);
    assert_eq!(report.sent, 3);
    let failed: Vec<(usize, SendFault)> = report
        .failed
        .iter()
        .map(|failed| (failed.index, failed.fault))
        .collect();
    assert_eq!(
        failed,
        [
            (1, SendFault::TooLarge),
            (3, SendFault::TooLarge),
            (4, SendFault::Unreachable)
        ]
    );
    assert_eq!(receive(&mut far, 3).len(), 3);
}

#[test]
fn a_wildcard_socket_knows_and_chooses_its_address() {
    let (mut near, mut far) = (socket("127.0.0.1:0"), socket("0.0.0.0:0"));
    for last in [1, 2, 77] {
        let ip = IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        near.send_to(b"ping", SocketAddr::new(ip, far.local_addr().port()))
            .expect("send");
        let received = receive(&mut far, 1).remove(0);
        assert_eq!(received.local, SocketAddr::new(ip, far.local_addr().port()));

        far.send_batch(&[Outgoing {
            slices: &[b"pong"],
            destination: received.source,
            source: Some(received.local.ip()),
        }]);
        assert_eq!(receive(&mut near, 1)[0].source, received.local);
    }
}

#[test]
fn an_ipv6_wildcard_socket_knows_and_chooses_its_address() {
    let (mut near, mut far) = (socket("[::1]:0"), socket("[::]:0"));
    let target = SocketAddr::new("::1".parse().expect("an address"), far.local_addr().port());
    near.send_to(b"ping", target).expect("send");
    let received = receive(&mut far, 1).remove(0);
    assert_eq!(received.local, target);
    far.send_batch(&[Outgoing {
        slices: &[b"pong"],
        destination: received.source,
        source: Some(received.local.ip()),
    }]);
    assert_eq!(receive(&mut near, 1)[0].source, target);
}

#[test]
fn a_bound_socket_has_one_address_whatever_is_asked() {
    let (mut near, mut far) = (socket("127.0.0.1:0"), socket("127.0.0.1:0"));
    near.send_batch(&[Outgoing {
        slices: &[b"x"],
        destination: far.local_addr(),
        source: Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9))),
    }]);
    assert_eq!(receive(&mut far, 1)[0].source, near.local_addr());
}

fn nobody_listens(address: &str) {
    let (mut near, mut far) = (socket(address), socket(address));
    let nobody = {
        let gone = socket(address);
        gone.local_addr()
    };
    near.send_to(b"OPTIONS sip:nobody SIP/2.0\r\n", nobody)
        .expect("send");
    let report = unreachable(&mut near);
    assert_eq!(report.destination, nobody);
    assert_eq!(report.reason, Unreachable::Port);
    assert!(report.quoted.starts_with(b"OPTIONS sip:nobody"));

    // The socket goes on as if nothing had been, in both directions.
    for _ in 0..50 {
        near.send_to(b"again", nobody)
            .expect("nobody's refusal is not the sender's fault");
        near.send_to(b"there", far.local_addr())
            .expect("nor anyone else's");
        far.send_to(b"back", near.local_addr()).expect("send");
    }
    assert!(
        receive(&mut far, 50)
            .iter()
            .all(|datagram| &datagram.bytes[..] == b"there")
    );
    assert_eq!(receive(&mut near, 50).len(), 50);
}

#[test]
fn a_refusal_is_an_event_and_not_an_error() {
    nobody_listens("127.0.0.1:0");
}

#[test]
fn a_refusal_over_ipv6_is_an_event_and_not_an_error() {
    nobody_listens("[::1]:0");
}

#[test]
fn a_refusal_is_known_within_a_tenth_of_a_second() {
    let mut near = socket("127.0.0.1:0");
    let nobody = socket("127.0.0.1:0").local_addr();
    // The system may hold up any of them, but no timer is behind all.
    let quickest = (0..10).map(|_| {
        let start = std::time::Instant::now();
        near.send_to(b"x", nobody).expect("send");
        unreachable(&mut near);
        start.elapsed()
    });
    let quickest = quickest.min().expect("ten of them");
    assert!(quickest < Duration::from_millis(100), "{quickest:?}");
}

#[test]
fn errors_are_fetched_in_bounded_portions_until_the_socket_is_quiet() {
    let mut near = socket("127.0.0.1:0");
    let nobody = socket("127.0.0.1:0").local_addr();
    for _ in 0..ERRORS_MAX + 10 {
        near.send_to(b"x", nobody).expect("send");
    }
    assert!(near.is_faulted(), "a send has met the refusal of another");
    let mut errors = Vec::new();
    assert_eq!(near.recv_errors(&mut errors), ERRORS_MAX);
    assert!(!near.is_faulted());
    assert!(wait(&near, SOON).error, "there is more");
    assert_eq!(near.recv_errors(&mut errors), 10);
    near.recv_batch(&mut Vec::new()).expect("receive");
    assert_eq!(wait(&near, Duration::from_millis(20)), Ready::default());
}

#[tokio::test]
async fn a_task_awaits_datagrams_and_errors() {
    let mut near = AsyncUdpSocket::new(socket("127.0.0.1:0")).expect("watched");
    let nobody = socket("127.0.0.1:0").local_addr();
    let mut far = socket("127.0.0.1:0");
    let (mut datagrams, mut errors) = (Vec::new(), Vec::new());
    for round in 1..=300 {
        far.send_to(b"x", near.local_addr()).expect("send");
        if round == 150 {
            near.send_batch(&[Outgoing {
                slices: &[b"x"],
                destination: nobody,
                source: None,
            }]);
        }
        while datagrams.len() < round {
            near.readable().await.expect("readable");
            near.recv_batch(&mut datagrams, &mut errors)
                .expect("receive");
        }
    }
    assert_eq!(errors.len(), 1);
    // More than one batch at once, and nothing that is left behind unseen.
    for _ in 0..RECV_BATCH * RECV_CALLS_MAX + 5 {
        far.send_to(b"y", near.local_addr()).expect("send");
    }
    while datagrams.len() < 300 + RECV_BATCH * RECV_CALLS_MAX + 5 {
        near.readable().await.expect("readable");
        near.recv_batch(&mut datagrams, &mut errors)
            .expect("receive");
    }
    near.recv_batch(&mut datagrams, &mut errors)
        .expect("receive");
    tokio::time::timeout(Duration::from_millis(20), near.readable())
        .await
        .expect_err("nothing is there");
}

#[test]
fn a_short_receive_buffer_is_admitted() {
    let options = UdpOptions {
        recv_buffer: 1 << 40,
        ..UdpOptions::default()
    };
    let asked_too_much =
        UdpSocket::bind("127.0.0.1:0".parse().expect("an address"), &options).expect("bind");
    assert!(
        asked_too_much.recv_buffer().is_short(),
        "{:?}",
        asked_too_much.recv_buffer()
    );

    let options = UdpOptions {
        recv_buffer: 32 << 10,
        ..UdpOptions::default()
    };
    let modest =
        UdpSocket::bind("127.0.0.1:0".parse().expect("an address"), &options).expect("bind");
    assert!(
        !modest.recv_buffer().is_short(),
        "{:?}",
        modest.recv_buffer()
    );
}

#[test]
fn overflow_of_the_receive_buffer_is_counted() {
    let options = UdpOptions {
        recv_buffer: 16 << 10,
        ..UdpOptions::default()
    };
    let mut far =
        UdpSocket::bind("127.0.0.1:0".parse().expect("an address"), &options).expect("bind");
    let mut near = socket("127.0.0.1:0");
    for _ in 0..500 {
        near.send_to(&[0; 1_000], far.local_addr()).expect("send");
    }
    let mut sink = Vec::new();
    while far.recv_batch(&mut sink).expect("receive") > 0 {}
    near.send_to(b"the messenger", far.local_addr())
        .expect("send");
    receive(&mut far, 1);
    assert_eq!(far.drops(), 500 - sink.len() as u64);
}

#[test]
fn a_full_send_buffer_drops_and_does_not_spin() {
    let options = UdpOptions {
        send_buffer: 1,
        ..UdpOptions::default()
    };
    let mut near =
        UdpSocket::bind("127.0.0.1:0".parse().expect("an address"), &options).expect("bind");
    let far = socket("127.0.0.1:0");
    let payloads: Vec<Vec<u8>> = (0..1_000).map(|index| payload(index, 60_000)).collect();
    let report = send_all(&mut near, &payloads, far.local_addr());
    assert_eq!(report.sent + report.failed.len(), 1_000);
    assert!(
        report
            .failed
            .iter()
            .all(|failed| failed.fault == SendFault::Full),
        "{:?}",
        report.failed.first()
    );
}

#[test]
fn workers_share_an_address() {
    let first = socket("127.0.0.1:0");
    let second = UdpSocket::bind(first.local_addr(), &UdpOptions::default()).expect("bind");
    assert_eq!(first.local_addr(), second.local_addr());
    let alone = UdpOptions {
        reuse_port: false,
        ..UdpOptions::default()
    };
    UdpSocket::bind(first.local_addr(), &alone).expect_err("taken");
}

#[test]
fn the_drop_counter_wraps_around() {
    let mut drops = Drops::default();
    drops.note(Some(5));
    drops.note(None);
    drops.note(Some(3));
    assert_eq!(drops.total, 5);
    drops.seen = u32::MAX - 1;
    drops.note(Some(2));
    assert_eq!(drops.total, 9);
}
