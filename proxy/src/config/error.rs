//! Errors of a configuration file: what, where, and what was expected.

use std::fmt;
use std::ops::Range;

/// One error, at its place in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file as it was named.
    pub file: String,
    /// Line, from 1; 0 where the error has no place.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key, with its section: `trunk[0].source`.
    pub key: String,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl std::error::Error for ConfigError {}

/// All errors of one file, in the order of their places.
#[derive(Clone, Debug, Default)]
pub struct Errors(pub Vec<ConfigError>);

impl Errors {
    /// One error without a place.
    pub fn one(key: &str, message: &str) -> Self {
        Self(vec![ConfigError {
            file: "configuration".to_owned(),
            line: 0,
            column: 0,
            key: key.to_owned(),
            message: message.to_owned(),
        }])
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for error in &self.0 {
            writeln!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

/// Collects errors of one file.
#[derive(Debug)]
pub(super) struct Report<'a> {
    file: &'a str,
    text: &'a str,
    errors: Vec<(usize, ConfigError)>,
}

impl<'a> Report<'a> {
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        Self {
            file,
            text,
            errors: Vec::new(),
        }
    }

    /// Adds an error at the start of `span`, a byte range of the file.
    pub(super) fn add(
        &mut self,
        span: Option<Range<usize>>,
        key: impl Into<String>,
        message: impl Into<String>,
    ) {
        let at = span.map(|span| span.start.min(self.text.len()));
        let (line, column) = at.map_or((0, 0), |at| place(self.text, at));
        let error = ConfigError {
            file: self.file.to_owned(),
            line,
            column,
            key: key.into(),
            message: message.into(),
        };
        self.errors.push((at.unwrap_or(usize::MAX), error));
    }

    /// Adds what the TOML reader found within `section`.
    pub(super) fn add_toml(
        &mut self,
        section: &str,
        whole: Option<Range<usize>>,
        error: &toml::de::Error,
    ) {
        // An empty span is the end of the file, or no place at all: the section says more, if there is one.
        let span = match error.span() {
            Some(span) if span.is_empty() => whole.or(Some(span)),
            Some(span) => Some(span),
            None => whole,
        };
        let key = span.clone().and_then(|span| key_at(self.text, span.start));
        let inner = span
            .as_ref()
            .and_then(|span| inner_table(self.text, span.start, section));
        let section = inner.as_deref().unwrap_or(section);
        let key = match key {
            Some(key) if section.is_empty() => key,
            Some(key) => format!("{section}.{key}"),
            None => section.to_owned(),
        };
        let message = plain(error.message());
        self.add(span, key, message);
    }

    pub(super) fn len(&self) -> usize {
        self.errors.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    pub(super) fn into_errors(mut self) -> Errors {
        self.errors.sort_by_key(|(at, _)| *at);
        Errors(self.errors.into_iter().map(|(_, error)| error).collect())
    }
}

/// The TOML reader's message on one line, without the names of Rust types.
fn plain(message: &str) -> String {
    let words = |line: &str| {
        let words = line.split(' ').map(|word| match word {
            "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number",
            "f64" | "i64" => "a number",
            word => word,
        });
        words.collect::<Vec<_>>().join(" ")
    };
    let lines = message.trim_end().lines().map(words);
    lines.collect::<Vec<_>>().join("; ")
}

/// Line and column, both from 1, of the byte at `at`.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let column = before.get(start..).map_or(0, |rest| rest.chars().count()) + 1;
    (line, column)
}

/// `trunk[0].target[1]` where `section` is `trunk[0]` and the byte at `at` stands below its second
/// `[[trunk.target]]`.
fn inner_table(text: &str, at: usize, section: &str) -> Option<String> {
    let (kind, _) = section.split_once('[')?;
    let header = |line: &'_ str| {
        Some(
            line.trim()
                .strip_prefix("[[")?
                .split_once("]]")?
                .0
                .to_owned(),
        )
    };
    let mut found: Option<(String, usize)> = None;
    for header in text.get(..at)?.lines().filter_map(header) {
        found = match header
            .strip_prefix(kind)
            .and_then(|rest| rest.strip_prefix('.'))
        {
            None => None,
            Some(name) => match found {
                Some((known, index)) if known == name => Some((known, index + 1)),
                _ => Some((name.to_owned(), 0)),
            },
        };
    }
    found.map(|(name, index)| format!("{section}.{name}[{index}]"))
}

/// The key of the `key = value` line that holds the byte at `at`.
fn key_at(text: &str, at: usize) -> Option<String> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
    let line = text.get(start..)?.lines().next()?;
    let (key, _) = line.split_once('=')?;
    let key = key.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (!key.is_empty() && key.chars().all(plain)).then(|| key.to_owned())
}
