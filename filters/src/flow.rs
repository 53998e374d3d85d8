//! What the hooks of a filter decide.

use crate::{Reason, Reply, Wait};

/// What becomes of a request.
#[derive(Debug)]
pub enum Flow {
    /// The next filter has it, behind the last one the router.
    Continue,
    /// It is dropped and not answered.
    Drop(Reason),
    /// It is answered.
    Reply(Reply),
    /// It waits for a future that the pipeline polls.
    Wait(Wait),
}

/// What becomes of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Branch {
    /// The request goes to the target.
    Send,
    /// The target is passed over, as if it had failed.
    Skip(Reason),
}

/// What becomes of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relay {
    /// It is not sent on. A final response is never lost so: the pipeline answers 500 in its place.
    Drop(Reason),
    /// It goes on.
    Forward,
}
