//! `[[domain.user]]`: names and what proves them.

use std::collections::HashMap;
use std::sync::Arc;

use super::error::Report;
use super::file;
use super::load::{Placed, Sections};
use crate::auth::{Account, Accounts, Algorithm, Secret};

/// The users of `domain`, whose host is `realm`; none where it has none.
pub(super) fn accounts(
    domain: &Placed<'_, file::Domain>,
    realm: &str,
    report: &mut Report<'_>,
) -> Option<Arc<Accounts>> {
    let file = &domain.value;
    let algorithms = algorithms(domain, report);
    if file.user.is_empty() {
        return None;
    }
    if realm == "*" {
        let message = "`*` has no users: they need a domain with a name";
        report.add(domain.span("user"), domain.key("user"), message);
        return None;
    }
    let mut by_name = HashMap::new();
    for (index, user) in file.user.iter().enumerate() {
        let mut wrong = |key: &str, message: String| {
            let key = domain.key(&format!("user[{index}].{key}"));
            report.add(domain.span("user"), key, message);
        };
        let name = &user.username;
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(may_name) {
            wrong(
                "username",
                format!("`{name}`; expected 1 to {NAME_BYTES_MAX} of A-Z a-z 0-9 . _ - + ~"),
            );
            continue;
        }
        let secrets = match secrets(user) {
            Ok(secrets) => secrets,
            Err((key, message)) => {
                wrong(key, message.to_owned());
                continue;
            }
        };
        let account = Account::new(name, realm, &secrets);
        if by_name.insert(name.clone(), account).is_some() {
            wrong(
                "username",
                format!("`{name}` is there twice; names are unique"),
            );
        }
    }
    let accounts = Accounts::new(realm, &algorithms, by_name);
    if accounts.algorithms().is_empty() && !accounts.is_empty() && !algorithms.is_empty() {
        let message = "no algorithm of auth_algorithms (MD5 where that is absent) that all users can answer: a \
                       password is good for each, `ha1` for MD5, `ha1_sha256` for SHA-256";
        report.add(domain.span("user"), domain.key("user"), message);
    }
    Some(Arc::new(accounts))
}

/// The trunks whose requests need no credentials.
pub(super) fn exempt(
    domain: &Placed<'_, file::Domain>,
    sections: &Sections<'_>,
    report: &mut Report<'_>,
) -> Vec<String> {
    for name in &domain.value.auth_exempt {
        sections.check_name(domain, "auth_exempt", "trunk", name, report);
    }
    domain.value.auth_exempt.clone()
}

/// What is offered, the strongest first (RFC 8760 §2.4).
fn algorithms(domain: &Placed<'_, file::Domain>, report: &mut Report<'_>) -> Vec<Algorithm> {
    let Some(names) = &domain.value.auth_algorithms else {
        // Many phones know no other, and give up where another one is offered too.
        return vec![Algorithm::Md5];
    };
    let named: Vec<Option<Algorithm>> = names
        .iter()
        .map(|name| Algorithm::of(name.as_bytes()))
        .collect();
    if named.is_empty() || named.contains(&None) {
        let message = "expected `SHA-256`, `MD5` or both";
        report.add(
            domain.span("auth_algorithms"),
            domain.key("auth_algorithms"),
            message,
        );
        return Vec::new();
    }
    let wanted = |algorithm: &Algorithm| named.contains(&Some(*algorithm));
    Algorithm::ALL.into_iter().filter(wanted).collect()
}

/// A password, or hashes of one; else the key and what is wrong with it.
fn secrets(user: &file::User) -> Result<Vec<Secret>, (&'static str, &'static str)> {
    let hashes = [
        (
            "ha1",
            Algorithm::Md5,
            &user.ha1,
            "expected 32 hexadecimal digits",
        ),
        (
            "ha1_sha256",
            Algorithm::Sha256,
            &user.ha1_sha256,
            "expected 64 hexadecimal digits",
        ),
    ];
    let mut secrets = Vec::new();
    for (key, algorithm, text, expected) in hashes {
        if let Some(text) = text {
            secrets.push(Secret::hashed(algorithm, text).ok_or((key, expected))?);
        }
    }
    match (&user.password, secrets.is_empty()) {
        (Some(password), true) if password.is_empty() => Err(("password", "is empty")),
        (Some(password), true) => Ok(vec![Secret::Password(password.clone())]),
        (Some(_), false) => Err((
            "password",
            "is there beside a hash; expected one or the other",
        )),
        (None, false) => Ok(secrets),
        (None, true) => Err((
            "password",
            "missing; expected `password`, `ha1` or `ha1_sha256`",
        )),
    }
}

/// What needs no escape in a URI and no quote in a header.
fn may_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-+~".contains(&byte)
}

const NAME_BYTES_MAX: usize = 128;
