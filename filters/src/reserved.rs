//! The header names that only our own parts may speak.

use sip::{HeaderName, HeaderSet, Headers};

/// What every reserved header name begins with.
pub const PREFIX: &str = "X-Hookswitch-";

/// Whether `name` is reserved, in any case.
#[inline]
pub fn is_reserved(name: &[u8]) -> bool {
    // The letter behind `X-` tells nearly all other names.
    matches!(name, [b'X' | b'x', b'-', b'H' | b'h', ..]) && begins_so(name)
}

fn begins_so(name: &[u8]) -> bool {
    name.get(..PREFIX.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(PREFIX.as_bytes()))
}

/// Removes every reserved header; returns how many.
///
/// The pipeline calls this at each boundary that is not internal, in both directions, whatever the
/// filters do: on the way in against forgery, on the way out against leaks.
pub fn strip(headers: &mut Headers) -> usize {
    // Hardly any message has one, and moving rows costs more than looking at them.
    let any = headers.names(UNKNOWN).any(|(_, _, name)| is_reserved(name));
    if !any {
        return 0;
    }
    headers.retain(|header| !is_reserved(header.name))
}

/// No reserved name is known by number.
const UNKNOWN: HeaderSet = HeaderSet::of(&[HeaderName::Other]);

#[cfg(test)]
mod tests {
    use sip::Request;

    use super::*;

    #[test]
    fn strips_in_any_case() {
        let mut request = Request::new(b"OPTIONS", b"sip:a@b").unwrap();
        for name in [
            "x-hookSWITCH-trunk",
            "X-Hookswitch-",
            "X-Hookswitc",
            "X-Hook",
            "XxHookswitch-",
            "h",
        ] {
            request.headers.append(name.as_bytes(), b"1").unwrap();
        }
        assert_eq!(strip(&mut request.headers), 2);
        assert_eq!(request.headers.len(), 4);
    }
}
