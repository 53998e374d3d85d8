//! SipHash-2-4 with a result of 128 bits (Aumasson and Bernstein, 2012): a MAC for short messages.

/// The MAC of `parts`, one behind the other, under `key`.
///
/// The lengths of all parts but the last must be fixed: nothing marks where one ends.
pub(crate) fn mac<const N: usize>(key: [u64; 2], parts: [&[u8]; N]) -> [u8; 16] {
    let [k0, k1] = key;
    let mut state = State([
        k0 ^ 0x736f_6d65_7073_6575,
        k1 ^ 0x646f_7261_6e64_6f6d ^ 0xee,
        k0 ^ 0x6c79_6765_6e65_7261,
        k1 ^ 0x7465_6462_7974_6573,
    ]);
    // Bytes that do not fill a word yet, from the lowest on.
    let (mut word, mut filled, mut length) = (0u64, 0u32, 0u64);
    for part in parts {
        length = length.wrapping_add(part.len() as u64);
        let (words, rest) = part.as_chunks::<8>();
        for bytes in words {
            let next = u64::from_le_bytes(*bytes);
            state.absorb(word | next << (8 * filled));
            word = next.checked_shr(64 - 8 * filled).unwrap_or(0);
        }
        for byte in rest {
            word |= u64::from(*byte) << (8 * filled);
            filled += 1;
            if filled == 8 {
                state.absorb(word);
                (word, filled) = (0, 0);
            }
        }
    }
    state.absorb(word | length << 56);
    state.0[2] ^= 0xee;
    let first = state.finish();
    state.0[1] ^= 0xdd;
    let second = state.finish();
    let mut out = [0u8; 16];
    out[..8].copy_from_slice(&first.to_le_bytes());
    out[8..].copy_from_slice(&second.to_le_bytes());
    out
}

struct State([u64; 4]);

impl State {
    fn absorb(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.round();
        self.0[0] ^= word;
    }

    fn finish(&mut self) -> u64 {
        for _ in 0..4 {
            self.round();
        }
        self.0.iter().fold(0, |sum, word| sum ^ word)
    }

    #[inline]
    fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.0;
        a = a.wrapping_add(b);
        c = c.wrapping_add(d);
        b = b.rotate_left(13) ^ a;
        d = d.rotate_left(16) ^ c;
        a = a.rotate_left(32).wrapping_add(d);
        c = c.wrapping_add(b);
        d = d.rotate_left(21) ^ a;
        b = b.rotate_left(17) ^ c;
        self.0 = [a, b, c.rotate_left(32), d];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u64; 2] = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];

    /// From `vectors_sip128` of the authors' reference implementation: messages 00, 00 01, 00 01 02 …
    #[test]
    fn vectors_of_the_authors() {
        let message: Vec<u8> = (0..64).collect();
        for (length, wanted) in [
            (0, "a3817f04ba25a8e66df67214c7550293"),
            (1, "da87c1d86b99af44347659119b22fc45"),
            (2, "8177228da4a45dc7fca38bdef60affe4"),
            (3, "9c70b60c5267a94e5f33b6b02985ed51"),
            (7, "a1f1ebbed8dbc153c0b84aa61ff08239"),
            (8, "3b62a9ba6258f5610f83e264f31497b4"),
            (15, "5493e99933b0a8117e08ec0f97cfc3d9"),
        ] {
            let text: String = mac(KEY, [&message[..length]])
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(text, wanted, "{length} bytes");
        }
    }

    #[test]
    fn parts_are_one_message() {
        let message: Vec<u8> = (0..64).collect();
        for cut in 0..message.len() {
            let (head, tail) = message.split_at(cut);
            assert_eq!(mac(KEY, [head, tail]), mac(KEY, [&message]), "cut at {cut}");
        }
    }
}
