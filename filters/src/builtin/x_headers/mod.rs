//! `x_headers`: the header firewall and the rules that edit headers.

mod apply;
mod compile;
mod firewall;
mod index;
mod keys;
mod matcher;
mod names;
mod rule;

pub use keys::{Direction, On, OnMismatch, Op, RuleKeys, Unlisted, XHeadersKeys};

use sip::{Request, Response};

use self::apply::{MessageMut, Refusal, Walk};
use self::firewall::Firewall;
use self::index::Index;
use self::rule::Rule;
use crate::counters::Counts;
use crate::lang::path_reference;
use crate::{
    Branch, BuildContext, ConfigError, Context, Filter, Flow, Hooks, Plugin, Reason, Relay, Reply,
    Role, Target,
};

/// Edits headers by rules and lets X- and P- headers cross boundaries by allow-list only.
#[derive(Debug)]
pub struct XHeaders {
    rules: Vec<Rule>,
    index: Index,
    /// Whether any rule reads what a `match` caught.
    catches: bool,
    firewall: Firewall,
    role: Role,
    counts: Counts,
}

const DENIED: Reason = Reason("denied");
const EMPTY_VALUE: Reason = Reason("empty_value");
const INVALID_VALUE: Reason = Reason("invalid_value");
const MISMATCH: Reason = Reason("mismatch");
const REJECTED: Reason = Reason("rejected");
const TOO_LARGE: Reason = Reason("too_large");
const VARS_FULL: Reason = Reason("vars_full");

impl Filter for XHeaders {
    fn on_request(&self, request: &mut Request, cx: &mut Context) -> Flow {
        match self.walk(On::Request, MessageMut::Request(request), cx) {
            Ok(()) => Flow::Continue,
            Err(Refusal { status, reason }) => {
                Flow::Reply(Reply::new(status, sip::reason_phrase(status), reason))
            }
        }
    }

    fn on_branch(&self, request: &mut Request, _: &Target, cx: &mut Context) -> Branch {
        match self.walk(On::Branch, MessageMut::Request(request), cx) {
            Ok(()) => Branch::Send,
            Err(refusal) => Branch::Skip(refusal.reason),
        }
    }

    fn on_response(&self, response: &mut Response, cx: &mut Context) -> Relay {
        match self.walk(On::Response, MessageMut::Response(response), cx) {
            Ok(()) => Relay::Forward,
            Err(refusal) => Relay::Drop(refusal.reason),
        }
    }

    fn hooks(&self) -> Hooks {
        let hooks = [
            (On::Branch, Hooks::BRANCH),
            (On::Request, Hooks::REQUEST),
            (On::Response, Hooks::RESPONSE),
        ];
        let hooks = hooks.into_iter().filter(|(on, _)| !self.index.rests(*on));
        hooks.fold(Hooks::NONE, |all, (_, hook)| all | hook)
    }
}

impl XHeaders {
    fn walk(&self, hook: On, message: MessageMut<'_>, cx: &mut Context) -> Result<(), Refusal> {
        Walk {
            filter: self,
            hook,
            message,
            cx,
            captures: Default::default(),
        }
        .run()
    }
}

impl Plugin for XHeaders {
    const NAME: &'static str = "x_headers";
    const SUMMARY: &'static str = concat!(
        "\
A header firewall and a list of rules that edit headers. Rules run in order and each sees what the \
one before it did.

**Firewall.** At a boundary to a side that is not `internal`, `X-` and `P-` headers are removed \
unless an `allow` rule names them: from a request by the trust class of its source, from a branch by \
that of its target, from a response by both. It happens where the first `allow` rule for that \
direction stands, and all of them count; what rules add behind it stays. `X-Hookswitch-*` is out of \
the reach of every rule.

**Operations.**

- `allow`: lets `header` (names or patterns of `X-` and `P-` headers) cross.
- `remove`: removes every `header`.
- `add`: adds `header` with `value`.
- `replace`: makes `value` the only `header`. Where the value is empty or cannot be written the \
header is removed, so that nobody's value stands in its place.
- `rename`: gives every `header` the name `to`.
- `copy`: adds every `header` once more under the name `to`.
- `store`: puts the first `header`, or `value`, into the variable `var`.
- `match`: compares every `header`, or `value`, with `pattern`. Its groups are `${match.1}` … until \
the next `match`, and named groups become variables. A header that is not there does not match.
- `reject`: refuses the request with `status`; on a branch the target is passed over.

Headers that routing owns (Via, Route, Record-Route, From, To, Call-ID, CSeq, Max-Forwards, \
Content-Length, Contact) can be read, but neither written nor removed.

**Templates and conditions.** A `value` may hold `${name}`, and `$$` for a dollar sign. A value that \
cannot be written (control characters) or is empty drops the edit. `when` is a condition such as \
`trunk.trust != 'internal' and method == 'INVITE'`, with `==`, `!=`, `=~ 'regex'`, `in ['a', 'b']`, \
`not in`, `and`, `or`, `not` and parentheses; a name alone is true where it is neither empty nor \
`false`; addresses can be compared with networks: `source.ip in ['192.0.2.0/24']`. Names are:

- `header.NAME`: the first header of that name; empty where there is none
- `var.NAME`: a variable
- `match.N`: group N of the last `match`; 0 is all of it
",
        path_reference!()
    );
    const EXAMPLE: &'static str = "\
rules = [
  { op = \"allow\", header = [\"X-*\"], direction = \"in\" },
  { op = \"remove\", header = \"X-Internal-*\" },
  { op = \"match\", header = \"X-Tenant\", pattern = \"^(?<tenant>[a-z0-9-]{1,32})$\", on_mismatch = \"drop_header\" },
  { op = \"add\", header = \"X-Trunk\", value = \"${trunk.name}\", when = \"trunk.name\" },
]
";
    const REASONS: &'static [Reason] = &[
        DENIED,
        EMPTY_VALUE,
        INVALID_VALUE,
        MISMATCH,
        REJECTED,
        TOO_LARGE,
        VARS_FULL,
    ];
    type Config = XHeadersKeys;

    fn build(config: XHeadersKeys, cx: &BuildContext) -> Result<Self, Vec<ConfigError>> {
        let rules = compile::rules(config.rules, cx.role)?;
        let catches = rules.iter().any(Rule::reads_captures);
        let firewall = Firewall::new(&rules, config.default);
        Ok(Self {
            index: Index::new(&rules, &firewall, catches),
            firewall,
            catches,
            rules,
            role: cx.role,
            counts: cx.counters.filter(Self::NAME, Self::REASONS),
        })
    }
}
