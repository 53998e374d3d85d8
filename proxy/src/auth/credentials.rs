//! What stands in Authorization and Proxy-Authorization (RFC 7616 §3.4).

use std::borrow::Cow;

use super::account::Algorithm;

/// Digest credentials, unquoted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) username: Vec<u8>,
    pub(crate) realm: Vec<u8>,
    pub(crate) nonce: Vec<u8>,
    pub(crate) uri: Vec<u8>,
    pub(crate) response: Vec<u8>,
    pub(crate) cnonce: Vec<u8>,
    /// The nonce count as written, and as a number.
    pub(crate) count_text: Vec<u8>,
    pub(crate) count: u32,
    /// `None` where it is none of ours.
    pub(crate) algorithm: Option<Algorithm>,
}

/// A header that cannot be read, or says something twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl Credentials {
    /// Reads a value; `None` where it is of another scheme.
    pub(crate) fn parse(value: &[u8]) -> Result<Option<Self>, Malformed> {
        let value = sip::unfold(value);
        let value = sip::trim(&value);
        let blank = value.iter().position(u8::is_ascii_whitespace);
        let Some((scheme, mut rest)) = blank.and_then(|at| value.split_at_checked(at)) else {
            return Ok(None);
        };
        if !scheme.eq_ignore_ascii_case(b"Digest") {
            return Ok(None);
        }
        let mut found = Self::default();
        let mut seen: [Option<Vec<u8>>; NAMES.len()] = Default::default();
        for _ in 0..PARAMS_MAX {
            let Some((name, value, after)) = next_param(rest)? else {
                found.take(seen)?;
                return Ok(Some(found));
            };
            rest = after;
            let known = NAMES.iter().zip(&mut seen);
            let place = known
                .filter(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()))
                .map(|(_, place)| place)
                .next();
            if let Some(place) = place
                && place.replace(value.into_owned()).is_some()
            {
                return Err(Malformed);
            }
        }
        Err(Malformed)
    }

    /// RFC 7616 §3.4: what a request must say. We offer `auth`, so a count and a cnonce are there.
    fn take(&mut self, seen: [Option<Vec<u8>>; NAMES.len()]) -> Result<(), Malformed> {
        let [
            username,
            realm,
            nonce,
            uri,
            response,
            algorithm,
            qop,
            cnonce,
            count,
        ] = seen;
        self.username = username.ok_or(Malformed)?;
        self.realm = realm.ok_or(Malformed)?;
        self.nonce = nonce.ok_or(Malformed)?;
        self.uri = uri.ok_or(Malformed)?;
        self.response = response.ok_or(Malformed)?;
        let named = algorithm.unwrap_or_else(|| b"MD5".to_vec());
        // Without a quality, or with another one, the response is of another making: it is wrong.
        let auth = qop.is_some_and(|qop| qop.eq_ignore_ascii_case(b"auth"));
        self.algorithm = Algorithm::of(&named).filter(|_| auth);
        self.cnonce = cnonce.unwrap_or_default();
        self.count_text = count.unwrap_or_default();
        if self.algorithm.is_some() {
            let digits = self.count_text.len() == COUNT_DIGITS;
            let number = crate::loops::unhex(&self.count_text).filter(|_| digits);
            self.count = number.ok_or(Malformed)? as u32;
        }
        Ok(())
    }
}

/// A name, its value without quotes, and what follows.
type Param<'a> = (&'a [u8], Cow<'a, [u8]>, &'a [u8]);

/// The next `name=value` or `name="value"` of a comma-separated list.
fn next_param(text: &[u8]) -> Result<Option<Param<'_>>, Malformed> {
    let gap = |byte: &u8| byte.is_ascii_whitespace() || *byte == b',';
    let Some(start) = text.iter().position(|byte| !gap(byte)) else {
        return Ok(None);
    };
    let text = text.get(start..).unwrap_or_default();
    let at = memchr::memchr(b'=', text).ok_or(Malformed)?;
    let name = sip::trim(text.get(..at).unwrap_or_default());
    let rest = text.get(at + 1..).unwrap_or_default().trim_ascii_start();
    if !sip::is_token(name) {
        return Err(Malformed);
    }
    let (value, rest) = match rest {
        [b'"', inner @ ..] => unquote(inner)?,
        _ => {
            let end = memchr::memchr(b',', rest).unwrap_or(rest.len());
            let (value, rest) = rest.split_at(end);
            (Cow::Borrowed(sip::trim(value)), rest)
        }
    };
    // A value ends at a comma or at the end.
    match rest.trim_ascii_start() {
        [] | [b',', ..] => Ok(Some((name, value, rest))),
        _ => Err(Malformed),
    }
}

/// A quoted string whose opening quote is gone, and what follows it (RFC 3261 §25.1).
fn unquote(inner: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), Malformed> {
    let end = memchr::memchr2(b'"', b'\\', inner).ok_or(Malformed)?;
    if let (value, [b'"', rest @ ..]) = inner.split_at(end) {
        return Ok((Cow::Borrowed(value), rest));
    }
    let mut value = Vec::new();
    let mut bytes = inner.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                let rest = inner.get(at + 1..).unwrap_or_default();
                return Ok((Cow::Owned(value), rest));
            }
            b'\\' => value.push(*bytes.next().ok_or(Malformed)?.1),
            byte => value.push(*byte),
        }
    }
    Err(Malformed)
}

/// The parameters that are read; others are let be.
const NAMES: [&str; 9] = [
    "username",
    "realm",
    "nonce",
    "uri",
    "response",
    "algorithm",
    "qop",
    "cnonce",
    "nc",
];
/// Parameters of one header at most.
const PARAMS_MAX: usize = 24;
/// Digits of a nonce count (RFC 7616 §3.4).
const COUNT_DIGITS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "Digest username=\"a\", realm=\"r\", nonce=\"n\", uri=\"sip:x\", response=\"00\", \
                         algorithm=MD5, cnonce=\"c\", qop=auth, nc=00000001";

    #[test]
    fn spellings() {
        for value in [
            WHOLE.to_owned(),
            WHOLE
                .replace("Digest", "DIGEST")
                .replace("username", "UserName"),
            WHOLE.replace(", ", ",\r\n "),
            WHOLE.replace(", ", ","),
            WHOLE.replace('=', " = "),
            WHOLE.replace("algorithm=MD5, ", ""),
            WHOLE.replace("algorithm=MD5", "algorithm=\"md5\""),
            WHOLE.replace("qop=auth", "qop=\"auth\""),
            WHOLE.replace("username=\"a\"", "username=\"\\a\""),
            format!("{WHOLE}, opaque=\"x,y=\\\"z\", auth-param=1,"),
        ] {
            let read = Credentials::parse(value.as_bytes());
            let read = read.unwrap_or_else(|_| panic!("{value}")).unwrap();
            assert_eq!(read.username, b"a", "{value}");
            assert_eq!((read.count, read.algorithm), (1, Some(Algorithm::Md5)));
        }
    }

    #[test]
    fn refused() {
        for value in [
            "Digest x".to_owned(),
            "Digest =".to_owned(),
            "Digest username=\"a".to_owned(),
            "Digest username=\"a\\".to_owned(),
            "Digest username=\"a\"".to_owned(),
            format!("{WHOLE}, username=\"b\""),
            WHOLE.replace("nc=00000001", "nc=1"),
            WHOLE.replace("nc=00000001", "nc=0000000g"),
            WHOLE.replace(", nc=00000001", ""),
            WHOLE.replace("realm=\"r\"", "realm=\"r\" x"),
            WHOLE.replace("realm", "re alm"),
            format!("{WHOLE}{}", ", a=1".repeat(PARAMS_MAX)),
        ] {
            let read = Credentials::parse(value.as_bytes());
            assert_eq!(read, Err(Malformed), "{value}");
        }
    }

    #[test]
    fn of_others() {
        assert_eq!(Credentials::parse(b"Basic YTpi"), Ok(None));
        assert_eq!(Credentials::parse(b""), Ok(None));
        let old = WHOLE.replace(", cnonce=\"c\", qop=auth, nc=00000001", "");
        let read = Credentials::parse(old.as_bytes()).unwrap().unwrap();
        assert_eq!(read.algorithm, None, "a response without a count");
    }
}
