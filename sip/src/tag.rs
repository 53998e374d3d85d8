//! The tags of From and To, which tell the sides of a dialog apart (RFC 3261 §19.3).

use crate::NameAddr;
use crate::ascii::is_token;

/// The tag in a From or To value of a message that was checked, if it has one.
pub fn tag_of(value: &[u8]) -> Option<&[u8]> {
    plain(value).unwrap_or_else(|| NameAddr::parse(value).ok()?.tag())
}

/// The same for a valid value with brackets around its URI and nothing behind them but a tag, as
/// nearly all are; else `None`.
fn plain(value: &[u8]) -> Option<Option<&[u8]>> {
    // A value that begins with a quote has brackets; what is behind a `>` within the quotes is no
    // token, for it ends with the quotes at the earliest.
    let bracketed = match value.first()? {
        b'<' | b'"' => true,
        _ => memchr::memchr3(b'<', b';', b':', value).and_then(|at| value.get(at)) == Some(&b'<'),
    };
    let end = memchr::memchr(b'>', value).filter(|_| bracketed)?;
    match value.get(end + 1..)? {
        [] => Some(None),
        [b';', b't', b'a', b'g', b'=', tag @ ..] if is_token(tag) => Some(Some(tag)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_reader_is_the_grammar() {
        let starts = [
            "",
            "<",
            "A <",
            "\"A\" <",
            "\"A>;tag=1\" <",
            "\"A\\\" <",
            "\"\\\"\"<",
            "A;<",
            "a:<",
        ];
        let uris = [
            "sip:a@b",
            "sip:a@b;tag=2",
            "sip:a@b;x=<>",
            "sip:a;tag=7@b",
            "\"",
        ];
        let ends = [
            "",
            ">",
            ">;tag=1",
            ">;tag=",
            ">;TAG=1",
            ">;tag=1;x",
            ">;x;tag=1",
            "> ;tag=1",
            ">;tag = 1",
            ">;tag=1 ",
            ">;tag=\"1\"",
            ">;x=>;tag=1",
            ">;tag=3;x=>",
            ">;tag=3;x=>;tag=1",
            ";tag=1",
            ";tag=3;x=>;tag=1",
            ";x=<>;tag=1",
            ">;tag",
            ">;tagged=1",
            ">\"",
            ">;tag=1\"",
        ];
        let (mut valid, mut quick) = (0, 0);
        for start in starts {
            for uri in uris {
                for end in ends {
                    let text = format!("{start}{uri}{end}");
                    let Ok(value) = NameAddr::parse(text.as_bytes()) else {
                        continue;
                    };
                    valid += 1;
                    if let Some(tag) = plain(text.as_bytes()) {
                        quick += 1;
                        assert_eq!(tag, value.tag(), "{text}");
                    }
                }
            }
        }
        assert!(valid > 100 && quick > 10, "{valid} {quick}");
    }
}
