//! Connections to workers: frames are parsed where they are read, and go to the owner of their call.

use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use sip::frame::FrameError;
use sip::{HeaderName, Method, Reply};
use transport::{ConnectionId, Flow, SendFailure, StreamEvents};

use crate::config::Settings;
use crate::counters::{Counters, count};
use crate::owners::{Inbound, Owners};
use crate::registrar::Registrar;
use crate::worker::token_worker;

/// What connections report to.
pub(crate) struct StreamFront {
    /// The owners of calls.
    pub owners: Owners,
    /// The configuration in force.
    pub settings: Arc<ArcSwap<Settings>>,
    /// What is counted outside the workers.
    pub counters: Arc<Counters>,
    /// Who is reached by a connection.
    pub registrar: Arc<Registrar>,
}

impl StreamFront {
    fn hand(&self, worker: usize, inbound: Inbound) {
        if !self.owners.hand(worker, inbound) {
            count(&self.counters.handovers_lost);
        }
    }
}

impl StreamEvents for StreamFront {
    fn message(&self, flow: Flow, bytes: Bytes) {
        let settings = self.settings.load();
        match sip::parse(bytes.clone(), &settings.plan.message_limits) {
            Ok(message) => {
                let owner = self.owners.owner(&message);
                self.hand(owner, Inbound::Message(flow, message));
            }
            Err(error) => self.hand(0, Inbound::Malformed(flow, bytes, error)),
        }
    }

    fn malformed(&self, flow: Flow, error: FrameError) -> Option<Bytes> {
        count(&self.counters.parse_errors);
        tracing::debug!(remote = %flow.remote, error = error.error.label(), "a stream lost its framing");
        let settings = self.settings.load();
        let request = sip::salvage(error.head, &settings.plan.message_limits)?;
        if request.method() == Method::Ack || request.headers.first(HeaderName::Via).is_none() {
            return None;
        }
        let (status, reason) = error.error.status();
        let tag = crate::loops::hex(settings.plan.loop_hash.tag_of(&request));
        Some(
            Reply::new(&request, status, reason)
                .to_tag(&tag)
                .build()
                .to_bytes(),
        )
    }

    fn sent(&self, token: u64, _flow: Flow) {
        if token != 0 {
            self.hand(token_worker(token), Inbound::Sent(token));
        }
    }

    fn is_wanted(&self, id: ConnectionId) -> bool {
        self.registrar.reaches_by(id)
    }

    fn closed(&self, id: ConnectionId) {
        self.registrar.closed(id);
    }

    fn send_failed(&self, token: u64, error: SendFailure) {
        tracing::debug!(?error, "a message was not sent");
        if token != 0 {
            self.hand(token_worker(token), Inbound::Failed(token));
        }
    }

    fn exempt(&self, remote: std::net::SocketAddr) -> bool {
        self.settings
            .load()
            .trunk_sources
            .iter()
            .any(|network| network.contains(remote))
    }
}
