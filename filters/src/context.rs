//! One exchange as its filters see it.

use std::sync::Arc;

use sip::Method;

use crate::chain::Progress;
use crate::{Facts, Source, Target, Trust, Vars};

/// Lives as long as its transaction; made for each one, so it holds nothing on the heap by itself.
#[derive(Clone, Debug)]
pub struct Context {
    /// Where the request came from.
    pub source: Source,
    /// What is known about it.
    pub facts: Facts,
    /// The target that `on_branch` or `on_response` is about; `None` in `on_request`, and for
    /// responses that we made ourselves.
    pub target: Option<TargetFact>,
    pub(crate) progress: Progress,
}

/// What filters may know of a target beyond its hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetFact {
    /// The trunk it belongs to.
    pub trunk: Option<Arc<str>>,
    /// How far the neighbour there is believed.
    pub trust: Trust,
}

impl Context {
    /// The context of a request that has just come in.
    pub fn new(source: Source, method: Method, in_dialog: bool) -> Self {
        let facts = Facts {
            trunk: None,
            trust: source.trust,
            identity: None,
            vars: Vars::default(),
            record_route: false,
            in_dialog,
            method,
        };
        Self {
            source,
            facts,
            target: None,
            progress: Progress::default(),
        }
    }

    /// Sets [`Context::target`]; costs no reference count where it is the same as before.
    pub(crate) fn aim_at(&mut self, target: Option<&Target>) {
        let same = match (&self.target, target) {
            (None, None) => true,
            (Some(old), Some(new)) => old.is(new),
            _ => false,
        };
        if !same {
            self.target = target.map(Into::into);
        }
    }
}

impl TargetFact {
    /// Whether it speaks of `target`, without a look at names.
    fn is(&self, target: &Target) -> bool {
        let trunk = match (&self.trunk, &target.trunk) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        trunk && self.trust == target.trust
    }
}

impl From<&Target> for TargetFact {
    fn from(target: &Target) -> Self {
        Self {
            trunk: target.trunk.clone(),
            trust: target.trust,
        }
    }
}
