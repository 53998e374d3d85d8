//! Text with `${…}` in it.

use smallvec::SmallVec;

use super::{LangError, Path, Scope};

/// Literal text and paths in turn.
#[derive(Clone, Debug)]
pub(crate) struct Template(Box<[Part]>);

#[derive(Clone, Debug)]
enum Part {
    Path(Path),
    Text(Box<str>),
}

/// What a template gave.
pub(crate) type Filled = SmallVec<[u8; 128]>;

impl Template {
    /// Reads a template; `$$` is a dollar sign.
    pub(crate) fn parse(text: &str) -> Result<Self, LangError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(dollar) = rest.find('$') {
            let (before, after) = rest.split_at(dollar);
            literal.push_str(before);
            let at = text.len() - after.len();
            if let Some(after) = after.strip_prefix("$$") {
                literal.push('$');
                rest = after;
                continue;
            }
            let Some(inner) = after.strip_prefix("${") else {
                let message = "a `$` begins `${name}`; write `$$` for a dollar sign";
                return Err(LangError::new(at, message));
            };
            let Some((name, behind)) = inner.split_once('}') else {
                return Err(LangError::new(at, "`${` has no `}`"));
            };
            push_text(&mut parts, &mut literal);
            parts.push(Part::Path(Path::parse(name.trim(), at + 2)?));
            rest = behind;
        }
        literal.push_str(rest);
        push_text(&mut parts, &mut literal);
        Ok(Self(parts.into()))
    }

    /// The text with every path read. Bounded by the message that is read and by the template.
    pub(crate) fn fill(&self, scope: &Scope<'_>) -> Filled {
        let mut out = Filled::new();
        for part in &self.0 {
            match part {
                Part::Path(path) => out.extend_from_slice(&path.read(scope)),
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
            }
        }
        out
    }

    /// Whether it depends on the last `match`.
    pub(crate) fn reads_captures(&self) -> bool {
        let mut parts = self.0.iter();
        parts.any(|part| matches!(part, Part::Path(Path::Match(_))))
    }

    /// The text, where it is the same for every message.
    pub(crate) fn literal(&self) -> Option<&str> {
        match &*self.0 {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

fn push_text(parts: &mut Vec<Part>, literal: &mut String) {
    if !literal.is_empty() {
        parts.push(Part::Text(std::mem::take(literal).into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_errors() {
        assert_eq!(Template::parse("a$$b").unwrap().literal(), Some("a$b"));
        assert_eq!(Template::parse("").unwrap().literal(), Some(""));
        assert_eq!(Template::parse("${method}").unwrap().literal(), None);
        for (text, message) in [
            (
                "ab$c",
                "column 3: a `$` begins `${name}`; write `$$` for a dollar sign",
            ),
            ("é${method", "column 2: `${` has no `}`"),
            ("${metod}", "column 3: unknown name `metod`"),
            ("${header.X A}", "column 3: `X A` is no header name"),
            ("${match.x}", "column 3: `x` is no number of a group"),
        ] {
            let error = Template::parse(text).unwrap_err();
            assert_eq!(error.describe(text), message);
        }
        let error = Template::parse("${ruri.usr}").unwrap_err();
        assert_eq!(error.suggestion.as_deref(), Some("ruri.user"));
    }
}
