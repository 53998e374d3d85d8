//! Rules, ready to run.

use super::matcher::Matcher;
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

/// Where in the list of rules X- and P- headers are held back, by direction.
#[derive(Debug)]
pub(super) struct Firewall {
    inward: Box<[Allow]>,
    outward: Box<[Allow]>,
    unlisted: Unlisted,
}

/// A rule that lets headers cross, by its place in the list, and those headers.
type Allow = (usize, Box<[Pattern]>);

impl Rule {
    /// Whether the rule is for this hook.
    pub(super) fn runs_on(&self, hook: On) -> bool {
        self.hooks & bit(hook) != 0
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

impl Firewall {
    pub(super) fn new(rules: &[Rule], unlisted: Unlisted) -> Self {
        let allows = |way: Direction| {
            let rules = rules.iter().enumerate();
            let allows = rules.filter_map(|(at, rule)| match &rule.edit {
                Edit::Allow {
                    patterns,
                    direction,
                } if covers(*direction, way) => Some((at, patterns.clone())),
                _ => None,
            });
            allows.collect()
        };
        Self {
            inward: allows(Direction::In),
            outward: allows(Direction::Out),
            unlisted,
        }
    }

    /// The rules that let headers cross `way`.
    pub(super) fn allows(&self, way: Direction) -> &[Allow] {
        match way {
            Direction::Out => &self.outward,
            _ => &self.inward,
        }
    }

    /// The rule before which headers that cross `way` are held back; `None`: before all of them.
    pub(super) fn place(&self, way: Direction) -> Option<usize> {
        self.allows(way).first().map(|(at, _)| *at)
    }

    /// Whether headers are held back where no `allow` rule speaks.
    pub(super) fn denies(&self) -> bool {
        self.unlisted == Unlisted::Deny
    }
}

/// Whether a rule for `direction` speaks for headers that cross `way`.
fn covers(direction: Direction, way: Direction) -> bool {
    direction == Direction::Both || direction == way
}

pub(super) fn bit(hook: On) -> u8 {
    1 << hook as u8
}
