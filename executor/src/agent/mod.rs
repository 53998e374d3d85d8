//! The user agent: SIP on one side, runs on the other.
//!
//! One [`Agent`] on one thread owns all calls; nothing is shared and nothing is locked. Whatever
//! happens, a datagram, a webhook's reply, a key, a timer, is taken one at a time and worked off to
//! its end before the next.
//!
//! ```text
//!   wire ──► Agent::message ──► sip::Layer ──► Call::request / responded ─┐
//!   mailbox (webhooks, media, connections) ──────────► Call::fetched … ───┼─► Run::step ─► actions
//!   wheel ──► Agent::event ─────────────────────────► Call::timer ────────┘        │
//!   wire ◄── Agent::flush ◄── sip::Layer, outbox ◄──────────────────────────────────┘
//! ```
//!
//! `receive` leads messages to their calls; `call` does what a run wants; `inbound` makes calls,
//! `indialog` and `responses` take what comes for them; `dial`, `calling` and `callee` are the legs
//! of a `<Dial>`, `hears` connects them, `tape` records them, `transfer` passes them on; `stays` are
//! conferences and queues; `siprec` and `recorder` are the legs to recording servers; `transcription`
//! is the text of a recording; `leg` is what all legs have in common; `core` is what all calls share.

mod body;
mod call;
mod callee;
mod calling;
mod core;
mod dial;
mod hears;
mod inbound;
mod indialog;
mod journal;
mod leg;
mod media;
mod modify;
mod path;
mod random;
mod receive;
mod recorder;
mod refer;
mod reliable;
mod responses;
mod ring_tone;
mod script;
mod siprec;
mod stays;
mod stream;
mod tape;
mod text;
mod timer;
mod transcription;
mod transfer;
mod wire;

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ::media::RecordEnd;
use bytes::Bytes;
use sip::{Event as LayerEvent, Instant};
use tokio::sync::mpsc;
use transport::Flow;

use crate::Sid;
use crate::media::MediaEvent;
use crate::run::Event;
use crate::webhook::{FetchError, FetchId, Reply as WebhookReply};

use self::call::{CALLER, Call};
use self::timer::{Due, Timer};

pub(crate) use self::core::Core;
pub(crate) use self::journal::Journal;
pub(crate) use self::path::{Names, Path};
pub(crate) use self::random::Random;
pub(crate) use self::timer::Timers;
pub(crate) use self::wire::Wire;

/// The number of a call; never used twice.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct CallKey(u64);

/// The number of a leg of a call; 0 is the caller's.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct LegKey {
    call: CallKey,
    leg: u32,
}

impl LegKey {
    /// The media of legs with the same number are worked on by one thread.
    pub(crate) fn affinity(self) -> u64 {
        self.call.0
    }
}

/// What tasks and connections tell the agent.
#[derive(Debug)]
pub(crate) enum Mail {
    /// A webhook answered, or did not.
    Fetched(LegKey, FetchId, Box<Result<WebhookReply, FetchError>>),
    /// The recording of a conference is over.
    Hall(Sid, Box<RecordEnd>),
    /// Something happened in the media of a leg.
    Media(LegKey, MediaEvent),
    /// A message came over a connection.
    Message(Flow, Bytes),
    /// A message was written to a connection, or was not.
    Sent(u64, bool),
}

/// The user agent.
pub(crate) struct Agent {
    pub(crate) core: Core,
    wire: Wire,
    calls: HashMap<CallKey, Call>,
    last_call: u64,
    draining: bool,
    stop: Option<Timer>,
    hung_up: bool,
    stopped: bool,
    began: std::time::Instant,
}

impl Agent {
    pub(crate) fn new(core: Core, wire: Wire) -> Self {
        Self {
            core,
            wire,
            calls: HashMap::new(),
            last_call: 0,
            draining: false,
            stop: None,
            hung_up: false,
            stopped: false,
            began: std::time::Instant::now(),
        }
    }

    /// Works until the shutdown, and then until the calls are over or `drain` has passed.
    pub(crate) async fn run(
        mut self,
        mut mailbox: mpsc::Receiver<Mail>,
        mut media: mpsc::Receiver<Mail>,
        shutdown: impl Future<Output = ()>,
    ) {
        let mut shutdown = std::pin::pin!(shutdown);
        while !self.is_done() {
            self.clock();
            let deadline = self.core.layer.next_deadline();
            let pause = deadline.map_or(IDLE, |at| at - self.core.now);
            // Nobody says when the last callback has been made.
            let pause = match self.draining {
                true => pause.min(LOOK),
                false => pause,
            };
            tokio::select! {
                mail = mailbox.recv() => self.mails(mail, &mut mailbox),
                mail = media.recv() => self.mails(mail, &mut media),
                () = self.wire.readable() => {
                    self.clock();
                    for (flow, wire) in self.wire.receive() {
                        self.message(flow, wire);
                    }
                }
                () = tokio::time::sleep(pause) => self.clock(),
                () = &mut shutdown, if !self.draining => {
                    self.clock();
                    self.drain();
                }
            }
            let now = self.core.now;
            self.core.layer.tick(now);
            self.settle();
        }
        self.wire.streams().close_all();
    }

    fn clock(&mut self) {
        let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.core.now = Instant::from_micros(micros);
    }

    /// Stops taking calls; those that go on have `drain` to end.
    fn drain(&mut self) {
        self.draining = true;
        self.stop = Some(self.core.start_timer(self.core.settings.drain, Due::Stop));
    }

    /// Whether the shutdown is complete: no call and nothing to be told, or no time, is left.
    fn is_done(&self) -> bool {
        let is_idle = || self.calls.is_empty() && !self.core.gauges.is_telling();
        self.stopped || (self.draining && is_idle())
    }

    /// Takes a mail, and some of those behind it.
    fn mails(&mut self, first: Option<Mail>, mailbox: &mut mpsc::Receiver<Mail>) {
        self.clock();
        if let Some(mail) = first {
            self.mail(mail);
        }
        for _ in 1..MAIL_BATCH {
            let Ok(mail) = mailbox.try_recv() else { break };
            self.mail(mail);
        }
    }

    fn mail(&mut self, mail: Mail) {
        match mail {
            Mail::Fetched(leg, id, result) => {
                self.with_call(leg.call, |call, _| call.fetched(leg.leg, id, result));
            }
            Mail::Hall(sid, end) => {
                self.core.hall_recorded(sid, &end);
                self.run_errands();
            }
            Mail::Media(leg, event) => {
                self.with_call(leg.call, |call, core| call.media(core, leg.leg, event));
            }
            Mail::Message(flow, wire) => self.message(flow, wire),
            Mail::Sent(token, sent) => {
                let transaction = self.wire.sent(token);
                if let (Some(transaction), false) = (transaction, sent) {
                    let now = self.core.now;
                    self.core.layer.transport_error(transaction, now);
                }
            }
        }
        self.settle();
    }

    /// Works on a call, lets its runs take what happened, and drops it when it is over.
    fn with_call(&mut self, key: CallKey, work: impl FnOnce(&mut Call, &mut Core)) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        work(call, &mut self.core);
        call.pump(&mut self.core);
        if call.is_over() {
            self.calls.remove(&key);
        }
        self.run_errands();
    }

    /// Takes all that the transactions have to say, and sends what is to be sent.
    fn settle(&mut self) {
        loop {
            while let Some(event) = self.core.layer.poll() {
                self.event(event);
            }
            if self.core.outbox.is_empty() {
                break;
            }
            for (path, wire) in std::mem::take(&mut self.core.outbox) {
                self.wire.send(&path, wire, None);
            }
        }
        self.core.timers.sweep(&mut self.core.layer);
        let live = self.core.layer.counters().live;
        let gauges = &self.core.gauges;
        gauges.transactions.store(live, Ordering::Relaxed);
        gauges
            .timers
            .store(self.core.timers.len(), Ordering::Relaxed);
    }

    fn event(&mut self, event: LayerEvent<Path>) {
        let now = self.core.now;
        match event {
            LayerEvent::Send {
                peer,
                wire,
                transaction,
            } => {
                // ACKs that were put aside before this message go before it.
                for (path, ack) in std::mem::take(&mut self.core.outbox) {
                    self.wire.send(&path, ack, None);
                }
                if !self.wire.send(&peer, wire, Some(transaction)) {
                    self.core.layer.transport_error(transaction, now);
                }
            }
            LayerEvent::ClientTimeout(client) => self.failed(client, 408),
            LayerEvent::ClientTransportError(client) => self.failed(client, 503),
            LayerEvent::Ended(transaction) => {
                let leg = match transaction {
                    sip::TransactionId::Client(id) => {
                        self.core.clients.get(&id).map(|sent| sent.leg)
                    }
                    sip::TransactionId::Server(id) => self.core.servers.get(&id).copied(),
                };
                self.core.forget(transaction);
                if let Some(leg) = leg {
                    self.with_call(leg.call, |call, core| {
                        call.ended(core, leg.leg, transaction)
                    });
                }
            }
            LayerEvent::Timer(token) => {
                if let Some(due) = self.core.timers.fire(&mut self.core.layer, token) {
                    self.timer(due);
                }
            }
            // The ACK of an error, or that it never came, changes nothing for a user agent; what
            // takes long is answered before a 100 is due.
            LayerEvent::ServerAcked(_)
            | LayerEvent::ServerTimeout(_)
            | LayerEvent::ServerTransportError(_)
            | LayerEvent::TryingDue(_) => {}
        }
    }

    fn failed(&mut self, client: sip::ClientId, status: u16) {
        if let Some(sent) = self.core.clients.get(&client).copied() {
            self.with_call(sent.leg.call, |call, core| {
                call.failed(core, client, sent, status)
            });
        }
    }

    fn timer(&mut self, due: Due) {
        match due {
            Due::Answer(leg) | Due::Provisional(leg) | Due::Ring(leg) | Due::Run(leg, _) => {
                self.with_call(leg.call, |call, core| call.timer(core, due));
            }
            Due::Stop if !self.hung_up => {
                self.hung_up = true;
                self.core.transcriptions.give_up();
                let keys: Vec<_> = self.calls.keys().copied().collect();
                for key in keys {
                    self.with_call(key, |call, _| call.tell(CALLER, Event::HangUp));
                }
                self.stop = Some(self.core.start_timer(FAREWELL, Due::Stop));
            }
            Due::Stop => self.stopped = true,
        }
    }
}

/// How long to sleep when there is nothing to wait for.
const IDLE: Duration = Duration::from_secs(60);

/// How often is looked for the end of a drain.
const LOOK: Duration = Duration::from_millis(50);

/// Mails that are taken before the sockets get their turn.
const MAIL_BATCH: usize = 64;

/// After the calls were hung up: how long their BYEs may take.
const FAREWELL: Duration = Duration::from_secs(2);
