//! Dates as parameters have them: RFC 2822, and ISO 8601 for media streams and SIPREC.

use std::time::{SystemTime, UNIX_EPOCH};

/// `Fri, 27 Mar 2026 10:00:00 +0000`.
pub(crate) fn rfc2822(time: SystemTime) -> String {
    let (days, second) = split(time);
    let (year, month, day) = civil(days);
    let weekday = WEEKDAYS
        .get((days % 7) as usize)
        .copied()
        .unwrap_or_default();
    let month = MONTHS.get(month as usize - 1).copied().unwrap_or_default();
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} +0000")
}

/// `2026-03-27T10:00:00.000Z`.
pub(crate) fn iso8601(time: SystemTime) -> String {
    let (days, second) = split(time);
    let millis = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.subsec_millis());
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// Days, and the second of the last one.
fn split(time: SystemTime) -> (u64, u64) {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    (seconds / 86_400, seconds % 86_400)
}

/// Year, month (1–12) and day of a count of days since 1 January 1970: Howard Hinnant's
/// `civil_from_days`, for dates that are not before then.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

/// The first of January 1970 was a Thursday.
const WEEKDAYS: &[&str] = &["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: &[&str] = &[
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_what_date_says() {
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 +0000"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 +0000"),
            (1_774_605_600, "Fri, 27 Mar 2026 10:00:00 +0000"),
            (4_102_444_799, "Thu, 31 Dec 2099 23:59:59 +0000"),
        ] {
            assert_eq!(rfc2822(UNIX_EPOCH + Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn the_other_form() {
        let time = UNIX_EPOCH + Duration::from_millis(1_774_605_600_250);
        assert_eq!(iso8601(time), "2026-03-27T10:00:00.250Z");
    }
}
