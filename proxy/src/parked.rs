//! An exchange for which nothing is left but to wait, in a quarter of its room.
//!
//! Most of an [`Exchange`] is about what may be tried next. Where nothing is left to be tried, a call
//! that rings needs what answers it, and a call that is over what a late 2xx runs through (RFC 6026
//! §8.3): both wait for half a minute or more, so that is how they are kept.

use std::collections::VecDeque;
use std::sync::Arc;

use filters::{AtRest, Chain, Source, Target, Trust};
use sip::{ClientId, Essence, Instant, Method, ServerId, TimerKey};
use smallvec::SmallVec;
use transport::ListenerId;

use crate::exchange::{Arrival, Branch, Exchange};
use crate::forward::OwnRoute;
use crate::kept::Kept;
use crate::pipeline::Peer;
use crate::plan::{Plan, Reroute};
use crate::reach::Ends;
use crate::router::{Aim, Phone, Way};

/// What is left of an [`Exchange`] that is settled.
#[derive(Debug)]
pub(crate) struct Parked {
    plan: Arc<Plan>,
    chain: Arc<Chain>,
    cx: AtRest,
    ends: Ends,
    branches: SmallVec<[ParkedBranch; 1]>,
    /// `None` once the sender has its final response.
    live: Option<Box<Live>>,
    server: ServerId,
    attempts: u32,
    listener: ListenerId,
    /// The port that responses go to; all else of their way is that of the request.
    reply_port: u16,
    source_trust: Trust,
    method: Method,
    cancelled: bool,
    finished: bool,
}

/// What only an exchange without a final response needs.
#[derive(Debug)]
struct Live {
    kept: Kept,
    at: Instant,
    /// Of the last branch: no other one waits for anything.
    mark: u64,
    timer: Option<TimerKey>,
    essence: Option<Essence>,
}

/// A branch whose request is on its way, or has its final response.
#[derive(Debug)]
struct ParkedBranch {
    target: Target,
    chain: Option<Arc<Chain>>,
    phone: Option<Box<Phone>>,
    client: Option<ClientId>,
    attempt: u8,
    provisional: bool,
    expired: bool,
    done: bool,
    executor: bool,
}

impl Parked {
    /// Whether the sender has its final response, or will have none.
    pub(crate) const fn is_finished(&self) -> bool {
        self.finished
    }

    /// Client transactions that may still have something to say.
    pub(crate) const fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The transaction towards the sender.
    pub(crate) const fn server(&self) -> ServerId {
        self.server
    }

    /// The attempt of branch `index` by `client` can say nothing any more.
    pub(crate) fn end_attempt(&mut self, index: usize, client: ClientId) {
        self.attempts -= 1;
        if let Some(branch) = self.branches.get_mut(index) {
            branch.client.take_if(|held| *held == client);
        }
    }

    /// What is left of `exchange`, which is settled.
    pub(crate) fn of(mut exchange: Box<Exchange>) -> Self {
        debug_assert!(exchange.is_settled());
        let last = exchange.branches.last_mut();
        let (mark, timer, essence) = last.map_or((0, None, None), |branch| {
            (branch.mark, branch.timer, branch.essence.take())
        });
        // Taken apart where it stands: it is large.
        Self {
            ends: Ends::of(&exchange.arrival.flow),
            source_trust: exchange.arrival.cx.source.trust,
            listener: exchange.arrival.listener,
            plan: exchange.arrival.plan,
            chain: exchange.arrival.chain,
            cx: exchange.arrival.cx.rest(),
            branches: exchange
                .branches
                .into_iter()
                .map(ParkedBranch::of)
                .collect(),
            live: match exchange.finished {
                true => None,
                false => Some(Box::new(Live {
                    kept: exchange.kept,
                    at: exchange.arrival.at,
                    mark,
                    timer,
                    essence,
                })),
            },
            server: exchange.server,
            attempts: exchange.attempts,
            reply_port: exchange.reply_to.destination.remote.port(),
            method: exchange.method,
            cancelled: exchange.cancelled,
            finished: exchange.finished,
        }
    }

    /// The exchange again. What it would send another request by is empty.
    pub(crate) fn wake(self) -> Exchange {
        let flow = self.ends.flow();
        let mut branches: SmallVec<[Branch; 1]> =
            self.branches.into_iter().map(ParkedBranch::wake).collect();
        let (kept, at) = match self.live {
            None => (Kept::default(), Instant::ZERO),
            Some(live) => {
                if let Some(last) = branches.last_mut() {
                    (last.mark, last.timer) = (live.mark, live.timer);
                    last.essence = live.essence;
                }
                (live.kept, live.at)
            }
        };
        // It is of this plan; only its name is asked for.
        let listener = self.plan.listener(self.listener);
        let source = Source {
            address: flow.remote,
            local: flow.local,
            transport: flow.transport,
            listener: listener.map_or_else(|| "".into(), |listener| listener.name.clone()),
            trust: self.source_trust,
        };
        let target = branches.last().map(|branch| &branch.aim.target);
        let mut destination = flow.reply();
        destination.remote.set_port(self.reply_port);
        Exchange {
            arrival: Arrival {
                cx: self.cx.wake(source, target),
                plan: self.plan,
                chain: self.chain,
                flow,
                listener: self.listener,
                own_route: OwnRoute::Absent,
                from_caller: false,
                loop_hash: 0,
                ruri: SmallVec::new(),
                at,
            },
            request: None,
            kept,
            method: self.method,
            caller_tag: 0,
            server: self.server,
            reply_to: Peer {
                destination,
                listener: flow.listener,
            },
            aims: VecDeque::new(),
            branches,
            answers: Vec::new(),
            attempts: self.attempts,
            cancelled: self.cancelled,
            finished: self.finished,
            waiting: None,
        }
    }
}

impl ParkedBranch {
    fn of(branch: Branch) -> Self {
        Self {
            target: branch.aim.target,
            chain: branch.aim.chain,
            phone: branch.aim.phone,
            client: branch.client,
            attempt: branch.attempt,
            provisional: branch.provisional,
            expired: branch.expired,
            done: branch.done,
            executor: branch.executor,
        }
    }

    fn wake(self) -> Branch {
        Branch {
            client: self.client,
            attempt: self.attempt,
            provisional: self.provisional,
            expired: self.expired,
            done: self.done,
            executor: self.executor,
            ..Branch::new(Aim {
                target: self.target,
                request_uri: None,
                way: Way::Nowhere,
                reroute: Reroute::Never,
                chain: self.chain,
                domain: None,
                phone: self.phone,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A call that waits for its end, and what a finished one leaves for half a minute.
    #[test]
    fn it_is_small() {
        assert!(size_of::<Parked>() <= 216, "{}", size_of::<Parked>());
        assert!(size_of::<Live>() <= 112, "{}", size_of::<Live>());
    }
}
