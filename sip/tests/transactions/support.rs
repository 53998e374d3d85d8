//! A layer with a clock of its own, and the messages that the tests speak.

use std::time::Duration;

use bytes::Bytes;
use sip::{
    ClientId, ClientKey, Disposition, Event, Instant, Layer, LayerLimits, Message, Received,
    Request, Responded, Response, ServerId, ServerKey, Timers, TransactionId,
};

pub(crate) const T1: Duration = Duration::from_millis(500);
pub(crate) const UDP: bool = false;
pub(crate) const TCP: bool = true;

/// What a layer did: a message as its start line, or an event as its name.
pub(crate) type Log = Vec<(u64, String)>;

pub(crate) struct Bench {
    pub(crate) layer: Layer<&'static str>,
    pub(crate) now: Instant,
    pub(crate) wires: Vec<Bytes>,
    pub(crate) ended: Vec<TransactionId>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with_limits(LayerLimits::default())
    }

    pub(crate) fn with_limits(limits: LayerLimits) -> Self {
        let now = Instant::ZERO + Duration::from_secs(1000);
        let mut layer = Layer::new(Timers::default(), limits, 7);
        layer.tick(now);
        Self {
            layer,
            now,
            wires: Vec::new(),
            ended: Vec::new(),
        }
    }

    /// Everything queued, one line each.
    pub(crate) fn drain(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(event) = self.layer.poll() {
            lines.push(match event {
                Event::Send { wire, peer, .. } => {
                    assert_eq!(peer, "peer");
                    let line = start_line(&wire);
                    self.wires.push(wire);
                    line
                }
                Event::ClientTimeout(_) => "client timeout".into(),
                Event::ClientTransportError(_) => "client transport error".into(),
                Event::ServerTimeout(_) => "server timeout".into(),
                Event::ServerTransportError(_) => "server transport error".into(),
                Event::ServerAcked(_) => "acked".into(),
                Event::TryingDue(_) => "trying due".into(),
                Event::Ended(id) => {
                    self.ended.push(id);
                    "ended".into()
                }
                Event::Timer(token) => format!("timer {token}"),
            });
        }
        lines
    }

    /// Lets `duration` pass, tick by tick; each event with its milliseconds since the call.
    pub(crate) fn pass(&mut self, duration: Duration) -> Log {
        let (start, end) = (self.now, self.now + duration);
        let mut log = Log::new();
        while let Some(deadline) = self.layer.next_deadline().filter(|at| *at <= end) {
            self.now = deadline;
            self.layer.tick(self.now);
            let millis = (self.now - start).as_millis() as u64;
            log.extend(self.drain().into_iter().map(|line| (millis, line)));
        }
        self.now = end;
        self.layer.tick(end);
        assert!(self.drain().is_empty());
        log
    }

    pub(crate) fn receive(&mut self, request: &Request) -> Received {
        let key = ServerKey::of(request).unwrap();
        self.layer.receive_request(&key, self.now)
    }

    pub(crate) fn create_server(&mut self, request: &Request, reliable: bool) -> ServerId {
        assert!(matches!(
            self.receive(request),
            Received::New | Received::Cancel { .. }
        ));
        let key = ServerKey::of(request).unwrap();
        self.layer
            .create_server(&key, "peer", reliable, self.now)
            .unwrap()
    }

    pub(crate) fn respond(&mut self, id: ServerId, status: u16) -> Responded {
        let wire = Bytes::from(format!("SIP/2.0 {status} X\r\n\r\n"));
        self.layer.respond(id, status, wire, self.now)
    }

    pub(crate) fn create_client(&mut self, request: &Request, reliable: bool) -> ClientId {
        let key = ServerKey::of(request).unwrap();
        let key = ClientKey {
            branch: key.branch,
            method: key.method,
        };
        self.layer
            .create_client(&key, request.to_bytes(), "peer", reliable, self.now)
            .unwrap()
    }

    /// Gives the layer a response to `request`.
    pub(crate) fn answer(&mut self, request: &Request, status: u16) -> Option<Disposition> {
        let response = reply(request, status);
        let key = ClientKey::of(&response).unwrap();
        let to = response.headers.first(sip::HeaderName::To).unwrap();
        self.layer
            .receive_response(&key, status, to, self.now)
            .map(|(_, disposition)| disposition)
    }
}

pub(crate) fn request(text: &str) -> Request {
    let wire = Bytes::from(text.replace('\n', "\r\n"));
    match sip::parse(wire, &sip::Limits::default()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// A request with a branch of RFC 3261.
pub(crate) fn simple(method: &str, branch: &str) -> Request {
    request(&format!(
        "{method} sip:bob@example.com SIP/2.0\n\
         Via: SIP/2.0/UDP a.example:5060;branch={branch}\n\
         From: <sip:alice@example.com>;tag=a\n\
         To: <sip:bob@example.com>\n\
         Call-ID: c1\n\
         CSeq: 1 {method}\n\
         Max-Forwards: 70\n\
         Content-Length: 0\n\n"
    ))
}

/// The request that goes with the INVITE `simple("INVITE", branch)`.
pub(crate) fn companion(method: &str, branch: &str) -> Request {
    let mut request = simple(method, branch);
    request
        .headers
        .set(b"To", b"<sip:bob@example.com>;tag=b")
        .unwrap();
    request
}

pub(crate) fn reply(request: &Request, status: u16) -> Response {
    sip::Reply::new(request, status, "X").to_tag(b"b").build()
}

pub(crate) fn start_line(wire: &[u8]) -> String {
    let text = String::from_utf8_lossy(wire);
    text.lines().next().unwrap_or_default().to_owned()
}

pub(crate) fn text(wire: &[u8]) -> String {
    String::from_utf8_lossy(wire).replace("\r\n", "\n")
}

/// The times at which `line` happened.
pub(crate) fn times(log: &Log, line: &str) -> Vec<u64> {
    log.iter()
        .filter(|(_, other)| other == line)
        .map(|(at, _)| *at)
        .collect()
}
