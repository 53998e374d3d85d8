//! What is wrong in a configuration, and where.

use std::fmt;
use std::ops::Range;

/// One mistake in the table of a filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// Bytes of the file that are at fault, where they are known.
    pub span: Option<Range<usize>>,
    /// The key with its path: `rules[2].header`.
    pub key: String,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub expected: Option<String>,
    /// A name that was probably meant.
    pub suggestion: Option<String>,
}

impl ConfigError {
    /// A mistake at `key`.
    pub fn new(
        key: impl Into<String>,
        span: impl Into<Option<Range<usize>>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            span: span.into(),
            key: key.into(),
            message: message.into(),
            expected: None,
            suggestion: None,
        }
    }

    /// Says what would be right.
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    /// Looks among `names` for the one that was meant instead of `wrong`, and lists them.
    pub fn one_of<'n>(
        mut self,
        wrong: &str,
        names: impl IntoIterator<Item = &'n str> + Clone,
    ) -> Self {
        self.suggestion = nearest(wrong, names.clone()).map(str::to_owned);
        let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
        let more = names.len().saturating_sub(NAMES_SHOWN);
        let mut expected = match names.as_slice() {
            [] => return self,
            [name] => name.clone(),
            _ => format!("one of {}", names[..names.len() - more].join(", ")),
        };
        if more > 0 {
            expected.push_str(&format!(" and {more} more"));
        }
        self.expected = Some(expected);
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        if let Some(expected) = &self.expected {
            write!(f, "; expected {expected}")?;
        }
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; did you mean `{suggestion}`?")?;
        }
        Ok(())
    }
}

/// The name among `names` that `wrong` is a slip of, if there is one.
pub(crate) fn nearest<'n>(
    wrong: &str,
    names: impl IntoIterator<Item = &'n str>,
) -> Option<&'n str> {
    let wrong = wrong.to_ascii_lowercase();
    let far = |name: &&str| distance(&wrong, &name.to_ascii_lowercase());
    let best = names.into_iter().min_by_key(far)?;
    let slips = match wrong.chars().count() {
        0..=3 => 1,
        4..=8 => 2,
        _ => 3,
    };
    (far(&best) <= slips).then_some(best)
}

/// Edit distance with swaps of neighbours; bounded, since keys are short.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(NAME_CHARS_MAX).collect();
    let b: Vec<char> = b.chars().take(NAME_CHARS_MAX).collect();
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = match (i, j) {
                (0, n) | (n, 0) => n,
                _ => {
                    let same = usize::from(a[i - 1] != b[j - 1]);
                    let mut best = (rows[i - 1][j - 1] + same)
                        .min(rows[i - 1][j] + 1)
                        .min(rows[i][j - 1] + 1);
                    if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        best = best.min(rows[i - 2][j - 2] + 1);
                    }
                    best
                }
            };
        }
    }
    rows[a.len()][b.len()]
}

/// Names that a message lists before it only counts.
const NAMES_SHOWN: usize = 24;
const NAME_CHARS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_misses() {
        let names = ["no_match", "names", "others", "on_conflict"];
        for (wrong, right) in [
            ("nomatch", Some("no_match")),
            ("other", Some("others")),
            ("nmaes", Some("names")),
            ("On_Conflict", Some("on_conflict")),
            ("completely", None),
            ("", None),
        ] {
            assert_eq!(nearest(wrong, names), right, "{wrong}");
        }
    }
}
