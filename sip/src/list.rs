//! Values that hold more than one thing: comma-separated lists and folded lines.

use std::borrow::Cow;

use crate::ascii::trim;

/// The comma-separated elements of one value, trimmed; empty ones are left out.
///
/// A comma inside a quoted string or inside angle brackets separates nothing.
pub fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        loop {
            let (element, after) = split_outside(rest?, b',');
            rest = after;
            let element = trim(element);
            if !element.is_empty() {
                return Some(element);
            }
        }
    })
}

/// What follows the first element of a list, from its next element on; empty where that was all.
pub(crate) fn after_first(value: &[u8]) -> &[u8] {
    let mut rest = value;
    let mut seen = false;
    while let (element, Some(after)) = split_outside(rest, b',') {
        seen |= !trim(element).is_empty();
        rest = after;
        if seen {
            // Empty elements in front of the next one go with the first.
            let next = after.iter().position(|&byte| !is_gap(byte));
            return next.and_then(|at| after.get(at..)).map_or(b"", trim);
        }
    }
    b""
}

fn is_gap(byte: u8) -> bool {
    byte == b',' || crate::ascii::is_lws(byte)
}

/// Splits `text` at the first `separator` outside quoted strings and angle brackets.
///
/// Returns the part before and, where the separator was found, the part behind it. What an open
/// quote or bracket starts has no end, so nothing is split off behind it.
#[inline]
pub(crate) fn split_outside(text: &[u8], separator: u8) -> (&[u8], Option<&[u8]>) {
    let mut from = 0;
    while let Some(ahead) = text.get(from..)
        && let Some(found) = memchr::memchr3(separator, b'"', b'<', ahead)
    {
        let at = from + found;
        let behind = text.get(at + 1..).unwrap_or_default();
        let skip = match text.get(at) {
            Some(b'"') => quoted_end(behind),
            Some(b'<') => memchr::memchr(b'>', behind).map(|end| end + 1),
            _ => return (text.get(..at).unwrap_or_default(), Some(behind)),
        };
        match skip {
            Some(skip) => from = at + 1 + skip,
            None => break,
        }
    }
    (text, None)
}

/// Length of a quoted string with its closing quote; `text` starts behind the opening one.
pub(crate) fn quoted_end(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(found) = memchr::memchr2(b'"', b'\\', text.get(from..)?) {
        let at = from + found;
        if text.get(at) == Some(&b'"') {
            return Some(at + 1);
        }
        // RFC 3261 §25.1 quoted-pair: the byte behind the backslash means itself.
        from = at + 2;
    }
    None
}

/// `value` with each line fold read as one space (RFC 3261 §7.3.1).
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    for line in value.split(|&byte| byte == b'\n').map(trim) {
        if !out.is_empty() && !line.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(line);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(value: &str) -> Vec<&str> {
        elements(value.as_bytes())
            .map(|element| std::str::from_utf8(element).unwrap())
            .collect()
    }

    #[test]
    fn elements_outside_quotes_and_brackets() {
        assert_eq!(all("a, b ,c"), ["a", "b", "c"]);
        assert_eq!(
            all("\"x, \\\" y\" <sip:a,b@c>;p=\"1,2\", <sip:d>"),
            ["\"x, \\\" y\" <sip:a,b@c>;p=\"1,2\"", "<sip:d>"]
        );
        assert_eq!(all("a,\r\n b"), ["a", "b"]);
        assert_eq!(all(",,a,, ,b,"), ["a", "b"]);
        assert_eq!(all(" , "), [""; 0]);
        assert_eq!(all("\"open, a"), ["\"open, a"]);
        assert_eq!(all("<open, a"), ["<open, a"]);
        assert_eq!(all("a>, b"), ["a>", "b"]);
        assert_eq!(all("\"ends in \\"), ["\"ends in \\"]);
        assert_eq!(all("<sip:quote\"inside>, b"), ["<sip:quote\"inside>", "b"]);
    }

    #[test]
    fn behind_the_first_element() {
        for (value, rest) in [
            ("a", ""),
            ("a,", ""),
            ("a,b", "b"),
            ("a , b, c", "b, c"),
            (",,a,b", "b"),
            ("a,,\r\n ,b,,c", "b,,c"),
            ("\"x,y\" <a>, b", "b"),
            ("\"x,y", ""),
            ("", ""),
            (",", ""),
        ] {
            assert_eq!(after_first(value.as_bytes()), rest.as_bytes(), "{value}");
        }
    }

    #[test]
    fn folds_become_one_space() {
        for (value, line) in [
            ("a", "a"),
            ("a\r\n b", "a b"),
            ("a  \r\n\t b\r\n c", "a b c"),
            ("a\r\n \r\n b", "a b"),
            ("\r\n a", "a"),
        ] {
            assert_eq!(&*unfold(value.as_bytes()), line.as_bytes(), "{value:?}");
        }
    }
}
