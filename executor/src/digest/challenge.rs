//! Digest challenges.

use sip::AuthValue;

use super::response::Algorithm;

/// A challenge that can be answered.
#[derive(Clone, Debug)]
pub(crate) struct Challenge {
    pub(crate) realm: String,
    pub(crate) nonce: String,
    pub(crate) opaque: Option<String>,
    pub(crate) algorithm: Algorithm,
    /// `qop` holds `auth`.
    pub(crate) auth: bool,
    /// Nothing but the nonce of the last answer was wrong.
    pub(crate) stale: bool,
}

impl Challenge {
    /// `None`: it is malformed, of another scheme, or wants what we cannot.
    pub(crate) fn read(value: &AuthValue<'_>) -> Option<Self> {
        if !value.is("Digest") {
            return None;
        }
        let params = value.params().ok()?;
        let text = |name: &str| {
            let value = params.get(name);
            value
                .map(|value| String::from_utf8(value.to_vec()))
                .transpose()
        };
        let qop = text("qop").ok()?;
        let offers_auth = |qop: &String| {
            let mut offered = qop.split(',');
            offered.any(|one| one.trim().eq_ignore_ascii_case("auth"))
        };
        if !qop.iter().all(offers_auth) {
            // Only auth-int: the body would have to be hashed; nobody asks for it.
            return None;
        }
        let stale = params.get("stale");
        Some(Self {
            realm: text("realm").ok()??,
            nonce: text("nonce").ok()??,
            opaque: text("opaque").ok()?,
            algorithm: Algorithm::of(params.get("algorithm").unwrap_or(b"MD5"))?,
            auth: qop.is_some(),
            stale: stale.is_some_and(|stale| stale.eq_ignore_ascii_case(b"true")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<Challenge> {
        Challenge::read(&AuthValue::parse(value.as_bytes()).expect("a scheme"))
    }

    #[test]
    fn what_is_read() {
        let read = read(
            "DIGEST\trealm=\"a, \\\"b\\\"\", nonce=n, opaque=\"\", qop=\"auth-int, Auth\", \
             algorithm=sha-256-SESS, stale=\"TRUE\", charset=UTF-8",
        );
        let read = read.unwrap();
        assert_eq!((&*read.realm, &*read.nonce), ("a, \"b\"", "n"));
        assert_eq!(read.opaque.as_deref(), Some(""));
        assert_eq!(read.algorithm.name(), "SHA-256-sess");
        assert!(read.auth && read.stale);
    }

    #[test]
    fn what_cannot_be_answered() {
        for challenge in [
            "Basic realm=\"r\", nonce=\"1\"",
            "Digest realm=\"r\"",
            "Digest nonce=\"1\"",
            "Digest realm=\"r\", nonce=\"1\", algorithm=SHA-512-256",
            "Digest realm=\"r\", nonce=\"1\", qop=\"auth-int\"",
            "Digest realm=\"r\", nonce=\"1\", realm=\"s\"",
            "Digest realm=\"r\" x, nonce=\"1\"",
            "Digest realm=\"r, nonce=1",
        ] {
            assert!(read(challenge).is_none(), "{challenge}");
        }
        let bytes = b"Digest realm=\"\xff\", nonce=\"1\"";
        let value = AuthValue::parse(bytes).unwrap();
        assert!(Challenge::read(&value).is_none());
    }
}
