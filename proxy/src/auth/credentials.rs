//! What stands in Authorization and Proxy-Authorization (RFC 7616 §3.4).

use sip::AuthValue;

use super::account::Algorithm;

/// Digest credentials, unquoted.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Reads a value; `None` where it is of another scheme (RFC 7616 §3.4).
    pub(crate) fn parse(value: &[u8]) -> Result<Option<Self>, Malformed> {
        let value = sip::unfold(value);
        let Some(auth) = AuthValue::parse(&value).filter(|auth| auth.is("Digest")) else {
            return Ok(None);
        };
        let params = auth.params().map_err(|_| Malformed)?;
        let text = |name: &str| params.get(name).map(<[u8]>::to_vec);
        let needed = |name: &str| text(name).ok_or(Malformed);
        let named = params.get("algorithm").unwrap_or(b"MD5");
        // We offer `auth`. Without a quality, or with another one, the response is of another
        // making: it is wrong.
        let auth = params.get("qop");
        let auth = auth.is_some_and(|qop| qop.eq_ignore_ascii_case(b"auth"));
        let algorithm = Algorithm::of(named).filter(|_| auth);
        let count_text = text("nc").unwrap_or_default();
        let count = match algorithm {
            Some(_) => count_of(&count_text).ok_or(Malformed)?,
            None => 0,
        };
        Ok(Some(Self {
            username: needed("username")?,
            realm: needed("realm")?,
            nonce: needed("nonce")?,
            uri: needed("uri")?,
            response: needed("response")?,
            cnonce: text("cnonce").unwrap_or_default(),
            count_text,
            count,
            algorithm,
        }))
    }
}

/// The number of a nonce count as written.
fn count_of(text: &[u8]) -> Option<u32> {
    let whole = text.len() == COUNT_DIGITS;
    let number = crate::loops::unhex(text).filter(|_| whole)?;
    u32::try_from(number).ok()
}

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
