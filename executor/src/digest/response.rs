//! The response to a digest challenge (RFC 7616 §3.4).

use md5::Md5;
use sha2::{Digest, Sha256};

use super::Challenge;

/// What answers a challenge beside what it says itself.
#[derive(Clone, Copy)]
pub(crate) struct Answer<'a> {
    pub(crate) username: &'a str,
    pub(crate) password: &'a str,
    /// The method of the request.
    pub(crate) method: &'a str,
    /// Its URI as it stands in the request.
    pub(crate) uri: &'a str,
    /// Text of ours that nobody can guess.
    pub(crate) cnonce: &'a str,
    /// The uses of the nonce, with this one.
    pub(crate) count: u32,
}

/// How a response is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Algorithm {
    Md5,
    Md5Session,
    Sha256,
    Sha256Session,
}

impl Algorithm {
    const ALL: [Self; 4] = [
        Self::Md5,
        Self::Md5Session,
        Self::Sha256,
        Self::Sha256Session,
    ];

    /// The algorithm of this name, in any case.
    pub(crate) fn of(name: &[u8]) -> Option<Self> {
        let named = |known: &Self| known.name().as_bytes().eq_ignore_ascii_case(name);
        Self::ALL.into_iter().find(named)
    }

    /// The name on the wire.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Session => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Session => "SHA-256-sess",
        }
    }

    /// Whether one hash of the password serves for all requests under a nonce.
    pub(crate) fn is_session(self) -> bool {
        matches!(self, Self::Md5Session | Self::Sha256Session)
    }

    fn hash(self, text: &str) -> String {
        match self {
            Self::Md5 | Self::Md5Session => hex(&Md5::digest(text)),
            Self::Sha256 | Self::Sha256Session => hex(&Sha256::digest(text)),
        }
    }
}

impl Challenge {
    /// The value of the header that answers.
    pub(crate) fn respond(&self, answer: &Answer<'_>) -> String {
        let Self { realm, nonce, .. } = self;
        let Answer {
            username,
            password,
            method,
            uri,
            cnonce,
            count,
        } = *answer;
        let hash = |text: String| self.algorithm.hash(&text);
        let mut first = hash(format!("{username}:{realm}:{password}"));
        if self.algorithm.is_session() {
            first = hash(format!("{first}:{nonce}:{cnonce}"));
        }
        let second = hash(format!("{method}:{uri}"));
        let response = if self.auth {
            hash(format!(
                "{first}:{nonce}:{count:08x}:{cnonce}:auth:{second}"
            ))
        } else {
            hash(format!("{first}:{nonce}:{second}"))
        };
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\", algorithm={}",
            quoted(username),
            quoted(realm),
            quoted(nonce),
            quoted(uri),
            self.algorithm.name(),
        );
        if self.auth || self.algorithm.is_session() {
            value.push_str(&format!(", cnonce={}", quoted(cnonce)));
        }
        if self.auth {
            value.push_str(&format!(", qop=auth, nc={count:08x}"));
        }
        if let Some(opaque) = &self.opaque {
            value.push_str(&format!(", opaque={}", quoted(opaque)));
        }
        value
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use sip::AuthValue;

    use super::*;

    const ANSWER: Answer<'_> = Answer {
        username: "Mufasa",
        password: "Circle of Life",
        method: "GET",
        uri: "/dir/index.html",
        cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        count: 1,
    };

    fn respond(challenge: &str, answer: &Answer<'_>) -> String {
        let value = AuthValue::parse(challenge.as_bytes()).unwrap();
        Challenge::read(&value).unwrap().respond(answer)
    }

    /// The examples of RFC 7616 §3.9.1.
    #[test]
    fn the_vectors_of_the_rfc() {
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            (
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let challenge = format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
                 algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            );
            let value = respond(&challenge, &ANSWER);
            assert!(value.contains(response), "{algorithm}: {value}");
            let end =
                "qop=auth, nc=00000001, opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
            assert!(value.ends_with(end), "{value}");
        }
    }

    /// As RFC 2069 has it, and a session; the values are Python's.
    #[test]
    fn without_a_quality() {
        let plain = respond("Digest realm=\"r\", nonce=\"n\"", &ANSWER);
        assert!(
            plain.contains("response=\"0bab5c24c08a1ef94a6cc3d446ce558a\""),
            "{plain}"
        );
        assert!(
            !plain.contains("cnonce") && !plain.contains("nc="),
            "{plain}"
        );
        let session = respond("Digest realm=r, nonce=n, algorithm=MD5-sess", &ANSWER);
        assert!(
            session.contains("response=\"9facaec72ad1945f95e05dddd1499435\""),
            "{session}"
        );
        assert!(session.contains(", cnonce=\"f2/"), "{session}");
    }

    #[test]
    fn what_is_quoted_is_escaped() {
        let answer = Answer {
            username: "a\"b\\c",
            ..ANSWER
        };
        let value = respond("Digest realm=\"x\\\"y\", nonce=n", &answer);
        let start = "Digest username=\"a\\\"b\\\\c\", realm=\"x\\\"y\", nonce=\"n\", ";
        assert!(value.starts_with(start), "{value}");
    }
}
