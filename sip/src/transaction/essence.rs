//! What is kept of an INVITE that is not sent again.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::{HeaderName, Request};

/// Those rows of an INVITE that its ACK and its CANCEL are made of (RFC 3261 §9.1, §17.1.1.3), as an
/// INVITE without a body: a third of it or less. For [`Layer::shorten`](crate::Layer::shorten).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Essence(pub(super) Bytes);

impl Essence {
    /// That of `invite` as it is sent.
    pub fn of(invite: &Request) -> Self {
        let headers = &invite.headers;
        let mut parts: SmallVec<[&[u8]; 16]> = SmallVec::new();
        let line = [invite.method_bytes(), b" ", invite.uri_bytes()];
        parts.extend(line);
        parts.push(b" SIP/2.0\r\n");
        let mut via = false;
        for row in headers.rows.iter() {
            let taken = match row.id {
                // The first one is ours, and no other is of use.
                HeaderName::Via => !std::mem::replace(&mut via, true),
                HeaderName::Route
                | HeaderName::From
                | HeaderName::To
                | HeaderName::CallId
                | HeaderName::CSeq => true,
                _ => false,
            };
            if taken {
                parts.push(headers.bytes_of(row.place, row.line));
            }
        }
        parts.push(b"\r\n");
        Self(Bytes::from(parts.concat()))
    }
}
