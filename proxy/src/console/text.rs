//! Bytes from the wire as text that shows everything and does nothing.
//!
//! Control characters, broken UTF-8 and characters that reorder or hide text (security: log and
//! page spoofing) are spelled out, `\x1b` or `\u{202e}`; the rest stays as it is.

use std::fmt::Write as _;

/// Text of one line: line ends are spelled out too.
pub(super) fn line(bytes: &[u8]) -> String {
    spell(bytes, |_| false)
}

/// Text of several lines: CRLF becomes LF, tabs stay, a bare CR is spelled out.
pub(super) fn block(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\r\n") {
        spell_into(&mut text, &rest[..at], |character| {
            matches!(character, '\n' | '\t')
        });
        text.push('\n');
        rest = &rest[at + 2..];
    }
    spell_into(&mut text, rest, |character| {
        matches!(character, '\n' | '\t')
    });
    text
}

/// At most `limit` bytes of text of one line.
pub(super) fn short_line(bytes: &[u8], limit: usize) -> String {
    match bytes.get(..limit) {
        Some(start) if start.len() < bytes.len() => line(start) + "…",
        _ => line(bytes),
    }
}

fn spell(bytes: &[u8], keep: impl Fn(char) -> bool) -> String {
    let mut text = String::with_capacity(bytes.len());
    spell_into(&mut text, bytes, keep);
    text
}

fn spell_into(text: &mut String, bytes: &[u8], keep: impl Fn(char) -> bool) {
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if keep(character) || !needs_spelling(character) {
                text.push(character);
            } else if character.is_ascii() {
                push_byte(text, character as u8);
            } else {
                // Writing to a String cannot fail.
                write!(text, "{}", character.escape_unicode()).unwrap_or_default();
            }
        }
        for &byte in chunk.invalid() {
            push_byte(text, byte);
        }
    }
}

fn push_byte(text: &mut String, byte: u8) {
    // Writing to a String cannot fail.
    write!(text, "\\x{byte:02x}").unwrap_or_default();
}

/// Control characters, and the marks of Unicode that are invisible or change the direction.
fn needs_spelling(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line() {
        assert_eq!(line(b"caf\xc3\xa9 <b>\"&"), "café <b>\"&");
        assert_eq!(
            line(b"a\r\nb\t\0\x1b[2J\x7f"),
            "a\\x0d\\x0ab\\x09\\x00\\x1b[2J\\x7f"
        );
        assert_eq!(line(b"\xff\xc3("), "\\xff\\xc3(");
        assert_eq!(
            line("a\u{202e}b\u{85}\u{2028}".as_bytes()),
            "a\\u{202e}b\\u{85}\\u{2028}"
        );
    }

    #[test]
    fn many_lines() {
        assert_eq!(block(b"a\r\nb\nc\rd\te\r\n\r\n"), "a\nb\nc\\x0dd\te\n\n");
        assert_eq!(block(b"\r\r\n\n"), "\\x0d\n\n");
        assert_eq!(block(b""), "");
    }

    #[test]
    fn short_lines() {
        assert_eq!(short_line(b"abc", 3), "abc");
        assert_eq!(short_line(b"abcd", 3), "abc…");
    }
}
