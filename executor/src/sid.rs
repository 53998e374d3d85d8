//! Identifiers: two letters and 32 hexadecimal digits.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// An identifier such as `CA0123…` (34 characters).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Sid {
    kind: SidKind,
    value: [u8; 16],
}

/// What a [`Sid`] names.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum SidKind {
    /// `AC`: an account.
    Account,
    /// `CA`: one leg of a call.
    Call,
    /// `CF`: a conference.
    Conference,
    /// `SD`: a SIP domain.
    Domain,
    /// `QU`: a queue.
    Queue,
    /// `RE`: a recording.
    Recording,
    /// `SR`: a recording session at a SIPREC server.
    Siprec,
    /// `MZ`: a media stream.
    Stream,
    /// `TR`: the text of a recording.
    Transcription,
}

/// A text that is no identifier.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an identifier is two letters that are known and 32 lower-case hexadecimal digits")]
pub struct SidError;

impl Sid {
    /// A fresh identifier from 16 random bytes, which the caller draws.
    pub fn new(kind: SidKind, random: [u8; 16]) -> Self {
        Self {
            kind,
            value: random,
        }
    }

    /// The identifier that a name in the configuration has, the same on every start and node.
    pub fn derive(kind: SidKind, name: &str) -> Self {
        let digest = Sha256::new()
            .chain_update(kind.prefix())
            .chain_update(name)
            .finalize();
        let mut value = [0; 16];
        for (to, from) in value.iter_mut().zip(digest) {
            *to = from;
        }
        Self { kind, value }
    }

    /// What it names.
    pub fn kind(&self) -> SidKind {
        self.kind
    }
}

impl SidKind {
    const ALL: [Self; 9] = [
        Self::Account,
        Self::Call,
        Self::Conference,
        Self::Domain,
        Self::Queue,
        Self::Recording,
        Self::Siprec,
        Self::Stream,
        Self::Transcription,
    ];

    /// The two letters.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Account => "AC",
            Self::Call => "CA",
            Self::Conference => "CF",
            Self::Domain => "SD",
            Self::Queue => "QU",
            Self::Recording => "RE",
            Self::Siprec => "SR",
            Self::Stream => "MZ",
            Self::Transcription => "TR",
        }
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.prefix())?;
        self.value
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Sid {
    type Err = SidError;

    fn from_str(text: &str) -> Result<Self, SidError> {
        let kind = SidKind::ALL
            .into_iter()
            .find(|kind| text.starts_with(kind.prefix()))
            .ok_or(SidError)?;
        let digits = text.as_bytes().get(2..).ok_or(SidError)?;
        if digits.len() != 32 {
            return Err(SidError);
        }
        let mut value = [0; 16];
        for (byte, pair) in value.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = pair
                .iter()
                .try_fold(0, |byte, digit| Ok(byte << 4 | nibble(*digit)?))?;
        }
        Ok(Self { kind, value })
    }
}

fn nibble(digit: u8) -> Result<u8, SidError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(SidError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sid_survives_its_text() {
        let sid = Sid::new(SidKind::Call, [0xA5; 16]);
        assert_eq!(sid.to_string(), format!("CA{}", "a5".repeat(16)));
        assert_eq!(sid.to_string().parse(), Ok(sid));
    }

    #[test]
    fn a_derived_sid_depends_on_name_and_kind_only() {
        let one = Sid::derive(SidKind::Domain, "demo.example");
        assert_eq!(one, Sid::derive(SidKind::Domain, "demo.example"));
        assert_ne!(one, Sid::derive(SidKind::Domain, "other.example"));
        assert_ne!(
            one.to_string()[2..],
            Sid::derive(SidKind::Account, "demo.example").to_string()[2..]
        );
    }

    #[test]
    fn odd_texts_are_no_sids() {
        for text in [
            "",
            "CA",
            "XX00000000000000000000000000000000",
            "CA0000000000000000000000000000000G",
            "CAé",
        ] {
            assert_eq!(text.parse::<Sid>(), Err(SidError), "{text}");
        }
    }
}
