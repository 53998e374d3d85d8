//! Names and what proves them: a user's password is kept as the hash that a digest needs of it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use md5::Md5;
use sha2::Sha256;
use smallvec::SmallVec;

/// A hash in lower-case hexadecimal digits.
pub(crate) type Hash = SmallVec<[u8; 64]>;

/// How a response is made (RFC 7616 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// MD5, for phones that know nothing else.
    Md5,
}

impl Algorithm {
    /// All, the strongest first.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Md5];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    /// The algorithm of this name, in any case.
    pub fn of(name: &[u8]) -> Option<Self> {
        let known = Self::ALL.into_iter();
        let mut named =
            known.filter(|algorithm| name.eq_ignore_ascii_case(algorithm.name().as_bytes()));
        named.next()
    }

    /// Digits of a hash.
    fn digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Md5 => 32,
        }
    }
}

/// The hash of `parts` with a colon between them.
pub(crate) fn hash(algorithm: Algorithm, parts: &[&[u8]]) -> Hash {
    fn of<D: sha2::Digest>(parts: &[&[u8]]) -> Hash {
        let mut hash = D::new();
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                hash.update(b":");
            }
            hash.update(part);
        }
        let bytes = hash.finalize();
        let digit = |four: u8| b"0123456789abcdef"[usize::from(four & 15)];
        let digits = bytes
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(*byte)]);
        digits.collect()
    }
    match algorithm {
        Algorithm::Sha256 => of::<Sha256>(parts),
        Algorithm::Md5 => of::<Md5>(parts),
    }
}

/// What proves a name, as it is configured.
pub enum Secret {
    /// The password itself: good for every algorithm.
    Password(String),
    /// The hash of name, realm and password: good for the algorithm whose hash it is.
    Hashed(Algorithm, String),
}

impl Secret {
    /// A hash as it is written; `None` where it has not the digits of one.
    pub fn hashed(algorithm: Algorithm, text: &str) -> Option<Self> {
        let whole =
            text.len() == algorithm.digits() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        whole.then(|| Self::Hashed(algorithm, text.to_ascii_lowercase()))
    }
}

/// What proves one name, as it is kept.
pub struct Account {
    name: Arc<str>,
    sha256: Option<Hash>,
    md5: Option<Hash>,
}

impl Account {
    /// The account of `name` in `realm`.
    pub fn new(name: &str, realm: &str, secrets: &[Secret]) -> Self {
        let find = |algorithm: Algorithm| {
            secrets.iter().find_map(|secret| match secret {
                Secret::Password(password) => {
                    let parts = [name.as_bytes(), realm.as_bytes(), password.as_bytes()];
                    Some(hash(algorithm, &parts))
                }
                Secret::Hashed(of, text) if *of == algorithm => {
                    Some(Hash::from_slice(text.as_bytes()))
                }
                Secret::Hashed(..) => None,
            })
        };
        Self {
            name: Arc::from(name),
            sha256: find(Algorithm::Sha256),
            md5: find(Algorithm::Md5),
        }
    }

    /// The name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The hash of name, realm and password.
    pub(crate) fn secret(&self, algorithm: Algorithm) -> Option<&Hash> {
        match algorithm {
            Algorithm::Sha256 => self.sha256.as_ref(),
            Algorithm::Md5 => self.md5.as_ref(),
        }
    }
}

/// The users of one realm.
pub struct Accounts {
    realm: String,
    algorithms: Vec<Algorithm>,
    by_name: HashMap<String, Account>,
}

impl Accounts {
    /// The users of `realm`; of `algorithms`, those are offered that every user can answer.
    pub fn new(realm: &str, algorithms: &[Algorithm], by_name: HashMap<String, Account>) -> Self {
        let all = |algorithm: &Algorithm| {
            let mut accounts = by_name.values();
            accounts.all(|account| account.secret(*algorithm).is_some())
        };
        Self {
            realm: realm.to_owned(),
            algorithms: algorithms.iter().copied().filter(all).collect(),
            by_name,
        }
    }

    /// The realm.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// What is offered, the strongest first.
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// The account of `name`.
    pub fn get(&self, name: &[u8]) -> Option<&Account> {
        self.by_name.get(std::str::from_utf8(name).ok()?)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Account").field(&self.name).finish()
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts")
            .field("realm", &self.realm)
            .field("len", &self.by_name.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7616 §3.9.1.
    #[test]
    fn the_vectors_of_the_rfc() {
        let nonce = b"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
        let cnonce = b"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (algorithm, wanted) in [
            (Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec"),
            (
                Algorithm::Sha256,
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let first = hash(
                algorithm,
                &[b"Mufasa", b"http-auth@example.org", b"Circle of Life"],
            );
            let second = hash(algorithm, &[b"GET", b"/dir/index.html"]);
            let parts: [&[u8]; 6] = [&first, nonce, b"00000001", cnonce, b"auth", &second];
            assert_eq!(&hash(algorithm, &parts)[..], wanted.as_bytes());
        }
    }

    #[test]
    fn only_what_all_can_answer_is_offered() {
        let realm = "demo.example";
        let md5 = hash(Algorithm::Md5, &[b"old", realm.as_bytes(), b"p"]);
        let text = String::from_utf8(md5.to_vec()).unwrap().to_uppercase();
        let hashed = Secret::hashed(Algorithm::Md5, &text).unwrap();
        let old = Account::new("old", realm, &[hashed]);
        let new = Account::new("new", realm, &[Secret::Password("p".to_owned())]);
        assert_eq!(old.secret(Algorithm::Md5), Some(&md5));
        let both = Accounts::new(
            realm,
            &Algorithm::ALL,
            [("old".to_owned(), old), ("new".to_owned(), new)].into(),
        );
        assert_eq!(both.algorithms(), [Algorithm::Md5]);
        assert!(Secret::hashed(Algorithm::Sha256, &text).is_none());
        let odd = format!("g{}", &text[1..]);
        assert!(Secret::hashed(Algorithm::Md5, &odd).is_none());
        assert!(!format!("{both:?} {:?}", Secret::Password("word".to_owned())).contains("word"));
    }
}
