//! Filters: the contract, the chain, the built-in filters and their configuration.
//!
//! A [`Filter`] looks at requests, at their branches and at responses, changes them, and decides
//! whether they go on. A [`Chain`] runs filters in order and keeps one that panics from doing harm.
//! A [`Plugin`] makes a filter from a TOML table; the [`Registry`] holds the plugins by name and
//! writes their reference.
//!
//! This crate opens no socket, reads no clock and knows no runtime. To add a filter of your own:
//!
//! ```
//! use filters::{BuildContext, ConfigError, Context, Filter, Flow, Plugin, Reason, Reply};
//!
//! filters::settings! {
//!     /// Keys of `teapot`.
//!     pub struct TeapotConfig {
//!         /// The user part that is a teapot.
//!         user: String = filters::Kind::Text, required, r#""pot""#;
//!     }
//! }
//!
//! /// Refuses to brew coffee.
//! pub struct Teapot(TeapotConfig);
//!
//! const TEAPOT: Reason = Reason("teapot");
//!
//! impl Filter for Teapot {
//!     fn on_request(&self, request: &mut sip::Request, _: &mut Context) -> Flow {
//!         match request.uri() {
//!             Ok(uri) if uri.user == Some(self.0.user.as_bytes()) => {
//!                 Flow::Reply(Reply::new(418, "I'm a teapot", TEAPOT))
//!             }
//!             _ => Flow::Continue,
//!         }
//!     }
//! }
//!
//! impl Plugin for Teapot {
//!     const NAME: &'static str = "teapot";
//!     const SUMMARY: &'static str = "Refuses to brew coffee.";
//!     const EXAMPLE: &'static str = r#"user = "pot""#;
//!     const REASONS: &'static [Reason] = &[TEAPOT];
//!     type Config = TeapotConfig;
//!
//!     fn build(config: TeapotConfig, _: &BuildContext) -> Result<Self, Vec<ConfigError>> {
//!         Ok(Self(config))
//!     }
//! }
//!
//! let registry = filters::Registry::builtin().with::<Teapot>();
//! assert!(registry.names().any(|name| name == "teapot"));
//! ```

pub mod builtin;
mod chain;
mod config_error;
mod context;
mod counters;
mod escape;
mod facts;
mod filter;
mod flow;
mod hooks;
mod lang;
mod network;
mod outcome;
mod plugin;
mod reason;
mod reference;
mod registry;
mod reply;
pub mod reserved;
mod settings;
mod source;
mod target;
mod trace;
mod trust;
mod vars;
mod wait;

pub use chain::Chain;
pub use config_error::ConfigError;
pub use context::{AtRest, Context, TargetFact};
pub use counters::{Count, Counters, Counts};
pub use escape::escape;
pub(crate) use escape::push_escaped;
pub use facts::{Facts, TrunkFact};
pub use filter::Filter;
pub use flow::{Branch, Flow, Relay};
pub use hooks::Hooks;
pub use network::{Network, NetworkError};
pub use outcome::Outcome;
pub use plugin::{BuildContext, Plugin, Role, TrunkConfig};
pub use reason::Reason;
pub use registry::{Built, Registry};
pub use reply::Reply;
pub use settings::{Key, Kind, Settings, Unset};
pub use source::Source;
pub use target::Target;
pub use trace::{Change, Hook, Step, Trace};
pub use trust::{Trust, UnknownTrust};
pub use vars::Vars;
pub use wait::{Resume, Wait};
