//! `;name=value` parameters of URIs and header values.

use crate::ViewError;
use crate::ascii::{is_token, is_token_byte, trim};
use crate::list::{quoted_end, split_outside};

/// Parameters as written: the text after the first `;`, read on demand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params<'a> {
    text: Option<&'a [u8]>,
}

impl<'a> Params<'a> {
    /// Reads `text`, which starts behind the first `;`; `None` where there is none.
    pub fn new(text: Option<&'a [u8]>) -> Self {
        Self { text }
    }

    /// The text behind the first `;`, as written.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.text.unwrap_or_default()
    }

    /// Whether there is no parameter.
    pub fn is_empty(&self) -> bool {
        self.text.is_none_or(<[u8]>::is_empty)
    }

    /// Name and value of each parameter, in order, trimmed; quotes are kept.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let mut rest = self.text;
        std::iter::from_fn(move || {
            let (name, value, after) = split_param(rest?);
            rest = after;
            Some((trim(name), value.map(trim)))
        })
    }

    /// The value of the first parameter with `name` (any case): `Some(None)` where it has no value.
    pub fn get(&self, name: &[u8]) -> Option<Option<&'a [u8]>> {
        self.iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// The value of the first parameter with `name`, if it has one.
    pub fn value(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.get(name).flatten()
    }

    /// Whether a parameter with `name` is there.
    pub fn has(&self, name: &[u8]) -> bool {
        self.get(name).is_some()
    }

    /// Checks the grammar of header parameters: token names, and token, host or quoted values.
    pub(crate) fn check_generic(&self) -> Result<(), ViewError> {
        if self.text.is_none() {
            return Ok(());
        }
        for (name, value) in self.iter() {
            if !is_token(name) {
                return Err(ViewError::Param);
            }
            match value {
                Some([b'"', inner @ ..]) if quoted_end(inner) != Some(inner.len()) => {
                    return Err(ViewError::Quote);
                }
                None | Some([b'"', ..]) => {}
                Some(value) if !value.is_empty() && value.iter().all(|&b| is_gen_byte(b)) => {}
                Some(_) => return Err(ViewError::Param),
            }
        }
        Ok(())
    }
}

/// Name and value of the first parameter of `text`, and what follows it.
#[inline]
fn split_param(text: &[u8]) -> (&[u8], Option<&[u8]>, Option<&[u8]>) {
    let ends_name = |byte: &u8| matches!(byte, b';' | b'=' | b'"' | b'<');
    let Some((name, rest)) = text
        .iter()
        .position(ends_name)
        .and_then(|at| text.split_at_checked(at))
    else {
        return (text, None, None);
    };
    match rest {
        [b';', after @ ..] => (name, None, Some(after)),
        [b'=', rest @ ..] => {
            let (value, after) = split_outside(rest, b';');
            (name, Some(value), after)
        }
        // A quote or bracket where a name should be hides what it encloses.
        _ => {
            let (param, after) = split_outside(text, b';');
            let (name, value) = split_outside(param, b'=');
            (name, value, after)
        }
    }
}

/// Whether an unquoted parameter value may hold `byte`: those of tokens, of IPv6 addresses and of
/// URIs, which some write without quotes, and UTF-8; no separator of parameters or elements.
#[inline]
fn is_gen_byte(byte: u8) -> bool {
    is_token_byte(byte)
        || byte >= 0x80
        || matches!(
            byte,
            b'[' | b']'
                | b':'
                | b'<'
                | b'>'
                | b'@'
                | b'/'
                | b'?'
                | b'='
                | b'&'
                | b'$'
                | b'('
                | b')'
                | b'#'
                | b'{'
                | b'}'
                | b'|'
                | b'^'
        )
}
