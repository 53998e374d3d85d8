//! What filters tell each other about an exchange.

use std::sync::Arc;

use sip::Method;

use crate::{Trust, Vars};

/// Named findings; filters and router talk through these and not through headers.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The trunk that is calling, once a filter has found it.
    pub trunk: Option<TrunkFact>,
    /// The trust that counts: the listener's until a filter has found the trunk.
    pub trust: Trust,
    /// Who the caller proved to be.
    pub identity: Option<String>,
    /// Values that rules stored.
    pub vars: Vars,
    /// Whether we are to stay in the path of the dialog (RFC 3261 §16.6 step 4).
    pub record_route: bool,
    /// Whether the request is inside a dialog: To has a tag.
    pub in_dialog: bool,
    /// The method of the request.
    pub method: Method,
}

/// A trunk that was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrunkFact {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// Its trust class.
    pub trust: Trust,
}
