//! Where a branch goes.

use std::sync::Arc;

use bytes::Bytes;

use crate::Trust;

/// One element of the target set (RFC 3261 §16.5), as configured or as the router found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The URI with its `?headers`, if it has any.
    pub uri: Bytes,
    /// The trunk it belongs to.
    pub trunk: Option<Arc<str>>,
    /// How far the neighbour there is believed.
    pub trust: Trust,
}
