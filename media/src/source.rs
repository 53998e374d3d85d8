//! Who may send to a session.
//!
//! A peer behind NAT sends from another address than its description names, so the address is
//! learnt (RFC 4961). Whoever knows the port could send as well, and would get the call's sound, so
//! what is learnt is kept:
//!
//! - a packet from the very address that was named is believed at once;
//! - one from its host, but another port, must be followed by a second of the same stream;
//! - one from elsewhere must be followed by more, and nothing may come from where it was expected;
//! - once an address is learnt, others are refused, until it has been silent for [`FORGET`] ticks:
//!   then its host, or the host that was named, may go on from another port.

use std::net::SocketAddr;

/// Decides which packets are the peer's.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    named: Option<SocketAddr>,
    symmetric: bool,
    learnt: Option<SocketAddr>,
    heard: u64,
    candidate: Option<Candidate>,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    from: SocketAddr,
    ssrc: u32,
    sequence: u16,
    count: u32,
}

impl Gate {
    /// The peer has said where it is. What was learnt is kept if that is where it was.
    pub(crate) fn name(&mut self, address: Option<SocketAddr>, symmetric: bool) {
        if self.named != address || self.symmetric != symmetric {
            *self = Self {
                named: address,
                symmetric,
                ..Self::default()
            };
        }
    }

    /// Where to send.
    pub(crate) fn target(&self) -> Option<SocketAddr> {
        let named = self.named?;
        Some(self.learnt.filter(|_| self.symmetric).unwrap_or(named))
    }

    /// Whether a host is the peer's, as far as is known: for RTCP.
    pub(crate) fn knows(&self, from: SocketAddr) -> bool {
        let same = |address: Option<SocketAddr>| address.is_some_and(|it| it.ip() == from.ip());
        same(self.learnt.or(self.named))
    }

    /// Whether a packet is the peer's. `now` counts ticks.
    pub(crate) fn admit(&mut self, from: SocketAddr, ssrc: u32, sequence: u16, now: u64) -> bool {
        let Some(named) = self.named else {
            return false;
        };
        if self.learnt == Some(from) {
            self.heard = now;
            return true;
        }
        if !self.symmetric {
            // The port that it sends from need not be the one it receives at.
            return from.ip() == named.ip();
        }
        let needed = match self.learnt {
            Some(learnt) => {
                let known = from.ip() == learnt.ip() || from.ip() == named.ip();
                if !known || now.saturating_sub(self.heard) < FORGET {
                    return false;
                }
                NEAR
            }
            None if from == named => 1,
            None if from.ip() == named.ip() => NEAR,
            None => FAR,
        };
        if self.follows(from, ssrc, sequence) < needed {
            return false;
        }
        self.learnt = Some(from);
        self.heard = now;
        self.candidate = None;
        true
    }

    /// How many packets in a row this one is of an address that is not believed yet.
    fn follows(&mut self, from: SocketAddr, ssrc: u32, sequence: u16) -> u32 {
        let count = match self.candidate {
            Some(last)
                if last.from == from
                    && last.ssrc == ssrc
                    && (1..=DROPOUT).contains(&sequence.wrapping_sub(last.sequence)) =>
            {
                last.count + 1
            }
            // A row that has begun nearby is not broken by a stranger.
            Some(last) if self.is_nearer(last.from, from) => return 0,
            _ => 1,
        };
        self.candidate = Some(Candidate {
            from,
            ssrc,
            sequence,
            count,
        });
        count
    }

    fn is_nearer(&self, one: SocketAddr, other: SocketAddr) -> bool {
        let near = |address: SocketAddr| self.named.is_some_and(|it| it.ip() == address.ip());
        near(one) && !near(other)
    }
}

/// Ticks of silence after which another port may go on: two seconds.
pub(crate) const FORGET: u64 = 100;

/// Packets in a row from the host that was named (RFC 3550 §A.1: `MIN_SEQUENTIAL`).
const NEAR: u32 = 2;

/// Packets in a row from any other host.
const FAR: u32 = 5;

/// How far apart two packets in a row may be.
const DROPOUT: u16 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn gate(named: &str) -> Gate {
        let mut gate = Gate::default();
        gate.name(Some(at(named)), true);
        gate
    }

    #[test]
    fn where_it_was_named_at_once() {
        let mut gate = gate("192.0.2.1:4000");
        assert!(gate.admit(at("192.0.2.1:4000"), 1, 1, 0));
        assert_eq!(gate.target(), Some(at("192.0.2.1:4000")));
        assert!(!gate.admit(at("198.51.100.9:4000"), 2, 1, 0), "a stray");
        assert!(!gate.admit(at("192.0.2.1:4002"), 2, 1, 0), "another port");
    }

    #[test]
    fn behind_nat_after_a_few() {
        let mut gate = gate("10.0.0.1:4000");
        for sequence in 0..4 {
            assert!(!gate.admit(at("192.0.2.7:61000"), 1, sequence, 0));
            assert_eq!(gate.target(), Some(at("10.0.0.1:4000")));
        }
        assert!(gate.admit(at("192.0.2.7:61000"), 1, 4, 0));
        assert_eq!(gate.target(), Some(at("192.0.2.7:61000")));
    }

    #[test]
    fn a_spray_does_not_win_against_the_peer() {
        let mut gate = gate("192.0.2.1:4000");
        assert!(!gate.admit(at("192.0.2.1:4444"), 1, 1, 0));
        for sequence in 0..20 {
            assert!(!gate.admit(at("198.51.100.9:9"), 6, sequence, 0));
        }
        assert!(gate.admit(at("192.0.2.1:4444"), 1, 2, 0));
        for now in 0..1000 {
            assert!(!gate.admit(at("198.51.100.9:9"), 6, now as u16, now));
        }
        assert_eq!(gate.target(), Some(at("192.0.2.1:4444")));
    }

    #[test]
    fn a_new_port_after_silence() {
        let mut gate = gate("192.0.2.1:4000");
        assert!(gate.admit(at("192.0.2.1:4000"), 1, 1, 10));
        assert!(!gate.admit(at("192.0.2.1:5000"), 1, 2, FORGET));
        assert!(!gate.admit(at("192.0.2.1:5000"), 1, 3, 10 + FORGET));
        assert!(gate.admit(at("192.0.2.1:5000"), 1, 4, 11 + FORGET));
        assert_eq!(gate.target(), Some(at("192.0.2.1:5000")));
    }

    #[test]
    fn the_same_description_again_keeps_what_was_learnt() {
        let mut gate = gate("10.0.0.1:4000");
        for sequence in 0..5 {
            gate.admit(at("192.0.2.7:61000"), 1, sequence, 0);
        }
        gate.name(Some(at("10.0.0.1:4000")), true);
        assert_eq!(gate.target(), Some(at("192.0.2.7:61000")));
        gate.name(Some(at("10.0.0.1:4002")), true);
        assert_eq!(gate.target(), Some(at("10.0.0.1:4002")));
        gate.name(None, true);
        assert_eq!(gate.target(), None);
        assert!(!gate.admit(at("10.0.0.1:4002"), 1, 1, 0));
    }

    #[test]
    fn not_symmetric() {
        let mut gate = Gate::default();
        gate.name(Some(at("192.0.2.1:4000")), false);
        assert!(gate.admit(at("192.0.2.1:5555"), 1, 1, 0));
        assert!(!gate.admit(at("192.0.2.2:4000"), 1, 1, 0));
        assert_eq!(gate.target(), Some(at("192.0.2.1:4000")));
    }
}
