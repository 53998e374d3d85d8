//! Keys in 128 bits.
//!
//! The table compares fingerprints instead of keys: among a million transactions two keys share one
//! with a probability of 10^-27. Peers choose the keys, so the seeds are secret; and a peer that
//! did find two keys of one fingerprint could only do what it can do by sending one key twice.

/// What stands for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint(pub(super) [u64; 2]);

/// Makes fingerprints by two folded multiplications (as wyhash and foldhash have them) side by side:
/// they share the reading of the key, and no secret.
#[derive(Debug)]
pub(super) struct Printer {
    lanes: [Lane; 2],
}

#[derive(Debug)]
struct Lane {
    start: u64,
    block: u64,
    length: u64,
    end: u64,
}

impl Printer {
    pub(super) fn new(seed: u64) -> Self {
        let mut state = seed;
        let mut lane = || Lane {
            start: split_mix(&mut state),
            block: split_mix(&mut state),
            length: split_mix(&mut state) | 1,
            end: split_mix(&mut state),
        };
        Self {
            lanes: [lane(), lane()],
        }
    }

    /// The fingerprint of a list of fields. Their number and lengths count too: `ab`, `c` is not
    /// `a`, `bc`.
    #[inline]
    pub(super) fn of<const N: usize>(&self, fields: [&[u8]; N]) -> Fingerprint {
        let [one, two] = &self.lanes;
        let (mut a, mut b) = (one.start, two.start);
        for field in fields {
            let length = field.len() as u64 + 1;
            a ^= length.wrapping_mul(one.length);
            b ^= length.wrapping_mul(two.length);
            for block in field.as_chunks::<16>().0 {
                let (x, y) = words(block);
                a = fold(x ^ one.block, y ^ a);
                b = fold(y ^ two.block, x ^ b);
            }
            // The rest, with as much of what precedes it as makes a block.
            let (x, y) = match field.last_chunk() {
                Some(last) => words(last),
                None => rest(field),
            };
            a = fold(x ^ one.block, y ^ a);
            b = fold(y ^ two.block, x ^ b);
        }
        Fingerprint([fold(a, one.end), fold(b, two.end)])
    }
}

impl Fingerprint {
    /// The part that the index knows.
    #[inline]
    pub(super) const fn short(self) -> u32 {
        let [first, _] = self.0;
        (first >> 32) as u32
    }

    /// Which of `shards` indexes knows it.
    #[inline]
    pub(super) const fn shard(self, shards: usize) -> usize {
        let [_, second] = self.0;
        second as usize % shards
    }
}

#[inline]
fn words(block: &[u8; 16]) -> (u64, u64) {
    let both = u128::from_le_bytes(*block);
    (both as u64, (both >> 64) as u64)
}

/// A field of less than 16 bytes as two words, which may overlap.
#[inline]
fn rest(field: &[u8]) -> (u64, u64) {
    if let (Some(first), Some(last)) = (field.first_chunk(), field.last_chunk()) {
        return (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    }
    if let (Some(first), Some(last)) = (field.first_chunk(), field.last_chunk()) {
        let word = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
        return (word(first), word(last));
    }
    let spread = field
        .iter()
        .fold(0, |word, byte| word << 8 | u64::from(*byte));
    (spread, 0)
}

#[inline]
const fn fold(x: u64, y: u64) -> u64 {
    let product = x as u128 * y as u128;
    product as u64 ^ (product >> 64) as u64
}

/// SplitMix64: many secrets of one.
const fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Every length, every place and every bit of a key counts, in each half of the fingerprint.
    #[test]
    fn every_bit_counts() {
        let printer = Printer::new(11);
        let mut halves = [HashSet::new(), HashSet::new()];
        let mut prints = 0;
        let mut note = |key: &[u8]| {
            let Fingerprint(print) = printer.of([key, b"INVITE"]);
            for (half, seen) in print.into_iter().zip(&mut halves) {
                seen.insert(half);
            }
            prints += 1;
        };
        for length in 0..70 {
            let mut key = vec![b'x'; length];
            note(&key);
            for bit in 0..length * 8 {
                key[bit / 8] ^= 1 << (bit % 8);
                note(&key);
                key[bit / 8] ^= 1 << (bit % 8);
            }
        }
        assert_eq!(halves.map(|half| half.len()), [prints; 2]);
    }

    #[test]
    fn fields_keep_apart() {
        let printer = Printer::new(11);
        let whole = b"z9hG4bKabcdefghijklmnop";
        let prints: HashSet<_> = (0..=whole.len())
            .map(|at| whole.split_at(at))
            .map(|(one, two)| printer.of([one, two]).0)
            .chain([printer.of([whole]).0, printer.of([whole, b"", b""]).0])
            .collect();
        assert_eq!(prints.len(), whole.len() + 3);
        assert_ne!(printer.of([whole]), Printer::new(12).of([whole]));
    }

    /// One flipped bit flips about half of the fingerprint: the index takes its home from any of it.
    #[test]
    fn bits_avalanche() {
        let printer = Printer::new(11);
        let mut key = *b"z9hG4bK0000000000000000";
        let Fingerprint(plain) = printer.of([&key]);
        for bit in 0..key.len() * 8 {
            key[bit / 8] ^= 1 << (bit % 8);
            let Fingerprint(other) = printer.of([&key]);
            key[bit / 8] ^= 1 << (bit % 8);
            for (one, two) in plain.into_iter().zip(other) {
                let flipped = (one ^ two).count_ones();
                assert!(
                    (10..=54).contains(&flipped),
                    "{flipped} bits of 64 for bit {bit}"
                );
            }
        }
    }
}
