//! The MAC of tokens: SipHash-2-4 with a result of 128 bits (Aumasson and Bernstein, 2012), for short messages.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

/// The MAC of `parts`, one behind the other, under `key`.
///
/// The lengths of all parts but the last must be fixed: nothing marks where one ends.
pub(crate) fn mac<const N: usize>([k0, k1]: [u64; 2], parts: [&[u8]; N]) -> [u8; 16] {
    let mut hasher = SipHasher24::new_with_keys(k0, k1);
    for part in parts {
        hasher.write(part);
    }
    hasher.finish128().as_bytes()
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
