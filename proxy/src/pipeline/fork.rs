//! Several branches at a time (RFC 3261 §16.6, §16.7): all places where a user is ring at once.
//!
//! The branches of a fork are those of any exchange, so what becomes of them is decided where it
//! always is: the first 2xx and every 6xx cancel the others, and the best of the rest goes upstream
//! when the last of them has its answer. All are made before the first is sent, since one that fails
//! at once must find the others. Places beyond the breadth that the request may grow to are tried one
//! after another, each when one of those before it has failed, so that no more are tried at a time.

use std::collections::VecDeque;

use sip::{HeaderName, Instant, Method, Request};

use super::{Branch, Core};
use crate::best::{Answer, Given};
use crate::exchange::{AIMS_MAX, Exchange, Key};
use crate::onward::dress;
use crate::refusal::{self, Refusal};
use crate::router::{Aim, Aims};

/// Whether `aims` are tried all at once: the places of a called user are. Other requests than INVITE
/// cannot be cancelled, so their aims are tried in order.
pub(super) fn is_fork(exchange: &Exchange, aims: &Aims) -> bool {
    let is_phone = |aim: &Aim| aim.phone.is_some();
    exchange.method == Method::Invite && aims.len() > 1 && aims.iter().all(is_phone)
}

impl Core {
    /// Sends `request` to all `aims`.
    pub(super) fn fork(&mut self, key: Key, mut request: Request, aims: Aims, now: Instant) {
        let mut aims = aims.into_iter().take(AIMS_MAX);
        let width = aims.len();
        let width = match share_breadth(&mut request, width) {
            Ok(0) => {
                let refusal = Refusal::new(440, "Max-Breadth Exceeded", "breadth");
                return self.answer(key, &refusal, None, now);
            }
            Ok(width) => width,
            Err(_) => return self.answer(key, &refusal::too_large(), None, now),
        };
        let mut dressed = Vec::with_capacity(width);
        for aim in aims.by_ref().take(width) {
            let Some(exchange) = self.exchanges.get_mut(key) else {
                return;
            };
            let mut copy = request.clone();
            let arrival = &mut exchange.arrival;
            match dress(&mut copy, &aim, arrival, &self.observer, &self.counters) {
                Ok(wanted) => {
                    dressed.push((exchange.branches.len(), copy, wanted));
                    exchange.branches.push(Branch::new(aim));
                }
                Err(status) => exchange.answers.push(Answer {
                    branch: None,
                    given: Given::Local(status),
                }),
            }
        }
        let rest: VecDeque<Aim> = aims.collect();
        if let Some(exchange) = self.exchanges.get_mut(key)
            && !rest.is_empty()
        {
            exchange.aims = rest;
            exchange.request = Some(Box::new(request));
        }
        for (index, copy, wanted) in dressed {
            self.locate(key, index, copy, wanted, now);
        }
        // Nothing could be sent, or all of it has failed.
        let pending = |exchange: &mut Exchange| exchange.is_pending();
        if !self.exchanges.get_mut(key).is_some_and(pending) {
            self.try_next(key, now);
        }
    }
}

/// Shares the breadth that `request` may still grow to among `width` branches (RFC 5393 §5.3.3), and
/// says how many of them it is enough for.
fn share_breadth(request: &mut Request, width: usize) -> Result<usize, sip::EditError> {
    let headers = &mut request.headers;
    let told = headers.first(HeaderName::MaxBreadth).and_then(sip::number);
    let breadth = told.map_or(BREADTH, |told| told as usize);
    let width = width.min(breadth);
    if let Some(share) = breadth.checked_div(width) {
        headers.set(b"Max-Breadth", share.to_string().as_bytes())?;
    }
    Ok(width)
}

/// The breadth of a request that tells none (RFC 5393 §5.3.3.2).
const BREADTH: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn breadth_is_shared() {
        for (told, width, branches, share) in [
            (None, 3, 3, "20"),
            (Some("60"), 7, 7, "8"),
            (Some("2"), 5, 2, "1"),
            (Some("0"), 5, 0, "0"),
        ] {
            let mut request = Request::new(b"INVITE", b"sip:a@b").unwrap();
            if let Some(told) = told {
                let headers = &mut request.headers;
                headers.append(b"Max-Breadth", told.as_bytes()).unwrap();
            }
            assert_eq!(share_breadth(&mut request, width), Ok(branches));
            let left = request.headers.first(HeaderName::MaxBreadth);
            assert_eq!(left, Some(share.as_bytes()), "{told:?}");
        }
    }
}
