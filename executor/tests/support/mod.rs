//! A web server for tests: it says what each request was and answers by moves.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a server does with a connection after a request.
#[derive(Clone)]
pub(crate) enum Move {
    /// Says nothing until the other side hangs up.
    Hang,
    /// Ends the connection with a reset.
    Reset,
    Send(Vec<u8>),
    Wait(Duration),
}

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// A server on a port of its own, until the test ends.
pub(crate) struct Server {
    address: std::net::SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    hung_up: AtomicUsize,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Vec<Move> + Send + Sync + 'static) -> Self {
        Self::start_on("127.0.0.1", answer).await
    }

    pub(crate) async fn start_on(
        ip: &str,
        answer: impl Fn(&Seen) -> Vec<Move> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let (address, shared) = (listener.local_addr().unwrap(), Arc::new(Shared::default()));
        let (answer, serving) = (Arc::new(answer), Arc::clone(&shared));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serving.connections.fetch_add(1, Ordering::SeqCst);
                let (answer, serving) = (Arc::clone(&answer), Arc::clone(&serving));
                tokio::spawn(async move { serving.serve(stream, answer.as_ref()).await });
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn hung_up(&self) -> usize {
        self.shared.hung_up.load(Ordering::SeqCst)
    }
}

impl Shared {
    async fn serve(&self, mut stream: TcpStream, answer: &(dyn Fn(&Seen) -> Vec<Move> + Sync)) {
        let Some(seen) = read_request(&mut stream).await else {
            return;
        };
        self.seen.lock().unwrap().push(seen.clone());
        for next in answer(&seen) {
            match next {
                Move::Hang => {
                    let mut rest = [0; 64];
                    while stream.read(&mut rest).await.is_ok_and(|bytes| bytes > 0) {}
                    self.hung_up.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                Move::Reset => {
                    drop(stream.set_zero_linger());
                    return;
                }
                Move::Send(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Move::Wait(time) => tokio::time::sleep(time).await,
            }
        }
        drop(stream.shutdown().await);
    }
}

impl Seen {
    pub(crate) fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap()
    }

    /// The value of a header, or an empty string.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(of, _)| of.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value)
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        // A TLS ClientHello has no such end: the connection stays open and silent.
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.split("\r\n").map(str::to_owned);
    let line = lines.next().unwrap();
    let headers: Vec<_> = lines
        .filter_map(|line| {
            line.split_once(": ")
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
        })
        .collect();
    let mut seen = Seen {
        line,
        headers,
        body: String::new(),
    };
    let length: usize = seen.header("content-length").parse().unwrap_or(0);
    while bytes.len() < end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    seen.body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
    Some(seen)
}

pub(crate) fn ok(content_type: &str, body: &str) -> Vec<Move> {
    response("200 OK", &[("Content-Type", content_type)], body)
}

pub(crate) fn response(status: &str, headers: &[(&str, &str)], body: &str) -> Vec<Move> {
    let mut text = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    vec![Move::Send(text.into_bytes())]
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A TLS server with a certificate that nobody trusts. Gives its port.
pub(crate) async fn tls_server() -> u16 {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let config = Arc::clone(&config);
            std::thread::spawn(move || {
                let mut stream = stream.into_std().unwrap();
                stream.set_nonblocking(false).unwrap();
                let mut connection = rustls::ServerConnection::new(config).unwrap();
                while connection.is_handshaking() {
                    if connection.complete_io(&mut stream).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}
