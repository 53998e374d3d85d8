//! How a filter is made from its table in the configuration.

use std::sync::Arc;

use sip::{Limits, Transport};

use crate::{ConfigError, Counters, Filter, Network, Reason, Settings, Trust};

/// A filter that a configuration can name.
///
/// Typed here, erased by [`crate::Registry`]. A filter that cannot be built stops the start or the
/// reload: it never fails open.
pub trait Plugin: Filter + Sized {
    /// The word behind `type =`.
    const NAME: &'static str;
    /// What it does, in a sentence or two of Markdown.
    const SUMMARY: &'static str;
    /// A working table in TOML, without its `type`.
    const EXAMPLE: &'static str;
    /// Every reason that it may count or refuse with.
    const REASONS: &'static [Reason];
    /// Its keys.
    type Config: Settings;

    /// Makes the filter.
    ///
    /// # Errors
    ///
    /// Everything that is wrong beyond the form of the table, as far as it can be told at once.
    fn build(config: Self::Config, cx: &BuildContext) -> Result<Self, Vec<ConfigError>>;
}

/// What a filter may know of the rest of the configuration while it is built.
#[derive(Clone, Debug, Default)]
pub struct BuildContext {
    /// The trunks, in the order of the file.
    pub trunks: Vec<TrunkConfig>,
    /// Where to count.
    pub counters: Arc<Counters>,
    /// The bounds on messages that the server holds anyway.
    pub limits: Limits,
    /// What the chain is for.
    pub role: Role,
}

/// What a chain is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// Requests that come in by a listener: all hooks run.
    #[default]
    Listener,
    /// Requests that leave by a trunk: only `on_branch` and `on_response` run.
    Trunk,
}

/// How a trunk is recognised.
#[derive(Clone, Debug)]
pub struct TrunkConfig {
    /// Its name.
    pub name: Arc<str>,
    /// Its trust class.
    pub trust: Trust,
    /// Where it calls from; a trunk without sources is never recognised.
    pub sources: Vec<Network>,
    /// The transports that it uses; empty for any.
    pub transports: Vec<Transport>,
    /// Hosts of From that it must use beside its source; empty for any.
    pub domains: Vec<String>,
}
