//! `trunk`: who is calling.

use std::collections::HashSet;

use sip::{HeaderName, NameAddr, Request};
use smallvec::SmallVec;
use toml::Spanned;

use super::trunk_table::TrunkTable;
use crate::{
    BuildContext, ConfigError, Context, Filter, Flow, Hooks, Kind, Plugin, Reason, Reply, settings,
    words,
};

settings! {
    /// Keys of `trunk`.
    pub struct TrunkKeys {
        /// What becomes of a request that no trunk sent: `reject` answers 403, `silent` says
        /// nothing, `accept` lets it through with the trust class of the listener.
        no_match: NoMatch = Kind::Choice(NoMatch::WORDS), r#""reject""#, r#""silent""#;
        /// The trunks that may call here; where it is not set, every trunk with a `source`.
        trunks: Option<Vec<Spanned<String>>> = Kind::Texts, absent, r#"["carrier-a"]"#;
    }
}

words! {
    /// What becomes of a request that no trunk sent.
    pub enum NoMatch {
        /// It goes on with the trust class of the listener.
        Accept = "accept",
        /// 403.
        Reject = "reject",
        /// No answer.
        Silent = "silent",
    }
}

/// Finds the trunk by the true source and sets `facts.trunk` and `facts.trust`.
#[derive(Debug)]
pub struct Trunk {
    table: TrunkTable,
    no_match: NoMatch,
}

const NO_TRUNK_MATCH: Reason = Reason("no_trunk_match");

impl Filter for Trunk {
    fn on_request(&self, request: &mut Request, cx: &mut Context) -> Flow {
        let source = &cx.source;
        let hosts = if self.table.has_domains() {
            hosts(request, cx.facts.in_dialog)
        } else {
            SmallVec::new()
        };
        match self.table.find(source.address, source.transport, &hosts) {
            Some(trunk) => {
                cx.facts.trust = trunk.trust;
                cx.facts.trunk = Some(trunk.clone());
                Flow::Continue
            }
            // The dialog's signed Route stands for its sides: a callee need not be a trunk, and a
            // carrier may hang up from another of its hosts.
            None if cx.facts.in_dialog => Flow::Continue,
            None => match self.no_match {
                NoMatch::Accept => Flow::Continue,
                NoMatch::Reject => Flow::Reply(Reply::new(403, "Forbidden", NO_TRUNK_MATCH)),
                NoMatch::Silent => Flow::Drop(NO_TRUNK_MATCH),
            },
        }
    }

    fn hooks(&self) -> Hooks {
        Hooks::REQUEST
    }
}

/// The hosts that a trunk's `domain` may name: that of From, and inside a dialog that of To too,
/// since a trunk that was called stands there when it hangs up (RFC 3261 §12.2.1.1).
fn hosts(request: &Request, in_dialog: bool) -> SmallVec<[&[u8]; 2]> {
    let ids = [HeaderName::From, HeaderName::To];
    let count = if in_dialog { 2 } else { 1 };
    let host = |id: HeaderName| {
        let party = NameAddr::parse(request.headers.first(id)?).ok()?;
        party.uri().ok().map(|uri| uri.host)
    };
    ids.into_iter().take(count).filter_map(host).collect()
}

impl Plugin for Trunk {
    const NAME: &'static str = "trunk";
    const SUMMARY: &'static str = "\
Finds out which trunk is calling, by source address and port, transport and, if the trunk has any, \
the domain of From. What it finds decides how far headers are believed from there on. The most \
specific source wins: the longest prefix, then a source with a port, then a trunk with domains, then one \
with transports, then the first in the file. It never fails open: without trunks everyone is refused. \
Within a dialog that this proxy record-routed, the signed Route says who the sides are, and a source \
that is no trunk may pass.";
    const EXAMPLE: &'static str = "no_match = \"silent\"\n";
    const REASONS: &'static [Reason] = &[NO_TRUNK_MATCH];
    type Config = TrunkKeys;

    fn build(config: TrunkKeys, cx: &BuildContext) -> Result<Self, Vec<ConfigError>> {
        let Some(names) = config.trunks else {
            return Ok(Self {
                table: TrunkTable::new(&cx.trunks),
                no_match: config.no_match,
            });
        };
        let mut errors = Vec::new();
        let known = cx.trunks.iter().map(|trunk| &*trunk.name);
        let all: HashSet<&str> = known.clone().collect();
        for (index, name) in names.iter().enumerate() {
            if !all.contains(name.get_ref().as_str()) {
                let message = format!("there is no trunk {:?}", name.get_ref());
                let error = ConfigError::new(format!("trunks[{index}]"), name.span(), message);
                errors.push(error.one_of(name.get_ref(), known.clone()));
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let names: HashSet<&str> = names.iter().map(|name| name.get_ref().as_str()).collect();
        let listed = cx.trunks.iter();
        let listed = listed.filter(|trunk| names.contains(&*trunk.name));
        Ok(Self {
            table: TrunkTable::new(listed),
            no_match: config.no_match,
        })
    }
}
