//! SIP without IO: messages, their grammar, their edits, and transactions as state machines.
//!
//! This crate opens no socket, reads no clock and knows no runtime: time is an argument, bytes come
//! in and bytes go out. [`parse`] turns one datagram or frame into a [`Message`] whose [`Headers`]
//! index the received bytes without copying them; edits change the index; [`Request::gather`] gives
//! the pieces to send. Typed views ([`Uri`], [`NameAddr`], [`Via`], [`CSeq`]) borrow and are read on
//! demand.
//!
//! ```
//! let bytes = bytes::Bytes::from_static(b"OPTIONS sip:a@b SIP/2.0\r\nX-Foo: 1\r\n\r\n");
//! let Ok(sip::Message::Request(mut request)) = sip::parse(bytes, &sip::Limits::default()) else {
//!     panic!("not a request");
//! };
//! request.headers.set(b"X-Foo", b"2").unwrap();
//! assert_eq!(&request.to_bytes()[..], b"OPTIONS sip:a@b SIP/2.0\r\nX-Foo: 2\r\n\r\n");
//! ```

#![warn(clippy::indexing_slicing)]

mod arena;
mod ascii;
mod auth_value;
mod check;
mod cseq;
mod edit;
mod equivalence;
mod error;
pub mod frame;
mod gather;
mod glance;
mod header_name;
mod header_set;
mod headers;
mod host;
mod instant;
mod limits;
mod line;
mod list;
mod marks;
mod message;
mod method;
mod name_addr;
mod params;
mod parse;
mod pool;
mod reason_phrase;
mod reply;
mod request;
mod response;
mod scan;
mod span;
mod tag;
mod transaction;
#[cfg(test)]
mod twins;
mod uri;
mod via;
mod wheel;

pub use ascii::{is_token, is_token_byte, number, percent_decode, push_number, trim};
pub use auth_value::{AuthParams, AuthValue};
pub use check::{check_request, check_response};
pub use cseq::CSeq;
pub use error::{EditError, Fault, ParseError, ViewError};
pub use gather::Slices;
pub use glance::opening_call_id;
pub use header_name::HeaderName;
pub use header_set::HeaderSet;
pub use headers::{Header, Headers};
pub use host::{host_ip, same_host};
pub use instant::Instant;
pub use limits::{Limits, MESSAGE_BYTES_MAX};
pub use line::Line;
pub use list::{elements, unfold};
pub use message::Message;
pub use method::Method;
pub use name_addr::NameAddr;
pub use params::Params;
pub use parse::{parse, salvage};
pub use reason_phrase::reason_phrase;
pub use reply::Reply;
pub use request::Request;
pub use response::Response;
pub use tag::tag_of;
pub use transaction::{
    Canceled, ClientId, ClientKey, Counters, CreateError, Disposition, Essence, Event, Layer,
    LayerLimits, Legacy, Phase, Received, Responded, ServerId, ServerKey, Timers, TransactionId,
    ack_for, cancel_for,
};
pub use uri::{Scheme, Uri, push_escaped};
pub use via::{Transport, Via};
pub use wheel::{TimerKey, Wheel};
