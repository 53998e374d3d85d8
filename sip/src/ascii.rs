//! Byte classes of RFC 3261 §25.1 and the small text operations that every view shares.

use std::io::Write;

/// Whether `byte` may stand in a `token` (RFC 3261 §25.1).
#[inline]
#[allow(clippy::indexing_slicing)] // Every byte is an index of the table.
pub const fn is_token_byte(byte: u8) -> bool {
    TOKEN[byte as usize]
}

/// Whether `text` is a non-empty `token`.
#[inline]
pub fn is_token(text: &[u8]) -> bool {
    // Names and tags are short: reading all of one costs less than asking after each byte.
    !text.is_empty()
        & text
            .iter()
            .fold(true, |all, &byte| all & is_token_byte(byte))
}

/// Whether `byte` is linear white space inside one line.
#[inline]
pub(crate) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Whether `byte` is white space where a value may be folded (RFC 3261 §7.3.1 LWS).
#[inline]
pub(crate) fn is_lws(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Whether an unquoted parameter value may hold `byte`: those of tokens, of IPv6 addresses and of
/// URIs, which some write without quotes, and UTF-8; no separator of parameters or elements.
#[inline]
pub(crate) const fn is_gen_byte(byte: u8) -> bool {
    is_token_byte(byte)
        || byte >= 0x80
        || matches!(
            byte,
            b'[' | b']'
                | b':'
                | b'<'
                | b'>'
                | b'@'
                | b'/'
                | b'?'
                | b'='
                | b'&'
                | b'$'
                | b'('
                | b')'
                | b'#'
                | b'{'
                | b'}'
                | b'|'
                | b'^'
        )
}

/// Whether a header value may hold `byte` when *we* write it: no control byte but HTAB.
#[inline]
pub(crate) fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || (byte >= 0x20 && byte != 0x7f)
}

/// Whether every byte of `text` may stand in a header value that *we* write.
#[inline]
pub(crate) fn is_value_text(text: &[u8]) -> bool {
    // A word with a byte below 0x20 or with 0x7f may still hold nothing worse than HTAB.
    let odd = |word: u64| below(word, 0x20) | word.wrapping_add(ONES) & !word;
    !any_word(text, odd) || text.iter().all(|&byte| is_value_byte(byte))
}

/// Whether `text` is not empty and free of bytes that no URI holds: controls, space, quote, angle
/// brackets.
#[inline]
pub(crate) fn is_uri_text(text: &[u8]) -> bool {
    let allowed = |byte: u8| {
        (byte > 0x20) & (byte != 0x7f) & (byte != b'<') & (byte != b'>') & (byte != b'"')
    };
    !text.is_empty() & text.iter().fold(true, |all, &byte| all & allowed(byte))
}

/// `text` without LWS at either end.
#[inline]
pub fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_lws(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_lws(*last)
    {
        text = rest;
    }
    text
}

/// A decimal number of digits only, or `None` (also when it overflows).
#[inline]
pub fn number(text: &[u8]) -> Option<u32> {
    let digit = |byte: u8| Some(byte.wrapping_sub(b'0')).filter(|digit| *digit <= 9);
    match text {
        [] => None,
        // Nine digits cannot overflow.
        _ if text.len() <= 9 => text
            .iter()
            .try_fold(0u32, |sum, &byte| Some(sum * 10 + u32::from(digit(byte)?))),
        _ => text.iter().try_fold(0u32, |sum, &byte| {
            sum.checked_mul(10)?.checked_add(u32::from(digit(byte)?))
        }),
    }
}

/// Appends `value` in decimal digits to text in memory.
pub fn push_number(out: &mut impl Write, value: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = value;
    for (place, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        at = place;
        if rest == 0 {
            break;
        }
    }
    // Writing to memory does not fail.
    let text = digits.get(at..).unwrap_or_default();
    out.write_all(text).unwrap_or_default();
}

/// Splits `text` at the first `separator`, wherever it stands: the part before, and the part behind
/// where there is one.
#[inline]
pub(crate) fn split_once(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(separator, text).and_then(|at| text.split_at_checked(at)) {
        None => (text, None),
        Some((before, behind)) => (before, behind.get(1..)),
    }
}

/// The length of the run at the start of `text` whose bytes all are of `class`.
#[inline(always)]
#[allow(clippy::indexing_slicing)] // Every byte is an index of the table.
pub(crate) fn run(text: &[u8], class: u8) -> usize {
    let outside = |&byte: &u8| CLASSES[byte as usize] & class == 0;
    text.iter().position(outside).unwrap_or(text.len())
}

/// As [`run`], for text of which a run is rarely as short as a word.
#[inline(always)]
#[allow(clippy::indexing_slicing)] // Every byte is an index of the table.
pub(crate) fn long_run(text: &[u8], class: u8) -> usize {
    let (words, _) = text.as_chunks::<4>();
    let within = words
        .iter()
        .take_while(|word| {
            word.iter()
                .fold(class, |all, &byte| all & CLASSES[byte as usize])
                != 0
        })
        .count();
    let known = within * 4;
    known + run(text.get(known..).unwrap_or_default(), class)
}

/// Splits the long run of `class` off, which must not be empty.
#[inline(always)]
pub(crate) fn split_long_run(text: &[u8], class: u8) -> Option<(&[u8], &[u8])> {
    match text.split_at_checked(long_run(text, class)) {
        Some((run @ [_, ..], rest)) => Some((run, rest)),
        _ => None,
    }
}

/// Splits the run of `class` off, which must not be empty.
#[inline(always)]
pub(crate) fn split_run(text: &[u8], class: u8) -> Option<(&[u8], &[u8])> {
    match text.split_at_checked(run(text, class)) {
        Some((run @ [_, ..], rest)) => Some((run, rest)),
        _ => None,
    }
}

/// Classes of bytes for [`run`]. They describe the text that nearly all senders write; what does
/// not follow them is read by the grammar itself.
pub(crate) mod class {
    /// [`super::is_token_byte`].
    pub(crate) const TOKEN: u8 = 1;
    /// An unquoted parameter value of a header, without what brackets or quotes enclose.
    pub(crate) const VALUE: u8 = 2;
    /// A host name or an IPv4 address.
    pub(crate) const HOST: u8 = 4;
    /// A decimal digit.
    pub(crate) const DIGIT: u8 = 8;
    /// The user part of a URI without a password or escapes.
    pub(crate) const USER: u8 = 16;
    /// The name of a URI parameter without escapes.
    pub(crate) const URI_NAME: u8 = 32;
    /// The value of a URI parameter without escapes.
    pub(crate) const URI_VALUE: u8 = 64;
    /// A display name without quotes.
    pub(crate) const DISPLAY: u8 = 128;
}

/// Whether a byte of `text` is a space or below it: white space is.
#[inline]
pub(crate) fn has_blank(text: &[u8]) -> bool {
    any_word(text, |word| below(word, 0x21))
}

/// Whether `test` sets the high bit of a byte for some eight neighbouring bytes; a text with fewer is
/// filled with a letter.
#[inline(always)]
fn any_word(text: &[u8], test: impl Fn(u64) -> u64) -> bool {
    let Some(last) = text.last_chunk() else {
        let mut word = [b'x'; 8];
        for (to, from) in word.iter_mut().zip(text) {
            *to = *from;
        }
        return test(u64::from_le_bytes(word)) & HIGH != 0;
    };
    let (words, _) = text.as_chunks();
    // The last eight bytes, of which some were read before.
    let all = words.iter().chain(std::iter::once(last));
    all.fold(0, |any, word| any | test(u64::from_le_bytes(*word))) & HIGH != 0
}

/// A high bit is set where a byte of `word` is below `limit`, which is 128 at most; the other bits say
/// nothing.
#[inline(always)]
fn below(word: u64, limit: u64) -> u64 {
    // The subtraction borrows into the high bit of a small byte, which had none.
    word.wrapping_sub(ONES * limit) & !word
}

/// The high bit of each byte.
const HIGH: u64 = ONES * 0x80;
const ONES: u64 = 0x0101_0101_0101_0101;

/// Decodes one hexadecimal digit.
#[inline]
pub(crate) fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// Percent-decodes `text` once (RFC 3261 §19.1.2); `+` stays `+`. `None` on a broken escape.
pub fn percent_decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let high = hex_digit(bytes.next()?)?;
        let low = hex_digit(bytes.next()?)?;
        out.push(high << 4 | low);
    }
    Some(out)
}

#[allow(clippy::indexing_slicing)] // Evaluated by the compiler.
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(byte as u8,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9'
            | b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~');
        byte += 1;
    }
    table
};

#[allow(clippy::indexing_slicing)] // Evaluated by the compiler.
static CLASSES: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        let digit = byte.is_ascii_digit();
        let token = TOKEN[at];
        let host = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        let uri = byte > 0x20 && !matches!(byte, 0x7f | b'<' | b'>' | b'"');
        let user = uri && !matches!(byte, b'@' | b':' | b'%');
        let uri_value = uri && !matches!(byte, b'%' | b';' | b'@' | b'?');
        table[at] = (class::TOKEN * token as u8)
            | (class::VALUE * (is_gen_byte(byte) && byte != b'<') as u8)
            | (class::HOST * host as u8)
            | (class::DIGIT * digit as u8)
            | (class::USER * user as u8)
            | (class::URI_NAME * (uri_value && byte != b'=') as u8)
            | (class::URI_VALUE * uri_value as u8)
            | (class::DISPLAY * (token || byte == b' ') as u8);
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// Every byte at every place of a text of any length, beside every other.
    #[test]
    fn words_hold_what_their_bytes_do() {
        for length in 1..20 {
            for at in 0..length {
                for byte in 0..=u8::MAX {
                    for beside in [b'a', b' ', b'~', b'\t', 0xff] {
                        let mut text = vec![beside; length];
                        text[at] = byte;
                        let plain = text.iter().all(|&byte| is_value_byte(byte));
                        assert_eq!(is_value_text(&text), plain, "{}", text.escape_ascii());
                        let blank = text.iter().any(|&byte| byte <= b' ');
                        assert_eq!(has_blank(&text), blank, "{}", text.escape_ascii());
                    }
                }
            }
        }
        assert!(is_value_text(b"") && !has_blank(b""));
    }

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for value in [0, 7, 10, 70, 255, 5060, 99_999, 1_000_000_007, u64::MAX] {
            let mut text = Vec::new();
            push_number(&mut text, value);
            assert_eq!(text, value.to_string().as_bytes());
        }
    }

    #[test]
    fn numbers_up_to_the_largest() {
        for (text, value) in [
            ("0", Some(0)),
            ("007", Some(7)),
            ("999999999", Some(999_999_999)),
            ("4294967295", Some(u32::MAX)),
            ("00000000004294967295", Some(u32::MAX)),
            ("4294967296", None),
            ("9999999999", None),
            ("", None),
            ("1a", None),
            ("-1", None),
            ("1 ", None),
            ("12345678901234567890x", None),
        ] {
            assert_eq!(number(text.as_bytes()), value, "{text}");
        }
    }
}
