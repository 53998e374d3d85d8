//! Extension headers: those whose names begin with `X-` or `P-`.

use sip::{HeaderName, HeaderSet};

/// How the name of an extension header begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extension {
    P,
    X,
}

impl Extension {
    /// All of them, as numbered.
    pub(super) const ALL: [Self; 2] = [Self::P, Self::X];

    /// Names that may be those of extension headers; any other one is not.
    pub(super) const NAMES: HeaderSet = HeaderSet::of(&[
        HeaderName::Other,
        HeaderName::PAssertedIdentity,
        HeaderName::PPreferredIdentity,
    ]);

    /// The beginning of `name`, if it is one of an extension header.
    #[inline]
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        match name {
            [b'P' | b'p', b'-', ..] => Some(Self::P),
            [b'X' | b'x', b'-', ..] => Some(Self::X),
            _ => None,
        }
    }

    /// `P-` or `X-`.
    pub(super) fn begin(self) -> &'static str {
        match self {
            Self::P => "P-",
            Self::X => "X-",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_all_that_begin_so() {
        for id in HeaderName::ALL {
            let extension = Extension::of(id.as_str().as_bytes()).is_some();
            assert_eq!(Extension::NAMES.contains(*id), extension, "{id:?}");
        }
        for extension in Extension::ALL {
            let name = extension.begin().as_bytes();
            assert_eq!(Extension::of(name), Some(extension));
        }
    }
}
