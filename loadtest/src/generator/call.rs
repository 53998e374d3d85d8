use nix::sys::socket::SockaddrIn;

use super::config::Kind;
use super::seen::Method;

/// What of a call is timed from one side to the other. The first copy of each counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(super) enum Mark {
    Invite,
    Ringing,
    Answer,
    Refusal,
    Ack,
    Bye,
    ByeOk,
    Cancel,
    Inside,
    InsideOk,
    InsideAck,
    Register,
    RegisterOk,
    Options,
    OptionsOk,
    /// A copy, or what goes no further than the next hop: not timed.
    Nothing,
}

/// How many of them are timed.
pub(super) const MARKS: usize = Mark::Nothing as usize;

impl Mark {
    /// The names in a report; `inside` is what is sent inside dialogs.
    pub(super) fn names(inside: Method) -> [String; MARKS] {
        let inside = match inside {
            Method::Invite => "re-INVITE".to_owned(),
            other => format!("in-dialog {}", other.name()),
        };
        [
            "INVITE".to_owned(),
            "180".to_owned(),
            "200".to_owned(),
            "refusal".to_owned(),
            "ACK".to_owned(),
            "BYE".to_owned(),
            "BYE 200".to_owned(),
            "CANCEL".to_owned(),
            inside.clone(),
            format!("{inside} 200"),
            format!("{inside} ACK"),
            "REGISTER".to_owned(),
            "REGISTER 200".to_owned(),
            "OPTIONS".to_owned(),
            "OPTIONS 200".to_owned(),
        ]
    }
}

/// Where the caller stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Caller {
    /// The first request is out and nobody has said anything.
    Calling,
    /// Somebody has.
    Proceeding,
    /// Answered; the next thing is due later or comes from the callee.
    Talking,
    /// A request inside the dialog is out.
    Asking,
    /// Its BYE is out.
    Closing,
    /// It has nothing more to say.
    Done,
}

/// What became of a CANCEL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cancelling {
    No,
    Sent,
    Answered,
}

/// Where the callee stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Callee {
    /// The last response to the INVITE: 0 for none.
    pub(super) status: u16,
    /// Its final response is acknowledged.
    pub(super) acknowledged: bool,
    /// The CSeq of the INVITE that began the call.
    pub(super) first: u32,
    /// The highest CSeq of the caller's requests.
    pub(super) sequence: u32,
    /// Its BYE is out.
    pub(super) closing: bool,
    /// A BYE was answered, by whomever.
    pub(super) ended: bool,
}

impl Callee {
    pub(super) fn is_done(self) -> bool {
        self.acknowledged && (self.ended || self.status >= 300)
    }
}

/// What a side has to know to send a request inside the dialog, in one piece of memory that later calls use again.
#[derive(Debug, Default)]
pub(super) struct Dialog {
    pub(super) text: Vec<u8>,
    ends: [usize; 4],
    count: usize,
}

impl Dialog {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.count = 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Ends the part that was appended to `text`.
    pub(super) fn end(&mut self) {
        self.ends[self.count] = self.text.len();
        self.count += 1;
    }

    fn part(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.text[start..self.ends[index]]
    }

    /// The peer's Contact.
    pub(super) fn uri(&self) -> &[u8] {
        self.part(0)
    }

    /// Route lines.
    pub(super) fn routes(&self) -> &[u8] {
        self.part(1)
    }

    /// The value of To of our requests.
    pub(super) fn remote(&self) -> &[u8] {
        self.part(2)
    }

    /// The value of From of our requests.
    pub(super) fn local(&self) -> &[u8] {
        self.part(3)
    }
}

/// A call in progress, both sides of it.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) number: u32,
    pub(super) live: bool,
    pub(super) kind: Kind,
    pub(super) flow: u16,
    /// Its intended time is in the measured window.
    pub(super) measured: bool,
    pub(super) caller: Caller,
    pub(super) cancelling: Cancelling,
    pub(super) callee: Callee,
    /// The caller's last CSeq.
    pub(super) sequence: u32,
    /// What the caller waits for an answer to, inside the dialog.
    pub(super) asked: Method,
    /// It was answered with 1xx.
    pub(super) heard: bool,
    /// It has been answered as such a call should not be.
    pub(super) spoiled: bool,
    /// Requests inside the dialog that are still to be sent.
    pub(super) left: u16,
    pub(super) intended: u64,
    /// When each was sent, until it arrives; 0 when it is not under way.
    pub(super) sent: [u64; MARKS],
    pub(super) caller_dialog: Dialog,
    pub(super) callee_dialog: Dialog,
    /// What the callee's responses to the INVITE repeat.
    pub(super) echo: Vec<u8>,
    /// The Call-ID's value.
    pub(super) call_id: Vec<u8>,
    /// Where the callee's messages go.
    pub(super) back: SockaddrIn,
}

impl Call {
    pub(super) fn new() -> Self {
        Self {
            number: 0,
            live: false,
            kind: Kind::Call,
            flow: 0,
            measured: false,
            caller: Caller::Done,
            cancelling: Cancelling::No,
            callee: Callee::default(),
            sequence: 1,
            asked: Method::Invite,
            heard: false,
            spoiled: false,
            left: 0,
            intended: 0,
            sent: [0; MARKS],
            caller_dialog: Dialog::default(),
            callee_dialog: Dialog::default(),
            echo: Vec::new(),
            call_id: Vec::new(),
            back: SockaddrIn::new(127, 0, 0, 1, 0),
        }
    }

    /// Begins another one in the memory of one that is over.
    pub(super) fn renew(&mut self, number: u32, kind: Kind) {
        let mut fresh = Self::new();
        fresh.number = number;
        fresh.live = true;
        fresh.kind = kind;
        for (new, old) in [
            (&mut fresh.echo, &mut self.echo),
            (&mut fresh.call_id, &mut self.call_id),
            (&mut fresh.caller_dialog.text, &mut self.caller_dialog.text),
            (&mut fresh.callee_dialog.text, &mut self.callee_dialog.text),
        ] {
            old.clear();
            std::mem::swap(new, old);
        }
        *self = fresh;
    }
}
