//! A media thread.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;

use mio::{Events, Poll, Token, Waker};

use crate::SessionId;
use crate::inbox::Popped;
use crate::leg::Leg;
use crate::link::{Links, Mail};

pub(crate) struct Worker {
    number: usize,
    poll: Poll,
    links: Arc<Links>,
    legs: HashMap<SessionId, Box<Leg>>,
}

pub(crate) fn polls() -> io::Result<(Poll, Waker)> {
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), Token(usize::MAX))?;
    Ok((poll, waker))
}

impl Worker {
    pub(crate) fn new(number: usize, poll: Poll, links: Arc<Links>) -> Self {
        Self {
            number,
            poll,
            links,
            legs: HashMap::new(),
        }
    }

    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(64);
        let mut mail = VecDeque::new();
        while !self.links.is_stopped() {
            if self.poll.poll(&mut events, None).is_err() {
                continue;
            }
            self.links.take(self.number, &mut mail);
            for mail in mail.drain(..) {
                match mail {
                    Mail::Adopt(leg, _) => {
                        self.legs.insert(leg.shared.id, leg);
                    }
                    Mail::Ready(id) => {
                        while let Some(leg) = self.legs.get(&id) {
                            match leg.shared.inbox.pop() {
                                Popped::Command(_) => {}
                                Popped::Closed => drop(self.legs.remove(&id)),
                                Popped::Nothing => break,
                            }
                        }
                    }
                    Mail::Give { .. } | Mail::Room(..) | Mail::RoomReady(_) => {}
                }
            }
        }
    }
}
