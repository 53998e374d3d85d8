//! Conditions: `trunk.trust != 'internal' and (method == 'INVITE' or header.X-Foo =~ '^a')`.
//!
//! ```text
//! or    = and *("or" and)
//! and   = not *("and" not)
//! not   = "not" not / primary
//! primary = "(" or ")" / value [ ("==" / "!=") value / "=~" 'regex' / ["not"] "in" "[" 'text' *("," 'text') "]" ]
//! value = path / 'text' / "text" / number
//! ```
//!
//! A value alone is true where it is neither empty nor `false`.

use regex::bytes::{Regex, RegexBuilder};
use sip::HeaderName;

use super::{LangError, Path, Read, Scope};
use crate::config_error::nearest;
use crate::{Network, Trust};

/// A condition, ready to be asked.
#[derive(Clone, Debug)]
pub(crate) enum Expr {
    And(Box<[Self; 2]>),
    Equal(Value, Value),
    In(Value, Box<[Box<str>]>),
    /// The address of the sender lies in one of these.
    InNetworks(Box<[Network]>),
    Matches(Value, Regex),
    Not(Box<Self>),
    Or(Box<[Self; 2]>),
    True(Value),
}

/// One side of a comparison.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Path(Path),
    Text(Box<str>),
}

impl Expr {
    /// Reads a condition.
    pub(crate) fn parse(text: &str) -> Result<Self, LangError> {
        let mut parser = Parser {
            tokens: tokens(text)?,
            next: 0,
            depth: 0,
        };
        let expr = parser.or()?;
        match parser.peek() {
            (_, Token::End) => Ok(expr),
            (at, token) => Err(LangError::new(at, format!("unexpected {}", token.text()))),
        }
    }

    /// Whether it holds.
    pub(crate) fn holds(&self, scope: &Scope<'_>) -> bool {
        match self {
            Self::And(sides) => sides.iter().all(|side| side.holds(scope)),
            Self::Equal(a, b) => *a.read(scope) == *b.read(scope),
            Self::In(value, texts) => {
                let value = value.read(scope);
                texts.iter().any(|text| text.as_bytes() == &*value)
            }
            Self::InNetworks(networks) => {
                let address = scope.cx.source.address;
                networks.iter().any(|network| network.contains(address))
            }
            Self::Matches(value, regex) => regex.is_match(&value.read(scope)),
            Self::Not(expr) => !expr.holds(scope),
            Self::Or(sides) => sides.iter().any(|side| side.holds(scope)),
            Self::True(value) => !matches!(&*value.read(scope), b"" | b"false"),
        }
    }

    /// Whether it depends on the last `match`.
    pub(crate) fn reads_captures(&self) -> bool {
        let reads = |value: &Value| matches!(value, Value::Path(Path::Match(_)));
        match self {
            Self::And(sides) | Self::Or(sides) => sides.iter().any(Self::reads_captures),
            Self::Equal(a, b) => reads(a) || reads(b),
            Self::In(value, _) | Self::Matches(value, _) | Self::True(value) => reads(value),
            Self::InNetworks(_) => false,
            Self::Not(expr) => expr.reads_captures(),
        }
    }

    /// Headers without any of which it cannot hold; `None` where it could.
    pub(crate) fn needs(&self) -> Option<Vec<(HeaderName, &str)>> {
        match self {
            Self::And(sides) => sides.iter().find_map(Self::needs),
            Self::Or(sides) => {
                let mut needs = Vec::new();
                for side in sides.iter() {
                    needs.extend(side.needs()?);
                }
                Some(needs)
            }
            Self::Equal(value, Value::Text(text)) | Self::Equal(Value::Text(text), value) => {
                value.header().filter(|_| !text.is_empty())
            }
            Self::In(value, texts) => value
                .header()
                .filter(|_| texts.iter().all(|text| !text.is_empty())),
            Self::Matches(value, regex) => value.header().filter(|_| !regex.is_match(b"")),
            Self::True(value) => value.header(),
            Self::Equal(..) | Self::InNetworks(_) | Self::Not(_) => None,
        }
    }
}

impl Value {
    fn read<'a>(&'a self, scope: &Scope<'a>) -> Read<'a> {
        match self {
            Self::Path(path) => path.read(scope),
            Self::Text(text) => text.as_bytes().into(),
        }
    }

    /// The header that is read, if it is one.
    fn header(&self) -> Option<Vec<(HeaderName, &str)>> {
        match self {
            Self::Path(Path::Header { id, name }) => Some(vec![(*id, name)]),
            _ => None,
        }
    }
}

/// Builds a regex within bounds; matching takes linear time whatever it is.
pub(crate) fn regex(pattern: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(pattern)
        .size_limit(REGEX_BYTES_MAX)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "the regular expression is too large".to_owned(),
        error => {
            // The last line says what is wrong; those before it draw where.
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default().trim();
            format!("regular expression: {}", last.trim_start_matches("error: "))
        }
    })
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    End,
    Sign(&'static str),
    Text(String),
    Word(String),
}

impl Token {
    fn text(&self) -> String {
        match self {
            Self::End => "end".to_owned(),
            Self::Sign(sign) => format!("`{sign}`"),
            Self::Text(text) => format!("'{text}'"),
            Self::Word(word) => format!("`{word}`"),
        }
    }
}

/// Splits a condition; each token with the byte where it begins.
fn tokens(text: &str) -> Result<Vec<(usize, Token)>, LangError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        if first == '\'' || first == '"' {
            let (inside, after) = quoted(&rest[1..], first)
                .ok_or_else(|| LangError::new(at, "the text has no closing quote"))?;
            tokens.push((at, Token::Text(inside)));
            rest = after;
            continue;
        }
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            tokens.push((at, Token::Sign(sign)));
            rest = &rest[sign.len()..];
            continue;
        }
        let end = rest.find(|c: char| !is_word(c)).unwrap_or(rest.len());
        if end == 0 {
            return Err(LangError::new(at, format!("unexpected `{first}`")));
        }
        let (word, after) = rest.split_at(end);
        tokens.push((at, Token::Word(word.to_owned())));
        rest = after;
    }
    tokens.push((text.len(), Token::End));
    Ok(tokens)
}

/// The text up to the closing quote, with `\` before a quote or a backslash taken away.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut inside = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next()?.1 {
                escaped @ ('\\' | '\'' | '"') => inside.push(escaped),
                // Anything else keeps its backslash: it belongs to a regular expression.
                other => inside.extend(['\\', other]),
            },
            c if c == quote => return Some((inside, &text[at + c.len_utf8()..])),
            c => inside.push(c),
        }
    }
    None
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> (usize, &Token) {
        match self.tokens.get(self.next) {
            Some((at, token)) => (*at, token),
            None => (0, &Token::End),
        }
    }

    fn take(&mut self) -> (usize, Token) {
        let (at, token) = self.peek();
        let taken = (at, token.clone());
        self.next += 1;
        taken
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek().1, Token::Word(found) if found == word);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), LangError> {
        match self.take() {
            (_, Token::Sign(found)) if found == sign => Ok(()),
            (at, token) => {
                let message = format!("expected `{sign}`, found {}", token.text());
                Err(LangError::new(at, message))
            }
        }
    }

    fn or(&mut self) -> Result<Expr, LangError> {
        let mut expr = self.and()?;
        while self.take_word("or") {
            expr = Expr::Or(Box::new([expr, self.and()?]));
        }
        Ok(expr)
    }

    fn and(&mut self) -> Result<Expr, LangError> {
        let mut expr = self.not()?;
        while self.take_word("and") {
            expr = Expr::And(Box::new([expr, self.not()?]));
        }
        Ok(expr)
    }

    fn not(&mut self) -> Result<Expr, LangError> {
        // Bounds the stack here and in `holds`.
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(LangError::new(self.peek().0, "too many conditions"));
        }
        if self.take_word("not") {
            return Ok(Expr::Not(Box::new(self.not()?)));
        }
        self.primary()
    }

    fn primary(&mut self) -> Result<Expr, LangError> {
        if let (_, Token::Sign("(")) = self.peek() {
            self.next += 1;
            let expr = self.or()?;
            self.expect(")")?;
            return Ok(expr);
        }
        let left = self.value()?;
        match self.peek().1 {
            Token::Sign("==") => self.equal(left),
            Token::Sign("!=") => Ok(Expr::Not(Box::new(self.equal(left)?))),
            Token::Sign("=~") => {
                self.next += 1;
                match self.take() {
                    (at, Token::Text(pattern)) => {
                        let regex = regex(&pattern).map_err(|error| LangError::new(at, error))?;
                        Ok(Expr::Matches(left, regex))
                    }
                    (at, _) => Err(LangError::new(
                        at,
                        "expected a regular expression in quotes",
                    )),
                }
            }
            Token::Word(word) if word == "in" => self.within(left),
            Token::Word(word) if word == "not" => {
                self.next += 1;
                match self.peek() {
                    (_, Token::Word(word)) if word == "in" => {
                        Ok(Expr::Not(Box::new(self.within(left)?)))
                    }
                    (at, _) => Err(LangError::new(at, "expected `in` behind `not`")),
                }
            }
            Token::Sign(sign @ "=") => {
                let message = format!("unknown sign `{sign}`; write `==`");
                Err(LangError::new(self.peek().0, message))
            }
            _ => Ok(Expr::True(left)),
        }
    }

    fn equal(&mut self, left: Value) -> Result<Expr, LangError> {
        self.next += 1;
        let at = self.peek().0;
        let right = self.value()?;
        for (value, other) in [(&left, &right), (&right, &left)] {
            if let (Value::Path(path), Value::Text(text)) = (value, other) {
                check_trust(path, text, at)?;
            }
        }
        Ok(Expr::Equal(left, right))
    }

    fn within(&mut self, left: Value) -> Result<Expr, LangError> {
        self.next += 1;
        self.expect("[")?;
        let mut texts: Vec<(usize, String)> = Vec::new();
        loop {
            match self.take() {
                (at, Token::Text(text)) => texts.push((at, text)),
                (at, Token::Word(word)) if is_number(&word) => texts.push((at, word)),
                (at, token) => {
                    let message = format!("expected a text in quotes, found {}", token.text());
                    return Err(LangError::new(at, message));
                }
            }
            match self.take() {
                (_, Token::Sign(",")) => {}
                (_, Token::Sign("]")) => break,
                (at, token) => {
                    let message = format!("expected `,` or `]`, found {}", token.text());
                    return Err(LangError::new(at, message));
                }
            }
        }
        if let Value::Path(path) = &left {
            for (at, text) in &texts {
                check_trust(path, text, *at)?;
            }
            if path.is_address() {
                let network = |(at, text): &(usize, String)| {
                    let network = text.parse::<Network>();
                    network.map_err(|error| LangError::new(*at, format!("{text}: {error}")))
                };
                let networks = texts.iter().map(network).collect::<Result<_, _>>()?;
                return Ok(Expr::InNetworks(networks));
            }
        }
        let texts = texts.into_iter().map(|(_, text)| text.into()).collect();
        Ok(Expr::In(left, texts))
    }

    fn value(&mut self) -> Result<Value, LangError> {
        match self.take() {
            (_, Token::Text(text)) => Ok(Value::Text(text.into())),
            (_, Token::Word(word)) if is_number(&word) || word == "true" || word == "false" => {
                Ok(Value::Text(word.into()))
            }
            (at, Token::Word(word)) if KEYWORDS.contains(&word.as_str()) => Err(LangError::new(
                at,
                format!("expected a value, found `{word}`"),
            )),
            (at, Token::Word(word)) => Path::parse(&word, at).map(Value::Path),
            (at, token) => {
                let message = format!("expected a value, found {}", token.text());
                Err(LangError::new(at, message))
            }
        }
    }
}

/// Refuses a comparison of a trust class with a word that is none: it would never hold.
fn check_trust(path: &Path, text: &str, at: usize) -> Result<(), LangError> {
    if !path.is_trust() || text.is_empty() || text.parse::<Trust>().is_ok() {
        return Ok(());
    }
    let mut error = LangError::new(at, format!("`{text}` is no trust class"));
    let classes = ["untrusted", "partner", "internal"];
    error.suggestion = nearest(text, classes).map(str::to_owned);
    Err(error)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

const SIGNS: [&str; 9] = ["==", "!=", "=~", "(", ")", "[", "]", ",", "="];
const KEYWORDS: [&str; 4] = ["and", "in", "not", "or"];
const DEPTH_MAX: usize = 64;
const REGEX_BYTES_MAX: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sip::{Method, Request, Transport};

    use super::*;
    use crate::lang::{Captures, Message};
    use crate::{Context, Source};

    fn holds(text: &str) -> bool {
        let source = Source {
            address: "[::ffff:192.0.2.9]:5061".parse().unwrap(),
            local: "192.0.2.1:5060".parse().unwrap(),
            transport: Transport::Udp,
            listener: Arc::from("public"),
            trust: Trust::Partner,
        };
        let mut request = Request::new(b"INVITE", b"sip:%61lice@Host.example").unwrap();
        request.headers.append(b"X-Foo", b"it's \"a\"").unwrap();
        let mut cx = Context::new(source, Method::Invite, false);
        cx.facts.vars.set("tenant", b"acme");
        let scope = Scope {
            message: Message::Request(&request),
            cx: &cx,
            captures: &Captures::new(),
        };
        Expr::parse(text).unwrap().holds(&scope)
    }

    #[test]
    fn truth() {
        for text in [
            "method == 'INVITE'",
            "'INVITE' == method",
            "method != 'BYE' and not in_dialog",
            "trunk.trust != 'internal' and method == 'INVITE'",
            "method == 'BYE' or method == 'INVITE' and var.tenant == \"acme\"",
            "not (method == 'BYE' or in_dialog)",
            "ruri.user == 'alice'",
            "ruri.user =~ '^al\\w+$'",
            "header.x-foo == 'it\\'s \"a\"'",
            "header.X-Foo",
            "not header.X-Bar",
            "source.port == 5061",
            "source.ip == '192.0.2.9'",
            "source.ip in ['198.51.100.0/24', '192.0.2.0/24']",
            "source.trust in ['partner', 'internal']",
            "source.trust not in ['internal']",
            "in_dialog == false",
            "source.port in [5060, 5061]",
        ] {
            assert!(holds(text), "{text}");
        }
        for text in [
            "method == 'invite'",
            "trunk.name",
            "status",
            "source.ip in ['192.0.2.9:5060']",
            "not not in_dialog",
        ] {
            assert!(!holds(text), "{text}");
        }
    }

    #[test]
    fn mistakes_have_a_column() {
        for (text, message) in [
            ("", "column 1: expected a value, found end"),
            ("method = 'A'", "column 8: unknown sign `=`; write `==`"),
            ("method == 'A", "column 11: the text has no closing quote"),
            ("method == ", "column 11: expected a value, found end"),
            ("(method == 'A'", "column 15: expected `)`, found end"),
            ("method == 'A' 'B'", "column 15: unexpected 'B'"),
            ("metod == 'A'", "column 1: unknown name `metod`"),
            (
                "method =~ ruri",
                "column 11: expected a regular expression in quotes",
            ),
            (
                "method =~ '('",
                "column 11: regular expression: unclosed group",
            ),
            (
                "method in ['A' 'B']",
                "column 16: expected `,` or `]`, found 'B'",
            ),
            (
                "method in []",
                "column 12: expected a text in quotes, found `]`",
            ),
            (
                "source.ip in ['x']",
                "column 15: x: expected an address, ADDRESS:PORT or ADDRESS/PREFIX",
            ),
            (
                "trunk.trust == 'interal'",
                "column 16: `interal` is no trust class",
            ),
            (
                "header.X-Hookswitch-Trunk == ''",
                "column 1: names that begin with X-Hookswitch- are reserved",
            ),
            ("method & ruri", "column 8: unexpected `&`"),
            ("method not 'A'", "column 12: expected `in` behind `not`"),
            ("and", "column 1: expected a value, found `and`"),
        ] {
            let error = Expr::parse(text).unwrap_err();
            assert_eq!(error.describe(text), message, "{text}");
        }
        let deep = "(".repeat(10_000);
        assert!(Expr::parse(&deep).is_err());
        let long = "in_dialog or ".repeat(10_000);
        assert!(Expr::parse(&long).is_err());
    }
}
