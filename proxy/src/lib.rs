//! Hookswitch: carrier trunks in, webhooks out.
//!
//! [`run`] is the whole program; a binary of your own with filters of your own is
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     hookswitch::run(filters::Registry::builtin())
//! }
//! ```
//!
//! The proxy's life of a message is [`pipeline`]; everything else here feeds it, performs what it
//! asks for, or shows what it did.

mod admission;
pub mod auth;
mod best;
mod branch_id;
mod caught;
mod cli;
pub mod config;
pub mod console;
mod counters;
mod demo;
mod exchange;
mod exchanges;
mod executor_role;
mod forward;
mod hop;
mod info;
mod kept;
mod lifecycle;
mod local_ip;
mod logging;
pub mod loops;
mod metrics;
mod observe;
mod onward;
mod opened;
mod owners;
mod parked;
pub mod pipeline;
mod places;
pub mod plan;
mod random;
mod reach;
mod refusal;
pub mod registrar;
mod reload;
mod route_index;
mod router;
mod sent_by;
mod server;
mod shutdown;
mod siphash;
mod stream_front;
pub mod token;
mod try_message;
mod worker;

pub use cli::run;
pub use counters::Counters;
pub use exchange::Key;
pub use random::Random;
