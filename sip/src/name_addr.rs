//! `name-addr` and `addr-spec` values: From, To, Contact, Route, Record-Route, Refer-To …

use crate::ascii::{class, has_blank, is_lws, is_token_byte, split_once, split_run, trim};
use crate::list::quoted_end;
use crate::{Params, Uri, ViewError};

/// One `"Display" <uri>;params` value (RFC 3261 §20.10, §25.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameAddr<'a> {
    /// Display name as written, quotes included.
    pub display: Option<&'a [u8]>,
    /// The URI as written, without angle brackets.
    pub uri: &'a [u8],
    /// Header parameters, `tag` among them.
    pub params: Params<'a>,
}

impl<'a> NameAddr<'a> {
    /// Reads one value.
    ///
    /// # Errors
    ///
    /// The rule that it breaks: an open quote, a display name that is neither quoted nor tokens, a
    /// bare URI with `?` or `,` (RFC 3261 §20.10), a malformed parameter. The URI is not read.
    #[inline]
    pub fn parse(value: &'a [u8]) -> Result<Self, ViewError> {
        match Self::plain(value) {
            Some(value) => Ok(value),
            None => Self::read(value),
        }
    }

    /// A value with brackets around its URI and with plain parameters, as nearly all are; always
    /// one element of a list.
    pub(crate) fn plain(value: &'a [u8]) -> Option<Self> {
        let (display, rest) = match value {
            [b'<', rest @ ..] => (None, rest),
            [b'"', inner @ ..] => {
                let end = memchr::memchr2(b'"', b'\\', inner)?;
                let (display, rest) = value.split_at_checked(end + 2)?;
                // What begins like a quoted pair ends in no quote.
                let rest = display.ends_with(b"\"").then_some(rest)?;
                let rest = rest.strip_prefix(b" ").unwrap_or(rest);
                (Some(display), rest.strip_prefix(b"<")?)
            }
            [b' ', ..] => return None,
            _ => {
                let (display, rest) = split_run(value, class::DISPLAY)?;
                (Some(trim(display)), rest.strip_prefix(b"<")?)
            }
        };
        let (uri, after) = split_once(rest, b'>');
        let params = Params::new(match after? {
            [] => None,
            [b';', params @ ..] => Some(params),
            _ => return None,
        });
        let plain = !uri.is_empty() && !has_blank(uri) && params.are_plain();
        plain.then_some(Self {
            display,
            uri,
            params,
        })
    }

    /// Any value, by the grammar.
    pub(crate) fn read(value: &'a [u8]) -> Result<Self, ViewError> {
        let value = trim(value);
        let (display, rest) = read_display(value)?;
        let (uri, params) = match rest {
            [b'<', rest @ ..] => {
                let (uri, after) = split_once(rest, b'>');
                match trim(after.ok_or(ViewError::Syntax)?) {
                    [] => (uri, None),
                    [b';', params @ ..] => (uri, Some(params)),
                    _ => return Err(ViewError::Syntax),
                }
            }
            _ if display.is_some() => return Err(ViewError::Syntax),
            _ => {
                let (uri, params) = split_once(rest, b';');
                // Without brackets, `?` and `,` would belong to the header as well as to the URI.
                if uri.iter().any(|byte| matches!(byte, b'?' | b',')) {
                    return Err(ViewError::Syntax);
                }
                (trim(uri), params)
            }
        };
        if uri.is_empty() || uri.iter().any(|&byte| is_lws(byte)) {
            return Err(ViewError::Syntax);
        }
        let params = Params::new(params);
        params.check_generic()?;
        Ok(Self {
            display,
            uri,
            params,
        })
    }

    /// The URI, parsed.
    ///
    /// # Errors
    ///
    /// The rule of RFC 3261 §25.1 that it breaks.
    pub fn uri(&self) -> Result<Uri<'a>, ViewError> {
        Uri::parse(self.uri)
    }

    /// The `tag` parameter (RFC 3261 §19.3).
    pub fn tag(&self) -> Option<&'a [u8]> {
        self.params.value(b"tag")
    }
}

/// Splits a display name off: a quoted string, or tokens before `<`.
fn read_display(value: &[u8]) -> Result<(Option<&[u8]>, &[u8]), ViewError> {
    match value {
        [b'"', inner @ ..] => {
            let end = quoted_end(inner).ok_or(ViewError::Quote)?;
            let (display, rest) = value.split_at(end + 1);
            Ok((Some(display), trim(rest)))
        }
        [b'<', ..] => Ok((None, value)),
        _ => {
            let angle = memchr::memchr(b'<', value).and_then(|at| value.split_at_checked(at));
            let Some((display, rest)) = angle else {
                return Ok((None, value));
            };
            // A `<` behind the first `;` belongs to a parameter.
            if memchr::memchr2(b';', b':', display).is_some() {
                return Ok((None, value));
            }
            let display = trim(display);
            let plain = |byte: &u8| is_token_byte(*byte) || is_lws(*byte);
            if !display.iter().all(plain) {
                return Err(ViewError::Syntax);
            }
            Ok((Some(display).filter(|text| !text.is_empty()), rest))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let value =
            NameAddr::parse(b"\"A. \\\" <x> Bell\" <sip:a@b;lr?x=y>;tag=1;q=\"a;b\"").unwrap();
        assert_eq!(value.uri, b"sip:a@b;lr?x=y");
        assert_eq!(value.tag(), Some(b"1".as_slice()));
        assert_eq!(value.params.value(b"q"), Some(b"\"a;b\"".as_slice()));
        let bare = NameAddr::parse(b"sip:a@b;tag=1").unwrap();
        assert_eq!(
            (bare.uri, bare.tag()),
            (b"sip:a@b".as_slice(), Some(b"1".as_slice()))
        );
        let tokens = NameAddr::parse(b"caller<sip:a@b>").unwrap();
        assert_eq!(tokens.display, Some(b"caller".as_slice()));
    }

    #[test]
    fn refused() {
        for bad in [
            "\"Mr. J. User <sip:j.user@example.com>",
            "Bell, Alexander <sip:a@b>",
            "sip:user@example.com?Route=%3Csip:x%3E",
            "\"Watson, Thomas\" < sip:t@example.org >",
            "<sip:a@b",
            "<>",
            "",
            "<sip:a@b>;;x",
            "<sip:a@b> tag=1",
        ] {
            assert!(NameAddr::parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
