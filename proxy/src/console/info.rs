//! What the page says about the process.

use serde::Serialize;

/// The process in a few names: no secrets, nothing that the configuration hides.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Info {
    /// The version of the product.
    pub version: String,
    /// The name of the node.
    pub node: String,
    /// Where SIP is spoken.
    pub listeners: Vec<ListenerInfo>,
    /// The chains of filters.
    pub chains: Vec<ChainInfo>,
    /// The names of the trunks.
    pub trunks: Vec<String>,
    /// The names of the SIP domains.
    pub domains: Vec<String>,
    /// Whether phones may register.
    pub registrar: bool,
    /// Ways to place a first call: shown as long as there is none.
    pub examples: Vec<Example>,
}

/// A listener.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ListenerInfo {
    /// Its name.
    pub name: String,
    /// Its socket, as configured: `udp:127.0.0.1:5060`.
    pub socket: String,
    /// Its trust class.
    pub trust: String,
    /// The chain that its requests run through.
    pub chain: String,
}

/// A chain of filters.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ChainInfo {
    /// Its name.
    pub name: String,
    /// The types of its filters, in order.
    pub filters: Vec<String>,
}

/// Who is registered.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Registrations {
    /// Users that are registered.
    pub users: usize,
    /// Places where they are.
    pub bindings: usize,
    /// These places in the order of the users, as many as are shown.
    pub registrations: Vec<Registered>,
}

/// One place where a user is.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Registered {
    /// `user@domain`.
    pub user: String,
    /// The URI that the phone gave, without its password.
    pub contact: String,
    /// Where requests really go: `udp:198.51.100.7:5060`.
    pub source: String,
    /// Its preference.
    pub q: f32,
    /// Seconds that it still lasts.
    pub expires_s: u64,
    /// What the phone calls itself.
    pub agent: String,
}

/// A line to paste.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Example {
    /// What it does: `SIPp call`.
    pub label: String,
    /// The line.
    pub command: String,
}
