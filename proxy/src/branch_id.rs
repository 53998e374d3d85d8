//! The marks that we put on what we send and schedule, and find again.

use crate::exchange::Key;
use crate::loops::{hex, unhex};

/// `z9hG4bK`, worker, exchange, a random number, the loop hash.
pub fn branch_text(worker: u8, key: Key, random: u64, loop_hash: u64) -> [u8; BRANCH] {
    let mut text = [b'.'; BRANCH];
    text[..7].copy_from_slice(COOKIE);
    text[7..9].copy_from_slice(&hex(u64::from(worker))[14..]);
    text[9..21].copy_from_slice(&hex(key.pack())[4..]);
    text[22..38].copy_from_slice(&hex(random));
    text[39..55].copy_from_slice(&hex(loop_hash));
    text
}

/// The exchange whose branch stands in `quoted`, the start of a request that we sent.
pub fn quoted_key(quoted: &[u8]) -> Option<Key> {
    let at = memchr::memmem::find(quoted, COOKIE)? + COOKIE.len() + 2;
    unhex(quoted.get(at..at + 12)?).map(Key::unpack)
}

/// The worker whose branch stands in `quoted`, the start of a request that we sent.
pub fn quoted_worker(quoted: &[u8]) -> Option<u8> {
    let at = memchr::memmem::find(quoted, COOKIE)? + COOKIE.len();
    unhex(quoted.get(at..at + 2)?).map(|worker| worker as u8)
}

/// Timers of a branch beside those of its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerKind {
    /// RFC 3261 §16.6 step 11.
    C,
    /// Nothing heard of a target while there is another one.
    Silence,
}

impl TimerKind {
    /// The timer's token for the transaction layer.
    pub fn token(self, key: Key, branch: usize) -> u64 {
        let kind = u64::from(self == Self::C);
        kind << 63 | (branch as u64 & 0xff) << 48 | key.pack()
    }

    /// Reads [`TimerKind::token`].
    pub fn read(token: u64) -> (Self, Key, usize) {
        let kind = if token >> 63 == 1 { Self::C } else { Self::Silence };
        (kind, Key::unpack(token & 0xffff_ffff_ffff), (token >> 48 & 0xff) as usize)
    }
}

/// The magic cookie of RFC 3261 §8.1.1.7.
const COOKIE: &[u8] = b"z9hG4bK";
/// Bytes of a branch of ours.
const BRANCH: usize = 55;
