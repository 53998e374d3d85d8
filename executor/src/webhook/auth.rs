//! HTTP authentication: Basic (RFC 7617) and Digest (RFC 7616) with MD5 or SHA-256.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use sip::AuthValue;
use url::Url;

use crate::digest::{self, Algorithm, Answer};

/// What a server asked for in a `WWW-Authenticate` header, with the answers counted.
pub(super) enum Challenge {
    Basic,
    Digest {
        challenge: digest::Challenge,
        /// How often the nonce was used.
        count: u32,
    },
}

impl Challenge {
    /// The strongest of the challenges that can be answered.
    pub(super) fn choose<'h>(headers: impl Iterator<Item = &'h str>) -> Option<Self> {
        let mut best = None;
        for challenge in headers
            .take(HEADERS_MAX)
            .flat_map(|header| AuthValue::list(header.as_bytes()).take(HEADERS_MAX))
            .filter_map(|value| Self::read(&value))
        {
            if best
                .as_ref()
                .is_none_or(|best: &Self| challenge.strength() > best.strength())
            {
                best = Some(challenge);
            }
        }
        best
    }

    fn read(value: &AuthValue<'_>) -> Option<Self> {
        if value.is("Basic") {
            return Some(Self::Basic);
        }
        let challenge = digest::Challenge::read(value)?;
        // A session's first answer would have to be kept with it.
        let usable = !challenge.algorithm.is_session();
        usable.then_some(Self::Digest {
            challenge,
            count: 0,
        })
    }

    fn strength(&self) -> u8 {
        match self {
            Self::Basic => 0,
            Self::Digest { challenge, .. } => {
                1 + u8::from(challenge.algorithm == Algorithm::Sha256)
            }
        }
    }

    /// The `Authorization` header, with the userinfo of the URL.
    pub(super) fn answer(&mut self, method: &str, url: &Url, cnonce: &str) -> Option<String> {
        if url.username().is_empty() && url.password().is_none() {
            return None;
        }
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let username = decode(url.username());
        let password = decode(url.password().unwrap_or_default());
        let Self::Digest { challenge, count } = self else {
            let pair = STANDARD.encode(format!("{username}:{password}"));
            return Some(format!("Basic {pair}"));
        };
        *count = count.checked_add(1)?;
        let uri = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Some(challenge.respond(&Answer {
            username: &username,
            password: &password,
            method,
            uri: &uri,
            cnonce,
            count: *count,
        }))
    }
}

/// Headers that are looked at, and challenges of each.
const HEADERS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(header: &str) -> Challenge {
        Challenge::choose([header].into_iter()).expect("a challenge")
    }

    /// RFC 7616 §3.9.1.
    #[test]
    fn digest_answers_match_the_rfc_and_are_counted() {
        let url =
            Url::parse("http://Mufasa:Circle%20of%20Life@www.example.org/dir/index.html").unwrap();
        let header = |algorithm: &str| {
            format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            )
        };
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            (
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let mut challenge = challenge(&header(algorithm));
            let answer = challenge.answer("GET", &url, cnonce).unwrap();
            assert!(
                answer.contains(&format!("response=\"{response}\"")),
                "{answer}"
            );
            assert!(answer.contains("nc=00000001"), "{answer}");
            let answer = challenge.answer("GET", &url, cnonce).unwrap();
            assert!(answer.contains("nc=00000002"), "{answer}");
        }
    }

    #[test]
    fn the_strongest_of_several_challenges_is_answered() {
        let header = "Basic realm=\"a, b\", Digest realm=\"r\", nonce=\"n\", Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256";
        assert_eq!(challenge(header).strength(), 2);
        assert_eq!(challenge("Basic").strength(), 0);
        for none in [
            "Digest realm=\"x\"",
            "Digest realm=\"x\" y, nonce=\"n\"",
            "Digest realm=\"x\", nonce=\"n\", realm=\"y\"",
            "Digest realm=\"x\", nonce=\"n\", algorithm=MD5-sess",
        ] {
            let found = Challenge::choose(["Negotiate a/b==", none].into_iter());
            assert!(found.is_none(), "{none}");
        }
    }
}
