//! Who a caller is: digest authentication (RFC 3261 §22, RFC 7616, RFC 8760).
//!
//! ```text
//! credentials ─► too many guesses? ─► nonce ours, for this source? ─► response right? ─► young, count new? ─► passed
//!      │ none            │ 403                │ challenge, stale           │ challenge          │ challenge, stale
//!      ▼
//!  challenge
//! ```
//!
//! A nonce is a signed time, so nothing is kept of who was only challenged. What is kept is bounded:
//! the counts of nonces that were used ([`nonce`]), and wrong guesses by source ([`guesses`]). A
//! response is only looked at under a nonce that was made for its source, so whoever forges a source
//! address can neither guess nor spend the guesses of others.

mod account;
mod credentials;
mod guesses;
mod nonce;

use std::net::IpAddr;

use sip::Instant;

pub use account::{Account, Accounts, Algorithm, Secret};
pub(crate) use credentials::{Credentials, Malformed};

use account::hash;
use guesses::Guesses;
use nonce::{Nonces, Use};

/// What all workers know of nonces and guesses.
#[derive(Debug)]
pub(crate) struct Authority {
    nonces: Nonces,
    guesses: Guesses,
}

/// Credentials, and what they are to open.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    /// Who may pass.
    pub(crate) accounts: &'a Accounts,
    /// What the caller shows.
    pub(crate) credentials: &'a Credentials,
    /// The method of the request.
    pub(crate) method: &'a [u8],
    /// Where it comes from.
    pub(crate) source: IpAddr,
}

/// What is made of credentials.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They are wrong.
    Wrong,
    /// They may be right, but not under this nonce.
    Stale,
    /// The source has guessed too often: nothing was looked at.
    Blocked,
    /// They are right.
    Passed,
}

impl Authority {
    /// Keys that nobody else knows.
    pub(crate) fn new(keys: [u64; 2]) -> Self {
        Self {
            nonces: Nonces::new(keys),
            guesses: Guesses::new([keys[1], keys[0]]),
        }
    }

    /// The values of a challenge, the strongest algorithm first (RFC 8760 §2.4). `salt` is random.
    pub(crate) fn challenges(
        &self,
        accounts: &Accounts,
        source: IpAddr,
        stale: bool,
        salt: u64,
        now: Instant,
    ) -> Vec<String> {
        let realm = accounts.realm();
        let nonce = self.nonces.issue(realm, source, salt, now);
        let stale = if stale { ", stale=true" } else { "" };
        let value = |algorithm: &Algorithm| {
            let name = algorithm.name();
            format!(
                "Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm={name}, qop=\"auth\"{stale}"
            )
        };
        accounts.algorithms().iter().map(value).collect()
    }

    /// Looks at credentials.
    pub(crate) fn check(&self, asked: &Asked<'_>, now: Instant) -> Verdict {
        let Asked {
            accounts,
            credentials,
            source,
            ..
        } = *asked;
        if self.guesses.is_blocked(source, now) {
            return Verdict::Blocked;
        }
        let nonce = self
            .nonces
            .read(&credentials.nonce, accounts.realm(), source);
        let Some(nonce) = nonce else {
            return Verdict::Stale;
        };
        if !is_right(asked) {
            self.guesses.count(source, now);
            return Verdict::Wrong;
        }
        match self.nonces.spend(nonce, credentials.count, now) {
            Use::New => Verdict::Passed,
            Use::Old => Verdict::Stale,
        }
    }
}

/// Whether the response is the one of somebody who knows the password (RFC 7616 §3.4.1). Takes as
/// long for a name that nobody has.
fn is_right(asked: &Asked<'_>) -> bool {
    let Credentials {
        username,
        nonce,
        uri,
        response,
        cnonce,
        count_text,
        algorithm,
        ..
    } = asked.credentials;
    let Some(algorithm) = *algorithm else {
        return false;
    };
    if !asked.accounts.algorithms().contains(&algorithm) {
        return false;
    }
    let account = asked.accounts.get(username);
    let known = account.and_then(|account| account.secret(algorithm));
    let nobody = hash(algorithm, &[b"nobody"]);
    let first = known.unwrap_or(&nobody);
    let second = hash(algorithm, &[asked.method, uri]);
    let parts: [&[u8]; 6] = [first, nonce, count_text, cnonce, b"auth", &second];
    let wanted = hash(algorithm, &parts);
    let same = response.len() == wanted.len();
    // Compared without an early end, so that time tells nothing.
    let pairs = wanted.iter().zip(response.iter());
    let differ = pairs.fold(0, |sum, (ours, told)| {
        sum | (ours ^ told.to_ascii_lowercase())
    });
    same && differ == 0 && known.is_some()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SOURCE: &str = "198.51.100.7";
    const OTHER: &str = "198.51.100.8";

    fn accounts() -> Accounts {
        let account = |name: &str, password: &str| {
            let secret = Secret::Password(password.to_owned());
            (
                name.to_owned(),
                Account::new(name, "demo.example", &[secret]),
            )
        };
        let list = [account("alice", "wonder land"), account("bob", "builder")];
        Accounts::new("demo.example", &Algorithm::ALL, list.into())
    }

    /// The answer to a challenge, as a client makes it.
    pub(super) fn answer(challenge: &str, password: &str, count: u32) -> String {
        let part = |name: &str| {
            let (_, rest) = challenge.split_once(name).unwrap();
            rest.split([',', '"'])
                .find(|text| !text.is_empty())
                .unwrap()
        };
        let (nonce, algorithm) = (part("nonce="), part("algorithm="));
        let known = Algorithm::of(algorithm.as_bytes()).unwrap();
        let first = hash(known, &[b"alice", b"demo.example", password.as_bytes()]);
        let second = hash(known, &[b"INVITE", b"sip:bob@demo.example"]);
        let count = format!("{count:08x}");
        let response = hash(
            known,
            &[
                &first,
                nonce.as_bytes(),
                count.as_bytes(),
                b"c",
                b"auth",
                &second,
            ],
        );
        format!(
            "Digest username=\"alice\", realm=\"demo.example\", nonce=\"{nonce}\", uri=\"sip:bob@demo.example\", \
             response=\"{}\", algorithm={algorithm}, cnonce=\"c\", qop=auth, nc={count}",
            String::from_utf8_lossy(&response)
        )
    }

    fn check(authority: &Authority, value: &str, source: &str, at: u64) -> Verdict {
        let credentials = Credentials::parse(value.as_bytes()).unwrap().unwrap();
        let asked = Asked {
            accounts: &accounts(),
            credentials: &credentials,
            method: b"INVITE",
            source: source.parse().unwrap(),
        };
        authority.check(&asked, Instant::from_micros(at * 1_000_000))
    }

    fn challenged(authority: &Authority, salt: u64, at: u64) -> Vec<String> {
        let source = SOURCE.parse().unwrap();
        let now = Instant::from_micros(at * 1_000_000);
        authority.challenges(&accounts(), source, false, salt, now)
    }

    #[test]
    fn the_strongest_is_offered_first_and_each_of_them_opens() {
        let authority = Authority::new([1, 2]);
        let challenges = challenged(&authority, 1, 5);
        assert!(challenges[0].contains("algorithm=SHA-256"));
        assert!(challenges[1].contains("algorithm=MD5"));
        for (salt, at) in [(1, 0), (2, 1)] {
            let challenge = &challenged(&authority, salt, 5)[at];
            let value = answer(challenge, "wonder land", 1);
            assert_eq!(check(&authority, &value, SOURCE, 6), Verdict::Passed);
        }
    }

    #[test]
    fn what_is_wrong_does_not_open() {
        let authority = Authority::new([1, 2]);
        let challenge = &challenged(&authority, 1, 5)[0];
        let right = answer(challenge, "wonder land", 1);
        let verdict = |value: &str| check(&authority, value, SOURCE, 6);
        assert_eq!(verdict(&answer(challenge, "builder", 1)), Verdict::Wrong);
        for (from, to) in [
            ("username=\"alice\"", "username=\"bob\""),
            ("username=\"alice\"", "username=\"nobody\""),
            ("sip:bob@", "sip:+1900@"),
            ("nc=00000001", "nc=00000002"),
            ("cnonce=\"c\"", "cnonce=\"d\""),
            ("SHA-256", "MD5"),
            ("SHA-256", "SHA-512-256"),
            ("response=\"", "response=\"0"),
        ] {
            assert_eq!(verdict(&right.replace(from, to)), Verdict::Wrong, "{to}");
        }
        assert_eq!(verdict(&right), Verdict::Passed);
    }

    #[test]
    fn a_nonce_is_for_one_source_one_time_a_count_and_a_while() {
        let authority = Authority::new([1, 2]);
        let challenge = &challenged(&authority, 1, 5)[0];
        let value = |count| answer(challenge, "wonder land", count);
        assert_eq!(check(&authority, &value(1), OTHER, 6), Verdict::Stale);
        assert_eq!(check(&authority, &value(1), SOURCE, 6), Verdict::Passed);
        assert_eq!(check(&authority, &value(1), SOURCE, 6), Verdict::Stale);
        assert_eq!(check(&authority, &value(3), SOURCE, 7), Verdict::Passed);
        assert_eq!(check(&authority, &value(2), SOURCE, 7), Verdict::Stale);
        let late = 5 + nonce::AGE.as_secs() + 1;
        assert_eq!(check(&authority, &value(4), SOURCE, late), Verdict::Stale);
        let elsewhere = Authority::new([1, 3]);
        assert_eq!(check(&elsewhere, &value(9), SOURCE, 6), Verdict::Stale);
        let forged = value(9).replace("nonce=\"0", "nonce=\"1");
        assert_eq!(check(&authority, &forged, SOURCE, 6), Verdict::Stale);
    }

    #[test]
    fn guesses_are_few_and_only_those_of_the_source_that_makes_them() {
        let authority = Authority::new([1, 2]);
        let challenge = &challenged(&authority, 1, 5)[0];
        for guess in 0..guesses::BURST {
            let value = answer(challenge, &guess.to_string(), 1);
            assert_eq!(check(&authority, &value, SOURCE, 6), Verdict::Wrong);
        }
        let right = answer(challenge, "wonder land", 1);
        assert_eq!(check(&authority, &right, SOURCE, 6), Verdict::Blocked);
        // Whoever has no nonce of its own spends nothing of another's.
        assert_eq!(check(&authority, &right, OTHER, 6), Verdict::Stale);
        let later = 6 + guesses::INTERVAL.as_secs() + 1;
        assert_eq!(check(&authority, &right, SOURCE, later), Verdict::Passed);
        assert!(Duration::from_secs(later) < nonce::AGE);
    }
}
