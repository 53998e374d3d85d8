//! The part of a file that a request wants (RFC 9110 §14).

use std::ops::Range;

/// What a `Range` header asks for.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// The whole file.
    All,
    /// These bytes, of which there is at least one.
    Bytes(Range<u64>),
    /// Something outside of the file.
    Nothing,
}

/// Reads the header for a file of `length` bytes. Several ranges, other units and what cannot be
/// read count as no header at all.
pub(super) fn part(header: Option<&str>, length: u64) -> Part {
    let Some((first, last)) = header
        .and_then(|header| header.trim().strip_prefix("bytes="))
        .and_then(|range| range.split_once('-'))
    else {
        return Part::All;
    };
    let range = match (first.trim().parse::<u64>(), last.trim()) {
        (Ok(first), "") => first..length,
        (Ok(first), last) => match last.parse::<u64>() {
            Ok(last) if last >= first => first..last.saturating_add(1).min(length),
            _ => return Part::All,
        },
        (Err(_), last) => match (first.trim(), last.parse::<u64>()) {
            ("", Ok(count)) => length.saturating_sub(count)..length,
            _ => return Part::All,
        },
    };
    if range.is_empty() {
        Part::Nothing
    } else {
        Part::Bytes(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (header, part) in [
            ("bytes=0-9", Part::Bytes(0..10)),
            ("bytes=90-", Part::Bytes(90..100)),
            ("bytes=90-1000", Part::Bytes(90..100)),
            ("bytes=-10", Part::Bytes(90..100)),
            ("bytes=-1000", Part::Bytes(0..100)),
            ("bytes=100-", Part::Nothing),
            ("bytes=-0", Part::Nothing),
            ("bytes=0-18446744073709551615", Part::Bytes(0..100)),
            ("bytes=9-0", Part::All),
            ("bytes=0-9,20-29", Part::All),
            ("bytes=x-y", Part::All),
            ("bytes=-", Part::All),
            ("lines=0-9", Part::All),
            ("", Part::All),
        ] {
            assert_eq!(super::part(Some(header), 100), part, "{header}");
        }
        assert_eq!(part(None, 100), Part::All);
        assert_eq!(part(Some("bytes=0-"), 0), Part::Nothing);
    }
}
