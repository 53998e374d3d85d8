use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sip::Transport;
use sip::frame::FrameError;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, timeout};

use super::*;

const SOON: Duration = Duration::from_secs(20);
const OPTIONS: &[u8] =
    b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 4\r\nX-Note: split me\r\n\r\nbody";

#[derive(Debug, PartialEq)]
enum Event {
    Message(Flow, Bytes),
    Malformed,
    Opened(Flow),
    Sent(u64, Flow),
    Closed(ConnectionId),
    Failed(u64, SendFailure),
}

struct Recorder {
    events: UnboundedSender<Event>,
    answer: Option<Bytes>,
    exempt: bool,
    wanted: Arc<AtomicBool>,
}

impl StreamEvents for Recorder {
    fn message(&self, flow: Flow, bytes: Bytes) {
        drop(self.events.send(Event::Message(flow, bytes)));
    }
    fn malformed(&self, _flow: Flow, _error: FrameError) -> Option<Bytes> {
        drop(self.events.send(Event::Malformed));
        self.answer.clone()
    }
    fn opened(&self, flow: Flow) {
        drop(self.events.send(Event::Opened(flow)));
    }
    fn sent(&self, token: u64, flow: Flow) {
        drop(self.events.send(Event::Sent(token, flow)));
    }
    fn closed(&self, id: ConnectionId) {
        drop(self.events.send(Event::Closed(id)));
    }
    fn send_failed(&self, token: u64, error: SendFailure) {
        drop(self.events.send(Event::Failed(token, error)));
    }
    fn exempt(&self, _remote: SocketAddr) -> bool {
        self.exempt
    }
    fn is_wanted(&self, _id: ConnectionId) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }
}

/// A hub that listens, and what it tells.
struct Fixture {
    hub: Arc<Streams>,
    address: SocketAddr,
    events: UnboundedReceiver<Event>,
    /// Whether silent connections are.
    wanted: Arc<AtomicBool>,
}

impl Fixture {
    async fn new(limits: StreamLimits) -> Self {
        Self::with(limits, None, false).await
    }

    async fn with(limits: StreamLimits, answer: Option<Bytes>, exempt: bool) -> Self {
        let (sender, events) = unbounded_channel();
        let wanted = Arc::new(AtomicBool::new(false));
        let recorder = Recorder {
            events: sender,
            answer,
            exempt,
            wanted: wanted.clone(),
        };
        let hub = Streams::new(limits, Arc::new(recorder));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(Arc::clone(&hub).accept_on(listener, ListenerId(7)));
        Self {
            hub,
            address,
            events,
            wanted,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("connect")
    }

    async fn event(&mut self) -> Event {
        timeout(SOON, self.events.recv())
            .await
            .expect("in time")
            .expect("an event")
    }

    /// The next event of a kind; others are passed over.
    async fn until<T>(&mut self, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.event().await) {
                return found;
            }
        }
    }

    async fn message(&mut self) -> (Flow, Bytes) {
        self.until(|event| match event {
            Event::Message(flow, bytes) => Some((flow, bytes)),
            _ => None,
        })
        .await
    }

    async fn opened(&mut self) -> Flow {
        self.until(|event| {
            if let Event::Opened(flow) = event {
                Some(flow)
            } else {
                None
            }
        })
        .await
    }

    async fn closed(&mut self) -> ConnectionId {
        self.until(|event| {
            if let Event::Closed(id) = event {
                Some(id)
            } else {
                None
            }
        })
        .await
    }

    async fn failed(&mut self) -> (u64, SendFailure) {
        self.until(|event| {
            if let Event::Failed(token, failure) = event {
                Some((token, failure))
            } else {
                None
            }
        })
        .await
    }

    async fn without_connections(&self) {
        let gone = async {
            while self.hub.connections() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(SOON, gone).await.expect("all connections gone");
    }
}

fn to(remote: SocketAddr) -> Destination {
    Destination {
        transport: Transport::Tcp,
        remote,
        connection: None,
        local_hint: None,
        open: true,
    }
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    let mut rest = Vec::new();
    timeout(SOON, stream.read_to_end(&mut rest)).await.is_ok()
}

#[tokio::test]
async fn a_message_split_at_every_byte_arrives_whole() {
    let mut fixture = Fixture::new(StreamLimits::default()).await;
    let mut stream = fixture.connect().await;
    stream.set_nodelay(true).expect("nodelay");
    for split in 1..OPTIONS.len() {
        stream.write_all(&OPTIONS[..split]).await.expect("write");
        tokio::task::yield_now().await;
        stream.write_all(&OPTIONS[split..]).await.expect("write");
        let (flow, bytes) = fixture.message().await;
        assert_eq!(bytes, OPTIONS, "split at {split}");
        assert_eq!(flow.listener, ListenerId(7));
        assert_eq!(
            (flow.local, flow.remote),
            (fixture.address, stream.local_addr().expect("local"))
        );
    }
    for byte in OPTIONS {
        stream.write_all(&[*byte]).await.expect("write");
        tokio::task::yield_now().await;
    }
    assert_eq!(fixture.message().await.1, OPTIONS);
}

#[tokio::test]
async fn answers_go_back_on_the_connection_of_the_request() {
    let mut fixture = Fixture::new(StreamLimits::default()).await;
    let (mut one, mut other) = (fixture.connect().await, fixture.connect().await);
    for (stream, token) in [(&mut one, 1), (&mut other, 2)] {
        stream.write_all(OPTIONS).await.expect("write");
        let (flow, _) = fixture.message().await;
        fixture
            .hub
            .send(flow.reply(), Bytes::from(format!("answer {token}")), token);
        let mut answer = [0; 8];
        stream.read_exact(&mut answer).await.expect("read");
        assert_eq!(answer, format!("answer {token}").as_bytes());
        assert_eq!(fixture.event().await, Event::Sent(token, flow));
    }
}

#[tokio::test]
async fn nothing_goes_to_a_via_address_when_the_connection_is_gone() {
    let mut fixture = Fixture::new(StreamLimits::default()).await;
    let trap = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let mut stream = fixture.connect().await;
    stream.write_all(OPTIONS).await.expect("write");
    let (flow, _) = fixture.message().await;
    fixture.hub.close(flow.connection.expect("a connection"));
    fixture.closed().await;
    let mut destination = flow.reply();
    destination.remote = trap.local_addr().expect("bound");
    fixture
        .hub
        .send(destination, Bytes::from_static(b"response"), 9);
    assert_eq!(fixture.failed().await, (9, SendFailure::Gone));
    assert!(
        timeout(Duration::from_millis(100), trap.accept())
            .await
            .is_err(),
        "a connection was opened"
    );
}

#[tokio::test]
async fn one_outbound_connection_serves_all_and_is_used_again() {
    let mut fixture = Fixture::new(StreamLimits::default()).await;
    let peer = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let remote = peer.local_addr().expect("bound");
    for token in 0..50 {
        fixture
            .hub
            .send(to(remote), Bytes::from_static(OPTIONS), token);
    }
    let (mut stream, _) = peer.accept().await.expect("accept");
    let mut all = vec![0; OPTIONS.len() * 50];
    stream.read_exact(&mut all).await.expect("read");
    assert_eq!(all, OPTIONS.repeat(50));
    let flow = fixture.opened().await;
    assert_eq!((flow.listener, flow.remote), (ListenerId::OUTBOUND, remote));
    for token in 0..50 {
        assert_eq!(fixture.event().await, Event::Sent(token, flow), "in order");
    }
    // The peer's answer comes by the same connection.
    stream.write_all(OPTIONS).await.expect("write");
    assert_eq!(fixture.message().await.0, flow);
    assert_eq!(fixture.hub.connections(), 1);

    // It closes; the owner is told at once, and the next message opens another one.
    drop(stream);
    assert_eq!(Some(fixture.closed().await), flow.connection);
    fixture
        .hub
        .send(to(remote), Bytes::from_static(OPTIONS), 99);
    peer.accept().await.expect("a new connection");
    assert_ne!(fixture.opened().await.connection, flow.connection);
}

#[tokio::test]
async fn a_refused_connection_fails_every_message_and_then_pauses() {
    let mut fixture = Fixture::new(StreamLimits::default()).await;
    let nobody = {
        let gone = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        gone.local_addr().expect("bound")
    };
    let start = Instant::now();
    fixture.hub.send(to(nobody), Bytes::from_static(OPTIONS), 1);
    fixture.hub.send(to(nobody), Bytes::from_static(OPTIONS), 2);
    assert_eq!(fixture.failed().await, (1, SendFailure::Refused));
    assert_eq!(fixture.failed().await, (2, SendFailure::Refused));
    assert!(start.elapsed() < StreamLimits::default().connect_timeout);
    fixture.hub.send(to(nobody), Bytes::from_static(OPTIONS), 3);
    assert_eq!(fixture.failed().await, (3, SendFailure::Backoff));
    assert_eq!(fixture.hub.stats().connect_failed, 1);
    fixture.without_connections().await;
}

#[tokio::test]
async fn a_connection_that_is_not_established_in_time_fails() {
    let limits = StreamLimits {
        connect_timeout: Duration::from_millis(50),
        ..StreamLimits::default()
    };
    let mut fixture = Fixture::new(limits).await;
    // A listener with a full backlog drops what knocks.
    let socket =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("socket");
    socket
        .bind(
            &"127.0.0.1:0"
                .parse::<SocketAddr>()
                .expect("an address")
                .into(),
        )
        .expect("bind");
    socket.listen(0).expect("listen");
    let remote = socket
        .local_addr()
        .expect("bound")
        .as_socket()
        .expect("inet");
    let _waiting = std::net::TcpStream::connect(remote).expect("the one that fits");
    fixture.hub.send(to(remote), Bytes::from_static(OPTIONS), 1);
    assert_eq!(fixture.failed().await, (1, SendFailure::TimedOut));
}

#[tokio::test]
async fn a_transport_that_cannot_be_opened_says_so() {
    let mut fixture = Fixture::new(StreamLimits::default()).await;
    let mut destination = to(fixture.address);
    destination.transport = Transport::Wss;
    fixture
        .hub
        .send(destination, Bytes::from_static(OPTIONS), 1);
    assert_eq!(fixture.failed().await, (1, SendFailure::Unsupported));
}

#[tokio::test]
async fn a_slow_reader_is_closed_and_its_memory_given_back() {
    let mut fixture = Fixture::new(StreamLimits::default()).await;
    let mut stream = fixture.connect().await;
    stream.write_all(OPTIONS).await.expect("write");
    let (flow, _) = fixture.message().await;
    let message = Bytes::from(vec![b'x'; 60_000]);
    for token in 0..10_000 {
        fixture.hub.send(flow.reply(), message.clone(), token);
        assert!(fixture.hub.stats().queued_bytes <= 256 << 10);
        tokio::task::yield_now().await;
        if !fixture.hub.is_alive(flow.connection.expect("a connection")) {
            break;
        }
    }
    let (_, failure) = fixture.failed().await;
    assert_eq!(failure, SendFailure::SlowReader);
    fixture.closed().await;
    assert_eq!(fixture.hub.stats().closed_slow_reader, 1);
    assert_eq!(fixture.hub.stats().queued_bytes, 0);
}

#[tokio::test]
async fn a_reader_that_stops_is_closed_after_the_write_stalls() {
    let limits = StreamLimits {
        write_stall: Duration::from_millis(100),
        write_queue: 64 << 20,
        ..StreamLimits::default()
    };
    let mut fixture = Fixture::new(limits).await;
    let mut stream = fixture.connect().await;
    stream.write_all(OPTIONS).await.expect("write");
    let (flow, _) = fixture.message().await;
    for token in 0..500 {
        fixture
            .hub
            .send(flow.reply(), Bytes::from(vec![b'x'; 60_000]), token);
    }
    fixture.closed().await;
    assert_eq!(fixture.hub.stats().closed_slow_reader, 1);
    assert_eq!(fixture.hub.stats().queued_bytes, 0);
}

#[tokio::test]
async fn every_message_is_either_sent_or_failed() {
    let mut fixture = Fixture::new(StreamLimits::default()).await;
    let mut stream = fixture.connect().await;
    stream.write_all(OPTIONS).await.expect("write");
    let (flow, _) = fixture.message().await;
    for token in 0..500 {
        fixture
            .hub
            .send(flow.reply(), Bytes::from(vec![b'x'; 10_000]), token);
        if token == 250 {
            stream.set_zero_linger().expect("linger");
            drop(stream);
            stream = fixture.connect().await;
        }
        tokio::task::yield_now().await;
    }
    let mut told = vec![0; 500];
    while told.iter().sum::<u32>() < 500 {
        match fixture.event().await {
            Event::Sent(token, _) | Event::Failed(token, _) => told[token as usize] += 1,
            _ => {}
        }
    }
    assert!(told.iter().all(|&times| times == 1));
}

#[tokio::test]
async fn one_address_has_so_many_connections_and_trunks_more() {
    let limits = StreamLimits {
        connections_per_ip: 3,
        connections: 5,
        ..StreamLimits::default()
    };
    let mut fixture = Fixture::new(limits.clone()).await;
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(fixture.connect().await);
        fixture.opened().await;
    }
    let mut over = fixture.connect().await;
    assert!(is_closed(&mut over).await);
    assert_eq!(fixture.hub.stats().refused_per_ip, 1);
    kept.pop();
    fixture.closed().await;
    kept.push(fixture.connect().await);
    fixture.opened().await;

    let mut fixture = Fixture::with(limits, None, true).await;
    for _ in 0..5 {
        kept.push(fixture.connect().await);
        fixture.opened().await;
    }
    let mut over = fixture.connect().await;
    assert!(is_closed(&mut over).await);
    assert_eq!(fixture.hub.stats().refused_total, 1);
}

#[tokio::test]
async fn a_message_that_drips_is_cut_off_whatever_its_pace() {
    let limits = StreamLimits {
        message_deadline: Duration::from_millis(200),
        ..StreamLimits::default()
    };
    let mut fixture = Fixture::new(limits).await;
    let mut stream = fixture.connect().await;
    let start = Instant::now();
    fixture.opened().await;
    for byte in OPTIONS {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    fixture.closed().await;
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert_eq!(fixture.hub.stats().closed_deadline, 1);
    assert_eq!(fixture.hub.stats().messages, 0);
}

#[tokio::test]
async fn silence_is_closed_and_keep_alives_are_not_silence() {
    let limits = StreamLimits {
        idle: Duration::from_secs(2),
        message_deadline: Duration::from_millis(50),
        ..StreamLimits::default()
    };
    let mut fixture = Fixture::new(limits).await;
    let mut stream = fixture.connect().await;
    fixture.opened().await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(700)).await;
        stream.write_all(b"\r\n\r\n").await.expect("write");
        let mut pong = [0; 2];
        stream.read_exact(&mut pong).await.expect("read");
        assert_eq!(&pong, b"\r\n");
    }
    // A lone CRLF is no message that would have to become complete.
    stream.write_all(b"\r\n").await.expect("write");
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(fixture.hub.connections(), 1);
    fixture.closed().await;
    assert_eq!(fixture.hub.stats().closed_idle, 1);
}

#[tokio::test]
async fn a_silent_connection_stays_while_it_is_wanted() {
    let limits = StreamLimits {
        idle: Duration::from_millis(100),
        ..StreamLimits::default()
    };
    let mut fixture = Fixture::new(limits).await;
    fixture.wanted.store(true, Ordering::Relaxed);
    let _stream = fixture.connect().await;
    fixture.opened().await;
    tokio::time::sleep(Duration::from_millis(350)).await;
    assert_eq!(fixture.hub.connections(), 1);
    fixture.wanted.store(false, Ordering::Relaxed);
    fixture.closed().await;
    assert_eq!(fixture.hub.stats().closed_idle, 1);
}

#[tokio::test]
async fn keep_alives_are_answered_at_a_limited_rate() {
    let fixture = Fixture::new(StreamLimits::default()).await;
    let mut stream = fixture.connect().await;
    stream
        .write_all(&b"\r\n\r\n".repeat(1_000))
        .await
        .expect("write");
    stream.shutdown().await.expect("shutdown");
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).await.expect("read");
    assert!((20..60).contains(&answers.len()), "{} bytes", answers.len());
}

#[tokio::test]
async fn who_closes_one_side_still_gets_the_answer() {
    let mut fixture = Fixture::new(StreamLimits::default()).await;
    let mut stream = fixture.connect().await;
    stream.write_all(OPTIONS).await.expect("write");
    // Half a message before the end is no message.
    stream.write_all(&OPTIONS[..20]).await.expect("write");
    stream.shutdown().await.expect("shutdown");
    let (flow, _) = fixture.message().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    fixture
        .hub
        .send(flow.reply(), Bytes::from_static(b"the answer"), 1);
    let mut answer = [0; 10];
    timeout(SOON, stream.read_exact(&mut answer))
        .await
        .expect("in time")
        .expect("read");
    assert_eq!(&answer, b"the answer");
    fixture.hub.close(flow.connection.expect("a connection"));
    fixture.closed().await;
    assert_eq!(fixture.hub.stats().messages, 1);
}

#[tokio::test]
async fn half_closed_connections_do_not_pile_up() {
    let limits = StreamLimits {
        connections_per_ip: 4,
        half_closed_max: 8,
        ..StreamLimits::default()
    };
    let mut fixture = Fixture::new(limits).await;
    for _ in 0..40 {
        let mut stream = fixture.connect().await;
        stream.write_all(OPTIONS).await.expect("write");
        fixture.message().await;
    }
    let few = async {
        while fixture.hub.connections() > 8 + 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, few).await.expect("the oldest are closed");
    assert_eq!(fixture.hub.stats().refused_per_ip, 0);
}

#[tokio::test]
async fn what_cannot_be_framed_is_answered_and_closed() {
    let answer = Bytes::from_static(b"SIP/2.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    let mut fixture = Fixture::with(StreamLimits::default(), Some(answer.clone()), false).await;
    let mut stream = fixture.connect().await;
    let smuggled = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: x\r\n\r\nINVITE sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(smuggled).await.expect("write");
    stream.write_all(&[b'x'; 100_000]).await.expect("write");
    let mut received = Vec::new();
    timeout(SOON, stream.read_to_end(&mut received))
        .await
        .expect("in time")
        .expect("not reset");
    assert_eq!(received, answer);
    fixture.opened().await;
    assert_eq!(fixture.event().await, Event::Malformed);
    drop(stream);
    fixture.closed().await;
    assert_eq!(fixture.hub.stats().messages, 0);
}

#[tokio::test]
async fn two_hundred_connections_leave_no_file_behind() {
    let limits = StreamLimits {
        connections_per_ip: 1_000,
        half_closed: Duration::from_millis(20),
        ..StreamLimits::default()
    };
    let mut fixture = Fixture::new(limits).await;
    let mut streams = Vec::new();
    for _ in 0..200 {
        let mut stream = fixture.connect().await;
        stream.write_all(OPTIONS).await.expect("write");
        streams.push(stream);
    }
    for _ in 0..200 {
        fixture.message().await;
    }
    assert_eq!(fixture.hub.connections(), 200);
    let remotes: Vec<SocketAddr> = streams
        .iter()
        .map(|stream| stream.local_addr().expect("local"))
        .collect();
    drop(streams);
    fixture.without_connections().await;
    // The last one leaves the table before its descriptor is closed.
    for _ in 0..200 {
        if connections_of(&remotes) == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{} descriptors of ours are open", connections_of(&remotes));
}

/// Connections of this host to any of these peers that we have not closed yet.
fn connections_of(remotes: &[SocketAddr]) -> usize {
    const CLOSE_WAIT: &str = "08";
    let table = std::fs::read_to_string("/proc/net/tcp").expect("a table");
    let ports: Vec<String> = remotes
        .iter()
        .map(|remote| format!("0100007F:{:04X}", remote.port()))
        .collect();
    table
        .lines()
        .filter(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            fields.get(3) == Some(&CLOSE_WAIT)
                && ports
                    .iter()
                    .any(|port| Some(&port.as_str()) == fields.get(2))
        })
        .count()
}

#[tokio::test]
async fn closing_all_writes_what_waits_first() {
    let mut fixture = Fixture::new(StreamLimits::default()).await;
    let mut stream = fixture.connect().await;
    stream.write_all(OPTIONS).await.expect("write");
    let (flow, _) = fixture.message().await;
    fixture
        .hub
        .send(flow.reply(), Bytes::from_static(b"last words"), 1);
    fixture.hub.close_all();
    let mut received = Vec::new();
    timeout(SOON, stream.read_to_end(&mut received))
        .await
        .expect("in time")
        .expect("read");
    assert_eq!(received, b"last words");
    drop(stream);
    fixture.closed().await;
}

#[test]
fn connections_end_with_their_runtime_and_everyone_is_told() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (mut fixture, remote, _peer) = runtime.block_on(async {
        let fixture = Fixture::new(StreamLimits::default()).await;
        let peer = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let remote = peer.local_addr().expect("bound");
        fixture.hub.send(to(remote), Bytes::from_static(OPTIONS), 1);
        (fixture, remote, peer)
    });
    drop(runtime);
    assert_eq!(
        fixture.events.try_recv(),
        Ok(Event::Failed(1, SendFailure::Closed))
    );
    assert_eq!(fixture.hub.connections(), 0);
    fixture.hub.send(to(remote), Bytes::from_static(OPTIONS), 2);
    assert_eq!(
        fixture.events.try_recv(),
        Ok(Event::Failed(2, SendFailure::Unsupported))
    );
}

#[test]
fn pingora_accepts_for_the_hub() {
    use pingora_core::server::configuration::{Opt, ServerConf};
    use pingora_core::server::{RunArgs, Server, ShutdownSignal, ShutdownSignalWatch};

    struct Stop(Mutex<Option<tokio::sync::oneshot::Receiver<()>>>);
    #[async_trait::async_trait]
    impl ShutdownSignalWatch for Stop {
        async fn recv(&self) -> ShutdownSignal {
            let stop = self.0.lock().expect("a lock").take().expect("asked once");
            drop(stop.await);
            ShutdownSignal::FastShutdown
        }
    }

    // pingora wants to know the address; a port that was free a moment ago has to do.
    let address = std::net::TcpListener::bind("127.0.0.1:0")
        .expect("bind")
        .local_addr()
        .expect("bound");
    let (sender, events) = unbounded_channel();
    let recorder = Recorder {
        events: sender,
        answer: None,
        exempt: false,
        wanted: Arc::default(),
    };
    let hub = Streams::new(StreamLimits::default(), Arc::new(recorder));
    let conf = ServerConf {
        threads: 1,
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    };
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let listener = StreamListener {
        id: ListenerId(3),
        name: "sip tcp".into(),
        address,
    };
    let services = service(listener, Arc::clone(&hub));
    let thread = std::thread::spawn(move || {
        let mut server = Server::new_with_opt_and_conf(Some(Opt::default()), conf);
        server.add_service(services);
        server.run(RunArgs {
            shutdown_signal: Box::new(Stop(Mutex::new(Some(stopped)))),
        });
    });

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let mut fixture = Fixture {
            hub,
            address,
            events,
            wanted: Arc::default(),
        };
        let mut stream = loop {
            match TcpStream::connect(address).await {
                Ok(stream) => break stream,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        };
        stream.write_all(OPTIONS).await.expect("write");
        let (flow, bytes) = fixture.message().await;
        assert_eq!(bytes, OPTIONS);
        assert_eq!((flow.listener, flow.local), (ListenerId(3), address));
        assert_eq!(flow.remote, stream.local_addr().expect("local"));
        fixture
            .hub
            .send(flow.reply(), Bytes::from_static(b"hello"), 1);
        let mut answer = [0; 5];
        timeout(SOON, stream.read_exact(&mut answer))
            .await
            .expect("in time")
            .expect("read");
        assert_eq!(&answer, b"hello");
    });
    stop.send(()).expect("the server waits");
    thread.join().expect("the server ends");
}
