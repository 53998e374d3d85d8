//! Replies to GET that may be asked for again with their `ETag` or `Last-Modified`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::HeaderMap;
use http::header::CACHE_CONTROL;

use super::Validators;

/// A small cache of validated replies. Every use is revalidated, so nothing stale is ever used.
#[derive(Clone, Default)]
pub(super) struct Cache(Arc<Mutex<VecDeque<(String, Cached)>>>);

#[derive(Clone)]
pub(super) struct Cached {
    pub(super) validators: Validators,
    pub(super) content_type: Option<String>,
    pub(super) body: Bytes,
}

impl Cache {
    /// What is known about a URL (with all its parameters).
    pub(super) fn find(&self, url: &str) -> Option<Cached> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries
            .iter()
            .find(|(of, _)| of == url)
            .map(|(_, cached)| cached.clone())
    }

    /// Keeps a reply, if its headers permit it; the oldest one makes place.
    pub(super) fn keep(
        &self,
        url: &str,
        headers: &HeaderMap,
        content_type: Option<&str>,
        body: &Bytes,
    ) {
        let forbidden = headers.get_all(CACHE_CONTROL).iter().any(|value| {
            value
                .to_str()
                .is_ok_and(|value| value.to_ascii_lowercase().contains("no-store"))
        });
        let Some(validators) = Validators::of(headers).filter(|_| !forbidden) else {
            return;
        };
        let cached = Cached {
            validators,
            content_type: content_type.map(str::to_owned),
            body: body.clone(),
        };
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|(of, _)| of != url);
        if entries.len() == ENTRIES_MAX {
            entries.pop_front();
        }
        entries.push_back((url.to_owned(), cached));
    }
}

/// At 64 KiB a body this is 4 MiB at most.
const ENTRIES_MAX: usize = 64;
