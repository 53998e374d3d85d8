//! SIP over TCP.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use executor::{Listen, TrustedPeer};

use crate::phone::between;
use crate::world::{URI, World, offer};

#[test]
fn a_call_over_a_connection() {
    let world = World::with(|settings, _| {
        settings
            .listen
            .push(Listen::tcp("127.0.0.1:0".parse().unwrap()));
        settings
            .proxies
            .push(TrustedPeer::address(Ipv4Addr::LOCALHOST.into()));
    });
    world.web.says("/voice", "<Say>Hello</Say>");
    let mut stream = TcpStream::connect(world.bound(1)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let me = stream.local_addr().unwrap();
    let request = |method: &str, branch: &str, to_tag: &str, body: &str| {
        format!(
            "{method} {URI} SIP/2.0\r\nVia: SIP/2.0/TCP {me};branch=z9hG4bK{branch}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:alice@atlanta.example>;tag=f1\r\n\
             To: <{URI}>{to_tag}\r\nCall-ID: over-tcp\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:alice@{me};transport=tcp>\r\nContent-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let mut buffered = String::new();
    let mut next = |stream: &mut TcpStream| loop {
        if let Some((head, rest)) = buffered.split_once("\r\n\r\n") {
            let length = between(&(head.to_owned() + "\r\n"), "Content-Length: ", "\r\n");
            let length: usize = length.parse().unwrap();
            if rest.len() >= length {
                let (head, rest) = (head.to_owned(), rest[length..].to_owned());
                buffered = rest;
                return head;
            }
        }
        let mut bytes = [0; 4096];
        let length = stream.read(&mut bytes).unwrap();
        assert_ne!(length, 0, "closed");
        buffered.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
    };
    stream
        .write_all(request("INVITE", "1", "", &offer()).as_bytes())
        .unwrap();
    assert!(next(&mut stream).starts_with("SIP/2.0 180"));
    let answer = next(&mut stream);
    assert!(answer.starts_with("SIP/2.0 200"), "{answer}");
    let contact = format!("<sip:{};transport=tcp>", world.bound(1));
    assert!(answer.contains(&contact), "{answer}");
    let tag = format!(";tag={}", between(&answer, "demo.example>;tag=", "\r\n"));
    stream
        .write_all(request("ACK", "2", &tag, "").as_bytes())
        .unwrap();
    // A retransmission of the 200 may have crossed the ACK.
    let bye = std::iter::repeat_with(|| next(&mut stream)).find(|head| head.starts_with("BYE "));
    let bye = bye.unwrap();
    let via = between(&bye, "Via: ", "\r\n");
    let reply = format!(
        "SIP/2.0 200 OK\r\nVia: {via}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: over-tcp\r\n\
         CSeq: {}\r\nContent-Length: 0\r\n\r\n",
        between(&bye, "From: ", "\r\n"),
        between(&bye, "To: ", "\r\n"),
        between(&bye, "CSeq: ", "\r\n"),
    );
    stream.write_all(reply.as_bytes()).unwrap();
    world.expect_rest(Duration::from_secs(30));
}

/// Who is none of the proxies has as many connections as the internet is given, and no more.
#[test]
fn strangers_take_few_connections() {
    let tcp = Listen::tcp("127.0.0.1:0".parse().unwrap());
    let few = transport::StreamLimits::default().connections_per_ip;
    let world = World::with(|settings, _| {
        settings.listen.push(tcp.clone());
        settings.proxies.clear();
    });
    assert_eq!(alive(&world, few + 6), few);
    let world = World::with(|settings, _| {
        settings.listen.push(tcp);
        settings
            .proxies
            .push(TrustedPeer::address(Ipv4Addr::LOCALHOST.into()));
    });
    assert_eq!(alive(&world, few + 6), few + 6);
}

/// Opens connections one after another: how many answer a keep-alive (RFC 5626 §4.4.1).
fn alive(world: &World, count: usize) -> usize {
    let mut open: Vec<_> = (0..count)
        .map(|_| TcpStream::connect(world.bound(1)).unwrap())
        .collect();
    let answers = |stream: &mut TcpStream| {
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.write_all(b"\r\n\r\n").is_ok() && stream.read_exact(&mut [0; 2]).is_ok()
    };
    open.iter_mut().map(answers).filter(|alive| *alive).count()
}
