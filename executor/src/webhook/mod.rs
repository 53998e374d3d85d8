//! Requests to a customer's web server.
//!
//! A [`Client`] makes the requests that a run asks for: with the parameters of the call
//! ([`CallContext`]), signed, within one deadline, following redirects, retrying as the URL's
//! fragment says, and to public addresses only. What it does *not* do: decide what a reply means
//! (that is [`run`](crate::run)), or read TwiML.
//!
//! Dropping the future of a request cancels it.

mod auth;
mod breaker;
mod cache;
mod call;
mod classify;
mod client;
mod context;
mod date;
mod download;
mod gate;
mod guard;
mod incoming;
mod lookup;
mod outgoing;
mod overrides;
mod parameters;
mod phases;
mod reply;
mod request;
mod room;
mod session;
mod signature;
mod validators;

pub use breaker::{BreakerConfig, WebhookCounters, WebhookMeter};
pub use client::{Client, ClientConfig, ClientError};
pub use context::{CallContext, Direction, SipContext};
pub use guard::Guard;
pub use lookup::{Lookup, SystemLookup};
pub use overrides::{Overrides, RetryPolicy};
pub use parameters::{call_params, header_params};
pub use reply::{Exchange, FetchError, Reply};
pub use request::{CallStatus, FetchId, Hook, Method, Purpose, Request};
pub use session::Session;
pub use signature::{sign, sign_body_hash};

pub(crate) use date::{iso8601, rfc2822};
pub(crate) use download::{Download, DownloadError, Downloaded};
pub(crate) use request::{bare, shown};
pub(crate) use room::{Held, Room};
pub(crate) use validators::Validators;
