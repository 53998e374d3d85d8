//! HTTP authentication: Basic (RFC 7617) and Digest (RFC 7616) with MD5 or SHA-256.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use percent_encoding::percent_decode_str;
use sha2::{Digest, Sha256};
use url::Url;

/// What a server asked for in a `WWW-Authenticate` header, with the answers counted.
pub(super) enum Challenge {
    Basic,
    Digest(DigestChallenge),
}

pub(super) struct DigestChallenge {
    realm: String,
    nonce: String,
    opaque: Option<String>,
    algorithm: Algorithm,
    /// `qop=auth` was offered.
    qop: bool,
    /// How often the nonce was used.
    count: u32,
}

#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
enum Algorithm {
    Md5,
    Sha256,
}

impl Challenge {
    /// The strongest of the challenges that can be answered.
    pub(super) fn choose<'h>(headers: impl Iterator<Item = &'h str>) -> Option<Self> {
        let mut best = None;
        for challenge in headers
            .take(HEADERS_MAX)
            .flat_map(split)
            .filter_map(Self::parse)
        {
            if best
                .as_ref()
                .is_none_or(|best: &Self| challenge.strength() > best.strength())
            {
                best = Some(challenge);
            }
        }
        best
    }

    fn parse((scheme, params): (String, Vec<(String, String)>)) -> Option<Self> {
        match scheme.as_str() {
            "basic" => Some(Self::Basic),
            "digest" => DigestChallenge::parse(params).map(Self::Digest),
            _ => None,
        }
    }

    fn strength(&self) -> u8 {
        match self {
            Self::Basic => 0,
            Self::Digest(digest) => 1 + u8::from(digest.algorithm == Algorithm::Sha256),
        }
    }

    /// The `Authorization` header, with the userinfo of the URL.
    pub(super) fn answer(&mut self, method: &str, url: &Url, cnonce: &str) -> Option<String> {
        if url.username().is_empty() && url.password().is_none() {
            return None;
        }
        let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let username = decode(url.username());
        let password = decode(url.password().unwrap_or_default());
        match self {
            Self::Basic => Some(format!(
                "Basic {}",
                STANDARD.encode(format!("{username}:{password}"))
            )),
            Self::Digest(digest) => digest.answer(method, url, cnonce, &username, &password),
        }
    }
}

impl DigestChallenge {
    fn parse(params: Vec<(String, String)>) -> Option<Self> {
        let value = |name: &str| {
            params
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.clone())
        };
        let algorithm = match value("algorithm")
            .unwrap_or_default()
            .to_ascii_uppercase()
            .as_str()
        {
            "" | "MD5" => Algorithm::Md5,
            "SHA-256" => Algorithm::Sha256,
            _ => return None,
        };
        let offered = value("qop");
        let qop = match &offered {
            Some(list) => {
                let auth = list
                    .split(',')
                    .any(|word| word.trim().eq_ignore_ascii_case("auth"));
                if !auth {
                    return None;
                }
                true
            }
            None => false,
        };
        Some(Self {
            realm: value("realm")?,
            nonce: value("nonce")?,
            opaque: value("opaque"),
            algorithm,
            qop,
            count: 0,
        })
    }

    /// RFC 7616 §3.4.
    fn answer(
        &mut self,
        method: &str,
        url: &Url,
        cnonce: &str,
        username: &str,
        password: &str,
    ) -> Option<String> {
        self.count = self.count.checked_add(1)?;
        let uri = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        let (realm, nonce, count) = (&self.realm, &self.nonce, self.count);
        let a1 = self.hash(&format!("{username}:{realm}:{password}"));
        let a2 = self.hash(&format!("{method}:{uri}"));
        let response = if self.qop {
            self.hash(&format!("{a1}:{nonce}:{count:08x}:{cnonce}:auth:{a2}"))
        } else {
            self.hash(&format!("{a1}:{nonce}:{a2}"))
        };
        let algorithm = match self.algorithm {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        };
        let mut header = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, algorithm={algorithm}, response=\"{response}\"",
            quoted(username),
            quoted(realm),
            quoted(nonce),
            quoted(&uri),
        );
        if self.qop {
            header.push_str(&format!(", qop=auth, nc={count:08x}, cnonce=\"{cnonce}\""));
        }
        if let Some(opaque) = &self.opaque {
            header.push_str(&format!(", opaque={}", quoted(opaque)));
        }
        Some(header)
    }

    fn hash(&self, text: &str) -> String {
        match self.algorithm {
            Algorithm::Md5 => hex(&Md5::digest(text)),
            Algorithm::Sha256 => hex(&Sha256::digest(text)),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// One header may hold several challenges, with the same comma between them as between their
/// parameters (RFC 9110 §11.6.1): a word without `=` that is followed by a parameter begins one.
fn split(header: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut challenges: Vec<(String, Vec<(String, String)>)> = Vec::new();
    for part in commas(header) {
        let part = part.trim();
        let name_ends = part.find(['=', ' ']).unwrap_or(part.len());
        let (word, rest) = part.split_at(name_ends);
        let rest = rest.trim_start();
        if let Some(value) = rest.strip_prefix('=') {
            if let Some((_, params)) = challenges.last_mut() {
                params.push((word.to_ascii_lowercase(), unquoted(value)));
            }
            continue;
        }
        if word.is_empty() || challenges.len() == HEADERS_MAX {
            continue;
        }
        let mut params = Vec::new();
        if let Some((name, value)) = rest.split_once('=') {
            params.push((name.trim().to_ascii_lowercase(), unquoted(value)));
        }
        challenges.push((word.to_ascii_lowercase(), params));
    }
    challenges
}

/// Splits at commas outside of quotes.
fn commas(text: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(|c| {
        let comma = c == ',' && !quoted;
        match c {
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = c == '\\' && quoted && !escaped;
        comma
    })
    .collect()
}

fn unquoted(value: &str) -> String {
    let value = value.trim();
    let Some(inner) = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
    else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        text.push(if c == '\\' {
            chars.next().unwrap_or(c)
        } else {
            c
        });
    }
    text
}

const HEADERS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(header: &str) -> Challenge {
        Challenge::choose([header].into_iter()).expect("a challenge")
    }

    /// RFC 7616 §3.9.1.
    #[test]
    fn digest_answers_match_the_rfc() {
        let url =
            Url::parse("http://Mufasa:Circle%20of%20Life@www.example.org/dir/index.html").unwrap();
        let header = |algorithm: &str| {
            format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", \
                 opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\""
            )
        };
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            (
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let answer = challenge(&header(algorithm))
                .answer("GET", &url, cnonce)
                .unwrap();
            assert!(
                answer.contains(&format!("response=\"{response}\"")),
                "{answer}"
            );
            assert!(answer.contains("nc=00000001"), "{answer}");
        }
    }

    #[test]
    fn the_strongest_of_several_challenges_is_answered() {
        let header = "Basic realm=\"a, b\", Digest realm=\"r\", nonce=\"n\", Digest realm=\"r\", nonce=\"n\", algorithm=SHA-256";
        assert_eq!(challenge(header).strength(), 2);
        assert_eq!(challenge("Basic").strength(), 0);
        assert!(Challenge::choose(["Negotiate", "Digest realm=\"x\""].into_iter()).is_none());
    }
}
