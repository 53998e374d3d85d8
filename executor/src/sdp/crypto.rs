//! Our side's key in `a=crypto` (RFC 4568).

use ::media::SrtpPair;
use ::media::srtp::{Crypto, SrtpKeys, Suite};

/// Our side's master key and salt, one for each dialog.
pub(super) struct OwnKey(pub(super) [u8; 30]);

impl OwnKey {
    /// Our line in an offer.
    pub(super) fn offer(&self) -> Crypto {
        self.line(TAG, OFFERED)
    }

    /// Our line in the answer to a line: it takes the tag, and with it the suite (§5.1.2).
    pub(super) fn answer(&self, line: &Crypto) -> Crypto {
        self.line(line.tag, line.keys.suite())
    }

    /// The keys of both directions, once the peer's line is known.
    pub(super) fn pair(&self, line: &Crypto) -> SrtpPair {
        SrtpPair {
            ours: self.answer(line).keys,
            theirs: line.keys.clone(),
        }
    }

    fn line(&self, tag: u32, suite: Suite) -> Crypto {
        let keys = SrtpKeys::new(suite, self.0);
        Crypto { tag, keys }
    }
}

/// Whether a line answers that of our offer (§5.1.3).
pub(super) fn answers_ours(line: &Crypto) -> bool {
    line.tag == TAG && line.keys.suite() == OFFERED
}

/// Nobody reads keys in a log.
impl std::fmt::Debug for OwnKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OwnKey")
    }
}

/// The suite of our offers, which everybody has (§6.2.1), and the tag of its line.
const OFFERED: Suite = Suite::AesCm128HmacSha1_80;
const TAG: u32 = 1;
