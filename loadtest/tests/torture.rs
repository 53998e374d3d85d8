//! Messages that are hard to read, sent to the running proxy by datagram and by stream.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loadtest::{Edge, Message, Peer, Stream, answering};

/// How long silence is listened to.
const SOON: Duration = Duration::from_millis(600);

/// How long an answer may take that has to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A message, and what has to become of it.
struct Case {
    file: String,
    bytes: Vec<u8>,
    /// Without `rport` an answer goes to the port that Via names (RFC 3261 §18.2.2).
    port: u16,
    datagram: Wanted,
    stream: Wanted,
}

/// What has to come back.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Wanted {
    /// So many answers, whatever they are but 400: routing and filters decide.
    Answers(usize),
    /// Anything, or nothing.
    Anything,
    /// The end of the connection, since nobody knows where the next message begins.
    End,
    /// Nothing, and the connection stays.
    Nothing,
    /// One of these.
    Status(Vec<u16>),
}

/// What came back.
#[derive(Debug)]
struct Came {
    statuses: Vec<u16>,
    closed: bool,
}

impl Wanted {
    fn fits(&self, came: &Came) -> bool {
        let first = came.statuses.first();
        match self {
            Self::Answers(count) => {
                came.statuses.len() >= *count && came.statuses.iter().all(|status| *status != 400)
            }
            Self::Anything => true,
            Self::End => came.closed,
            Self::Nothing => first.is_none() && !came.closed,
            Self::Status(all) => first.is_some_and(|status| all.contains(status)),
        }
    }

    /// How long an answer is waited for.
    fn patience(&self) -> Duration {
        match self {
            Self::Answers(_) | Self::End | Self::Status(_) => PATIENCE,
            Self::Anything | Self::Nothing => SOON,
        }
    }

    /// How many answers are waited for.
    fn count(&self) -> usize {
        match self {
            Self::Answers(count) => *count,
            _ => 1,
        }
    }
}

/// The first final statuses of what comes.
fn statuses(count: usize, receive: impl FnMut() -> Option<Message>) -> Vec<u16> {
    std::iter::from_fn(receive)
        .filter_map(|message| message.status())
        .filter(|status| *status >= 200)
        .take(count)
        .collect()
}

fn by_datagram(edge: &Edge, source: Ipv4Addr, case: &Case) -> Came {
    let peer = Peer::bind_at((source, case.port).into());
    peer.send(edge.public(), &case.bytes);
    let patience = case.datagram.patience();
    Came {
        statuses: statuses(case.datagram.count(), || peer.receive(patience)),
        closed: false,
    }
}

fn by_stream(edge: &Edge, case: &Case) -> Came {
    let mut stream = Stream::connect(edge.public());
    stream.send(&case.bytes);
    if case.stream == Wanted::End {
        let closed = stream.is_closed(PATIENCE);
        return Came {
            statuses: Vec::new(),
            closed,
        };
    }
    let patience = match case.stream {
        Wanted::Anything => Duration::from_millis(30),
        _ => case.stream.patience(),
    };
    Came {
        statuses: statuses(case.stream.count(), || stream.receive(patience)),
        closed: stream.is_closed(Duration::from_millis(20)),
    }
}

/// Sends all of them, each from an address of this network: what is repeated to one is no answer to the next.
fn all_fit(network: u8, cases: &[Case]) {
    let edge = answering("busy").1;
    let mut wrong = Vec::new();
    for (case, host) in cases.iter().zip(1..) {
        let source = Ipv4Addr::new(127, 0, network, host);
        let ways = [
            (&case.datagram, by_datagram(&edge, source, case)),
            (&case.stream, by_stream(&edge, case)),
        ];
        for (wanted, came) in ways {
            if !wanted.fits(&came) {
                wrong.push(format!("{}: wanted {wanted:?}, {came:?}", case.file));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(edge.answers_options());
}

fn rows(folder: &Path, table: &str) -> Option<Vec<Vec<String>>> {
    let text = fs::read_to_string(folder.join(table)).ok()?;
    let row = |line: &str| line.split('\t').map(str::to_owned).collect();
    Some(text.lines().skip(1).map(row).collect())
}

fn read(folder: &Path, file: &str) -> Vec<u8> {
    fs::read(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn home() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn our_torture_messages_are_answered_as_they_deserve() {
    let folder = home().join("../sip/testdata/torture");
    let rows = rows(&folder, "VERDICTS.tsv").expect("the verdicts are in the tree");
    let case = |row: &Vec<String>| {
        let [file, datagram, stream, _trait] = &row[..] else {
            panic!("four columns: {row:?}");
        };
        let bytes = read(&folder, file);
        let is_response = bytes.starts_with(b"SIP/2.0 ");
        let message = match datagram.as_str() {
            // A response to nothing is nobody's.
            "accept" | "drop" if is_response => Wanted::Nothing,
            "accept" => match FILTERED.iter().find(|(name, _)| name == file) {
                Some((_, status)) => Wanted::Status(vec![*status]),
                None => Wanted::Answers(1),
            },
            "drop" => Wanted::Nothing,
            status => Wanted::Status(vec![status.parse().expect("a status")]),
        };
        let stream = match stream.as_str() {
            "content_length" => Wanted::End,
            "message" => message.clone(),
            "partial" => Wanted::Nothing,
            "two" => Wanted::Answers(2),
            other => panic!("{file}: {other} on a stream"),
        };
        Case {
            file: file.clone(),
            port: named_port(&bytes),
            bytes,
            datagram: message,
            stream,
        }
    };
    let cases: Vec<Case> = rows.iter().map(case).collect();
    assert!(cases.len() > 40, "{} messages", cases.len());
    all_fit(77, &cases);
}

/// What the parser takes and the filter `sanity` does not.
const FILTERED: [(&str, u16); 5] = [
    ("odd_spacing.sip", 400),
    ("unknown_scheme.sip", 416),
    ("atypical_scheme.sip", 416),
    ("proxy_require.sip", 420),
    ("no_hops_left.sip", 483),
];

/// The port behind the brackets of the first Via, where it has one; all others of the set name none.
fn named_port(bytes: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(bytes);
    let via = text.lines().find(|line| line.starts_with("Via:"));
    let behind = via.and_then(|via| via.split_once("]:"));
    let digits = behind.and_then(|(_, rest)| rest.split(';').next()?.parse().ok());
    digits.unwrap_or(5060)
}

/// The messages of RFC 4475 stand beside the workspace, where they are at all: a plain clone has our own only.
#[test]
fn the_messages_of_rfc_4475_leave_it_alive() {
    let folder = home().join("../../shared/corpus/rfc4475");
    let Some(rows) = rows(&folder, "EXPECTED.tsv") else {
        return println!("skipped: {} is not here", folder.display());
    };
    let case = |row: &Vec<String>| {
        let port = row[8].strip_prefix("UDP/");
        let code = row[5].get(..3).and_then(|code| code.parse().ok());
        Case {
            file: row[0].clone(),
            bytes: read(&folder, &row[0]),
            port: port
                .and_then(|rest| rest.get(..4)?.parse().ok())
                .unwrap_or(5060),
            datagram: match row[4].as_str() {
                "REJECT" => Wanted::Status(code.into_iter().chain([400]).collect()),
                "DROP" => Wanted::Nothing,
                _ => Wanted::Anything,
            },
            stream: Wanted::Anything,
        }
    };
    // One row is of a file that no section of the RFC has.
    let of_sections = rows.iter().filter(|row| row[1] != "-");
    let cases: Vec<Case> = of_sections.map(case).collect();
    assert!(cases.len() > 40, "{} messages", cases.len());
    all_fit(78, &cases);
}
