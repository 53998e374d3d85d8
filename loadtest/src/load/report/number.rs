//! Numbers as people read them.

use crate::load::Rounds;

/// With three digits that count, and commas between thousands: `0.42`, `12.3`, `456`, `12,345`.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 100.0 || value == 0.0 {
        thousands(value.round() as i64)
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

/// A count, whole: `10`, `12,345`.
pub(super) fn count(value: u64) -> String {
    thousands(i64::try_from(value).unwrap_or(i64::MAX))
}

/// The median of rounds with how far they lie apart: `52.1 (50.3–55)`; a dash where there are none.
pub(super) fn spread(rounds: &Rounds) -> String {
    match (rounds.median(), rounds.range()) {
        (Some(median), Some((lowest, highest))) if lowest < highest => {
            format!(
                "{} ({}–{})",
                number(median),
                number(lowest),
                number(highest)
            )
        }
        (Some(median), _) => number(median),
        _ => "–".to_owned(),
    }
}

/// The median of rounds alone; a dash where there are none.
pub(super) fn middle(rounds: &Rounds) -> String {
    rounds.median().map_or_else(|| "–".to_owned(), number)
}

/// A ratio: `1.8 ×`; a dash where there is none.
pub(super) fn times(ratio: Option<f64>) -> String {
    let known = ratio.filter(|ratio| ratio.is_finite());
    known.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2} ×"))
}

/// Bytes: `3.9 KiB`, `410 B`, `12.5 MiB`.
pub(super) fn bytes(count: f64) -> String {
    if count < 1024.0 {
        format!("{count:.0} B")
    } else if count < 1024.0 * 1024.0 {
        format!("{:.1} KiB", count / 1024.0)
    } else {
        format!("{:.1} MiB", count / 1024.0 / 1024.0)
    }
}

fn thousands(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let cases = [
            (0.0, "0"),
            (0.421, "0.42"),
            (12.34, "12.3"),
            (456.7, "457"),
            (12_345.0, "12,345"),
            (-1e6, "-1,000,000"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
        assert_eq!(spread(&Rounds(vec![1.0, 3.0, 2.0])), "2.00 (1.00–3.00)");
        assert_eq!(spread(&Rounds(vec![])), "–");
        assert_eq!(bytes(4096.0), "4.0 KiB");
        assert_eq!(times(Some(1.5)), "1.50 ×");
        assert_eq!(times(Some(f64::NAN)), "–");
    }
}
