//! RFC 4475 through the whole core, as datagrams and on a stream: every message has its verdict.
//!
//! The messages of the RFC are read where they are at hand; a set of the repository's own, with the
//! same traits, is always there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use sip::frame::{Frame, Framer};
use sip::{Limits, Message};

use crate::support::{CALLER, CONFIG, PUBLIC, Sent, World, address, tcp, udp};

/// One row of EXPECTED.tsv.
struct Case {
    name: String,
    response: bool,
    verdict: Verdict,
    statuses: Vec<u16>,
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Accept,
    Drop,
    Reject,
    RejectOrRepair,
    Survive,
}

fn cases(folder: &Path) -> Vec<Case> {
    let Ok(table) = std::fs::read_to_string(folder.join("EXPECTED.tsv")) else {
        return Vec::new();
    };
    let mut lines = table.lines().filter(|line| !line.starts_with('#'));
    let columns: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let at = |name: &str| columns.iter().position(|column| *column == name);
    let case = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let cell = |name: &str| {
            at(name)
                .and_then(|at| cells.get(at))
                .copied()
                .unwrap_or_default()
        };
        let bytes = std::fs::read(folder.join(cell("file"))).ok()?;
        let words = cell("response_code").split(|c: char| !c.is_ascii_digit());
        Some(Case {
            name: cell("file").to_owned(),
            response: cell("kind") == "response",
            verdict: match cell("proxy_verdict") {
                "ACCEPT" => Verdict::Accept,
                "DROP" => Verdict::Drop,
                "REJECT" => Verdict::Reject,
                "REJECT_OR_REPAIR" => Verdict::RejectOrRepair,
                _ => Verdict::Survive,
            },
            statuses: words.filter_map(|word| word.parse().ok()).collect(),
            bytes,
        })
    };
    lines.filter_map(case).collect()
}

fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    vec![
        root.join("../../shared/corpus/rfc4475"),
        root.join("../sip/testdata/torture"),
    ]
}

/// Whatever is well formed goes to one next hop.
fn open_config() -> String {
    let rules = CONFIG.find("[[route]]").unwrap();
    let chains = CONFIG.find("[[chain]]").unwrap();
    let all =
        "[[route]]\nname = \"all\"\nto = \"static\"\ntargets = [\"sip:203.0.113.50:5070\"]\n\n";
    // Some have a Route of somebody else, which strangers may not.
    let listeners = CONFIG[..rules].replacen(
        "chain = \"inbound\"",
        "chain = \"inbound\"\ntrust = \"internal\"",
        2,
    );
    format!("{listeners}{all}{}", &CONFIG[chains..])
}

fn check(case: &Case, how: &str, sent: &[Sent], closed: bool) {
    let name = &case.name;
    let forwarded: Vec<&Sent> = sent
        .iter()
        .filter(|sent| !sent.method().is_empty())
        .collect();
    let finals: Vec<u16> = sent
        .iter()
        .map(Sent::status)
        .filter(|status| *status >= 200)
        .collect();
    let (said, went) = (&finals, forwarded.len());
    match case.verdict {
        Verdict::Survive => {}
        _ if case.response => assert!(
            sent.is_empty(),
            "{name} {how}: a stray response led to {sent:?}"
        ),
        Verdict::Drop => assert!(sent.is_empty(), "{name} {how}: {sent:?}"),
        // §18.3: on a stream the length must be told; inv2543 does not.
        Verdict::Accept if closed && sent.is_empty() && !has_length(&case.bytes) => {}
        Verdict::Accept => {
            assert_eq!(
                (said.as_slice(), went),
                (&[][..], 1),
                "{name} {how}: {sent:?}"
            );
            let method = case.bytes.split(|byte| *byte == b' ').next().unwrap();
            assert_eq!(forwarded[0].method().as_bytes(), method, "{name} {how}");
            assert_same_but_for_ours(case, forwarded[0]);
        }
        Verdict::Reject => {
            assert_eq!(went, 0, "{name} {how}: forwarded");
            let allowed = |status: &u16| {
                case.statuses.is_empty() || case.statuses.contains(status) || *status == 400
            };
            assert!(
                said.len() == 1 && said.iter().all(allowed) || closed && said.is_empty(),
                "{name} {how}: {said:?}"
            );
        }
        Verdict::RejectOrRepair => {
            assert_eq!(
                said.len() + went,
                usize::from(!(closed && sent.is_empty())),
                "{name} {how}: {sent:?}"
            );
            for sent in forwarded {
                // What was repaired is whole: it reads as one message, and nothing was made of it.
                assert!(
                    sent.all("Route").is_empty(),
                    "{name} {how}: a header out of a URI"
                );
                assert_eq!(
                    sent.start().split(' ').count(),
                    3,
                    "{name} {how}: {}",
                    sent.start()
                );
                assert!(
                    !sent.start().contains(['<', '?']),
                    "{name} {how}: {}",
                    sent.start()
                );
                sip::check_request(&sent.request(), &Limits::default()).unwrap();
            }
        }
    }
}

fn has_length(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    text.contains("\ncontent-length") || text.contains("\nl:") || text.contains("\nl :")
}

/// Every header line that no proxy touches is there as it was, and the body.
fn assert_same_but_for_ours(case: &Case, forwarded: &Sent) {
    let Ok(Message::Request(original)) =
        sip::parse(Bytes::from(case.bytes.clone()), &Limits::default())
    else {
        panic!("{}: parsed before", case.name);
    };
    let request = forwarded.request();
    assert_eq!(
        request.headers.body(),
        original.headers.body(),
        "{}: body",
        case.name
    );
    let kept = |headers: &sip::Headers| -> Vec<(Vec<u8>, Vec<u8>)> {
        let ours = |id| {
            use sip::HeaderName as Name;
            matches!(
                id,
                Name::Via
                    | Name::MaxForwards
                    | Name::RecordRoute
                    | Name::Route
                    | Name::ContentLength
            )
        };
        let plain = headers.iter().filter(|header| !ours(header.id));
        plain
            .map(|header| (header.name.to_vec(), header.value.to_vec()))
            .collect()
    };
    assert_eq!(
        kept(&request.headers),
        kept(&original.headers),
        "{}",
        case.name
    );
    assert_eq!(
        request.headers.all(sip::HeaderName::Via).count() - 1,
        original.headers.all(sip::HeaderName::Via).count()
    );
}

fn as_datagram(case: &Case) -> Vec<Sent> {
    let mut world = World::with(&open_config());
    world.receive_on(udp(CALLER, PUBLIC), Bytes::from(case.bytes.clone()));
    let sent = world.take();
    // Over UDP the answer goes back to where it came from, whatever Via says.
    for sent in sent.iter().filter(|sent| sent.status() > 0) {
        assert_eq!(sent.to.ip(), address(CALLER).ip(), "{}", case.name);
    }
    world.advance_ms(600_000);
    assert_eq!(
        world.core.in_progress(),
        0,
        "{}: still in progress",
        case.name
    );
    sent
}

/// What came of the bytes on a stream, and whether that broke its framing or left it waiting.
fn as_stream(case: &Case, chunk: usize) -> (Vec<Sent>, bool) {
    let mut world = World::with(&open_config());
    let mut framer = Framer::new(Limits::default());
    let mut broken = false;
    'bytes: for piece in case.bytes.chunks(chunk) {
        framer.buffer_mut().extend_from_slice(piece);
        while let Some(frame) = framer.next_frame() {
            match frame {
                Ok(Frame::Message(bytes)) => world.receive_on(tcp("198.51.100.7:41000", 1), bytes),
                Ok(_) => {}
                Err(_) => {
                    broken = true;
                    break 'bytes;
                }
            }
        }
    }
    let waits = framer.is_partial();
    let sent = world.take();
    world.advance_ms(600_000);
    assert_eq!(
        world.core.in_progress(),
        0,
        "{}: still in progress",
        case.name
    );
    (sent, broken || waits)
}

#[test]
fn every_message_has_its_verdict() {
    let mut seen = BTreeMap::new();
    for folder in folders() {
        for case in cases(&folder) {
            check(&case, "as a datagram", &as_datagram(&case), false);
            for chunk in [case.bytes.len().max(1), 1] {
                let (sent, closed) = as_stream(&case, chunk);
                // On a stream dblreq is two messages.
                if case.name != "dblreq.dat" {
                    check(&case, "on a stream", &sent, closed);
                }
            }
            *seen.entry(format!("{:?}", case.verdict)).or_insert(0) += 1;
        }
    }
    println!("torture messages: {seen:?}");
}

#[test]
fn octets_behind_the_body_of_a_datagram_go_nowhere() {
    let mut world = World::with(&open_config());
    let text = crate::support::invite("7", "behind");
    let both = format!("{text}{}", text.replace("behind", "smuggled"));
    world.receive(CALLER, PUBLIC, &both);
    for sent in world.take() {
        assert!(!sent.has("smuggled"), "{}", sent.text());
    }
}

#[test]
fn names_that_two_elements_may_read_differently_are_refused() {
    for name in [
        "X-Int :",
        "x-iNT\t:",
        "X-Int\u{1}:",
        "X-Int\u{a0}:",
        "X-Int\0:",
        " X-Int:",
        "X-Int\r\n :",
    ] {
        let mut world = World::with(&open_config());
        let text = crate::support::request(
            "INVITE",
            "sip:7@demo.example",
            "names",
            &format!("{name} evil\n"),
        );
        world.receive(CALLER, PUBLIC, &text);
        let sent = world.take();
        let mut onward = sent.iter().filter(|sent| sent.status() == 0);
        if name.starts_with(' ') {
            // A fold: it belongs to the header before it, here and everywhere else.
            assert_eq!(
                onward
                    .next()
                    .unwrap()
                    .request()
                    .headers
                    .named(b"X-Int")
                    .count(),
                0
            );
        } else {
            assert!(!onward.any(|sent| sent.has("evil")), "{name:?}: {sent:?}");
        }
    }
}
