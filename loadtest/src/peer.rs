use std::fmt::Write;
use std::io::IoSliceMut;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt,
};
use nix::sys::time::TimeSpec;

use crate::ports::free_port;
use crate::{Draft, Message};

/// How long a message may take that has to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A UDP socket that speaks raw SIP.
#[derive(Debug)]
pub struct Peer {
    socket: UdpSocket,
    address: SocketAddr,
}

impl Peer {
    /// On 127.0.0.1.
    #[must_use]
    pub fn bind() -> Self {
        Self::bind_on(Ipv4Addr::LOCALHOST.into())
    }

    /// On `[::1]`.
    #[must_use]
    pub fn bind_ipv6() -> Self {
        Self::bind_on(Ipv6Addr::LOCALHOST.into())
    }

    /// On a free port. A program of the suite that takes ports at random (baresip's media) may be faster
    /// with one of them.
    fn bind_on(ip: IpAddr) -> Self {
        let addresses = (0..8).map(|_| SocketAddr::new(ip, free_port()));
        let mut bound =
            addresses.filter_map(|address| Some((UdpSocket::bind(address).ok()?, address)));
        let (socket, address) = bound
            .next()
            .unwrap_or_else(|| panic!("{ip}: eight free ports were taken"));
        Self { socket, address }
    }

    /// On this address.
    ///
    /// # Panics
    ///
    /// When it cannot be bound.
    #[must_use]
    pub fn bind_at(address: SocketAddr) -> Self {
        let socket = UdpSocket::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        Self { socket, address }
    }

    /// What comes from now on can be taken with its time, by [`Self::receive_stamped`].
    ///
    /// # Panics
    ///
    /// When the kernel has no times.
    #[must_use]
    pub fn stamping(self) -> Self {
        setsockopt(&self.socket, sockopt::ReceiveTimestampns, &true).expect("times of datagrams");
        self
    }

    /// The next message, and when the kernel took it: on loopback that is while its sender sends it, however late
    /// anybody looks. Sound, which comes to the same socket, is passed over.
    #[must_use]
    pub fn receive_stamped(&self, within: Duration) -> Option<(Message, SystemTime)> {
        let (mut buffer, mut control) = (vec![0; 65_535], nix::cmsg_space!(TimeSpec));
        let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::empty());
        self.take(within, || {
            let mut rooms = [IoSliceMut::new(&mut buffer)];
            let taken =
                recvmsg::<SockaddrStorage>(fd, &mut rooms, Some(&mut control), flags).ok()?;
            let stamp = taken.cmsgs().ok()?.next()?;
            let ControlMessageOwned::ScmTimestampns(stamp) = stamp else {
                return None;
            };
            let message = taken.iovs().next().and_then(Message::read)?;
            Some((message, UNIX_EPOCH + Duration::from(stamp)))
        })
    }

    /// Its address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a datagram.
    ///
    /// # Panics
    ///
    /// When the kernel refuses.
    pub fn send(&self, to: SocketAddr, bytes: impl AsRef<[u8]>) {
        self.socket
            .send_to(bytes.as_ref(), to)
            .expect("loopback takes every datagram");
    }

    /// The next message, and who sent it.
    #[must_use]
    pub fn receive_from(&self, within: Duration) -> Option<(Message, SocketAddr)> {
        let mut buffer = vec![0; 65_535];
        self.take(within, || {
            let (count, source) = self.socket.recv_from(&mut buffer).ok()?;
            Some((Message::read(&buffer[..count])?, source))
        })
    }

    /// What `next` reads from the socket, once that is something. What is there already is taken, even where the time
    /// was over before the first look.
    fn take<T>(&self, within: Duration, mut next: impl FnMut() -> Option<T>) -> Option<T> {
        let until = Instant::now() + within;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let wait = left.max(Duration::from_micros(1));
            self.socket.set_read_timeout(Some(wait)).ok()?;
            let taken = next();
            if taken.is_some() || left.is_zero() {
                return taken;
            }
        }
    }

    /// The next message.
    #[must_use]
    pub fn receive(&self, within: Duration) -> Option<Message> {
        self.receive_from(within).map(|(message, _)| message)
    }

    /// The next request of this method; anything else that comes before it is passed over.
    ///
    /// # Panics
    ///
    /// When none comes.
    pub fn request(&self, method: &str) -> Message {
        self.find(&format!("a {method}"), PATIENCE, |message| {
            message.method() == Some(method)
        })
    }

    /// The next response of this status.
    ///
    /// # Panics
    ///
    /// When none comes.
    pub fn response(&self, status: u16) -> Message {
        self.find(&format!("a {status}"), PATIENCE, |message| {
            message.status() == Some(status)
        })
    }

    /// The next response of this status, and when the kernel took it.
    ///
    /// # Panics
    ///
    /// When none comes.
    #[must_use]
    pub fn response_stamped(&self, status: u16) -> (Message, SystemTime) {
        loop {
            let received = self.receive_stamped(PATIENCE);
            let (message, when) = received.unwrap_or_else(|| panic!("no {status}"));
            if message.status() == Some(status) {
                return (message, when);
            }
        }
    }

    /// The final response to this request, and to no other.
    ///
    /// # Panics
    ///
    /// When none comes.
    pub fn answer_to(&self, request: &Draft) -> Message {
        let (id, cseq) = (request.value("Call-ID"), request.value("CSeq"));
        self.find(&format!("an answer to {cseq}"), PATIENCE, |message| {
            message.status().is_some_and(|status| status >= 200)
                && message.header("Call-ID") == Some(&id)
                && message.header("CSeq") == Some(&cseq)
        })
    }

    /// Waits until `proxy` has worked off what was sent to it for this call, and passes over what it has said until then:
    /// who was late has made it repeat itself.
    ///
    /// # Panics
    ///
    /// When it says nothing.
    pub fn catches_up(&self, proxy: SocketAddr, call: &Draft) {
        let options = Draft::new("OPTIONS", &format!("sip:{proxy}"), self);
        let options = options.set("Call-ID", &call.value("Call-ID"));
        self.send(proxy, options.text());
        self.answer_to(&options);
    }

    /// Passes over what is there and is this message again.
    ///
    /// # Panics
    ///
    /// When something else is there.
    pub fn passes_over(&self, repeated: &Message) {
        while let Some(message) = self.receive(Duration::ZERO) {
            assert_eq!(message.raw, repeated.raw, "more than repetitions");
        }
    }

    /// The next final response.
    ///
    /// # Panics
    ///
    /// When none comes in time.
    pub fn outcome(&self, within: Duration) -> Message {
        self.find("a final response", within, |message| {
            message.status().is_some_and(|status| status >= 200)
        })
    }

    fn find(
        &self,
        what: &str,
        within: Duration,
        mut fits: impl FnMut(&Message) -> bool,
    ) -> Message {
        let until = Instant::now() + within;
        let mut seen = Vec::new();
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            match self.receive(left) {
                Some(message) if fits(&message) => return message,
                Some(message) => seen.push(message.start),
                None => break,
            }
        }
        panic!("{} waited for {what}; came: {seen:?}", self.address);
    }

    /// Nothing may come for so long.
    ///
    /// # Panics
    ///
    /// When something comes.
    pub fn silence(&self, within: Duration) {
        if let Some(message) = self.receive(within) {
            panic!("{} wanted silence and heard {message:?}", self.address);
        }
    }

    /// Answers a request: Via, From, To (with a tag), Call-ID, CSeq and Record-Route are copied.
    pub fn answer(
        &self,
        request: &Message,
        to: SocketAddr,
        status: u16,
        headers: &[(&str, &str)],
        body: &str,
    ) {
        self.send(to, answer(request, status, self.address, headers, body));
    }
}

/// A response as a plain user agent at `address` makes it.
pub(crate) fn answer(
    request: &Message,
    status: u16,
    address: SocketAddr,
    headers: &[(&str, &str)],
    body: &str,
) -> String {
    let reason = match status {
        100 => "Trying",
        180 => "Ringing",
        200 => "OK",
        202 => "Accepted",
        486 => "Busy Here",
        487 => "Request Terminated",
        503 => "Service Unavailable",
        _ => "Whatever",
    };
    let mut text = format!("SIP/2.0 {status} {reason}\r\n");
    let mut push = |name: &str, value: &str| {
        write!(text, "{name}: {value}\r\n").expect("a String takes everything")
    };
    for name in ["Via", "Record-Route"] {
        request.all(name).iter().for_each(|value| push(name, value));
    }
    push("From", request.need("From"));
    let to = request.need("To");
    let tag = if to.contains("tag=") || status == 100 {
        String::new()
    } else {
        format!(";tag=peer{}", address.port())
    };
    push("To", &format!("{to}{tag}"));
    push("Call-ID", request.need("Call-ID"));
    push("CSeq", request.need("CSeq"));
    push("Contact", &format!("<sip:peer@{address}>"));
    headers.iter().for_each(|(name, value)| push(name, value));
    if !body.is_empty() {
        push("Content-Type", "application/sdp");
    }
    push("Content-Length", &body.len().to_string());
    text + "\r\n" + body
}

/// An offer or answer of one audio stream at this address.
#[must_use]
pub fn sdp(address: SocketAddr) -> String {
    let ip = address.ip();
    let family = if address.is_ipv6() { 6 } else { 4 };
    format!(
        "v=0\r\no=- 1 1 IN IP{family} {ip}\r\ns=-\r\nc=IN IP{family} {ip}\r\nt=0 0\r\nm=audio {} RTP/AVP 0 8 101\r\n\
         a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n",
        address.port()
    )
}
