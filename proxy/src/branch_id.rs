//! The marks that we put on what we send and schedule, and find again.

use crate::exchange::Key;
use crate::loops::{hex, unhex};

/// `z9hG4bK`, worker, exchange, a random number, the loop hash.
pub(crate) fn branch_text(worker: u8, key: Key, random: u64, loop_hash: u64) -> [u8; BRANCH] {
    let mut text = [b'.'; BRANCH];
    text[..7].copy_from_slice(COOKIE);
    text[7..9].copy_from_slice(&hex(u64::from(worker))[14..]);
    text[9..21].copy_from_slice(&hex(key.pack())[4..]);
    text[22..38].copy_from_slice(&hex(random));
    text[39..55].copy_from_slice(&hex(loop_hash));
    text
}

/// The exchange and the random number of the branch in `quoted`, the start of a request that we
/// sent. Who made the quotation up does not know the number.
pub(crate) fn quoted_attempt(quoted: &[u8]) -> Option<(Key, u64)> {
    let text = quoted_branch(quoted)?;
    let key = unhex(text.get(9..21)?).map(Key::unpack)?;
    Some((key, unhex(text.get(22..38)?)?))
}

/// Whether a branch of ours with the loop hash `hash` stands somewhere in `text`.
pub(crate) fn have_hash(text: &[u8], hash: &[u8; 16]) -> bool {
    // No letter is rarer in a Via than the one that the cookie begins with.
    memchr::memchr_iter(COOKIE[0], text).any(|at| {
        text.get(at + 39..at + BRANCH)
            .is_some_and(|end| end == hash)
    })
}

/// The worker whose branch stands in `quoted`, the start of a request that we sent.
pub(crate) fn quoted_worker(quoted: &[u8]) -> Option<u8> {
    unhex(quoted_branch(quoted)?.get(7..9)?).map(|worker| worker as u8)
}

fn quoted_branch(quoted: &[u8]) -> Option<&[u8]> {
    quoted.get(memchr::memmem::find(quoted, COOKIE)?..)
}

/// Timers of a branch beside those of its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimerKind {
    /// RFC 3261 §16.6 step 11.
    C,
    /// Nothing heard of a target while there is another one.
    Silence,
}

/// What a timer was started for. The layer carries it as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerToken {
    pub(crate) kind: TimerKind,
    pub(crate) key: Key,
    pub(crate) branch: usize,
    /// A timer that fired while the branch went on to another address means nothing.
    pub(crate) attempt: u8,
}

impl TimerToken {
    /// One bit of kind, 7 of attempt, 8 of branch, 48 of key.
    pub(crate) fn pack(self) -> u64 {
        let kind = u64::from(self.kind == TimerKind::C);
        let (attempt, branch) = (u64::from(self.attempt & 0x7f), self.branch as u64 & 0xff);
        kind << 63 | attempt << 56 | branch << 48 | self.key.pack()
    }

    /// Reads [`TimerToken::pack`].
    pub(crate) fn unpack(number: u64) -> Self {
        let kind = if number >> 63 == 1 {
            TimerKind::C
        } else {
            TimerKind::Silence
        };
        Self {
            kind,
            key: Key::unpack(number & 0xffff_ffff_ffff),
            branch: (number >> 48 & 0xff) as usize,
            attempt: (number >> 56 & 0x7f) as u8,
        }
    }
}

/// The magic cookie of RFC 3261 §8.1.1.7.
const COOKIE: &[u8] = b"z9hG4bK";
/// Bytes of a branch of ours.
const BRANCH: usize = 55;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let key = Key::unpack(0x0123_4567_89ab);
        let text = branch_text(7, key, 0xfeed_f00d, 42);
        let quoted = [
            b"INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=",
            &text[..],
        ]
        .concat();
        assert_eq!(quoted_attempt(&quoted), Some((key, 0xfeed_f00d)));
        assert_eq!(quoted_worker(&quoted), Some(7));
        for cut in 0..quoted.len() - 18 {
            assert_eq!(quoted_attempt(&quoted[..cut]), None);
        }
        for (kind, branch, attempt) in [(TimerKind::C, 11, 100), (TimerKind::Silence, 0, 0)] {
            let token = TimerToken {
                kind,
                key,
                branch,
                attempt,
            };
            assert_eq!(TimerToken::unpack(token.pack()), token);
        }
    }
}
