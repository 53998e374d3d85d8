//! Who may read the console.

use std::net::{IpAddr, SocketAddr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// The rule: on loopback anyone on the machine, elsewhere whoever has the password.
///
/// Without a password the `Host` header must be an IP address or `localhost`. A page of a foreign
/// site can point its own name at 127.0.0.1 (DNS rebinding) and would then be allowed by the browser
/// to read the answers; it cannot make the browser send another `Host` than that name.
#[derive(Clone, Debug)]
pub struct Access {
    /// The digest of the password.
    password: Option<[u8; 32]>,
}

/// Why a console cannot be opened.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AccessError {
    /// The address can be reached from other machines and there is no password.
    #[error(
        "the console shows calls in full: on an address other than loopback it needs a password"
    )]
    PasswordNeeded,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The host is a name that could be anyone's.
    Host,
    /// The password is missing or wrong.
    Password,
}

impl Access {
    /// The rule for a console at `address`. An empty password is none.
    pub fn new(address: SocketAddr, password: Option<&str>) -> Result<Self, AccessError> {
        let password = password.filter(|password| !password.is_empty());
        if password.is_none() && !address.ip().to_canonical().is_loopback() {
            return Err(AccessError::PasswordNeeded);
        }
        Ok(Self {
            password: password.map(|password| digest(password.as_bytes())),
        })
    }

    /// Judges a request by its header.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        match self.password {
            // A browser sends the password to the name it was typed for only, so any name is fine.
            Some(expected) => match basic_password(headers) {
                Some(given) if same(&digest(&given), &expected) => Ok(()),
                _ => Err(Refusal::Password),
            },
            None => match headers.get(header::HOST) {
                Some(host) if names_this_machine(host) => Ok(()),
                _ => Err(Refusal::Host),
            },
        }
    }
}

impl Refusal {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Host => StatusCode::FORBIDDEN,
            Self::Password => StatusCode::UNAUTHORIZED,
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Host => "open this page by its IP address or as localhost",
            Self::Password => "the password is needed",
        }
    }
}

/// The password of HTTP Basic credentials (RFC 7617 §2), whatever the user is called.
fn basic_password(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, encoded) = value.split_at_checked(BASIC.len())?;
    if !scheme.eq_ignore_ascii_case(BASIC) {
        return None;
    }
    let mut pair = STANDARD.decode(encoded.trim_ascii()).ok()?;
    let colon = pair.iter().position(|&byte| byte == b':')?;
    Some(pair.split_off(colon + 1))
}

/// `localhost` or an IP address, with or without a port (RFC 9110 §7.2).
fn names_this_machine(host: &HeaderValue) -> bool {
    let Ok(host) = host.to_str() else {
        return false;
    };
    if host.parse::<SocketAddr>().is_ok() {
        return true;
    }
    let name = match host.rsplit_once(':') {
        Some((name, port))
            if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            name
        }
        _ => host,
    };
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

fn digest(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Compares digests without telling by its time where they differ.
fn same(left: &[u8; 32], right: &[u8; 32]) -> bool {
    left.iter()
        .zip(right)
        .fold(0, |difference, (a, b)| difference | (a ^ b))
        == 0
}

const BASIC: &[u8] = b"Basic ";

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: header::HeaderName, value: &str) -> HeaderMap {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        HeaderMap::from_iter([(name, value)])
    }

    #[test]
    fn hosts_without_a_password() {
        let access = Access::new("127.0.0.1:80".parse().unwrap(), None).unwrap();
        for host in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "localhost:1",
            "LOCALHOST",
            "[::1]:80",
            "[::1]",
        ] {
            assert_eq!(access.check(&with(header::HOST, host)), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example:8080",
            "localhost.evil",
            "",
            ":80",
            "é",
        ] {
            assert_eq!(
                access.check(&with(header::HOST, host)),
                Err(Refusal::Host),
                "{host}"
            );
        }
        assert_eq!(access.check(&HeaderMap::new()), Err(Refusal::Host));
    }

    #[test]
    fn passwords() {
        let open: SocketAddr = "0.0.0.0:80".parse().unwrap();
        assert_eq!(
            Access::new(open, None).unwrap_err(),
            AccessError::PasswordNeeded
        );
        assert_eq!(
            Access::new(open, Some("")).unwrap_err(),
            AccessError::PasswordNeeded
        );
        let access = Access::new(open, Some("s3:cret")).unwrap();
        let credentials = |text: &str| {
            with(
                header::AUTHORIZATION,
                &format!("basic {}", STANDARD.encode(text)),
            )
        };
        assert_eq!(access.check(&credentials("me:s3:cret")), Ok(()));
        for wrong in ["me:s3", "s3:cret", ":", "", "me:s3:cret "] {
            assert_eq!(
                access.check(&credentials(wrong)),
                Err(Refusal::Password),
                "{wrong}"
            );
        }
        assert_eq!(
            access.check(&with(header::AUTHORIZATION, "Basic !")),
            Err(Refusal::Password)
        );
        assert!(!format!("{access:?}").contains("s3"));
    }
}
