//! Media streams with real servers on this machine: good ones, odd ones and hostile ones.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use executor::sound::stream::{MediaStream, StreamClient, StreamConfig, StreamEvent, StreamSpec};
use executor::webhook::{Guard, Lookup, SystemLookup, sign};
use executor::{Roots, Secret, Sid, SidKind};
use futures_util::{SinkExt, StreamExt};
use media::{TapSink, Track, Tracks};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

fn client() -> StreamClient {
    client_with(|_| {})
}

fn client_with(change: impl FnOnce(&mut StreamConfig)) -> StreamClient {
    let mut config = StreamConfig {
        allow_plain: true,
        ..StreamConfig::default()
    };
    change(&mut config);
    let allow = vec!["127.0.0.1/32".parse().unwrap()];
    StreamClient::new(config, Guard::new(allow, Arc::new(SystemLookup::new())))
}

fn spec(url: &str) -> StreamSpec {
    StreamSpec {
        url: url.parse().unwrap(),
        stream_sid: Sid::new(SidKind::Stream, [0xaa; 16]),
        account_sid: Sid::new(SidKind::Account, [0xbb; 16]),
        call_sid: Sid::new(SidKind::Call, [0xcc; 16]),
        auth_token: Secret::new("12345"),
        tracks: Tracks::Inbound,
        parameters: vec![("FirstName".to_owned(), "Jane".to_owned())],
        bidirectional: true,
    }
}

fn sid() -> String {
    spec("wss://x/").stream_sid.to_string()
}

/// The server's side of a stream.
struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

/// A connection to it.
struct Peer {
    socket: WebSocketStream<TcpStream>,
    signature: String,
    target: String,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    fn url(&self) -> String {
        format!("ws://{}/media", self.address)
    }

    async fn accept(&self) -> Peer {
        let (stream, _) = self.listener.accept().await.unwrap();
        let (mut signature, mut target) = (String::new(), String::new());
        #[allow(clippy::result_large_err, reason = "the library wants it so")]
        let look = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
            let header = request.headers().get("x-twilio-signature");
            signature = header.unwrap().to_str().unwrap().to_owned();
            target = request.uri().to_string();
            Ok(response)
        };
        let socket = tokio_tungstenite::accept_hdr_async(stream, look)
            .await
            .unwrap();
        Peer {
            socket,
            signature,
            target,
        }
    }
}

impl Peer {
    /// The next message of JSON.
    async fn read(&mut self) -> Value {
        loop {
            let message = tokio::time::timeout(Duration::from_secs(5), self.socket.next()).await;
            match message.expect("a message in time").unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(text.as_str()).unwrap(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Takes the two messages that every stream begins with.
    async fn begin(&mut self) {
        assert_eq!(self.read().await["event"], "connected");
        assert_eq!(self.read().await["event"], "start");
    }

    async fn send(&mut self, message: Value) {
        self.socket
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }

    async fn media(&mut self, ulaw: &[u8]) {
        let payload = STANDARD.encode(ulaw);
        self.send(json!({"event":"media","streamSid":sid(),"media":{"payload":payload}}))
            .await;
    }

    async fn mark(&mut self, name: &str) {
        self.send(json!({"event":"mark","streamSid":sid(),"mark":{"name":name}}))
            .await;
    }

    async fn close(&mut self, code: u16) {
        let frame = CloseFrame {
            code: code.into(),
            reason: "".into(),
        };
        self.socket.send(Message::Close(Some(frame))).await.unwrap();
    }
}

async fn event(stream: &mut MediaStream) -> StreamEvent {
    let next = tokio::time::timeout(Duration::from_secs(15), stream.events.next());
    next.await.expect("an event in time").expect("an event")
}

/// The number that a stream ends with; it is started first or not.
async fn end(stream: &mut MediaStream) -> Option<u32> {
    loop {
        match event(stream).await {
            StreamEvent::Ended { error } => {
                assert!(stream.events.next().await.is_none());
                return error.map(|error| error.code.number());
            }
            StreamEvent::Started | StreamEvent::Warning(_) => {}
        }
    }
}

async fn warning(stream: &mut MediaStream) -> u32 {
    match event(stream).await {
        StreamEvent::Warning(warning) => warning.code.number(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_stream_from_begin_to_end() {
    let server = Server::start().await;
    let mut stream = client().open(spec(&server.url()));
    let mut peer = server.accept().await;
    assert_eq!(event(&mut stream).await, StreamEvent::Started);
    let signed = sign(&Secret::new("12345"), &server.url(), &[]);
    assert_eq!(
        (peer.signature.as_str(), peer.target.as_str()),
        (signed.as_str(), "/media")
    );
    let connected = json!({"event":"connected","protocol":"Call","version":"1.0.0"});
    assert_eq!(peer.read().await, connected);
    let start = peer.read().await;
    assert_eq!(
        start["start"]["customParameters"],
        json!({"FirstName": "Jane"})
    );
    assert_eq!(
        (&start["sequenceNumber"], &start["start"]["tracks"]),
        (&json!("1"), &json!(["inbound"]))
    );

    let mut tap = stream.line.clone();
    tap.frame(Track::Inbound, Duration::from_millis(20), &[0x55; 160]);
    stream.line.digit('5');
    let media = peer.read().await;
    let expected = json!({"track":"inbound","chunk":"1","timestamp":"20",
        "payload":STANDARD.encode([0x55; 160])});
    assert_eq!(
        (&media["media"], &media["sequenceNumber"]),
        (&expected, &json!("2"))
    );
    assert_eq!(
        peer.read().await["dtmf"],
        json!({"track":"inbound_track","digit":"5"})
    );

    stream.line.stop();
    let stop = peer.read().await;
    assert_eq!(
        (&stop["event"], &stop["sequenceNumber"]),
        (&json!("stop"), &json!("4"))
    );
    assert_eq!(
        stop["stop"]["callSid"],
        spec("wss://x/").call_sid.to_string()
    );
    assert!(matches!(
        peer.socket.next().await,
        Some(Ok(Message::Close(_)))
    ));
    drop(peer);
    assert_eq!(end(&mut stream).await, None);
}

#[tokio::test]
async fn a_server_speaks_and_its_marks_come_back() {
    let server = Server::start().await;
    let mut stream = client().open(spec(&server.url()));
    let mut peer = server.accept().await;
    peer.begin().await;
    let feed = stream.feed.clone().unwrap();
    // Nothing before it: at once. Behind sound: when that is cleared.
    peer.mark("first").await;
    assert_eq!(peer.read().await["mark"]["name"], "first");
    peer.media(&[0xff; 800]).await;
    peer.mark("second").await;
    peer.mark("third").await;
    for _ in 0..100 {
        if feed.len() == 800 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(feed.len(), 800);
    peer.send(json!({"event":"clear","streamSid":sid()})).await;
    assert_eq!(peer.read().await["mark"]["name"], "second");
    assert_eq!(peer.read().await["mark"]["name"], "third");
    assert!(feed.is_empty());
    peer.close(1000).await;
    // The client answers the close.
    while let Some(Ok(_)) = peer.socket.next().await {}
    assert_eq!(end(&mut stream).await, None);
}

#[tokio::test]
async fn odd_messages_are_told_once_and_do_no_harm() {
    let server = Server::start().await;
    let mut stream = client().open(spec(&server.url()));
    let mut peer = server.accept().await;
    peer.begin().await;
    assert_eq!(event(&mut stream).await, StreamEvent::Started);
    for _ in 0..100 {
        peer.socket
            .send(Message::text("{\"event\":"))
            .await
            .unwrap();
        peer.socket
            .send(Message::binary(vec![0, 159, 146, 150]))
            .await
            .unwrap();
        peer.send(json!({"event":"media","streamSid":"MZother","media":{"payload":""}}))
            .await;
        peer.send(json!({"event":"dance","streamSid":sid()})).await;
    }
    let mut codes = [warning(&mut stream).await, warning(&mut stream).await];
    codes.sort_unstable();
    assert_eq!(codes, [31950, 31951]);
    peer.mark("still here").await;
    assert_eq!(peer.read().await["mark"]["name"], "still here");
    peer.close(1000).await;
    assert_eq!(end(&mut stream).await, None);
}

#[tokio::test]
async fn a_one_way_stream_takes_nothing_and_may_not_be_closed() {
    let server = Server::start().await;
    let one_way = StreamSpec {
        bidirectional: false,
        tracks: Tracks::Both,
        ..spec(&server.url())
    };
    let mut stream = client().open(one_way);
    let mut peer = server.accept().await;
    assert_eq!(peer.read().await["event"], "connected");
    assert_eq!(
        peer.read().await["start"]["tracks"],
        json!(["inbound", "outbound"])
    );
    assert!(stream.feed.is_none());
    stream.line.digit('1');
    stream.line.media(Track::Outbound, 20, &[0; 160]);
    let media = peer.read().await;
    assert_eq!(
        (&media["event"], &media["media"]["track"]),
        (&json!("media"), &json!("outbound"))
    );
    assert_eq!(event(&mut stream).await, StreamEvent::Started);
    peer.media(&[0; 160]).await;
    assert_eq!(warning(&mut stream).await, 31951);
    peer.close(1000).await;
    assert_eq!(end(&mut stream).await, Some(31921));
}

#[tokio::test]
async fn a_stream_ends_when_its_lines_are_gone() {
    let server = Server::start().await;
    let MediaStream {
        line,
        mut events,
        feed,
    } = client().open(spec(&server.url()));
    let mut peer = server.accept().await;
    peer.begin().await;
    assert_eq!(events.next().await, Some(StreamEvent::Started));
    line.media(Track::Inbound, 0, &[1; 160]);
    drop(line);
    assert_eq!(peer.read().await["event"], "media");
    assert_eq!(peer.read().await["event"], "stop");
    drop((peer, feed));
    assert_eq!(
        events.next().await,
        Some(StreamEvent::Ended { error: None })
    );

    // And when it is over before the server has answered.
    let mut stream = client().open(spec(&server.url()));
    let _silent = server.listener.accept().await.unwrap();
    stream.line.stop();
    let began = Instant::now();
    assert_eq!(end(&mut stream).await, None);
    assert!(began.elapsed() < Duration::from_millis(3500));
}

#[tokio::test]
async fn broken_ends_have_their_numbers() {
    let server = Server::start().await;
    let mut closed = client().open(spec(&server.url()));
    let mut peer = server.accept().await;
    peer.begin().await;
    peer.close(1011).await;
    assert_eq!(end(&mut closed).await, Some(31921));

    let mut cut = client().open(spec(&server.url()));
    let mut peer = server.accept().await;
    peer.begin().await;
    drop(peer);
    assert_eq!(end(&mut cut).await, Some(31903));

    let mut garbage = client().open(spec(&server.url()));
    let mut peer = server.accept().await;
    peer.begin().await;
    let mut raw = peer.socket.into_inner();
    raw.write_all(&[0xff; 64]).await.unwrap();
    assert_eq!(end(&mut garbage).await, Some(31924));
}

#[tokio::test]
async fn huge_frames_end_a_stream_before_they_are_there() {
    let server = Server::start().await;
    let mut stream =
        client_with(|config| config.message_bytes_max = 10_000).open(spec(&server.url()));
    let mut peer = server.accept().await;
    peer.begin().await;
    let mut raw = peer.socket.into_inner();
    // A text frame that says that it has a terabyte.
    let mut frame = vec![0x81, 127];
    frame.extend((1_u64 << 40).to_be_bytes());
    raw.write_all(&frame).await.unwrap();
    assert_eq!(end(&mut stream).await, Some(31924));

    // Fragments without an end.
    let mut stream =
        client_with(|config| config.message_bytes_max = 10_000).open(spec(&server.url()));
    let mut peer = server.accept().await;
    peer.begin().await;
    let mut raw = peer.socket.into_inner();
    raw.write_all(&[0x01, 1, b'a']).await.unwrap();
    for _ in 0..1000 {
        let mut fragment = vec![0x00, 126, 0x10, 0x00];
        fragment.extend([b'a'; 4096]);
        if raw.write_all(&fragment).await.is_err() {
            break;
        }
    }
    assert_eq!(end(&mut stream).await, Some(31924));
}

#[tokio::test]
async fn a_server_that_says_too_much_fills_the_feed_and_no_more() {
    let server = Server::start().await;
    let client = client_with(|config| config.waiting_max = Duration::from_secs(2));
    let mut stream = client.open(spec(&server.url()));
    let mut peer = server.accept().await;
    peer.begin().await;
    assert_eq!(event(&mut stream).await, StreamEvent::Started);
    for _ in 0..100 {
        peer.media(&[0xff; 8000]).await;
    }
    assert_eq!(warning(&mut stream).await, 31951);
    assert_eq!(stream.feed.as_ref().unwrap().len(), 16_000);
}

#[tokio::test]
async fn a_server_that_does_not_read_holds_nothing_up() {
    let server = Server::start().await;
    let client = client_with(|config| config.write_within = Duration::from_millis(500));
    let mut stream = client.open(spec(&server.url()));
    let peer = server.accept().await;
    assert_eq!(event(&mut stream).await, StreamEvent::Started);
    let began = Instant::now();
    // Much more than the sockets take.
    let line = stream.line.clone();
    let pushing = tokio::spawn(async move {
        loop {
            for number in 0..500 {
                line.media(Track::Inbound, number * 20, &[0; 160]);
            }
            line.digit('1');
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    assert_eq!(end(&mut stream).await, Some(31903));
    assert!(began.elapsed() < Duration::from_secs(10));
    pushing.abort();
    drop(peer);
}

#[tokio::test]
async fn servers_that_cannot_be_had() {
    let codes = async |url: &str| {
        let client = client_with(|config| config.connect_within = Duration::from_millis(700));
        end(&mut client.open(spec(url))).await
    };
    assert_eq!(codes("ws://127.0.0.1:1/").await, Some(31902));
    assert_eq!(codes("http://127.0.0.1:1/").await, Some(31922));
    for private in [
        "wss://127.0.0.2/",
        "wss://169.254.169.254/latest",
        "wss://[::ffff:10.0.0.1]/",
        "wss://2130706434/",
    ] {
        assert_eq!(codes(private).await, Some(11210), "{private}");
    }
    let plain = StreamClient::new(
        StreamConfig::default(),
        Guard::new(
            vec!["127.0.0.1/32".parse().unwrap()],
            Arc::new(SystemLookup::new()),
        ),
    );
    let mut refused = plain.open(spec("ws://127.0.0.1:1/"));
    assert_eq!(end(&mut refused).await, Some(31922));

    // One that never answers, and one that answers something else.
    let silent = Server::start().await;
    assert_eq!(codes(&silent.url()).await, Some(31901));
    let web = Server::start().await;
    let url = web.url();
    let answering = tokio::spawn(async move {
        let (mut stream, _) = web.listener.accept().await.unwrap();
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        let answer =
            b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.2/\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
    });
    assert_eq!(codes(&url).await, Some(31920));
    answering.await.unwrap();
}

/// Says that every name has these addresses.
struct Addresses(Vec<IpAddr>);

impl Lookup for Addresses {
    fn lookup(
        &self,
        _name: &str,
    ) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send>> {
        let addresses = self.0.clone();
        Box::pin(async move { Ok(addresses) })
    }
}

/// A listener whose backlog is full: what comes now is not even refused.
async fn deaf(address: SocketAddr) -> (TcpListener, Vec<TcpStream>) {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(address).unwrap();
    let listener = socket.listen(1).unwrap();
    let mut held = Vec::new();
    let moment = Duration::from_secs(1);
    while let Ok(Ok(stream)) = tokio::time::timeout(moment, TcpStream::connect(address)).await {
        held.push(stream);
    }
    (listener, held)
}

#[tokio::test]
async fn an_address_that_does_not_answer_leaves_time_for_the_next() {
    let server = Server::start().await;
    let port = server.address.port();
    let dead: SocketAddr = format!("127.0.0.2:{port}").parse().unwrap();
    let _deaf = deaf(dead).await;
    let lookup = Addresses(vec![dead.ip(), server.address.ip()]);
    let config = StreamConfig {
        allow_plain: true,
        connect_within: Duration::from_secs(4),
        ..StreamConfig::default()
    };
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    let client = StreamClient::new(config, Guard::new(allow, Arc::new(lookup)));
    let mut stream = client.open(spec(&format!("ws://stream.test:{port}/media")));
    let peer = server.accept().await;
    assert_eq!(peer.target, "/media");
    assert_eq!(event(&mut stream).await, StreamEvent::Started);
}

#[tokio::test]
async fn there_are_only_so_many_streams() {
    let server = Server::start().await;
    let client = client_with(|config| config.streams_max = 1);
    let first = client.open(spec(&server.url()));
    let mut second = client.open(spec(&server.url()));
    assert_eq!(end(&mut second).await, Some(12400));
    drop(first);
}

#[tokio::test]
async fn a_query_is_left_out() {
    let server = Server::start().await;
    let mut stream = client().open(spec(&format!("{}?secret=1", server.url())));
    let peer = server.accept().await;
    assert_eq!(peer.target, "/media");
    assert_eq!(
        peer.signature,
        sign(&Secret::new("12345"), &server.url(), &[])
    );
    assert_eq!(warning(&mut stream).await, 12200);
}

/// A TLS server with a certificate of its own, and what trusts it.
fn tls() -> (tokio_rustls::TlsAcceptor, Roots) {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .unwrap();
    let roots = Roots::new(vec![certificate]).unwrap();
    (Arc::new(server).into(), roots)
}

#[tokio::test]
async fn tls_is_verified() {
    let (acceptor, trusting) = tls();
    let server = Server::start().await;
    let url = format!("wss://{}/media", server.address);
    let accepting = tokio::spawn(async move {
        loop {
            let (stream, _) = server.listener.accept().await.unwrap();
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            return socket.next().await.unwrap().unwrap();
        }
    });
    // The system's roots know nothing of this certificate.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut refused = client().open(spec(&url));
    assert_eq!(end(&mut refused).await, Some(31910));
    let mut stream = client_with(|config| config.roots = trusting).open(spec(&url));
    assert_eq!(event(&mut stream).await, StreamEvent::Started);
    let first = accepting.await.unwrap();
    let connected: Value = serde_json::from_str(first.to_text().unwrap()).unwrap();
    assert_eq!(connected["event"], "connected");
}
