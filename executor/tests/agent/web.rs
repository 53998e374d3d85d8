//! A web server in a thread: answers by path, remembers what it was asked.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// The server.
pub(crate) struct Web {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    pages: Mutex<HashMap<String, Page>>,
    asked: Mutex<Vec<Asked>>,
    more: Condvar,
}

/// What a path answers.
#[derive(Clone)]
struct Page {
    status: u16,
    kind: String,
    body: Vec<u8>,
    after: Duration,
    raw: Option<Raw>,
}

/// Answers by hand; the connection ends with it.
type Raw = Arc<dyn Fn(&TcpStream) + Send + Sync>;

impl Page {
    fn new(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            kind: kind.to_owned(),
            body: body.into(),
            after: Duration::ZERO,
            raw: None,
        }
    }
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) signature: Option<String>,
    pub(crate) at: Instant,
    /// Set when the client went away before the answer.
    pub(crate) abandoned: bool,
}

impl Asked {
    /// The value of a parameter; empty where there is none.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params
            .iter()
            .find(|(found, _)| found == name)
            .map_or("", |(_, value)| value)
    }
}

impl Web {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let server = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&server);
                thread::spawn(move || serve(&stream, &shared));
            }
        });
        Self { address, shared }
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> url::Url {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    /// `path` answers with these verbs.
    pub(crate) fn says(&self, path: &str, verbs: &str) -> &Self {
        self.answers(
            path,
            200,
            &format!("<Response>{verbs}</Response>"),
            Duration::ZERO,
        )
    }

    pub(crate) fn answers(&self, path: &str, status: u16, body: &str, after: Duration) -> &Self {
        let page = Page::new(status, "text/xml", body);
        self.put(path, Page { after, ..page })
    }

    /// `path` is answered by hand.
    pub(crate) fn raw(
        &self,
        path: &str,
        raw: impl Fn(&TcpStream) + Send + Sync + 'static,
    ) -> &Self {
        let raw = Some(Arc::new(raw) as Raw);
        let page = Page::new(200, "", "");
        self.put(path, Page { raw, ..page })
    }

    /// `path` is a file.
    pub(crate) fn file(&self, path: &str, kind: &str, body: Vec<u8>) -> &Self {
        self.put(path, Page::new(200, kind, body))
    }

    fn put(&self, path: &str, page: Page) -> &Self {
        let mut pages = self.shared.pages.lock().unwrap();
        pages.insert(path.to_owned(), page);
        drop(pages);
        self
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// All requests to `path` so far.
    pub(crate) fn asked_at(&self, path: &str) -> Vec<Asked> {
        let mut asked = self.asked();
        asked.retain(|asked| asked.path == path);
        asked
    }

    /// The request to `path`, waiting for it.
    #[track_caller]
    pub(crate) fn expect(&self, path: &str) -> Asked {
        self.expect_after(0, path, |_| true)
    }

    /// The first request to `path` after so many to all that is `wanted`, waiting for it.
    #[track_caller]
    pub(crate) fn expect_after(
        &self,
        before: usize,
        path: &str,
        wanted: impl Fn(&Asked) -> bool,
    ) -> Asked {
        let until = Instant::now() + Duration::from_secs(20);
        let mut asked = self.shared.asked.lock().unwrap();
        loop {
            let mut later = asked.iter().skip(before);
            if let Some(found) = later.find(|asked| asked.path == path && wanted(asked)) {
                return found.clone();
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{path} was not asked so, but {asked:#?}");
            asked = self.shared.more.wait_timeout(asked, left).unwrap().0;
        }
    }
}

fn serve(stream: &TcpStream, shared: &Shared) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(asked) = read_request(&mut reader) {
        let at = {
            let mut all = shared.asked.lock().unwrap();
            all.push(asked.clone());
            shared.more.notify_all();
            all.len() - 1
        };
        let page = shared.pages.lock().unwrap().get(&asked.path).cloned();
        let page = page.unwrap_or_else(|| Page::new(404, "text/plain", ""));
        if let Some(raw) = page.raw {
            return raw(stream);
        }
        if !page.after.is_zero() {
            stream.set_read_timeout(Some(page.after)).unwrap();
            // The end of the stream is all that can come before the answer.
            if matches!(reader.fill_buf(), Ok(rest) if rest.is_empty()) {
                shared.asked.lock().unwrap()[at].abandoned = true;
                return;
            }
            stream.set_read_timeout(None).unwrap();
        }
        let Page {
            status, kind, body, ..
        } = page;
        let mut answer = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        answer.extend(body);
        if (&*stream).write_all(&answer).is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Asked> {
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|length| *length > 0)?;
    let at = Instant::now();
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut length, mut signature) = (0, None);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "x-twilio-signature" => signature = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let pairs = url::form_urlencoded::parse(query.as_bytes())
        .chain(url::form_urlencoded::parse(&body))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    let path = path.to_owned();
    Some(Asked {
        method,
        path,
        params: pairs,
        signature,
        at,
        abandoned: false,
    })
}
