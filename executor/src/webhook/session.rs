//! What is kept for the length of a call: cookies, and credentials that a server asked for.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use cookie_store::{CookieStore, RawCookie};
use url::Url;

use super::auth::Challenge;

/// Cookies and credentials of one call. Clones share them.
#[derive(Clone, Default)]
pub struct Session(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    cookies: CookieStore,
    /// The challenge of each origin that sent one.
    challenges: Vec<(String, Challenge)>,
}

impl Session {
    /// The `Cookie` header for a URL.
    pub(super) fn cookies(&self, url: &Url) -> Option<String> {
        self.with(|kept| {
            let pairs: Vec<_> = kept
                .cookies
                .get_request_values(url)
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            Some(pairs.join("; ")).filter(|header| !header.is_empty())
        })
    }

    /// Takes a `Set-Cookie` header.
    pub(super) fn set_cookie(&self, header: &str, url: &Url) {
        self.with(|kept| {
            if header.len() > COOKIE_BYTES_MAX || kept.cookies.iter_any().count() >= COOKIES_MAX {
                return;
            }
            if let Ok(cookie) = RawCookie::parse(header.to_owned()) {
                // A cookie that does not fit the URL is not kept (RFC 6265 §5.3).
                drop(kept.cookies.insert_raw(&cookie, url));
            }
        });
    }

    /// The `Authorization` header for a request, if its origin asked for one before.
    pub(super) fn authorization(&self, method: &str, url: &Url, cnonce: &str) -> Option<String> {
        let origin = url.origin().ascii_serialization();
        self.with(|kept| {
            let (_, challenge) = kept.challenges.iter_mut().find(|(of, _)| *of == origin)?;
            challenge.answer(method, url, cnonce)
        })
    }

    pub(super) fn challenged(&self, url: &Url, challenge: Challenge) {
        let origin = url.origin().ascii_serialization();
        self.with(|kept| {
            kept.challenges.retain(|(of, _)| *of != origin);
            if kept.challenges.len() < CHALLENGES_MAX {
                kept.challenges.push((origin, challenge));
            }
        });
    }

    fn with<T>(&self, f: impl FnOnce(&mut Kept) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session(…)")
    }
}

const COOKIES_MAX: usize = 50;
const COOKIE_BYTES_MAX: usize = 4096;
const CHALLENGES_MAX: usize = 8;
