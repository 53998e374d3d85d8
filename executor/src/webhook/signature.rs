//! `X-Twilio-Signature`: HMAC-SHA1 over the URL and the sorted form.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::Secret;

/// Signs a request.
///
/// `url` is the URL as sent (a GET's with all its parameters), without userinfo and fragment.
/// `form` is the form of a POST, decoded; a GET has none. Names sort by bytes; of a repeated name
/// each value counts once, sorted.
pub fn sign(token: &Secret, url: &str, form: &[(String, String)]) -> String {
    let pairs: BTreeSet<_> = form.iter().map(|(name, value)| (name, value)).collect();
    let mut data = String::from(url);
    for (name, value) in pairs {
        data.push_str(name);
        data.push_str(value);
    }
    // HMAC takes keys of any length (RFC 2104 §2), so a key is never refused.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(token.expose().as_bytes()) else {
        return String::new();
    };
    mac.update(data.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Adds `bodySHA256` to a URL, for a body that is no form: then only the URL is signed.
pub fn sign_body_hash(url: &str, body: &[u8]) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    let mut url = format!("{url}{separator}bodySHA256=");
    for byte in Sha256::digest(body) {
        url.push_str(&format!("{byte:02x}"));
    }
    url
}
