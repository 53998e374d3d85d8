//! Names of what rules can read: `trunk.name`, `header.X-Foo`, `var.tenant` …

use std::borrow::Cow;

use sip::{HeaderName, Uri};

use super::{LangError, Read, Scope};
use crate::config_error::nearest;
use crate::{Trust, reserved};

/// One readable value of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    Fixed(Fixed),
    /// The first row of a header.
    Header {
        id: HeaderName,
        name: Box<str>,
    },
    /// A group of the last `match`.
    Match(usize),
    /// A stored variable.
    Var(Box<str>),
}

/// Declares the fixed paths once: variant, name, meaning.
macro_rules! fixed_paths {
    ($($variant:ident = $name:literal, $meaning:literal;)*) => {
        /// A path without an argument.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Fixed {
            $(#[doc = $meaning] $variant,)*
        }

        /// Name and meaning of each.
        const FIXED: &[(&str, Fixed)] = &[$(($name, Fixed::$variant),)*];

        /// The paths for people; a line each, for the reference.
        macro_rules! path_reference {
            () => { concat!($("- `", $name, "`: ", $meaning, "\n",)*) };
        }
        pub(crate) use path_reference;
    };
}

fixed_paths! {
    CallId = "call_id", "Call-ID";
    FromHost = "from.host", "host of the URI in From";
    FromUser = "from.user", "user part of the URI in From, unescaped";
    Identity = "identity", "who the caller proved to be";
    InDialog = "in_dialog", "`true` or `false`";
    Listener = "listener", "name of the listener";
    Method = "method", "the method; of a response that of its CSeq";
    Ruri = "ruri", "the Request-URI as it stands; empty in responses";
    RuriHost = "ruri.host", "its host";
    RuriPort = "ruri.port", "its port, empty where none is written";
    RuriScheme = "ruri.scheme", "its scheme: `sip`, `sips` or `tel`";
    RuriUser = "ruri.user", "its user part, unescaped";
    SourceIp = "source.ip", "address of the sender";
    SourcePort = "source.port", "port of the sender";
    SourceTransport = "source.transport", "`udp`, `tcp`, `tls`, `ws` or `wss`";
    SourceTrust = "source.trust", "trust class that counts for the sender: its trunk's, or else its listener's";
    Status = "status", "the status of a response; empty in requests";
    TargetTrunk = "target.trunk", "trunk of the target; on branches and responses";
    TargetTrust = "target.trust", "trust class of the target; on branches and responses";
    ToHost = "to.host", "host of the URI in To";
    ToUser = "to.user", "user part of the URI in To, unescaped";
    TrunkName = "trunk.name", "the trunk that is calling; empty where none was recognised";
    TrunkTrust = "trunk.trust", "its trust class; empty where none was recognised";
}

impl Path {
    /// Reads a path that stands at byte `at` of its text.
    pub(crate) fn parse(text: &str, at: usize) -> Result<Self, LangError> {
        if let Some((_, fixed)) = FIXED.iter().find(|(name, _)| *name == text) {
            return Ok(Self::Fixed(*fixed));
        }
        match text.split_once('.') {
            Some(("header", name)) => {
                if !sip::is_token(name.as_bytes()) || name.contains('*') {
                    return Err(LangError::new(at, format!("`{name}` is no header name")));
                }
                if reserved::is_reserved(name.as_bytes()) {
                    let message = "names that begin with X-Hookswitch- are reserved";
                    return Err(LangError::new(at, message));
                }
                Ok(Self::Header {
                    id: HeaderName::of(name.as_bytes()),
                    name: name.into(),
                })
            }
            Some(("var", name)) if is_var_name(name) => Ok(Self::Var(name.into())),
            Some(("match", group)) => match group.parse() {
                Ok(group) if group <= GROUPS_MAX => Ok(Self::Match(group)),
                _ => Err(LangError::new(
                    at,
                    format!("`{group}` is no number of a group"),
                )),
            },
            _ => {
                let mut error = LangError::new(at, format!("unknown name `{text}`"));
                let names = FIXED.iter().map(|(name, _)| *name);
                error.suggestion = nearest(text, names).map(str::to_owned);
                Err(error)
            }
        }
    }

    /// What stands there now; empty where there is nothing.
    pub(crate) fn read<'a>(&self, scope: &Scope<'a>) -> Read<'a> {
        match self {
            Self::Fixed(fixed) => fixed.read(scope),
            Self::Header { id, name } => scope.header(*id, name).into(),
            Self::Match(group) => {
                let caught = scope.captures.get(*group);
                caught.map_or(&b""[..], |caught| caught).into()
            }
            Self::Var(name) => scope.cx.facts.vars.get(name).unwrap_or_default().into(),
        }
    }

    /// Whether the value is a trust class.
    pub(crate) fn is_trust(&self) -> bool {
        matches!(
            self,
            Self::Fixed(Fixed::SourceTrust | Fixed::TargetTrust | Fixed::TrunkTrust)
        )
    }

    /// Whether the value is an address.
    pub(crate) fn is_address(&self) -> bool {
        matches!(self, Self::Fixed(Fixed::SourceIp))
    }
}

impl Fixed {
    fn read<'a>(self, scope: &Scope<'a>) -> Read<'a> {
        let cx = scope.cx;
        let source = &cx.source;
        let user = |uri: Option<Uri<'a>>| match uri {
            Some(uri) => Read::from(uri.user_decoded()),
            None => EMPTY,
        };
        let host = |uri: Option<Uri<'a>>| Read::from(uri.map_or(b"".as_slice(), |uri| uri.host));
        let trust = |trust: Option<Trust>| Read::from(trust.map_or("", Trust::as_str).as_bytes());
        let text = |text: Option<&'a str>| Read::from(text.unwrap_or_default().as_bytes());
        match self {
            Self::CallId => scope.header(HeaderName::CallId, "").into(),
            Self::FromHost => host(scope.party(HeaderName::From)),
            Self::FromUser => user(scope.party(HeaderName::From)),
            Self::Identity => text(cx.facts.identity.as_deref()),
            Self::InDialog => text(Some(if cx.facts.in_dialog { "true" } else { "false" })),
            Self::Listener => text(Some(&source.listener)),
            Self::Method => scope.method().into(),
            Self::Ruri => scope.ruri().into(),
            Self::RuriHost => host(scope.ruri_view()),
            Self::RuriPort => match scope.ruri_view().and_then(|uri| uri.port) {
                Some(port) => Read::number(port.into()),
                None => EMPTY,
            },
            Self::RuriScheme => {
                let ruri = scope.ruri();
                let end = memchr::memchr(b':', ruri).unwrap_or(0);
                let scheme = ruri.get(..end).unwrap_or_default();
                Cow::<[u8]>::Owned(scheme.to_ascii_lowercase()).into()
            }
            Self::RuriUser => user(scope.ruri_view()),
            Self::SourceIp => Read::ip(source.address.ip().to_canonical()),
            Self::SourcePort => Read::number(source.address.port().into()),
            Self::SourceTransport => text(Some(source.transport.param())),
            Self::SourceTrust => trust(Some(cx.facts.trust)),
            Self::Status => match scope.message {
                super::Message::Request(_) => EMPTY,
                super::Message::Response(response) => Read::number(response.status().into()),
            },
            Self::TargetTrunk => {
                let trunk = cx
                    .target
                    .as_ref()
                    .and_then(|target| target.trunk.as_deref());
                text(trunk)
            }
            Self::TargetTrust => trust(cx.target.as_ref().map(|target| target.trust)),
            Self::ToHost => host(scope.party(HeaderName::To)),
            Self::ToUser => user(scope.party(HeaderName::To)),
            Self::TrunkName => text(cx.facts.trunk.as_ref().map(|trunk| &*trunk.name)),
            Self::TrunkTrust => trust(cx.facts.trunk.as_ref().map(|trunk| trunk.trust)),
        }
    }
}

/// Whether `name` may name a variable.
pub(crate) fn is_var_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !name.is_empty() && name.len() <= VAR_NAME_BYTES_MAX && name.bytes().all(plain)
}

const EMPTY: Read<'static> = Read::Bytes(Cow::Borrowed(b""));
const GROUPS_MAX: usize = 99;
const VAR_NAME_BYTES_MAX: usize = 64;
