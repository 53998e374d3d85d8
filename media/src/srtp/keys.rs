//! Master keys, and how a session description writes them (`a=crypto`, RFC 4568).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Bytes of the master key.
const KEY: usize = 16;

/// Bytes of the master salt.
const SALT: usize = 14;

/// Bytes that a description carries, the key and then the salt.
pub const KEY_AND_SALT: usize = KEY + SALT;

/// The longest identifier of a master key (RFC 4568 §6.1).
const MKI_MAX: usize = 128;

/// How packets are encrypted and authenticated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Suite {
    /// AES-128 in counter mode, tags of 80 bits.
    AesCm128HmacSha1_80,
    /// The same with tags of 32 bits in RTP (RTCP keeps 80).
    AesCm128HmacSha1_32,
}

impl Suite {
    /// Its name in a session description.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
        }
    }

    /// The suite of a name, if it is one of ours.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let all = [Self::AesCm128HmacSha1_80, Self::AesCm128HmacSha1_32];
        all.into_iter().find(|suite| suite.name() == name)
    }

    /// Bytes of the tag of an RTP packet.
    pub(super) const fn tag_length(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 => 10,
            Self::AesCm128HmacSha1_32 => 4,
        }
    }
}

/// The master key of one direction.
#[derive(Clone, Eq, PartialEq)]
pub struct SrtpKeys {
    suite: Suite,
    key: [u8; KEY],
    salt: [u8; SALT],
    /// Empty unless the description names one.
    mki: Vec<u8>,
}

impl SrtpKeys {
    /// Keys of our own, from random bytes.
    #[must_use]
    pub fn new(suite: Suite, random: [u8; KEY_AND_SALT]) -> Self {
        let (mut key, mut salt) = ([0; KEY], [0; SALT]);
        let (first, rest) = random.split_at(KEY);
        key.copy_from_slice(first);
        salt.copy_from_slice(rest);
        Self {
            suite,
            key,
            salt,
            mki: Vec::new(),
        }
    }

    /// Reads what stands behind `inline:`: `<key and salt>["|" lifetime]["|" MKI ":" length]`
    /// (RFC 4568 §6.1).
    ///
    /// A lifetime is read and not kept: 2^48 packets are the most in any case, and a call of 50
    /// packets a second ends before what anybody writes here.
    ///
    /// # Errors
    ///
    /// It does not follow the RFC, or names several keys.
    pub fn parse(suite: Suite, inline: &str) -> Result<Self, KeyError> {
        if inline.contains(';') {
            return Err(KeyError::Unsupported);
        }
        let mut parts = inline.split('|');
        let random = parts.next().and_then(|text| STANDARD.decode(text).ok());
        let random = random.and_then(|bytes| bytes.try_into().ok());
        let mut keys = Self::new(suite, random.ok_or(KeyError::Malformed)?);
        let mut next = parts.next();
        if let Some(lifetime) = next.filter(|part| !part.contains(':')) {
            let digits = lifetime.strip_prefix("2^").unwrap_or(lifetime);
            number(digits, 15).ok_or(KeyError::Malformed)?;
            next = parts.next();
        }
        if let Some(part) = next {
            keys.mki = identifier(part)?;
        }
        match parts.next() {
            None => Ok(keys),
            Some(_) => Err(KeyError::Malformed),
        }
    }

    /// What stands behind `inline:`.
    #[must_use]
    pub fn inline(&self) -> String {
        let text = STANDARD.encode([&self.key[..], &self.salt[..]].concat());
        if self.mki.is_empty() {
            return text;
        }
        // What was read fits eight bytes, see `identifier`.
        let bytes = self.mki.iter().map(|&byte| u64::from(byte));
        let value = bytes.fold(0, |value, byte| value << 8 | byte);
        format!("{text}|{value}:{}", self.mki.len())
    }

    /// What they are for.
    #[must_use]
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    pub(super) const fn key(&self) -> &[u8; KEY] {
        &self.key
    }

    pub(super) const fn salt(&self) -> &[u8; SALT] {
        &self.salt
    }

    pub(super) fn mki(&self) -> &[u8] {
        &self.mki
    }
}

/// Without the keys themselves, since logs are no place for them.
impl fmt::Debug for SrtpKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SrtpKeys")
            .field("suite", &self.suite)
            .finish_non_exhaustive()
    }
}

/// The value of an `a=crypto` line: `1 AES_CM_128_HMAC_SHA1_80 inline:…`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Crypto {
    /// What the answer names the line by.
    pub tag: u32,
    /// The keys of the one who wrote the line.
    pub keys: SrtpKeys,
}

/// Why an `a=crypto` line cannot be used; another of the same description may.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyError {
    /// It does not follow RFC 4568.
    #[error("the crypto attribute is malformed")]
    Malformed,
    /// Several master keys, or a session parameter that changes what we do.
    #[error("the crypto attribute asks for what is not supported")]
    Unsupported,
    /// A suite that is not ours.
    #[error("the crypto suite is unknown")]
    UnknownSuite,
}

impl FromStr for Crypto {
    type Err = KeyError;

    /// Reads the value, what stands behind `a=crypto:`.
    fn from_str(value: &str) -> Result<Self, KeyError> {
        let mut words = value.split_ascii_whitespace();
        let mut word = || words.next().ok_or(KeyError::Malformed);
        let tag = number(word()?, 9).ok_or(KeyError::Malformed)? as u32;
        let suite = Suite::of_name(word()?).ok_or(KeyError::UnknownSuite)?;
        let (method, inline) = word()?.split_once(':').ok_or(KeyError::Malformed)?;
        if !method.eq_ignore_ascii_case("inline") {
            return Err(KeyError::Malformed);
        }
        let keys = SrtpKeys::parse(suite, inline)?;
        words.try_for_each(session_parameter)?;
        Ok(Self { tag, keys })
    }
}

impl fmt::Display for Crypto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (suite, inline) = (self.keys.suite.name(), self.keys.inline());
        write!(f, "{} {suite} inline:{inline}", self.tag)
    }
}

/// `value ":" length`, as the bytes that stand in a packet.
fn identifier(part: &str) -> Result<Vec<u8>, KeyError> {
    let (value, length) = part.split_once(':').ok_or(KeyError::Malformed)?;
    let length = number(length, 3).ok_or(KeyError::Malformed)? as usize;
    let value = number(value, 19).ok_or(KeyError::Unsupported)?;
    if !(1..=MKI_MAX).contains(&length) {
        return Err(KeyError::Malformed);
    }
    let bytes = value.to_be_bytes();
    let zeros = length.saturating_sub(bytes.len());
    let cut = bytes.len().saturating_sub(length);
    let (over, bytes) = bytes.split_at(cut);
    match over.iter().all(|&byte| byte == 0) {
        true => Ok([&vec![0; zeros][..], bytes].concat()),
        false => Err(KeyError::Malformed),
    }
}

/// Only what changes nothing is taken: a hint of the window, and what may be left out (RFC 4568
/// §6.3 and §7.1.1).
fn session_parameter(word: &str) -> Result<(), KeyError> {
    let harmless = word.starts_with('-') || word.starts_with("WSH=") || word == "KDR=0";
    if harmless {
        Ok(())
    } else {
        Err(KeyError::Unsupported)
    }
}

/// A decimal number of at most `most` digits.
fn number(text: &str, most: usize) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = (1..=most).contains(&text.len());
    if digits && fits {
        text.parse().ok()
    } else {
        None
    }
}
