use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::Message;

/// A TCP connection that speaks raw SIP.
#[derive(Debug)]
pub struct Stream {
    stream: TcpStream,
    pending: Vec<u8>,
    closed: bool,
}

impl Stream {
    /// Connects.
    ///
    /// # Panics
    ///
    /// When nobody listens.
    #[must_use]
    pub fn connect(to: SocketAddr) -> Self {
        let stream = TcpStream::connect(to).unwrap_or_else(|error| panic!("{to}: {error}"));
        stream
            .set_nodelay(true)
            .expect("a connected socket takes options");
        Self {
            stream,
            pending: Vec::new(),
            closed: false,
        }
    }

    /// Its own address.
    ///
    /// # Panics
    ///
    /// Never: the socket is connected.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.stream
            .local_addr()
            .expect("a connected socket has an address")
    }

    /// Writes bytes; false when the other side has closed.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Writes bytes in pieces of so many, so that each may become a segment of its own.
    pub fn send_in_pieces(&mut self, bytes: &[u8], size: usize) {
        for piece in bytes.chunks(size) {
            self.send(piece);
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The next message.
    #[must_use]
    pub fn receive(&mut self, within: Duration) -> Option<Message> {
        let until = Instant::now() + within;
        loop {
            if let Some(message) = self.take() {
                return Some(message);
            }
            let left = until
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())?;
            if !self.fill(left) {
                return None;
            }
        }
    }

    /// The next response of this status; others before it are passed over.
    ///
    /// # Panics
    ///
    /// When none comes.
    pub fn response(&mut self, status: u16) -> Message {
        let until = Instant::now() + Duration::from_secs(20);
        let mut seen = Vec::new();
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            match self.receive(left) {
                Some(message) if message.status() == Some(status) => return message,
                Some(message) => seen.push(message.start),
                None => break,
            }
        }
        panic!(
            "waited for a {status}; came: {seen:?}, closed: {}",
            self.closed
        );
    }

    /// Whether the other side closes the connection within this time; what it says before is put away.
    pub fn is_closed(&mut self, within: Duration) -> bool {
        let until = Instant::now() + within;
        while !self.closed {
            let Some(left) = until
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())
            else {
                break;
            };
            self.fill(left);
        }
        self.closed
    }

    /// Reads once; false at the end of the stream or of the time.
    fn fill(&mut self, within: Duration) -> bool {
        let mut chunk = [0; 16_384];
        self.stream
            .set_read_timeout(Some(within))
            .expect("not zero");
        match self.stream.read(&mut chunk) {
            Ok(0) => self.closed = true,
            Ok(count) => {
                self.pending.extend_from_slice(&chunk[..count]);
                return true;
            }
            Err(error) => self.closed = error.kind() == std::io::ErrorKind::ConnectionReset,
        }
        false
    }

    fn take(&mut self) -> Option<Message> {
        while self.pending.starts_with(b"\r\n") {
            self.pending.drain(..2);
        }
        let head = self
            .pending
            .windows(4)
            .position(|window| window == b"\r\n\r\n")?
            + 4;
        let message = Message::read(&self.pending[..head])?;
        let length: usize = message
            .header("Content-Length")
            .and_then(|value| value.parse().ok())
            .unwrap_or(0);
        if self.pending.len() < head + length {
            return None;
        }
        let whole: Vec<u8> = self.pending.drain(..head + length).collect();
        Message::read(&whole)
    }
}
