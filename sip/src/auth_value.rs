//! What stands in Authorization, WWW-Authenticate and their proxy twins (RFC 3261 §25.1, RFC 9110
//! §11): a scheme and its parameters.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::ViewError;
use crate::ascii::{is_lws, is_token, trim};
use crate::list::split_outside;

/// Credentials or a challenge as written: the name of a scheme, and what follows it. A folded value
/// is unfolded first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthValue<'a> {
    scheme: &'a [u8],
    params: &'a [u8],
}

/// Parameters by name, their values without quotes; each stands once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthParams<'a>(SmallVec<[Param<'a>; 10]>);

/// A name, and its value without quotes.
type Param<'a> = (&'a [u8], Cow<'a, [u8]>);

impl<'a> AuthValue<'a> {
    /// Reads a header of SIP, which holds one. `None`: it does not begin with the name of a scheme.
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let value = trim(value);
        let end = value.iter().position(|&byte| is_lws(byte));
        let (scheme, params) = value.split_at_checked(end.unwrap_or(value.len()))?;
        is_token(scheme).then_some(Self { scheme, params })
    }

    /// Reads a header of HTTP, which may hold several, with the same comma between them as between
    /// their parameters (RFC 9110 §11.6.1).
    pub fn list(value: &'a [u8]) -> impl Iterator<Item = Self> + use<'a> {
        let mut rest = value;
        std::iter::from_fn(move || {
            while !begins(rest) {
                rest = split_outside(rest, b',').1?;
            }
            let start = rest;
            loop {
                rest = split_outside(rest, b',').1.unwrap_or_default();
                if rest.is_empty() || begins(rest) {
                    let length = start.len() - rest.len();
                    return Self::parse(without_gap(start.get(..length)?));
                }
            }
        })
    }

    /// Whether it is of this scheme, in any case.
    pub fn is(&self, scheme: &str) -> bool {
        self.scheme.eq_ignore_ascii_case(scheme.as_bytes())
    }

    /// Reads the parameters.
    ///
    /// # Errors
    ///
    /// One cannot be read, one stands twice, or there are more than 24.
    pub fn params(&self) -> Result<AuthParams<'a>, ViewError> {
        let mut params = AuthParams(SmallVec::new());
        let mut rest = self.params;
        while let Some((param, after)) = next_param(rest)? {
            if params.find(param.0).is_some() || params.0.len() == PARAMS_MAX {
                return Err(ViewError::Param);
            }
            params.0.push(param);
            rest = after;
        }
        Ok(params)
    }
}

impl AuthParams<'_> {
    /// The value of a parameter; its name in any case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.find(name.as_bytes())
    }

    fn find(&self, name: &[u8]) -> Option<&[u8]> {
        let mut all = self.0.iter();
        all.find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| &**value)
    }
}

/// Whether an element begins with the name of a scheme: a token without `=` behind it.
fn begins(element: &[u8]) -> bool {
    let element = trim(element);
    let ends = |byte: &u8| is_lws(*byte) || matches!(byte, b'=' | b',');
    let at = element.iter().position(ends).unwrap_or(element.len());
    let Some((word, rest)) = element.split_at_checked(at) else {
        return false;
    };
    is_token(word) && trim(rest).first() != Some(&b'=')
}

/// `text` without commas and white space at its end.
fn without_gap(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., last] = text
        && is_gap(*last)
    {
        text = rest;
    }
    text
}

fn is_gap(byte: u8) -> bool {
    byte == b',' || is_lws(byte)
}

/// The next `name=value` or `name="value"` of a comma-separated list, and what follows it.
fn next_param(text: &[u8]) -> Result<Option<(Param<'_>, &[u8])>, ViewError> {
    let Some(start) = text.iter().position(|&byte| !is_gap(byte)) else {
        return Ok(None);
    };
    let text = text.get(start..).unwrap_or_default();
    let at = memchr::memchr(b'=', text).ok_or(ViewError::Param)?;
    let name = trim(text.get(..at).unwrap_or_default());
    let rest = text.get(at + 1..).unwrap_or_default().trim_ascii_start();
    if !is_token(name) {
        return Err(ViewError::Param);
    }
    let (value, rest) = match rest {
        [b'"', inner @ ..] => unquote(inner)?,
        _ => {
            let end = memchr::memchr(b',', rest).unwrap_or(rest.len());
            let (value, rest) = rest.split_at_checked(end).unwrap_or_default();
            (Cow::Borrowed(trim(value)), rest)
        }
    };
    // A value ends at a comma or at the end.
    match rest.trim_ascii_start() {
        [] | [b',', ..] => Ok(Some(((name, value), rest))),
        _ => Err(ViewError::Param),
    }
}

/// A quoted string whose opening quote is gone, and what follows it (RFC 3261 §25.1).
fn unquote(inner: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), ViewError> {
    let end = memchr::memchr2(b'"', b'\\', inner).ok_or(ViewError::Quote)?;
    if let Some((value, [b'"', rest @ ..])) = inner.split_at_checked(end) {
        return Ok((Cow::Borrowed(value), rest));
    }
    let mut value = Vec::new();
    let mut bytes = inner.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                let rest = inner.get(at + 1..).unwrap_or_default();
                return Ok((Cow::Owned(value), rest));
            }
            b'\\' => value.push(*bytes.next().ok_or(ViewError::Quote)?.1),
            byte => value.push(*byte),
        }
    }
    Err(ViewError::Quote)
}

/// Parameters of one scheme at most.
const PARAMS_MAX: usize = 24;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(value: &str) -> Result<AuthParams<'_>, ViewError> {
        AuthValue::parse(value.as_bytes())
            .expect("a scheme")
            .params()
    }

    #[test]
    fn spellings() {
        for value in [
            "Digest realm=\"r\", qop=auth",
            "Digest\trealm=\"r\",qop=auth",
            "digest  REALM = r , Qop = \"auth\"",
            "DIGEST ,, realm=\"\\r\",\r\n qop=auth,",
        ] {
            let params = read(value).unwrap();
            assert_eq!(params.get("realm"), Some(&b"r"[..]), "{value}");
            assert_eq!(params.get("QOP"), Some(&b"auth"[..]), "{value}");
            assert_eq!(params.get("nonce"), None);
        }
        let params = read("x a=\"b, \\\"c\\\\\", d=, e=f=g").unwrap();
        for (name, value) in [("a", "b, \"c\\"), ("d", ""), ("e", "f=g")] {
            assert_eq!(params.get(name), Some(value.as_bytes()), "{name}");
        }
        assert!(AuthValue::parse(b"Basic YTpi").unwrap().is("basic"));
        assert_eq!(read("Negotiate").unwrap().get("x"), None);
    }

    #[test]
    fn refused() {
        for (value, error) in [
            ("Digest x", ViewError::Param),
            ("Digest =", ViewError::Param),
            ("Digest re alm=r", ViewError::Param),
            ("Digest realm=\"r\" x", ViewError::Param),
            ("Digest realm=\"r\"x, a=b", ViewError::Param),
            ("Digest realm=r, Realm=s", ViewError::Param),
            ("Digest realm=r, Digest realm=s", ViewError::Param),
            ("Digest realm=\"r", ViewError::Quote),
            ("Digest realm=\"r\\", ViewError::Quote),
        ] {
            assert_eq!(read(value), Err(error), "{value}");
        }
        let many = |count: usize| {
            let params: String = (0..count).map(|at| format!(", p{at}=1")).collect();
            read(&format!("Digest {params}")).is_ok()
        };
        assert!(many(PARAMS_MAX) && !many(PARAMS_MAX + 1));
        for value in ["", " ", ",", "realm=r", "\"Digest\" a=b"] {
            assert_eq!(AuthValue::parse(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn several_of_one_header() {
        let header = "Negotiate a/b==, Basic realm=\"x, Digest y=z\" ,Plain,, Digest realm = \"r\", nonce=n,";
        let all: Vec<_> = AuthValue::list(header.as_bytes()).collect();
        let schemes: Vec<_> = all.iter().map(|value| value.scheme).collect();
        assert_eq!(schemes, [&b"Negotiate"[..], b"Basic", b"Plain", b"Digest"]);
        let realm = |at: usize| all[at].params().unwrap().get("realm").map(<[u8]>::to_vec);
        assert_eq!(realm(1).unwrap(), b"x, Digest y=z");
        assert_eq!(realm(2), None);
        assert_eq!(realm(3).unwrap(), b"r");
        assert_eq!(all[3].params().unwrap().get("nonce"), Some(&b"n"[..]));
        for none in ["", ", ,", "realm=r", "realm =r, nonce=n"] {
            assert_eq!(AuthValue::list(none.as_bytes()).count(), 0, "{none}");
        }
        assert_eq!(AuthValue::list(b"realm=r, Basic").count(), 1);
    }

    proptest! {
        /// What can be read as one is no list of several.
        #[test]
        fn one_is_not_several(value in "[ab=,\"<> \\\\]{0,40}") {
            let list: Vec<_> = AuthValue::list(value.as_bytes()).collect();
            prop_assert!(list.iter().all(|auth| is_token(auth.scheme)));
            let one = AuthValue::parse(value.as_bytes());
            if let Some((one, params)) = one.and_then(|one| Some((one, one.params().ok()?))) {
                prop_assert_eq!(list.len(), 1);
                prop_assert_eq!(list[0].scheme, one.scheme);
                prop_assert_eq!(list[0].params(), Ok(params));
            }
        }
    }
}
