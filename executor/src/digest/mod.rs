//! Answering digest challenges (RFC 7616), with MD5 and SHA-256: what SIP and HTTP have in common,
//! and what the legs of calls answer (RFC 3261 §22, RFC 8760).

mod challenge;
mod response;

pub(crate) use self::challenge::Challenge;
pub(crate) use self::response::{Algorithm, Answer};

use sip::{AuthValue, HeaderName, Headers};

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
            .find_map(|value| Challenge::read(&AuthValue::parse(&sip::unfold(value))?))?;
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
            value: challenge.respond(&Answer {
                username: &self.credentials.username,
                password: self.credentials.password.expose(),
                method: request.method,
                uri: request.uri,
                cnonce,
                count,
            }),
        })
    }
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
    fn the_first_challenge_that_can_be_answered() {
        let mut digest = digest();
        let challenges = "Basic realm=\"r\"\r\nWWW-Authenticate: Digest realm=\"r\", nonce=\"1\", \
                          algorithm=SHA-512-256\r\nWWW-Authenticate:\r\n Digest\r\n\trealm=\"r\", \
                          nonce=\"2\", algorithm=SHA-256\r\nWWW-Authenticate: Digest realm=\"r\", \
                          nonce=\"3\"";
        let answer = answer(&mut digest, challenges).unwrap();
        assert!(answer.value.contains("nonce=\"2\""), "{answer:?}");
    }
}
