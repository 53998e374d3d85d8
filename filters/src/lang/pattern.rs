//! Header names in rules: one name, or the beginning of many.

use sip::{Header, HeaderName, is_token};

use crate::reserved;

/// `X-Tenant`, `X-Internal-*` or `*`; without case, and aware of compact forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// Exactly this name.
    Name { id: HeaderName, name: Box<str> },
    /// Every name that begins so.
    Prefix(Box<str>),
}

/// Why a rule may not use a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    #[error("a rule may not write or remove this header: routing owns it")]
    Owned,
    #[error("names that begin with X-Hookswitch- are reserved")]
    Reserved,
    #[error("is no header name")]
    Syntax,
    #[error("a * may stand at the end only")]
    Wildcard,
    #[error("a name without * is needed here")]
    WildcardHere,
}

impl Pattern {
    /// Reads a pattern.
    pub(crate) fn parse(text: &str) -> Result<Self, NameError> {
        if let Some(prefix) = text.strip_suffix('*') {
            if prefix.contains('*') {
                return Err(NameError::Wildcard);
            }
            if !prefix.is_empty() && !is_token(prefix.as_bytes()) {
                return Err(NameError::Syntax);
            }
            if reserved::is_reserved(prefix.as_bytes()) {
                return Err(NameError::Reserved);
            }
            return Ok(Self::Prefix(prefix.into()));
        }
        Self::parse_name(text)
    }

    /// Reads a name without a wildcard.
    pub(crate) fn parse_name(text: &str) -> Result<Self, NameError> {
        if text.ends_with('*') {
            return Err(NameError::WildcardHere);
        }
        if text.contains('*') {
            return Err(NameError::Wildcard);
        }
        if !is_token(text.as_bytes()) {
            return Err(NameError::Syntax);
        }
        if reserved::is_reserved(text.as_bytes()) {
            return Err(NameError::Reserved);
        }
        Ok(Self::Name {
            id: HeaderName::of(text.as_bytes()),
            name: text.into(),
        })
    }

    /// Whether `header` is meant. Reserved headers never are, and headers that routing owns by
    /// their own name only.
    pub(crate) fn matches(&self, header: &Header<'_>) -> bool {
        match self {
            Self::Name {
                id: HeaderName::Other,
                name,
            } => header.name.eq_ignore_ascii_case(name.as_bytes()),
            Self::Name { id, .. } => header.id == *id,
            Self::Prefix(prefix) => {
                let long = match header.id {
                    HeaderName::Other => header.name,
                    id => id.as_str().as_bytes(),
                };
                begins_with(long, prefix.as_bytes())
                    && !is_owned(header.id)
                    && !reserved::is_reserved(header.name)
            }
        }
    }

    /// Whether the pattern is one name.
    pub(crate) fn is_name(&self) -> bool {
        matches!(self, Self::Name { .. })
    }

    /// Whether it means every header that begins with `begin` and that patterns with `*` mean at all.
    pub(crate) fn has_all(&self, begin: &str) -> bool {
        match self {
            Self::Name { .. } => false,
            Self::Prefix(prefix) => begins_with(begin.as_bytes(), prefix.as_bytes()),
        }
    }

    /// Whether every header that is meant begins with `prefix`.
    pub(crate) fn is_within(&self, prefix: &str) -> bool {
        let (Self::Name { name: text, .. } | Self::Prefix(text)) = self;
        begins_with(text.as_bytes(), prefix.as_bytes())
    }
}

/// Checks that a rule may write or remove what `pattern` means.
pub(crate) fn check_written(pattern: &Pattern) -> Result<(), NameError> {
    match pattern {
        Pattern::Name { id, .. } if is_owned(*id) => Err(NameError::Owned),
        _ => Ok(()),
    }
}

/// Headers that routing, dialogs and framing hang on; the pipeline alone writes them.
fn is_owned(id: HeaderName) -> bool {
    matches!(
        id,
        HeaderName::CallId
            | HeaderName::Contact
            | HeaderName::ContentLength
            | HeaderName::CSeq
            | HeaderName::From
            | HeaderName::MaxForwards
            | HeaderName::RecordRoute
            | HeaderName::Route
            | HeaderName::To
            | HeaderName::Via
    )
}

fn begins_with(text: &[u8], prefix: &[u8]) -> bool {
    text.get(..prefix.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str) -> Header<'_> {
        Header {
            id: HeaderName::of(name.as_bytes()),
            name: name.as_bytes(),
            value: b"",
        }
    }

    #[test]
    fn matches() {
        let yes = [
            ("X-Internal-*", "x-internal-A"),
            ("X-Tenant", "x-TENANT"),
            ("*", "Subject"),
            ("Subject", "s"),
            ("s", "Subject"),
            ("Refer-*", "r"),
        ];
        for (pattern, name) in yes {
            assert!(
                Pattern::parse(pattern).unwrap().matches(&header(name)),
                "{pattern} {name}"
            );
        }
        let no = [
            ("X-Internal-*", "X-Intern"),
            ("*", "v"),
            ("*", "Route"),
            ("*", "X-Hookswitch-Trunk"),
            ("X-*", "x-hookswitch-trunk"),
            ("X-Tenant", "X-Tenants"),
        ];
        for (pattern, name) in no {
            assert!(
                !Pattern::parse(pattern).unwrap().matches(&header(name)),
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn refused() {
        for (text, error) in [
            ("X-*-A", NameError::Wildcard),
            ("**", NameError::Wildcard),
            ("X A", NameError::Syntax),
            ("", NameError::Syntax),
            ("X-hookSwitch-*", NameError::Reserved),
            ("X-Hookswitch-Trunk", NameError::Reserved),
        ] {
            assert_eq!(Pattern::parse(text), Err(error), "{text}");
        }
        assert_eq!(Pattern::parse_name("X-*"), Err(NameError::WildcardHere));
        assert_eq!(
            check_written(&Pattern::parse("v").unwrap()),
            Err(NameError::Owned)
        );
    }
}
