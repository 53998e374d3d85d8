//! What a server can be asked about an older reply (RFC 9110 §8.8).

use http::header::{
    ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};

/// The validators of a reply.
#[derive(Clone, Debug, Default)]
pub(crate) struct Validators {
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
}

impl Validators {
    /// The validators of a reply, if it has any.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let validators = Self {
            etag: kept(headers, ETAG),
            last_modified: kept(headers, LAST_MODIFIED),
        };
        (validators.etag.is_some() || validators.last_modified.is_some()).then_some(validators)
    }

    /// Asks for the reply only if it is another one now.
    pub(super) fn ask(&self, headers: &mut HeaderMap) {
        let tag = self.etag.clone().map(|value| (IF_NONE_MATCH, value));
        let date = self.last_modified.clone();
        headers.extend(tag);
        headers.extend(date.map(|value| (IF_MODIFIED_SINCE, value)));
    }

    /// What they take in memory.
    pub(crate) fn bytes(&self) -> usize {
        let values = self.etag.iter().chain(&self.last_modified);
        values.map(HeaderValue::len).sum()
    }
}

/// A copy of a value: the value itself is a part of the buffer that the whole head was read into, and would
/// keep all of it.
fn kept(headers: &HeaderMap, name: HeaderName) -> Option<HeaderValue> {
    let value = headers.get(name)?;
    if value.len() > BYTES_MAX {
        return None;
    }
    HeaderValue::from_bytes(value.as_bytes()).ok()
}

/// Longer ones are no validators that anybody needs.
const BYTES_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn validators_are_copies_and_short() {
        let head = Bytes::from(vec![b'a'; 4096]);
        let value = |length: usize| HeaderValue::from_maybe_shared(head.slice(..length)).unwrap();
        let headers = |tag: usize, date: usize| {
            HeaderMap::from_iter([(ETAG, value(tag)), (LAST_MODIFIED, value(date))])
        };
        let kept = Validators::of(&headers(512, 513)).unwrap();
        assert_eq!(kept.bytes(), 512);
        assert_eq!(kept.etag.as_ref().unwrap(), value(512));
        assert_ne!(kept.etag.unwrap().as_bytes().as_ptr(), head.as_ptr());
        assert!(Validators::of(&headers(513, 4096)).is_none());
        assert!(Validators::of(&HeaderMap::new()).is_none());
    }
}
