//! A telephone that speaks raw SIP over loopback UDP: nothing of ours is in it but a socket.

use std::cell::{Cell, RefCell};
use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;

/// One socket that calls, or is called.
pub(crate) struct Phone {
    socket: UdpSocket,
    pub(crate) peer: SocketAddr,
    pub(crate) address: SocketAddr,
    seen: RefCell<Vec<String>>,
}

/// A message as it came.
#[derive(Clone, Debug)]
pub(crate) struct Msg {
    pub(crate) raw: String,
    pub(crate) start: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// When it was sent.
    pub(crate) at: Instant,
}

/// A call that a phone makes.
pub(crate) struct Line<'a> {
    pub(crate) phone: &'a Phone,
    pub(crate) uri: String,
    pub(crate) call_id: String,
    pub(crate) tag: String,
    pub(crate) to_tag: RefCell<String>,
    pub(crate) cseq: Cell<u32>,
    pub(crate) target: RefCell<String>,
    pub(crate) branch: RefCell<String>,
}

static NUMBER: AtomicU32 = AtomicU32::new(1);

fn fresh(prefix: &str) -> String {
    format!("{prefix}{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

impl Phone {
    pub(crate) fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        setsockopt(&socket, sockopt::ReceiveTimestampns, &true).unwrap();
        let address = socket.local_addr().unwrap();
        Self {
            socket,
            peer: address,
            address,
            seen: RefCell::default(),
        }
    }

    pub(crate) fn send(&self, text: &str) {
        self.socket.send_to(text.as_bytes(), self.peer).unwrap();
    }

    /// The next message that is not a retransmission.
    pub(crate) fn recv_within(&self, wait: Duration) -> Option<Msg> {
        let until = Instant::now() + wait;
        loop {
            let msg = self.raw_within(until.saturating_duration_since(Instant::now()))?;
            let mut seen = self.seen.borrow_mut();
            if !seen.contains(&msg.raw) {
                seen.push(msg.raw.clone());
                return Some(msg);
            }
        }
    }

    /// The next message, retransmission or not.
    pub(crate) fn raw_within(&self, wait: Duration) -> Option<Msg> {
        let wait = wait.max(Duration::from_millis(1));
        self.socket.set_read_timeout(Some(wait)).unwrap();
        let (mut buffer, mut control) = ([0; 65_536], nix::cmsg_space!(TimeSpec));
        let mut rooms = [IoSliceMut::new(&mut buffer)];
        let (fd, flags) = (self.socket.as_raw_fd(), MsgFlags::empty());
        let taken = recvmsg::<()>(fd, &mut rooms, Some(&mut control), flags).ok()?;
        // When the kernel took it, which is when it was sent, however late this is.
        let ControlMessageOwned::ScmTimestampns(stamp) = taken.cmsgs().unwrap().next().unwrap()
        else {
            panic!("no time");
        };
        let (now, wall) = both_clocks();
        let since = wall.duration_since(UNIX_EPOCH + Duration::from(stamp));
        let at = now - since.unwrap_or_default();
        let raw = taken.iovs().next().unwrap_or_default();
        Some(Msg::parse(std::str::from_utf8(raw).unwrap(), at))
    }

    /// The next message, which must begin so.
    #[track_caller]
    pub(crate) fn expect(&self, start: &str) -> Msg {
        let msg = self.recv_within(Duration::from_secs(20));
        let msg = msg.unwrap_or_else(|| panic!("nothing came, {start} was expected"));
        assert!(
            msg.start.starts_with(start),
            "expected {start}, got:\n{}",
            msg.raw
        );
        msg
    }

    #[track_caller]
    pub(crate) fn expect_nothing(&self, wait: Duration) {
        if let Some(msg) = self.recv_within(wait) {
            panic!("nothing was expected, got:\n{}", msg.raw);
        }
    }

    /// Begins a call; `extra` are header lines, each with its CRLF.
    pub(crate) fn invite(&self, uri: &str, extra: &str, body: Option<&str>) -> Line<'_> {
        let line = Line {
            phone: self,
            uri: uri.to_owned(),
            call_id: fresh("call-"),
            tag: fresh("from-"),
            to_tag: RefCell::default(),
            cseq: Cell::new(1),
            target: RefCell::new(uri.to_owned()),
            branch: RefCell::default(),
        };
        line.send_invite(extra, body);
        line
    }

    /// Answers a request; a To without tag gets `tag`.
    pub(crate) fn reply(
        &self,
        request: &Msg,
        status: &str,
        tag: &str,
        extra: &str,
        body: Option<&str>,
    ) {
        let mut text = format!("SIP/2.0 {status}\r\n");
        for (name, value) in &request.headers {
            match name.as_str() {
                "Via" | "From" | "Call-ID" | "CSeq" | "Record-Route" => {
                    text.push_str(&format!("{name}: {value}\r\n"));
                }
                "To" if value.contains(";tag=") => text.push_str(&format!("To: {value}\r\n")),
                "To" => text.push_str(&format!("To: {value};tag={tag}\r\n")),
                _ => {}
            }
        }
        text.push_str(&format!("Contact: <sip:{}>\r\n{extra}", self.address));
        self.send(&with_body(text, body));
    }

    /// A request in the dialog of an INVITE that this phone got and answered with `tag`.
    pub(crate) fn request_back(
        &self,
        invite: &Msg,
        tag: &str,
        method: &str,
        cseq: u32,
        extra: &str,
        body: Option<&str>,
    ) {
        let target = between(&invite.header("Contact"), "<", ">");
        let text = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {};branch=z9hG4bK{};rport\r\n\
             Max-Forwards: 70\r\nFrom: {};tag={tag}\r\nTo: {}\r\nCall-ID: {}\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:{}>\r\n{extra}",
            self.address,
            fresh("b"),
            invite.header("To"),
            invite.header("From"),
            invite.header("Call-ID"),
            self.address
        );
        self.send(&with_body(text, body));
    }
}

impl Line<'_> {
    pub(crate) fn send_invite(&self, extra: &str, body: Option<&str>) {
        let branch = fresh("z9hG4bKi");
        self.branch.replace(branch.clone());
        let text = self.head(
            "INVITE",
            &self.target.borrow(),
            self.cseq.get(),
            &branch,
            extra,
        );
        self.phone.send(&with_body(text, body));
    }

    fn head(&self, method: &str, uri: &str, cseq: u32, branch: &str, extra: &str) -> String {
        let to_tag = self.to_tag.borrow();
        let to_tag = if to_tag.is_empty() {
            String::new()
        } else {
            format!(";tag={to_tag}")
        };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {0};branch={branch};rport\r\n\
             Max-Forwards: 69\r\nFrom: \"Alice\" <sip:alice@atlanta.example>;tag={1}\r\n\
             To: <{2}>{to_tag}\r\nCall-ID: {3}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:alice@{0}>\r\n{extra}",
            self.phone.address, self.tag, self.uri, self.call_id
        )
    }

    /// Learns the dialog from a response.
    pub(crate) fn learn(&self, response: &Msg) {
        self.to_tag
            .replace(between(&(response.header("To") + ";"), ";tag=", ";"));
        if let Some(contact) = response.find("Contact") {
            self.target.replace(between(&contact, "<", ">"));
        }
    }

    /// The 2xx, acknowledged.
    #[track_caller]
    pub(crate) fn expect_answer(&self) -> Msg {
        let answer = self.phone.expect("SIP/2.0 200");
        self.learn(&answer);
        self.ack(None);
        answer
    }

    pub(crate) fn ack(&self, body: Option<&str>) {
        let branch = fresh("z9hG4bKa");
        let text = self.head("ACK", &self.target.borrow(), self.cseq.get(), &branch, "");
        self.phone.send(&with_body(text, body));
    }

    /// The ACK of an error goes the way of the INVITE.
    #[track_caller]
    pub(crate) fn expect_refusal(&self, start: &str) -> Msg {
        let refusal = self.phone.expect(start);
        self.learn(&refusal);
        let branch = self.branch.borrow().clone();
        let text = self.head("ACK", &self.target.borrow(), self.cseq.get(), &branch, "");
        self.phone.send(&with_body(text, None));
        refusal
    }

    pub(crate) fn cancel(&self) {
        let branch = self.branch.borrow().clone();
        self.to_tag.replace(String::new());
        let text = self.head("CANCEL", &self.uri, self.cseq.get(), &branch, "");
        self.phone.send(&with_body(text, None));
    }

    /// A new request in the dialog.
    pub(crate) fn request(&self, method: &str, extra: &str, body: Option<&str>) {
        self.cseq.set(self.cseq.get() + 1);
        let branch = fresh("z9hG4bKr");
        let text = self.head(
            method,
            &self.target.borrow(),
            self.cseq.get(),
            &branch,
            extra,
        );
        self.phone.send(&with_body(text, body));
    }

    pub(crate) fn reinvite(&self, body: Option<&str>) {
        self.cseq.set(self.cseq.get() + 1);
        self.send_invite("", body);
    }

    #[track_caller]
    pub(crate) fn hang_up(&self) {
        self.request("BYE", "", None);
        self.phone.expect("SIP/2.0 200");
    }

    /// The executor hangs up.
    #[track_caller]
    pub(crate) fn expect_bye(&self) -> Msg {
        let bye = self.phone.expect("BYE ");
        self.phone.reply(&bye, "200 OK", "", "", None);
        bye
    }
}

impl Msg {
    fn parse(raw: &str, at: Instant) -> Self {
        let (head, body) = raw.split_once("\r\n\r\n").unwrap();
        let mut lines = head.split("\r\n");
        let start = lines.next().unwrap().to_owned();
        let headers = lines
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        Self {
            raw: raw.to_owned(),
            start,
            headers,
            body: body.to_owned(),
            at,
        }
    }

    pub(crate) fn find(&self, name: &str) -> Option<String> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.clone())
    }

    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> String {
        self.find(name)
            .unwrap_or_else(|| panic!("no {name} in:\n{}", self.raw))
    }
}

/// An offer with these formats on a port of nobody.
pub(crate) fn sdp(port: u16, formats: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio {port} RTP/AVP {formats}\r\na=rtpmap:101 telephone-event/8000\r\n"
    )
}

fn with_body(mut text: String, body: Option<&str>) -> String {
    if let Some(body) = body {
        if !text.contains("Content-Type:") {
            text.push_str("Content-Type: application/sdp\r\n");
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    } else {
        text.push_str("Content-Length: 0\r\n\r\n");
    }
    text
}

pub(crate) fn between(text: &str, start: &str, end: &str) -> String {
    let (_, rest) = text
        .split_once(start)
        .unwrap_or_else(|| panic!("no {start} in {text}"));
    rest.split_once(end)
        .unwrap_or_else(|| panic!("no {end} in {rest}"))
        .0
        .to_owned()
}

/// What both clocks say at one moment: nothing came between the two looks.
fn both_clocks() -> (Instant, SystemTime) {
    loop {
        let looks = (Instant::now(), SystemTime::now());
        if looks.0.elapsed() < Duration::from_millis(1) {
            return looks;
        }
    }
}
