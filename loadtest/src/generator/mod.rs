//! A load generator: caller and callee of many calls in one thread, with the proxy in the middle.
//!
//! - **Open loop.** The schedule is fixed before the run and slips for nobody: a slow proxy meets as many new calls as
//!   a fast one, and what it makes them wait is measured from the intended time, so no omission is coordinated.
//! - **One clock.** Both sides are here, so the time of every message from one side to the other is known: `added`
//!   in the [`Report`] is what stands between the sockets, to be compared with `bare_relay`.
//! - **It says when not to believe it**: how late it was, its own processor time, what the kernel dropped.
//!
//! One turn of the loop: arrivals and timers that are due → send → wait → receive → answer → send. A message that is
//! sent is a template with its places filled in, or pieces copied together; one that is received is read once.
//! Nothing is allocated for a message, and a call takes its memory over from one that has ended.
//!
//! **Bounds.** `calls_max` calls in progress; 200,000,000,000 ns in a histogram; one batch of arrivals a turn.
//!
//! It does not authenticate, speaks UDP over IPv4 only, and sends everything to `target`, as to an outbound proxy;
//! Request-URI and Route are those of the dialog.

mod accounts;
mod call;
mod callee;
mod caller;
pub(crate) mod clock;
mod config;
mod engine;
mod random;
mod report;
mod schedule;
mod seen;
pub(crate) mod socket;
mod span;
mod tally;
mod text;
mod wheel;
mod world;

pub use config::{Config, Idle, InDialog, Kind, Mix, Party, Role, Timestamps, mix};
pub use engine::run;
pub use report::{
    Calls, Counts, Datagrams, Extensions, Generator, Kernel, Latency, Quantiles, Report, Second,
    Watched, Window,
};
pub use schedule::{Arrivals, Step, Steps};
pub use span::Span;
