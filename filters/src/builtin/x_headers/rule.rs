//! Rules, ready to run.

use sip::Line;

use super::matcher::Matcher;
use super::{Direction, On, OnMismatch};
use crate::lang::{Expr, Pattern, Template};

/// One rule with its conditions.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) edit: Edit,
    /// One bit an [`On`].
    pub(super) hooks: u8,
    pub(super) methods: Option<Box<[Box<[u8]>]>>,
    pub(super) in_dialog: Option<bool>,
    pub(super) when: Option<Expr>,
}

/// What a rule does.
#[derive(Debug)]
pub(super) enum Edit {
    Add {
        name: Box<str>,
        value: Template,
        /// Both as they are written, where they are the same for every message.
        line: Option<Line>,
    },
    Allow {
        patterns: Box<[Pattern]>,
        direction: Direction,
    },
    Copy {
        from: Pattern,
        to: Box<str>,
    },
    Match {
        subject: Subject,
        regex: Matcher,
        on_mismatch: OnMismatch,
        status: u16,
    },
    Reject {
        status: u16,
    },
    Remove(Box<[Pattern]>),
    Rename {
        from: Pattern,
        to: Box<str>,
    },
    Replace {
        name: Box<str>,
        value: Template,
    },
    Store {
        subject: Subject,
        var: Box<str>,
    },
}

impl Edit {
    /// The name of the headers that it may write.
    pub(super) fn writes(&self) -> Option<&str> {
        match self {
            Self::Add { name, .. } | Self::Replace { name, .. } => Some(name),
            Self::Copy { to, .. } | Self::Rename { to, .. } => Some(to),
            _ => None,
        }
    }
}

/// What `match` and `store` read.
#[derive(Debug)]
pub(super) enum Subject {
    Headers(Box<[Pattern]>),
    Value(Template),
}

impl Rule {
    /// Whether the rule is for this hook.
    pub(super) fn runs_on(&self, hook: On) -> bool {
        self.hooks & bit(hook) != 0
    }

    /// Whether it is for every message of its hooks.
    pub(super) fn is_for_all(&self) -> bool {
        self.methods.is_none() && self.in_dialog.is_none() && self.when.is_none()
    }

    /// Whether it lets headers cross a boundary.
    pub(super) fn is_allow(&self) -> bool {
        matches!(self.edit, Edit::Allow { .. })
    }

    /// Whether it reads what the last `match` caught.
    pub(super) fn reads_captures(&self) -> bool {
        let value = match &self.edit {
            Edit::Add { value, .. }
            | Edit::Replace { value, .. }
            | Edit::Match {
                subject: Subject::Value(value),
                ..
            }
            | Edit::Store {
                subject: Subject::Value(value),
                ..
            } => Some(value),
            _ => None,
        };
        value.is_some_and(Template::reads_captures)
            || self.when.as_ref().is_some_and(Expr::reads_captures)
    }
}

pub(super) fn bit(hook: On) -> u8 {
    1 << hook as u8
}
