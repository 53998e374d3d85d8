//! The console: what happened to the newest calls, as a web page, as JSON and as metrics.
//!
//! [`CallLog`] is the memory: workers and the executor tell it [`CallEvent`]s, it keeps the newest
//! calls within written bounds. [`Console`] is the face: a small HTTP service that reads the log and
//! answers with the embedded page (`page/`), with JSON under `/api/`, with `/metrics` and with
//! `/healthz`.
//!
//! **Invariants.** Nothing here changes a call: the console only reads, and accepts GET and HEAD only.
//! No secret enters the log: redaction happens while recording (`redact.rs`), so there is nothing to
//! leak later. Text from the wire reaches the page only as JSON strings whose control characters are
//! spelled out (`text.rs`), and the page inserts it only as text nodes.

mod access;
mod admission;
mod bounded;
mod call;
mod call_log;
mod event;
mod executor_observer;
mod http;
mod info;
mod json;
mod metrics;
mod redact;
mod service;
mod summary;
mod text;
mod wire;

pub use access::{Access, AccessError};
pub use call_log::{CallLog, CallLogLimits, Counters};
pub use event::{CallEvent, Change, ChangeKind, FilterHook, FilterStep, Level, Peer};
pub use executor_observer::ExecutorObserver;
pub use http::Console;
pub use info::{ChainInfo, Example, Info, ListenerInfo, Registered, Registrations};
pub use service::ConsoleApp;
pub use summary::{About, State, Summary};
