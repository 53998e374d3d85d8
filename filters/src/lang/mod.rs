//! The small language of rules: header patterns, paths into an exchange, templates and conditions.

mod expr;
mod path;
mod pattern;
mod read;
mod scope;
mod template;

pub(crate) use expr::{Expr, regex};
pub(crate) use path::{Path, is_var_name, path_reference};
pub(crate) use pattern::{NameError, Pattern, check_written};
pub(crate) use read::Read;
pub(crate) use scope::{Captures, Message, Scope};
pub(crate) use template::{Filled, Template};

/// What is wrong in a piece of the language, and at which byte of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LangError {
    pub(crate) at: usize,
    pub(crate) message: String,
    pub(crate) suggestion: Option<String>,
}

impl LangError {
    fn new(at: usize, message: impl Into<String>) -> Self {
        Self {
            at,
            message: message.into(),
            suggestion: None,
        }
    }

    /// The message with its column in `text`, counted in characters from 1.
    pub(crate) fn describe(&self, text: &str) -> String {
        let before = text.get(..self.at).unwrap_or(text);
        format!("column {}: {}", before.chars().count() + 1, self.message)
    }
}
