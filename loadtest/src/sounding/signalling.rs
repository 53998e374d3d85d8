use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::peer::sdp;
use crate::{Draft, Message, Peer};

/// How long an INVITE may go unanswered before it is sent again.
const REPEAT: Duration = Duration::from_secs(2);

/// How long one turn listens.
const TURN: Duration = Duration::from_millis(2);

/// Messages taken in one turn.
const MESSAGES: usize = 64;

/// Many telephones behind one socket.
pub(super) struct Caller {
    peer: Peer,
    proxy: SocketAddr,
    media: SocketAddr,
    calls: HashMap<String, Call>,
    answered: usize,
    refused: usize,
    ended: usize,
    gone: Vec<SocketAddr>,
}

struct Call {
    invite: Draft,
    sent: Instant,
    progress: Progress,
}

enum Progress {
    /// Nothing was heard yet.
    Sent,
    Ringing,
    /// With the ACK to repeat, and where its sound comes from.
    Talking(String, SocketAddr),
}

impl Caller {
    pub(super) fn new(proxy: SocketAddr, media: SocketAddr) -> Self {
        Self {
            peer: Peer::bind(),
            proxy,
            media,
            calls: HashMap::new(),
            answered: 0,
            refused: 0,
            ended: 0,
            gone: Vec::new(),
        }
    }

    pub(super) fn answered(&self) -> usize {
        self.answered
    }

    pub(super) fn refused(&self) -> usize {
        self.refused
    }

    /// Those that the executor ended, and those that it refused.
    pub(super) fn ended(&self) -> usize {
        self.ended + self.refused
    }

    pub(super) fn talking(&self) -> usize {
        self.answered - self.ended
    }

    pub(super) fn take_ended(&mut self) -> Vec<SocketAddr> {
        std::mem::take(&mut self.gone)
    }

    pub(super) fn call(&mut self, domain: &str) {
        let uri = format!("sip:load@{domain}");
        let invite = Draft::new("INVITE", &uri, &self.peer).body(&sdp(self.media));
        self.peer.send(self.proxy, invite.text());
        let call = Call {
            sent: Instant::now(),
            progress: Progress::Sent,
            invite,
        };
        self.calls.insert(call.invite.value("Call-ID"), call);
    }

    /// Takes what came for a moment, and gives where the sound of calls that began is exchanged.
    pub(super) fn turn(&mut self) -> Vec<SocketAddr> {
        let mut begun = Vec::new();
        let mut wait = TURN;
        for _ in 0..MESSAGES {
            let Some((message, from)) = self.peer.receive_from(wait) else {
                break;
            };
            wait = Duration::ZERO;
            begun.extend(self.take(&message, from));
        }
        for call in self.calls.values_mut() {
            if matches!(call.progress, Progress::Sent) && call.sent.elapsed() > REPEAT {
                call.sent = Instant::now();
                self.peer.send(self.proxy, call.invite.text());
            }
        }
        begun
    }

    fn take(&mut self, message: &Message, from: SocketAddr) -> Option<SocketAddr> {
        if message.method() == Some("BYE") {
            self.peer.answer(message, from, 200, &[], "");
            let call = self.calls.remove(message.need("Call-ID"))?;
            if let Progress::Talking(_, media) = call.progress {
                self.ended += 1;
                self.gone.push(media);
            }
            return None;
        }
        let call = self.calls.get_mut(message.header("Call-ID")?)?;
        match (message.status()?, &call.progress) {
            (200, Progress::Talking(ack, _)) => {
                self.peer.send(self.proxy, ack);
                None
            }
            (200, _) => {
                let ack = call.invite.within("ACK", 1, message).text();
                self.peer.send(self.proxy, &ack);
                let media = media(&message.body)?;
                call.progress = Progress::Talking(ack, media);
                self.answered += 1;
                Some(media)
            }
            (100..200, _) => {
                call.progress = Progress::Ringing;
                None
            }
            _ => {
                self.peer.send(self.proxy, call.invite.ack(message).text());
                let id = call.invite.value("Call-ID");
                self.calls.remove(&id);
                self.refused += 1;
                None
            }
        }
    }
}

/// Where a description wants its sound.
pub(super) fn media(sdp: &str) -> Option<SocketAddr> {
    let find = |start: &str| sdp.lines().find_map(|line| line.strip_prefix(start));
    let address = find("c=IN IP4 ")?.trim();
    let port = find("m=audio ")?.split(' ').next()?;
    format!("{address}:{port}").parse().ok()
}
