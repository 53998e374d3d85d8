//! How an exchange ended.

use std::time::Duration;

use crate::{Reason, Target};

/// What `on_done` is told.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// The final status that went to the caller; 0 where nothing was sent.
    pub status: u16,
    /// The method as written.
    pub method: &'a [u8],
    /// Call-ID; empty where there is none.
    pub call_id: &'a [u8],
    /// The Request-URI as received.
    pub ruri: &'a [u8],
    /// The target whose response went to the caller.
    pub target: Option<&'a Target>,
    /// From the arrival of the request to its final response.
    pub duration: Duration,
    /// Why we refused it, where we did.
    pub reason: Option<Reason>,
}
