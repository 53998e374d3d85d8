//! Text from the wire, made safe to show.

/// `text` with everything escaped that could break a log line or a terminal: control characters,
/// line separators, marks that turn the direction of text, bytes that are not UTF-8, and `\`.
pub fn escape(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    push_escaped(&mut out, text);
    out
}

/// Puts what [`escape`] gives at the end of `out`.
pub(crate) fn push_escaped(out: &mut String, text: &[u8]) {
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'\\';
    let plain = std::str::from_utf8(text)
        .ok()
        .filter(|_| text.iter().all(plain));
    if let Some(text) = plain {
        return out.push_str(text);
    }
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                '\r' => out.push_str("\\r"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                c if c.is_ascii_control() => push_byte(out, c as u8),
                c if is_hidden(c) => out.extend(c.escape_unicode()),
                c => out.push(c),
            }
        }
        for &byte in chunk.invalid() {
            push_byte(out, byte);
        }
    }
}

fn push_byte(out: &mut String, byte: u8) {
    out.push_str(&format!("\\x{byte:02x}"));
}

fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_of_plain_text() {
        let text = b"\x1b[2J\xe2\x80\xa8fake\r\n\t\0\xff\xfe J\xc3\xbcrgen \\ \xc2\x85";
        let shown = escape(text);
        assert_eq!(
            shown,
            "\\x1b[2J\\u{2028}fake\\r\\n\\t\\x00\\xff\\xfe Jürgen \\\\ \\u{85}"
        );
        assert!(!shown.chars().any(char::is_control));
    }
}
