//! Who may have a recording: HTTP Basic with the account's identifier and token.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};

use crate::{Domain, Sid};

/// Whether the credentials of a request are those of an account.
pub(super) fn permits(headers: &HeaderMap, account: Sid, domains: &[Domain]) -> bool {
    let Some((user, password)) = credentials(headers) else {
        return false;
    };
    let name = account.to_string();
    let mut permitted = false;
    for domain in domains
        .iter()
        .filter(|domain| domain.account_sid == account)
    {
        let token = domain.auth_token.expose();
        // Without a token nobody can know it.
        let right = same(&user, &name) & same(&password, token) & !token.is_empty();
        permitted |= right;
    }
    permitted
}

fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// Compares digests, so that the time tells nothing about how much of a guess was right.
fn same(one: &str, other: &str) -> bool {
    Sha256::digest(one) == Sha256::digest(other)
}
