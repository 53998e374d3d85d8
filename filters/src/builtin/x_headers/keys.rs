//! The keys of `x_headers`.

use toml::Spanned;

use super::super::Names;
use crate::{Kind, settings, words};

settings! {
    /// Keys of `x_headers`.
    pub struct XHeadersKeys {
        /// What becomes of X- and P- headers at a boundary where no `allow` rule speaks: `deny`
        /// removes them, `pass` leaves them.
        default: Unlisted = Kind::Choice(Unlisted::WORDS), r#""deny""#, r#""pass""#;
        /// The rules, in order.
        rules: Vec<Spanned<RuleKeys>> = Kind::Tables(<RuleKeys as crate::Settings>::KEYS), "[]", r#"[{ op = "allow", header = "X-*" }]"#;
    }
}

settings! {
    /// Keys of a rule.
    pub struct RuleKeys {
        /// What the rule does.
        op: Op = Kind::Choice(Op::WORDS), required, r#""add""#;
        /// The header it is about. `allow`, `remove` and `match` take patterns (`X-Internal-*`, `*`)
        /// and lists.
        header: Option<Names> = Kind::Names, absent, r#""X-Tenant""#;
        /// The value to write, store or match: a template.
        value: Option<Spanned<String>> = Kind::Text, absent, r#""${trunk.name}""#;
        /// `rename`, `copy`: the new name.
        to: Option<Spanned<String>> = Kind::Text, absent, r#""X-Customer""#;
        /// `store`: the variable.
        var: Option<Spanned<String>> = Kind::Text, absent, r#""tenant""#;
        /// `match`: a regular expression; it may match anywhere unless it has `^` and `$`.
        pattern: Option<Spanned<String>> = Kind::Text, absent, r#""^[a-z]+$""#;
        /// `match`: what becomes of a value that does not match: `ignore` it, `drop_header`, or
        /// `reject` the request. Where it is not set: `ignore`.
        on_mismatch: Option<Spanned<OnMismatch>> = Kind::Choice(OnMismatch::WORDS), absent, r#""drop_header""#;
        /// `reject` and `match` with `on_mismatch = "reject"`: the status of the answer. Where it
        /// is not set: 403.
        status: Option<Spanned<u16>> = Kind::Integer(400, 699), absent, "488";
        /// `allow`: which way the headers may cross: `in` from the other side to us, `out` to the
        /// other side, or `both`. Where it is not set: `both`.
        direction: Option<Spanned<Direction>> = Kind::Choice(Direction::WORDS), absent, r#""in""#;
        /// When the rule runs; not for `allow`, which has `direction`. Where it is not set:
        /// `request` in the chain of a listener, `branch` in the chain of a trunk.
        on: Option<Spanned<Vec<On>>> = Kind::Choices(On::WORDS), absent, r#"["request", "response"]"#;
        /// The methods that the rule is for; a response has that of its CSeq. Where it is not set:
        /// all.
        methods: Option<Vec<Spanned<String>>> = Kind::Texts, absent, r#"["INVITE", "BYE"]"#;
        /// `true`: only inside dialogs; `false`: only outside. Where it is not set: both.
        in_dialog: Option<bool> = Kind::Bool, absent, "false";
        /// A condition.
        when: Option<Spanned<String>> = Kind::Text, absent, r#""source.trust != 'internal'""#;
    }
}

words! {
    /// What becomes of X- and P- headers where no rule speaks.
    pub enum Unlisted {
        /// They are removed.
        Deny = "deny",
        /// They stay.
        Pass = "pass",
    }
}

words! {
    /// What a rule does.
    pub enum Op {
        /// Adds a header.
        Add = "add",
        /// Lets headers cross a boundary.
        Allow = "allow",
        /// Adds headers under another name too.
        Copy = "copy",
        /// Compares with a regular expression.
        Match = "match",
        /// Refuses the request.
        Reject = "reject",
        /// Removes headers.
        Remove = "remove",
        /// Gives headers another name.
        Rename = "rename",
        /// Makes a value the only one.
        Replace = "replace",
        /// Keeps a value in a variable.
        Store = "store",
    }
}

words! {
    /// What becomes of a value that does not match.
    pub enum OnMismatch {
        /// The header is removed.
        DropHeader = "drop_header",
        /// Nothing.
        Ignore = "ignore",
        /// The request is refused.
        Reject = "reject",
    }
}

words! {
    /// Which way headers cross a boundary.
    pub enum Direction {
        /// Both ways.
        Both = "both",
        /// From the other side to us.
        In = "in",
        /// From us to the other side.
        Out = "out",
    }
}

words! {
    /// A hook.
    pub enum On {
        /// The copy of a request that goes to a target.
        Branch = "branch",
        /// A request.
        Request = "request",
        /// A response.
        Response = "response",
    }
}

impl Op {
    /// The word in the configuration.
    pub(super) fn word(self) -> &'static str {
        Self::WORDS.get(self as usize).copied().unwrap_or_default()
    }
}
