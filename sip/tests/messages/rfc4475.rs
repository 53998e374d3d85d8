//! The messages of RFC 4475, read from `../shared/corpus/rfc4475` beside the workspace.

use std::path::PathBuf;

use sip::{HeaderName, Limits, Message, Scheme};

use crate::support::{Stream, Verdict, parse, request};

/// The folder; `None`, with a line that says so, where it is not there.
fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus/rfc4475");
    if folder.join("EXPECTED.tsv").is_file() {
        return Some(folder);
    }
    println!("skipped: {} is not here", folder.display());
    None
}

/// One message of the set, if the set is here.
pub(crate) fn read(file: &str) -> Option<Vec<u8>> {
    let bytes = std::fs::read(folder()?.join(file));
    Some(bytes.unwrap_or_else(|error| panic!("{file}: {error}")))
}

/// What a stream gives, where that is not one message.
///
/// By our rule a stream message without Content-Length has no end, so the framing is lost.
const STREAMS: &[(&str, &str)] = &[
    // Content-Length 9999: waits for the rest, which the connection's deadline bounds.
    ("clerr.dat", "partial"),
    // The file lacks the empty line.
    ("baddn.dat", "partial"),
    // The second message's Content-Length is 5 short: what follows it is no message.
    ("dblreq.dat", "two content_length"),
    ("inv2543.dat", "content_length"),
    ("mcl01.dat", "content_length"),
    ("ncl.dat", "content_length"),
];

/// Rows that this layer lets through because the decision is a filter's or the proxy's.
const DECIDED_LATER: &[(&str, &str)] = &[
    ("unkscm.dat", "416: the scheme is a filter's to refuse"),
    ("novelsc.dat", "416"),
    ("bext01.dat", "420: Proxy-Require is a filter's to refuse"),
    ("zeromf.dat", "483: Max-Forwards is a filter's to refuse"),
    (
        "bcast.dat",
        "the address of the next Via is the proxy's to refuse",
    ),
];

/// Where RFC 4475 leaves a choice between refusing and repairing, ours.
const CHOICES: &[(&str, Verdict)] = &[
    ("ltgtruri.dat", Verdict::Answer(400)),
    ("lwsstart.dat", Verdict::Answer(400)),
    ("trws.dat", Verdict::Answer(400)),
    ("escruri.dat", Verdict::Accept),
    ("baddate.dat", Verdict::Accept),
    ("regbadct.dat", Verdict::Accept),
    ("badaspec.dat", Verdict::Answer(400)),
    ("baddn.dat", Verdict::Answer(400)),
    ("badbranch.dat", Verdict::Accept),
];

fn lookup<T: Copy>(table: &[(&str, T)], file: &str) -> Option<T> {
    table
        .iter()
        .find(|(name, _)| *name == file)
        .map(|(_, value)| *value)
}

#[test]
fn every_message_has_the_expected_verdict() {
    let Some(folder) = folder() else {
        return;
    };
    let table = std::fs::read_to_string(folder.join("EXPECTED.tsv")).unwrap();
    let mut rows = 0;
    for row in table.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let (file, verdict, code) = (columns[0], columns[4], columns[5]);
        if file == "test.dat" {
            continue; // No section of the RFC has it, and it is not in the folder.
        }
        rows += 1;
        let bytes = std::fs::read(folder.join(file)).unwrap();
        let found = Verdict::of(&bytes);
        match verdict {
            "ACCEPT" => assert_eq!(found, Verdict::Accept, "{file}"),
            _ if lookup(DECIDED_LATER, file).is_some() => {
                assert_eq!(found, Verdict::Accept, "{file}");
            }
            "REJECT" => {
                // 501 or 400 where the methods differ: we say 400.
                let status = match file {
                    "mismatch02.dat" => 400,
                    _ => code[..3].parse().unwrap(),
                };
                assert_eq!(found, Verdict::Answer(status), "{file}");
            }
            "DROP" => assert_eq!(found, Verdict::Drop, "{file}"),
            "REJECT_OR_REPAIR" => {
                assert_eq!(Some(found), lookup(CHOICES, file), "{file}");
            }
            other => panic!("{file}: {other}"),
        }
        let expected = lookup(STREAMS, file).unwrap_or("message");
        assert_eq!(Stream::of(&bytes).summary(), expected, "{file} on a stream");
    }
    assert_eq!(rows, 49);
}

#[test]
fn every_cut_of_every_message_is_survived() {
    let Some(folder) = folder() else {
        return;
    };
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "dat") {
            continue;
        }
        let bytes = std::fs::read(path).unwrap();
        for length in 0..bytes.len() {
            let _ = Verdict::of(&bytes[..length]);
        }
    }
}

/// What the filters need in order to decide the rows of [`DECIDED_LATER`].
#[test]
fn rows_decided_later_show_why() {
    for file in ["unkscm.dat", "novelsc.dat"] {
        let Some(bytes) = read(file) else {
            return;
        };
        assert_eq!(request(&bytes).uri().unwrap().scheme, Scheme::Other);
    }
    let Some(bytes) = read("bext01.dat") else {
        return;
    };
    let tags = request(&bytes);
    assert!(tags.headers.list(HeaderName::ProxyRequire).count() >= 1);
    let Some(bytes) = read("zeromf.dat") else {
        return;
    };
    assert_eq!(
        request(&bytes).headers.first(HeaderName::MaxForwards),
        Some(&b"0"[..])
    );
    let Some(bytes) = read("bcast.dat") else {
        return;
    };
    let Ok(Message::Response(response)) = parse(&bytes) else {
        panic!("a response");
    };
    let vias: Vec<_> = response.headers.list(HeaderName::Via).collect();
    assert_eq!(sip::Via::parse(vias[1]).unwrap().host, b"255.255.255.255");
}

/// The limits admit the longest valid message of the set with room to spare.
#[test]
fn default_limits_admit_the_longest() {
    let Some(bytes) = read("longreq.dat") else {
        return;
    };
    let half = Limits {
        uri_bytes: 512,
        via_values: 35,
        header_bytes: 2048,
        ..Limits::default()
    };
    assert!(sip::parse(bytes.into(), &half).is_ok());
}
