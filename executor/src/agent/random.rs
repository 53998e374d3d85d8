//! Unguessable identifiers: tags, branches, Call-IDs (RFC 3261 §19.3, §8.1.1.7).

use sha2::{Digest, Sha256};

/// A generator that is seeded once from the system and never fails afterwards: SHA-256 over a
/// secret key and a counter.
pub(crate) struct Random {
    key: [u8; 32],
    counter: u64,
}

impl Random {
    /// A generator with a key from the system.
    pub(crate) fn from_system() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self { key, counter: 0 })
    }

    /// 16 unguessable bytes.
    pub(crate) fn bytes(&mut self) -> [u8; 16] {
        self.counter += 1;
        let digest = Sha256::new()
            .chain_update(self.key)
            .chain_update(self.counter.to_be_bytes())
            .finalize();
        let mut out = [0; 16];
        out.copy_from_slice(&digest[..16]);
        out
    }

    /// A master key and salt of SRTP (RFC 3711 §8.2).
    pub(crate) fn key(&mut self) -> [u8; 30] {
        let mut key = [0; 30];
        let bytes = self.bytes().into_iter().chain(self.bytes());
        for (to, from) in key.iter_mut().zip(bytes) {
            *to = from;
        }
        key
    }

    /// 32 hexadecimal digits: 128 bits.
    pub(crate) fn hex(&mut self) -> String {
        self.bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// A number.
    pub(crate) fn number(&mut self) -> u64 {
        self.bytes()
            .iter()
            .take(8)
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }

    /// A number below `bound`; zero where there is none.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.number().checked_rem(bound).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_do_not_repeat() {
        let mut random = Random::from_system().unwrap();
        let seen: std::collections::HashSet<_> = (0..10_000).map(|_| random.hex()).collect();
        assert_eq!(seen.len(), 10_000);
        assert!(seen.iter().all(|text| text.len() == 32));
        assert!((0..100).all(|_| random.below(3) < 3));
    }
}
