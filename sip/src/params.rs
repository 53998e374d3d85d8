//! `;name=value` parameters of URIs and header values.

use crate::ViewError;
use crate::ascii::{class, is_gen_byte, is_token, split_long_run, split_run, trim};
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
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = Param<'a>> + use<'a> {
        let mut rest = self.text;
        std::iter::from_fn(move || {
            let text = rest?;
            let (name, value, after) = match plain_param(text) {
                Some(plain) => plain,
                None => any_param(text),
            };
            rest = after;
            Some((name, value))
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
    #[inline]
    pub(crate) fn check_generic(&self) -> Result<(), ViewError> {
        match self.are_plain() {
            true => Ok(()),
            false => self.check_each(),
        }
    }

    /// Whether all are `name` or `name=value`, without quotes, brackets or white space: such are
    /// valid.
    #[inline]
    pub(crate) fn are_plain(&self) -> bool {
        let mut rest = self.text;
        while let Some(text) = rest {
            match plain_param(text) {
                Some((_, _, after)) => rest = after,
                None => return false,
            }
        }
        true
    }

    pub(crate) fn check_each(&self) -> Result<(), ViewError> {
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

/// Name and value.
type Param<'a> = (&'a [u8], Option<&'a [u8]>);

/// As [`any_param`], for a first parameter that is a token, or a token and a value without quotes
/// and brackets, and has no white space around it.
#[inline]
pub(crate) fn plain_param(text: &[u8]) -> Option<Split<'_>> {
    let (name, rest) = split_run(text, class::TOKEN)?;
    match rest {
        [] => Some((name, None, None)),
        [b';', after @ ..] => Some((name, None, Some(after))),
        [b'=', rest @ ..] => {
            let (value, rest) = split_long_run(rest, class::VALUE)?;
            match rest {
                [] => Some((name, Some(value), None)),
                [b';', after @ ..] => Some((name, Some(value), Some(after))),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A name, its value, and what follows the `;` behind them.
pub(crate) type Split<'a> = (&'a [u8], Option<&'a [u8]>, Option<&'a [u8]>);

/// Name and value of the first parameter of `text`, trimmed, and what follows it.
pub(crate) fn any_param(text: &[u8]) -> Split<'_> {
    let (name, value, after) = split_param(text);
    (trim(name), value.map(trim), after)
}

/// As [`any_param`], with the white space.
fn split_param(text: &[u8]) -> Split<'_> {
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
