//! One exchange as its filters see it.

use std::sync::Arc;

use sip::Method;

use crate::chain::Progress;
use crate::{Facts, Source, Target, TrunkFact, Trust, Vars};

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

    /// The context while nothing happens, in a fraction of its room. Where the request came from is
    /// not in it.
    pub fn rest(self) -> AtRest {
        let Self {
            facts,
            target,
            progress,
            ..
        } = self;
        let rare = facts.identity.is_some() || !facts.vars.is_empty();
        AtRest {
            trunk: facts.trunk,
            rare: rare.then(|| {
                Box::new(Rare {
                    identity: facts.identity,
                    vars: facts.vars,
                })
            }),
            progress,
            trust: facts.trust,
            method: facts.method,
            record_route: facts.record_route,
            in_dialog: facts.in_dialog,
            aimed: target.is_some(),
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

/// A [`Context`] that waits for the next message of its exchange.
#[derive(Debug)]
pub struct AtRest {
    trunk: Option<TrunkFact>,
    rare: Option<Box<Rare>>,
    progress: Progress,
    trust: Trust,
    method: Method,
    record_route: bool,
    in_dialog: bool,
    aimed: bool,
}

/// What most exchanges do not have.
#[derive(Debug)]
struct Rare {
    identity: Option<String>,
    vars: Vars,
}

impl AtRest {
    /// The context again, of a request from `source` that went to `target`.
    pub fn wake(self, source: Source, target: Option<&Target>) -> Context {
        let (identity, vars) = match self.rare {
            None => (None, Vars::default()),
            Some(rare) => (rare.identity, rare.vars),
        };
        Context {
            source,
            facts: Facts {
                trunk: self.trunk,
                trust: self.trust,
                identity,
                vars,
                record_route: self.record_route,
                in_dialog: self.in_dialog,
                method: self.method,
            },
            target: target.filter(|_| self.aimed).map(Into::into),
            progress: self.progress,
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use sip::Transport;

    use super::*;

    /// What a context knows outlives its rest; that which nobody set costs nothing meanwhile.
    #[test]
    fn rest_forgets_nothing() {
        let source = Source {
            address: SocketAddr::from(([192, 0, 2, 1], 5060)),
            local: SocketAddr::from(([192, 0, 2, 2], 5060)),
            transport: Transport::Udp,
            listener: "udp".into(),
            trust: Trust::Untrusted,
        };
        let target = Target {
            uri: "sip:b@example.com".into(),
            trunk: Some("carrier".into()),
            trust: Trust::Internal,
        };
        let mut cx = Context::new(source.clone(), Method::Invite, true);
        cx.facts.record_route = true;
        let plain = cx.clone().rest();
        assert!(plain.rare.is_none() && size_of::<AtRest>() <= 56);
        assert!(plain.wake(source.clone(), Some(&target)).target.is_none());

        cx.facts.trunk = Some(TrunkFact {
            name: "carrier".into(),
            trust: Trust::Internal,
        });
        cx.facts.trust = Trust::Internal;
        cx.facts.identity = Some("alice".to_owned());
        assert!(cx.facts.vars.set("a", b"1"));
        cx.aim_at(Some(&target));
        let told = format!("{cx:?}");
        let woken = cx.rest().wake(source, Some(&target));
        assert_eq!(format!("{woken:?}"), told);
    }
}
