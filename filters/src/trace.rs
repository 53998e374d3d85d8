//! What each filter of a chain did to a message, for people to read.

use std::fmt;

use sip::{Headers, Request, Response};

use crate::{Branch, Flow, Relay, escape};

/// Collects a [`Step`] a filter; made for `hookswitch try` and the web page.
///
/// The clock is an argument, since this crate has none.
pub struct Trace<'c> {
    /// What was collected so far.
    pub steps: Vec<Step>,
    clock: &'c mut dyn FnMut() -> u64,
    before: Snapshot,
    entered: u64,
}

/// One hook of one filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The filter.
    pub filter: &'static str,
    /// The hook.
    pub hook: Hook,
    /// What it changed, in the order of the message.
    pub changes: Vec<Change>,
    /// How long it took.
    pub nanos: u64,
    /// What it decided: `continue`, `reply 403 no_trunk_match`, `drop …`.
    pub decision: String,
}

/// The hooks that see a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Named as the methods of `Filter`.
pub enum Hook {
    Branch,
    Request,
    Response,
}

/// One difference; text is escaped for display.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Names and values of headers, before and after.
pub enum Change {
    /// A header row that was not there before.
    Added { name: String, value: String },
    /// A header row with another value.
    Changed {
        name: String,
        from: String,
        to: String,
    },
    /// A header row that is no longer there.
    Removed { name: String, value: String },
    /// Another Request-URI.
    RequestUri { from: String, to: String },
    /// Another status.
    Status { from: u16, to: u16 },
}

impl Hook {
    /// `request`, `branch` or `response`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Branch => "branch",
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { name, value } => write!(f, "+ {name}: {value}"),
            Self::Changed { name, from, to } => write!(f, "~ {name}: {from} -> {to}"),
            Self::Removed { name, value } => write!(f, "- {name}: {value}"),
            Self::RequestUri { from, to } => write!(f, "~ Request-URI: {from} -> {to}"),
            Self::Status { from, to } => write!(f, "~ status: {from} -> {to}"),
        }
    }
}

impl<'c> Trace<'c> {
    /// A trace that reads `clock`, which counts nanoseconds and never goes back.
    pub fn new(clock: &'c mut dyn FnMut() -> u64) -> Self {
        Self {
            steps: Vec::new(),
            clock,
            before: Snapshot::default(),
            entered: 0,
        }
    }
}

impl fmt::Debug for Trace<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

/// Watches the walk over a chain.
pub(crate) trait Observe {
    /// Whether it is shown filters without the hook too.
    const SEES_ALL: bool;
    fn enter(&mut self, message: Shown<'_>);
    fn leave(
        &mut self,
        filter: &'static str,
        hook: Hook,
        message: Shown<'_>,
        decision: &impl Decide,
    );
    fn panicked(&mut self, filter: &'static str, hook: Hook);
}

/// The message that a hook has.
#[derive(Clone, Copy)]
pub(crate) enum Shown<'a> {
    Request(&'a Request),
    Response(&'a Response),
}

/// Watches nothing and costs nothing.
pub(crate) struct Unobserved;

impl Observe for Unobserved {
    const SEES_ALL: bool = false;
    #[inline(always)]
    fn enter(&mut self, _: Shown<'_>) {}
    #[inline(always)]
    fn leave(&mut self, _: &'static str, _: Hook, _: Shown<'_>, _: &impl Decide) {}
    #[inline(always)]
    fn panicked(&mut self, _: &'static str, _: Hook) {}
}

impl Observe for Trace<'_> {
    const SEES_ALL: bool = true;

    fn enter(&mut self, message: Shown<'_>) {
        self.before = Snapshot::of(message);
        self.entered = (self.clock)();
    }

    fn leave(
        &mut self,
        filter: &'static str,
        hook: Hook,
        message: Shown<'_>,
        decision: &impl Decide,
    ) {
        let nanos = (self.clock)().saturating_sub(self.entered);
        let changes = self.before.changes(&Snapshot::of(message));
        self.steps.push(Step {
            filter,
            hook,
            changes,
            nanos,
            decision: decision.describe(),
        });
    }

    fn panicked(&mut self, filter: &'static str, hook: Hook) {
        let nanos = (self.clock)().saturating_sub(self.entered);
        self.steps.push(Step {
            filter,
            hook,
            changes: Vec::new(),
            nanos,
            decision: "panic".to_owned(),
        });
    }
}

/// A decision in words.
pub(crate) trait Decide {
    fn describe(&self) -> String;
}

impl Decide for Flow {
    fn describe(&self) -> String {
        match self {
            Self::Continue => "continue".to_owned(),
            Self::Drop(reason) => format!("drop {reason}"),
            Self::Reply(reply) => format!("reply {} {}", reply.status, reply.cause),
            Self::Wait(wait) => format!("wait {:?}", wait.timeout),
        }
    }
}

impl Decide for Branch {
    fn describe(&self) -> String {
        match self {
            Self::Send => "send".to_owned(),
            Self::Skip(reason) => format!("skip {reason}"),
        }
    }
}

impl Decide for Relay {
    fn describe(&self) -> String {
        match self {
            Self::Drop(reason) => format!("drop {reason}"),
            Self::Forward => "forward".to_owned(),
        }
    }
}

/// A copy of what filters may change.
#[derive(Default)]
struct Snapshot {
    uri: Vec<u8>,
    status: u16,
    rows: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Snapshot {
    fn of(message: Shown<'_>) -> Self {
        let rows = |headers: &Headers| {
            let row = |header: sip::Header<'_>| (header.name.to_vec(), header.value.to_vec());
            headers.iter().map(row).collect()
        };
        match message {
            Shown::Request(request) => Self {
                uri: request.uri_bytes().to_vec(),
                status: 0,
                rows: rows(&request.headers),
            },
            Shown::Response(response) => Self {
                uri: Vec::new(),
                status: response.status(),
                rows: rows(&response.headers),
            },
        }
    }

    /// The differences to what came after: start line first, then rows in order.
    fn changes(&self, after: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.uri != after.uri {
            changes.push(Change::RequestUri {
                from: escape(&self.uri),
                to: escape(&after.uri),
            });
        }
        if self.status != after.status {
            changes.push(Change::Status {
                from: self.status,
                to: after.status,
            });
        }
        if self.rows != after.rows {
            row_changes(&self.rows, &after.rows, &mut changes);
        }
        changes
    }
}

type Rows = [(Vec<u8>, Vec<u8>)];

/// Rows that left and rows that came; those of one name side by side are one changed row.
fn row_changes(before: &Rows, after: &Rows, changes: &mut Vec<Change>) {
    let mut removed: Vec<&(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut added: Vec<&(Vec<u8>, Vec<u8>)> = Vec::new();
    let common = common_rows(before, after);
    let (mut old, mut new) = (0, 0);
    for (old_common, new_common) in common.into_iter().chain([(before.len(), after.len())]) {
        removed.extend(before.iter().take(old_common).skip(old));
        added.extend(after.iter().take(new_common).skip(new));
        (old, new) = (old_common + 1, new_common + 1);
    }
    for (name, value) in removed {
        let same = |row: &&(Vec<u8>, Vec<u8>)| row.0.eq_ignore_ascii_case(name);
        let change = match added.iter().position(same) {
            Some(at) => Change::Changed {
                name: escape(name),
                from: escape(value),
                to: escape(&added.remove(at).1),
            },
            None => Change::Removed {
                name: escape(name),
                value: escape(value),
            },
        };
        changes.push(change);
    }
    changes.extend(added.into_iter().map(|(name, value)| Change::Added {
        name: escape(name),
        value: escape(value),
    }));
}

/// Index pairs of a longest common subsequence.
fn common_rows(before: &Rows, after: &Rows) -> Vec<(usize, usize)> {
    let width = after.len() + 1;
    let mut lengths = vec![0u32; (before.len() + 1) * width];
    for (old, row) in before.iter().enumerate().rev() {
        for (new, other) in after.iter().enumerate().rev() {
            lengths[old * width + new] = if row == other {
                lengths[(old + 1) * width + new + 1] + 1
            } else {
                lengths[(old + 1) * width + new].max(lengths[old * width + new + 1])
            };
        }
    }
    let (mut old, mut new, mut common) = (0, 0, Vec::new());
    while old < before.len() && new < after.len() {
        if before[old] == after[new] {
            common.push((old, new));
            (old, new) = (old + 1, new + 1);
        } else if lengths[(old + 1) * width + new] >= lengths[old * width + new + 1] {
            old += 1;
        } else {
            new += 1;
        }
    }
    common
}
