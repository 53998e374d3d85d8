use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// An HTTP answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Headers by lower-case name.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
    /// The body as it came.
    pub bytes: Vec<u8>,
}

/// `GET path` from the server at `to`; `None` when nobody answers.
#[must_use]
pub fn get(to: SocketAddr, path: &str) -> Option<Answer> {
    exchange(to, "GET", path, "")
}

/// `POST path` with a JSON body.
#[must_use]
pub(crate) fn post(to: SocketAddr, path: &str, json: &str) -> Option<Answer> {
    exchange(to, "POST", path, json)
}

/// What is at a URL of `http` with an address for a host.
#[must_use]
pub fn fetch(url: &str) -> Option<Answer> {
    let rest = url.strip_prefix("http://")?;
    let (host, path) = rest.split_at(rest.find('/')?);
    get(host.parse().ok()?, path)
}

pub(crate) fn exchange(to: SocketAddr, method: &str, path: &str, json: &str) -> Option<Answer> {
    let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(2)).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(40)))
        .ok()?;
    let length = json.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(json.as_bytes()).ok()?;
    read_answer(stream)
}

/// Reads an answer whose end is its Content-Length, its last chunk or the end of the stream.
fn read_answer(mut stream: TcpStream) -> Option<Answer> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16384];
    loop {
        if let Some(answer) = whole(&bytes) {
            return Some(answer);
        }
        match stream.read(&mut chunk) {
            Ok(0) => return parse(&bytes),
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(_) => return None,
        }
    }
}

/// The answer, when all of it is here.
fn whole(bytes: &[u8]) -> Option<Answer> {
    let answer = parse(bytes)?;
    if let Some(length) = answer.headers.get("content-length") {
        return (answer.bytes.len() >= length.parse().ok()?).then_some(answer);
    }
    None
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut body = bytes[end + 4..].to_vec();
    if headers
        .get("transfer-encoding")
        .is_some_and(|value| value.contains("chunked"))
    {
        body = dechunk(&body);
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    Some(Answer {
        status,
        headers,
        body: text,
        bytes: body,
    })
}

fn dechunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = String::from_utf8_lossy(&bytes[..end]);
        let Ok(size) = usize::from_str_radix(size.split(';').next().unwrap_or("").trim(), 16)
        else {
            break;
        };
        if size == 0 || end + 2 + size > bytes.len() {
            break;
        }
        body.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = bytes.get(end + 4 + size..).unwrap_or(b"");
    }
    body
}
