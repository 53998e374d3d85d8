//! Answering a digest challenge (RFC 3261 §22, RFC 8760), with MD5 and SHA-256.

use md5::Md5;
use sha2::{Digest as _, Sha256};
use sip::{HeaderName, Headers};

use crate::run::Credentials;

/// The credentials of one leg, and what they have been shown to.
///
/// A challenge can be anybody's on the way. So the first realm that asks is the only one that is
/// ever answered, and a second challenge to the same request only if it comes with another nonce and
/// says that nothing else was wrong (`stale`). A request of another method is challenged anew, be it
/// with a nonce that was answered before, whose uses are counted.
#[derive(Debug)]
pub(crate) struct Digest {
    credentials: Credentials,
    realm: Option<String>,
    /// Nonces that were answered, and how often each.
    nonces: Vec<(String, u32)>,
    /// The method of the request that was answered for last.
    method: Option<String>,
}

/// The header that goes on the repeated request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Authorization {
    pub(crate) name: &'static str,
    pub(crate) value: String,
}

impl Authorization {
    /// Name and value of the header.
    pub(crate) fn header(&self) -> (&str, &[u8]) {
        (self.name, self.value.as_bytes())
    }
}

/// The request that was challenged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Challenged<'a> {
    pub(crate) method: &'a str,
    pub(crate) uri: &'a str,
}

impl Digest {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            realm: None,
            nonces: Vec::new(),
            method: None,
        }
    }

    /// The answer to the first challenge of a 401 or 407 that we can answer, if we may.
    pub(crate) fn answer(
        &mut self,
        status: u16,
        headers: &Headers,
        request: Challenged<'_>,
        cnonce: &str,
    ) -> Option<Authorization> {
        let (id, name) = match status {
            401 => (HeaderName::WwwAuthenticate, "Authorization"),
            407 => (HeaderName::ProxyAuthenticate, "Proxy-Authorization"),
            _ => return None,
        };
        let challenge = headers
            .all(id)
            .take(CHALLENGES_MAX)
            .find_map(Challenge::parse)?;
        let pinned = self.realm.get_or_insert_with(|| challenge.realm.clone());
        let repeated = self.method.as_deref() == Some(request.method);
        let known = self
            .nonces
            .iter()
            .position(|(nonce, _)| *nonce == challenge.nonce);
        if *pinned != challenge.realm || (repeated && (known.is_some() || !challenge.stale)) {
            return None;
        }
        let at = match known {
            Some(at) => at,
            None if self.nonces.len() < NONCES_MAX => {
                self.nonces.push((challenge.nonce.clone(), 0));
                self.nonces.len() - 1
            }
            None => return None,
        };
        let (_, count) = self.nonces.get_mut(at)?;
        *count = count.checked_add(1)?;
        let count = *count;
        self.method = Some(request.method.to_owned());
        Some(Authorization {
            name,
            value: challenge.respond(&self.credentials, request, cnonce, count),
        })
    }
}

#[derive(Debug)]
struct Challenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// `qop` holds `auth`.
    auth: bool,
    stale: bool,
}

#[derive(Clone, Copy, Debug)]
struct Algorithm {
    name: &'static str,
    hash: fn(&str) -> String,
    session: bool,
}

impl Challenge {
    fn parse(value: &[u8]) -> Option<Self> {
        let value = sip::unfold(value);
        let text = std::str::from_utf8(&value).ok()?;
        let (scheme, mut rest) = text.trim().split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let (mut realm, mut nonce, mut opaque, mut algorithm) = (None, None, None, None);
        let (mut qop, mut stale) = (None, false);
        while let Some((name, value, after)) = next_param(rest) {
            rest = after;
            match name.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "nonce" => nonce = Some(value),
                "opaque" => opaque = Some(value),
                "algorithm" => algorithm = Some(value),
                "qop" => qop = Some(value),
                "stale" => stale = value.eq_ignore_ascii_case("true"),
                _ => {}
            }
        }
        let auth = match &qop {
            None => false,
            Some(qop)
                if qop
                    .split(',')
                    .any(|one| one.trim().eq_ignore_ascii_case("auth")) =>
            {
                true
            }
            // Only auth-int: the body would have to be hashed; nobody asks for it.
            Some(_) => return None,
        };
        let algorithm = Algorithm::of(algorithm.as_deref().unwrap_or("MD5"))?;
        Some(Self {
            realm: realm?,
            nonce: nonce?,
            opaque,
            algorithm,
            auth,
            stale,
        })
    }

    /// `count`: the uses of the nonce, with this one.
    fn respond(
        &self,
        who: &Credentials,
        request: Challenged<'_>,
        cnonce: &str,
        count: u32,
    ) -> String {
        let Self { realm, nonce, .. } = self;
        let Challenged { method, uri } = request;
        let hash = self.algorithm.hash;
        let username = &who.username;
        let mut first = hash(&format!("{username}:{realm}:{}", who.password.expose()));
        if self.algorithm.session {
            first = hash(&format!("{first}:{nonce}:{cnonce}"));
        }
        let second = hash(&format!("{method}:{uri}"));
        let response = if self.auth {
            hash(&format!("{first}:{nonce}:{count:08x}:{cnonce}:auth:{second}"))
        } else {
            hash(&format!("{first}:{nonce}:{second}"))
        };
        let mut value = format!(
            "Digest username={}, realm={}, nonce={}, uri=\"{uri}\", response=\"{response}\", \
             algorithm={}",
            quoted(username),
            quoted(realm),
            quoted(nonce),
            self.algorithm.name,
        );
        if self.auth {
            value.push_str(&format!(", cnonce=\"{cnonce}\", qop=auth, nc={count:08x}"));
        }
        if let Some(opaque) = &self.opaque {
            value.push_str(&format!(", opaque={}", quoted(opaque)));
        }
        value
    }
}

impl Algorithm {
    fn of(name: &str) -> Option<Self> {
        ALGORITHMS
            .into_iter()
            .find(|known| known.name.eq_ignore_ascii_case(name))
    }
}

const ALGORITHMS: [Algorithm; 4] = [
    Algorithm {
        name: "MD5",
        hash: md5_hex,
        session: false,
    },
    Algorithm {
        name: "MD5-sess",
        hash: md5_hex,
        session: true,
    },
    Algorithm {
        name: "SHA-256",
        hash: sha256_hex,
        session: false,
    },
    Algorithm {
        name: "SHA-256-sess",
        hash: sha256_hex,
        session: true,
    },
];

fn md5_hex(text: &str) -> String {
    hex(&Md5::digest(text))
}

fn sha256_hex(text: &str) -> String {
    hex(&Sha256::digest(text))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The next `name=value` or `name="value"` of a comma-separated list, unquoted.
fn next_param(text: &str) -> Option<(&str, String, &str)> {
    let text = text.trim_start_matches([' ', '\t', ',']);
    let (name, rest) = text.split_once('=')?;
    let rest = rest.trim_start();
    let Some(inner) = rest.strip_prefix('"') else {
        let (value, rest) = rest.split_once(',').unwrap_or((rest, ""));
        return Some((name.trim(), value.trim().to_owned(), rest));
    };
    let mut value = String::new();
    let mut escaped = false;
    for (at, char) in inner.char_indices() {
        match char {
            _ if escaped => {
                value.push(char);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return Some((name.trim(), value, inner.get(at + 1..).unwrap_or(""))),
            _ => value.push(char),
        }
    }
    None
}

/// Nonces that one leg answers at most.
const NONCES_MAX: usize = 4;

/// Challenges of one response that are looked at.
const CHALLENGES_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    fn digest() -> Digest {
        let password = Secret::new("Circle of Life");
        Digest::new(Credentials {
            username: "Mufasa".to_owned(),
            password,
        })
    }

    fn answer(digest: &mut Digest, challenge: &str) -> Option<Authorization> {
        answer_for(digest, "GET", challenge)
    }

    fn answer_for(digest: &mut Digest, method: &str, challenge: &str) -> Option<Authorization> {
        let text = format!("SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: {challenge}\r\n\r\n");
        let message = sip::parse(text.into_bytes().into(), &sip::Limits::default()).unwrap();
        let request = Challenged {
            method,
            uri: "/dir/index.html",
        };
        digest.answer(
            401,
            message.headers(),
            request,
            "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        )
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
            let value = answer(
                &mut digest(),
                &format!(
                    "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", \
                     algorithm={algorithm}, nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                     opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
                ),
            )
            .unwrap()
            .value;
            assert!(value.contains(response), "{algorithm}: {value}");
            assert!(
                value.contains("qop=auth, nc=00000001, opaque=\"FQhe"),
                "{value}"
            );
        }
    }

    #[test]
    fn a_nonce_is_answered_once_and_a_second_challenge_only_when_stale() {
        let mut digest = digest();
        assert!(answer(&mut digest, "Digest realm=\"r\", nonce=\"1\"").is_some());
        assert_eq!(
            answer(&mut digest, "Digest realm=\"r\", nonce=\"1\", stale=true"),
            None
        );
        assert_eq!(answer(&mut digest, "Digest realm=\"r\", nonce=\"2\""), None);
        assert!(answer(&mut digest, "Digest realm=\"r\", nonce=\"3\", stale=TRUE").is_some());
    }

    #[test]
    fn a_request_of_another_method_is_challenged_anew() {
        let mut digest = digest();
        let same = "Digest realm=\"r\", nonce=\"1\", qop=\"auth\"";
        let invite = answer_for(&mut digest, "INVITE", same).unwrap();
        assert!(invite.value.contains("nc=00000001"), "{invite:?}");
        let bye = answer_for(&mut digest, "BYE", same).unwrap();
        assert!(bye.value.contains("nc=00000002"), "{bye:?}");
        assert_eq!(answer_for(&mut digest, "BYE", same), None);
        let other = "Digest realm=\"r\", nonce=\"2\"";
        assert_eq!(answer_for(&mut digest, "BYE", other), None);
        let mut digest = self::digest();
        assert!(answer_for(&mut digest, "INVITE", same).is_some());
        assert!(answer_for(&mut digest, "BYE", other).is_some());
    }

    #[test]
    fn nonces_of_one_leg_are_bounded() {
        let mut digest = digest();
        let answered = (0..100).filter(|nonce| {
            let challenge = format!("Digest realm=\"r\", nonce=\"{nonce}\", stale=true");
            answer(&mut digest, &challenge).is_some()
        });
        assert_eq!(answered.count(), NONCES_MAX);
    }

    #[test]
    fn another_realm_gets_nothing() {
        let mut digest = digest();
        assert!(answer(&mut digest, "Digest realm=\"r\", nonce=\"1\"").is_some());
        assert_eq!(
            answer(
                &mut digest,
                "Digest realm=\"evil\", nonce=\"2\", stale=true"
            ),
            None
        );
    }

    #[test]
    fn what_cannot_be_answered() {
        for challenge in [
            "Basic realm=\"r\"",
            "Digest realm=\"r\"",
            "Digest realm=\"r\", nonce=\"1\", algorithm=SHA-512-256",
            "Digest realm=\"r\", nonce=\"1\", qop=\"auth-int\"",
            "Digest realm=\"r, nonce=1",
        ] {
            assert_eq!(answer(&mut digest(), challenge), None, "{challenge}");
        }
    }
}
