//! Transactions (RFC 3261 §17) as state machines that neither wait nor send.
//!
//! ```text
//!   receive_request ─┐                         ┌─► Event::Send          to the transport
//!   receive_response ┤    ┌───────────────┐    ├─► Event::ClientTimeout ┐
//!   respond, create… ┼──► │     Layer     │ ──►┼─► Event::ServerAcked   │ to the user: proxy core
//!   transport_error  ┤    │ tables, wheel │    ├─► Event::Ended         │ or user agent
//!   tick(now)        ┘    └───────┬───────┘    └─► Event::Timer         ┘
//!                          (state, event)
//!                                 ▼
//!        client_invite   client_other   server_invite   server_other
//!                     four tables: next state, actions
//! ```
//!
//! [`Layer`] owns the tables of running transactions and their timers. The four machines are pure
//! functions that read like the figures of the RFC. Neither knows a clock, a socket or a message
//! beyond what matching and the ACK and CANCEL of the layer's own need.
//!
//! What the layer deliberately leaves to its user: Timer C (RFC 3261 §16.6 step 11), repeating a
//! 2xx until its ACK (§13.3.1.4), and acknowledging a 2xx (§13.2.2.4).

mod client;
mod client_invite;
mod client_other;
mod derived;
mod drive;
mod essence;
mod event;
mod fingerprint;
mod graveyard;
mod id;
mod index;
mod key;
mod layer;
mod machine;
mod record;
mod running;
mod server;
mod server_invite;
mod server_other;
mod table;
#[cfg(test)]
mod tests;
mod timers;
mod tombstone;

pub use derived::{ack_for, cancel_for};
pub use essence::Essence;
pub use event::{Canceled, Counters, CreateError, Disposition, Event, Phase, Received, Responded};
pub use id::{ClientId, ServerId, TransactionId};
#[cfg(test)]
pub(crate) use key::plain_branch;
pub use key::{ClientKey, Legacy, ServerKey};
pub use layer::{Layer, LayerLimits};
pub use timers::Timers;
