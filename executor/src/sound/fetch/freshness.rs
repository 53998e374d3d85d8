//! How long a reply may be used again: RFC 9111 for a shared cache.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{AGE, CACHE_CONTROL, DATE, EXPIRES, HeaderName, LAST_MODIFIED, VARY};

/// What the headers of a reply permit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Freshness {
    /// It may be used without asking for this long; after that it may be asked about.
    Fresh(Duration),
    /// It must not be kept.
    Never,
}

/// Reads the headers of a reply that came `now`.
pub(super) fn of(headers: &HeaderMap, now: SystemTime) -> Freshness {
    let control = Control::of(headers);
    if control.no_store || varies(headers) {
        return Freshness::Never;
    }
    if control.no_cache {
        return Freshness::Fresh(Duration::ZERO);
    }
    // RFC 9111 §4.2.1: s-maxage before max-age before Expires before a guess.
    let date = time(headers, DATE).unwrap_or(now);
    let lifetime = control.shared_age.or(control.age).unwrap_or_else(|| {
        if headers.contains_key(EXPIRES) {
            // One that cannot be read has passed.
            let expires = time(headers, EXPIRES);
            return expires
                .and_then(|expires| expires.duration_since(date).ok())
                .unwrap_or_default();
        }
        guess(headers, date)
    });
    let age = headers
        .get(AGE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.trim().parse().ok())
        .map_or(Duration::ZERO, Duration::from_secs);
    Freshness::Fresh(lifetime.saturating_sub(age).min(LIFETIME_MAX))
}

/// RFC 9111 §4.2.2: a tenth of the time for which the file has not changed.
fn guess(headers: &HeaderMap, date: SystemTime) -> Duration {
    let unchanged = time(headers, LAST_MODIFIED)
        .and_then(|modified| date.duration_since(modified).ok())
        .unwrap_or_default();
    (unchanged / 10).min(GUESS_MAX)
}

#[derive(Default)]
struct Control {
    no_store: bool,
    no_cache: bool,
    age: Option<Duration>,
    shared_age: Option<Duration>,
}

impl Control {
    fn of(headers: &HeaderMap) -> Self {
        let mut control = Self::default();
        let values = headers.get_all(CACHE_CONTROL).iter();
        let directives = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        for directive in directives {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            // An age that cannot be read is none (RFC 9111 §4.2.1).
            let seconds = || value.trim().trim_matches('"').parse().unwrap_or(0);
            match name.trim().to_ascii_lowercase().as_str() {
                "no-store" | "private" => control.no_store = true,
                "no-cache" => control.no_cache = true,
                "max-age" => control.age = Some(Duration::from_secs(seconds())),
                "s-maxage" => control.shared_age = Some(Duration::from_secs(seconds())),
                _ => {}
            }
        }
        control
    }
}

/// Our requests for a URL are all alike, so only `*` tells them apart.
fn varies(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(VARY).iter();
    values.any(|value| value.as_bytes().trim_ascii() == b"*")
}

fn time(headers: &HeaderMap, name: HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(headers.get(name)?.to_str().ok()?).ok()
}

/// A file that never changes is asked about once a day all the same.
const LIFETIME_MAX: Duration = Duration::from_secs(24 * 3600);
const GUESS_MAX: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOON: &str = "Fri, 27 Mar 2026 12:00:00 GMT";

    fn fresh(headers: &[(HeaderName, &'static str)]) -> Option<u64> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        let now = httpdate::parse_http_date(NOON).unwrap();
        match of(&headers.collect(), now) {
            Freshness::Fresh(lifetime) => Some(lifetime.as_secs()),
            Freshness::Never => None,
        }
    }

    #[test]
    fn cache_control() {
        for (value, lifetime) in [
            ("max-age=60", Some(60)),
            ("public, MAX-AGE=\"60\"", Some(60)),
            ("max-age=60, s-maxage=5", Some(5)),
            ("max-age=60, no-cache", Some(0)),
            ("max-age=60, no-store", None),
            ("private, max-age=60", None),
            ("max-age=soon", Some(0)),
            ("max-age=99999999", Some(24 * 3600)),
            ("", Some(0)),
        ] {
            assert_eq!(fresh(&[(CACHE_CONTROL, value)]), lifetime, "{value}");
        }
        let aged = [(CACHE_CONTROL, "max-age=60"), (AGE, "50")];
        assert_eq!(fresh(&aged), Some(10));
    }

    #[test]
    fn dates() {
        let date = (DATE, NOON);
        let expires = (EXPIRES, "Fri, 27 Mar 2026 12:01:00 GMT");
        assert_eq!(fresh(&[date.clone(), expires.clone()]), Some(60));
        assert_eq!(fresh(&[date.clone(), (EXPIRES, "0")]), Some(0));
        assert_eq!(fresh(&[(CACHE_CONTROL, "max-age=5"), expires]), Some(5));
        let modified = (LAST_MODIFIED, "Fri, 27 Mar 2026 11:50:00 GMT");
        assert_eq!(fresh(&[date, modified]), Some(60));
        assert_eq!(fresh(&[(VARY, "*")]), None);
        assert_eq!(fresh(&[(VARY, "Accept")]), Some(0));
    }
}
