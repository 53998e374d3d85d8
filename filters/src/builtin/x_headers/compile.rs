//! From the keys of a rule to the rule; every mistake of every rule is told at once.

use std::ops::Range;

use sip::Line;
use toml::Spanned;

use super::super::Names;
use super::matcher::Matcher;
use super::rule::{Edit, Rule, Subject, bit};
use super::{Direction, On, OnMismatch, Op, RuleKeys};
use crate::lang::{
    Expr, LangError, NameError, Pattern, Template, check_written, is_var_name, regex,
};
use crate::{ConfigError, Role};

/// The rules in order.
pub(super) fn rules(
    keys: Vec<Spanned<RuleKeys>>,
    role: Role,
) -> Result<Vec<Rule>, Vec<ConfigError>> {
    let mut errors = Vec::new();
    let mut rules = Vec::new();
    for (index, keys) in keys.into_iter().enumerate() {
        let span = keys.span();
        let mut compiler = Compiler {
            index,
            span,
            role,
            errors: &mut errors,
        };
        rules.extend(compiler.rule(keys.into_inner()));
    }
    if errors.is_empty() {
        Ok(rules)
    } else {
        Err(errors)
    }
}

struct Compiler<'e> {
    index: usize,
    span: Range<usize>,
    role: Role,
    errors: &'e mut Vec<ConfigError>,
}

impl Compiler<'_> {
    /// The rule; `None` where an error was told that leaves nothing to build.
    fn rule(&mut self, mut keys: RuleKeys) -> Option<Rule> {
        let op = keys.op;
        let hooks = self.hooks(op, keys.on.take());
        let methods = keys.methods.take().map(|methods| self.methods(methods));
        let when = keys.when.take().and_then(|when| {
            let parsed = Expr::parse(when.get_ref());
            self.language("when", &when, parsed)
        });
        let in_dialog = keys.in_dialog.take();
        let edit = self.edit(op, &mut keys);
        self.refuse_unused(op, &keys);
        Some(Rule {
            edit: edit?,
            hooks,
            methods,
            in_dialog,
            when,
        })
    }

    /// Takes the keys that `op` has out of `keys`.
    fn edit(&mut self, op: Op, keys: &mut RuleKeys) -> Option<Edit> {
        // Each key is read before any is given up on, so that all mistakes are told.
        match op {
            Op::Add | Op::Replace => {
                let name = self.written_name("header", one(&mut keys.header));
                let value = self.template(keys.value.take(), true);
                let (name, value) = (name?, value?);
                Some(match op {
                    Op::Add => {
                        let text = value.literal();
                        let line = text.map(|text| Line::new(name.as_bytes(), text.as_bytes()));
                        let line = line.and_then(Result::ok);
                        Edit::Add { name, value, line }
                    }
                    _ => Edit::Replace { name, value },
                })
            }
            Op::Allow => {
                let direction = keys
                    .direction
                    .take()
                    .map_or(Direction::Both, Spanned::into_inner);
                let patterns = self.patterns(keys.header.take(), Use::Guarded)?;
                Some(Edit::Allow {
                    patterns,
                    direction,
                })
            }
            Op::Copy | Op::Rename => {
                let wanted = if op == Op::Copy {
                    Use::Read
                } else {
                    Use::Written
                };
                let from = self.pattern("header", one(&mut keys.header), wanted, true);
                let to = self.written_name("to", keys.to.take().ok_or(None));
                let (from, to) = (from?, to?);
                Some(match op {
                    Op::Copy => Edit::Copy { from, to },
                    _ => Edit::Rename { from, to },
                })
            }
            Op::Match => self.match_edit(keys),
            Op::Reject => Some(Edit::Reject {
                status: keys.status.take().map_or(STATUS, Spanned::into_inner),
            }),
            Op::Remove => self
                .patterns(keys.header.take(), Use::Written)
                .map(Edit::Remove),
            Op::Store => {
                let subject = self.subject(keys, Use::Read);
                let var = match keys.var.take() {
                    Some(var) if is_var_name(var.get_ref()) => Some(var.into_inner().into()),
                    Some(var) => {
                        let message = format!("{:?} is no name of a variable", var.get_ref());
                        let error = self.error("var", var.span(), message);
                        self.errors
                            .push(error.expected("letters, digits, `-` and `_`"));
                        None
                    }
                    None => self.missing("var"),
                };
                if let Some(Subject::Headers(patterns)) = &subject
                    && !patterns.iter().all(Pattern::is_name)
                {
                    let message = NameError::WildcardHere.to_string();
                    self.errors
                        .push(self.error("header", self.span.clone(), message));
                }
                Some(Edit::Store {
                    subject: subject?,
                    var: var?,
                })
            }
        }
    }

    fn match_edit(&mut self, keys: &mut RuleKeys) -> Option<Edit> {
        let mismatch = keys.on_mismatch.take();
        let on_mismatch = mismatch
            .as_ref()
            .map_or(OnMismatch::Ignore, |word| *word.get_ref());
        let drops = on_mismatch == OnMismatch::DropHeader;
        let subject = self.subject(keys, if drops { Use::Written } else { Use::Read });
        if let (Some(mismatch), true, Some(Subject::Value(_))) = (&mismatch, drops, &subject) {
            let message = "a value is no header that could be dropped";
            self.errors
                .push(self.error("on_mismatch", mismatch.span(), message));
        }
        // Without a refusal a status would never be sent.
        let status = match on_mismatch {
            OnMismatch::Reject => keys.status.take().map(Spanned::into_inner),
            _ => None,
        };
        let regex = match keys.pattern.take() {
            None => self.missing("pattern"),
            Some(pattern) => match regex(pattern.get_ref()) {
                Ok(regex) => Some(Matcher::new(regex)),
                Err(message) => {
                    self.errors
                        .push(self.error("pattern", pattern.span(), message));
                    None
                }
            },
        };
        Some(Edit::Match {
            subject: subject?,
            regex: regex?,
            on_mismatch,
            status: status.unwrap_or(STATUS),
        })
    }

    /// `header` or `value`, one of them.
    fn subject(&mut self, keys: &mut RuleKeys, wanted: Use) -> Option<Subject> {
        match (keys.header.take(), keys.value.take()) {
            (Some(_), Some(value)) => {
                let message = "stands beside `header`; only one of them can be read";
                self.errors.push(self.error("value", value.span(), message));
                None
            }
            (None, Some(value)) => self.template(Some(value), false).map(Subject::Value),
            (header, None) => self.patterns(header, wanted).map(Subject::Headers),
        }
    }

    fn hooks(&mut self, op: Op, on: Option<Spanned<Vec<On>>>) -> u8 {
        let Some(on) = on else {
            return match self.role {
                Role::Listener => bit(On::Request),
                Role::Trunk => bit(On::Branch),
            };
        };
        let span = on.span();
        if op == Op::Allow {
            let message = "`allow` has no `on`";
            let error = self.error("on", span, message);
            self.errors.push(error.expected("`direction`"));
        } else if on.get_ref().is_empty() {
            self.errors
                .push(self.error("on", span, "the rule would never run"));
        } else if self.role == Role::Trunk && on.get_ref().contains(&On::Request) {
            let message = "in the chain of a trunk no rule runs on requests";
            let error = self.error("on", span, message);
            self.errors
                .push(error.expected("\"branch\" or \"response\""));
        }
        on.get_ref().iter().fold(0, |bits, hook| bits | bit(*hook))
    }

    fn methods(&mut self, methods: Vec<Spanned<String>>) -> Box<[Box<[u8]>]> {
        for (index, method) in methods.iter().enumerate() {
            if !sip::is_token(method.get_ref().as_bytes()) {
                let message = format!("{:?} is no method", method.get_ref());
                let key = format!("methods[{index}]");
                self.errors.push(self.error(&key, method.span(), message));
            }
        }
        let bytes = |method: Spanned<String>| method.into_inner().into_bytes().into();
        methods.into_iter().map(bytes).collect()
    }

    fn patterns(&mut self, names: Option<Names>, wanted: Use) -> Option<Box<[Pattern]>> {
        let names = names.map_or_else(Vec::new, |names| names.0);
        if names.is_empty() {
            return self.missing("header");
        }
        let many = names.len() > 1;
        let patterns = names.into_iter().enumerate().map(|(index, name)| {
            let key = if many {
                format!("header[{index}]")
            } else {
                "header".to_owned()
            };
            self.pattern(&key, Ok(name), wanted, false)
        });
        // All of them are read before the first failure counts.
        let patterns: Vec<Option<Pattern>> = patterns.collect();
        patterns.into_iter().collect()
    }

    fn pattern(&mut self, key: &str, name: OneName, wanted: Use, exact: bool) -> Option<Pattern> {
        let name = match name {
            Ok(name) => name,
            Err(None) => return self.missing(key),
            Err(Some(span)) => {
                let error = self.error(key, span, "takes one name");
                self.errors.push(error);
                return None;
            }
        };
        let text = name.get_ref();
        let parsed = if exact {
            Pattern::parse_name(text)
        } else {
            Pattern::parse(text)
        };
        let checked = parsed.and_then(|pattern| {
            if wanted == Use::Written {
                check_written(&pattern)?;
            }
            Ok(pattern)
        });
        match checked {
            Ok(pattern)
                if wanted == Use::Guarded
                    && text != "*"
                    && !pattern.is_within("X-")
                    && !pattern.is_within("P-") =>
            {
                let message = format!("{text:?}: only X- and P- headers are held back");
                let error = self.error(key, name.span(), message);
                self.errors
                    .push(error.expected("a name that begins with `X-` or `P-`"));
                None
            }
            Ok(pattern) => Some(pattern),
            Err(error) => {
                let error = self.error(key, name.span(), format!("{text:?}: {error}"));
                self.errors.push(error);
                None
            }
        }
    }

    /// A name that a rule writes.
    fn written_name(&mut self, key: &str, name: OneName) -> Option<Box<str>> {
        let text: Option<Box<str>> = name
            .as_ref()
            .ok()
            .map(|name| name.get_ref().as_str().into());
        self.pattern(key, name, Use::Written, true).and(text)
    }

    fn template(&mut self, value: Option<Spanned<String>>, written: bool) -> Option<Template> {
        let Some(value) = value else {
            return self.missing("value");
        };
        let parsed = Template::parse(value.get_ref());
        let template = self.language("value", &value, parsed)?;
        let control = value
            .get_ref()
            .bytes()
            .any(|byte| byte.is_ascii_control() && byte != b'\t');
        if written && control {
            let error = self.error(
                "value",
                value.span(),
                "no header can hold control characters",
            );
            self.errors.push(error);
            return None;
        }
        Some(template)
    }

    fn language<T>(
        &mut self,
        key: &str,
        text: &Spanned<String>,
        parsed: Result<T, LangError>,
    ) -> Option<T> {
        parsed
            .map_err(|error| {
                let message = error.describe(text.get_ref());
                let mut told = self.error(key, text.span(), message);
                told.suggestion = error.suggestion;
                self.errors.push(told);
            })
            .ok()
    }

    /// What is still there belongs to another operation and would do nothing.
    fn refuse_unused(&mut self, op: Op, keys: &RuleKeys) {
        let header = keys.header.as_ref().and_then(|names| names.0.first());
        let unused = [
            ("header", header.map(Spanned::span)),
            ("value", keys.value.as_ref().map(Spanned::span)),
            ("to", keys.to.as_ref().map(Spanned::span)),
            ("var", keys.var.as_ref().map(Spanned::span)),
            ("pattern", keys.pattern.as_ref().map(Spanned::span)),
            ("on_mismatch", keys.on_mismatch.as_ref().map(Spanned::span)),
            ("status", keys.status.as_ref().map(Spanned::span)),
            ("direction", keys.direction.as_ref().map(Spanned::span)),
        ];
        for (key, span) in unused {
            if let Some(span) = span {
                let message = format!("has no effect with `op = \"{}\"`", op.word());
                self.errors.push(self.error(key, span, message));
            }
        }
    }

    fn missing<T>(&mut self, key: &str) -> Option<T> {
        self.errors
            .push(self.error(key, self.span.clone(), "is missing"));
        None
    }

    fn error(&self, key: &str, span: Range<usize>, message: impl Into<String>) -> ConfigError {
        ConfigError::new(format!("rules[{}].{key}", self.index), span, message)
    }
}

/// What a rule does with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// Lets it cross a boundary.
    Guarded,
    Read,
    Written,
}

/// One name; or none; or several, which stand there.
type OneName = Result<Spanned<String>, Option<Range<usize>>>;

fn one(names: &mut Option<Names>) -> OneName {
    let mut names = names.take().map_or_else(Vec::new, |names| names.0);
    match names.len() {
        0 | 1 => names.pop().ok_or(None),
        _ => Err(names.get(1).map(Spanned::span)),
    }
}

/// The status of a refusal where none is set.
const STATUS: u16 = 403;
