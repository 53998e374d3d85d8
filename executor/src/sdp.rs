//! Session descriptions: offers and answers of one audio stream (RFC 8866, RFC 3264).
//!
//! Every leg talks to a port of ours: [`Negotiation`] makes the offers and answers of one dialog
//! and says what both sides have agreed on. [`Description`] is what the other end wrote, read once.
//! Of the streams of an offer the first one that we can take part in is taken, the others are
//! refused. SRTP is answered where it is offered (`RTP/SAVP` with the keys of RFC 4568), and
//! offered where the leg is told to be secure. [`Recording`] describes the streams of a recording
//! session, which are many and only sent.

mod crypto;
mod description;
mod format;
mod negotiate;
mod recording;
mod write;

#[cfg(test)]
mod tests;

pub(crate) use self::description::Description;
pub(crate) use self::negotiate::{Agreed, Negotiation, Ours};
pub(crate) use self::recording::Recording;

use std::net::IpAddr;

/// What our side of a session is called: the `o=` line.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) id: u64,
    pub(crate) version: u64,
    pub(crate) address: IpAddr,
}

/// Which way the media of a stream flow, as its writer sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    Both,
    Inactive,
    Receive,
    Send,
}

impl Direction {
    fn of(attribute: &str) -> Option<Self> {
        Some(match attribute {
            "sendrecv" => Self::Both,
            "sendonly" => Self::Send,
            "recvonly" => Self::Receive,
            "inactive" => Self::Inactive,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Both => "sendrecv",
            Self::Send => "sendonly",
            Self::Receive => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// The same as the other end sees it (RFC 3264 §6.1).
    fn mirrored(self) -> Self {
        match self {
            Self::Send => Self::Receive,
            Self::Receive => Self::Send,
            same => same,
        }
    }

    /// Whether its writer wants to receive.
    fn receives(self) -> bool {
        matches!(self, Self::Both | Self::Receive)
    }

    /// Whether its writer sends.
    fn sends(self) -> bool {
        matches!(self, Self::Both | Self::Send)
    }
}
