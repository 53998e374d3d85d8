//! Rules, ready to run.

use regex::bytes::Regex;

use super::{Direction, On, OnMismatch, Unlisted};
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
        regex: Regex,
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

/// What `match` and `store` read.
#[derive(Debug)]
pub(super) enum Subject {
    Headers(Box<[Pattern]>),
    Value(Template),
}

/// Where in the list of rules X- and P- headers are held back, by direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Firewall {
    inward: Option<usize>,
    outward: Option<usize>,
    unlisted: Unlisted,
}

impl Rule {
    /// Whether the rule is for this hook.
    pub(super) fn runs_on(&self, hook: On) -> bool {
        self.hooks & bit(hook) != 0
    }
}

impl Firewall {
    pub(super) fn new(rules: &[Rule], unlisted: Unlisted) -> Self {
        let first = |way: Direction| {
            rules.iter().position(|rule| match rule.edit {
                Edit::Allow { direction, .. } => covers(direction, way),
                _ => false,
            })
        };
        Self {
            inward: first(Direction::In),
            outward: first(Direction::Out),
            unlisted,
        }
    }

    /// The rule before which headers that cross `way` are held back; `None`: before all of them.
    pub(super) fn place(&self, way: Direction) -> Option<usize> {
        match way {
            Direction::Out => self.outward,
            _ => self.inward,
        }
    }

    /// Whether headers are held back where no `allow` rule speaks.
    pub(super) fn denies(&self) -> bool {
        self.unlisted == Unlisted::Deny
    }
}

/// Whether a rule for `direction` speaks for headers that cross `way`.
pub(super) fn covers(direction: Direction, way: Direction) -> bool {
    direction == Direction::Both || direction == way
}

pub(super) fn bit(hook: On) -> u8 {
    1 << hook as u8
}
