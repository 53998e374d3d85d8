//! Reading the attributes of one element.

use std::ops::RangeInclusive;

use crate::ErrorCode;
use crate::webhook::Method;

use super::Link;
use super::report::{Element, Report, short};

/// The attributes of an element: each is read by name, with its default and the number of the
/// warning for a bad value; [`Attributes::finish`] warns about those that nobody read.
pub(super) struct Attributes<'r, 'd> {
    element: Element<'d>,
    report: &'r mut Report,
    read: Vec<&'static str>,
}

impl<'r, 'd> Attributes<'r, 'd> {
    pub(super) fn of(element: Element<'d>, report: &'r mut Report) -> Self {
        Self {
            element,
            report,
            read: Vec::new(),
        }
    }

    pub(super) fn text(&mut self, name: &'static str) -> Option<&'d str> {
        self.read.push(name);
        self.element.attribute(name)
    }

    /// The value, without counting it as read.
    pub(super) fn peek(&self, name: &str) -> Option<&'d str> {
        self.element.attribute(name).map(str::trim)
    }

    /// A text that must satisfy `valid`; otherwise a warning, and as if it were absent.
    pub(super) fn text_if(
        &mut self,
        name: &'static str,
        code: ErrorCode,
        valid: impl Fn(&str) -> bool,
    ) -> Option<&'d str> {
        let value = self.text(name)?;
        if valid(value) {
            return Some(value);
        }
        self.invalid(name, value, code);
        None
    }

    pub(super) fn flag(&mut self, name: &'static str, default: bool, code: ErrorCode) -> bool {
        match self.text(name).map(str::trim) {
            None => default,
            Some(value) if value.eq_ignore_ascii_case("true") => true,
            Some(value) if value.eq_ignore_ascii_case("false") => false,
            Some(value) => {
                self.invalid(name, value, code);
                default
            }
        }
    }

    pub(super) fn integer(
        &mut self,
        name: &'static str,
        default: u32,
        range: RangeInclusive<u32>,
        code: ErrorCode,
    ) -> u32 {
        let Some(value) = self.text(name) else {
            return default;
        };
        match value.trim().parse() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                self.invalid(name, value, code);
                default
            }
        }
    }

    /// A list of words, each of them one of `known`; the others are left out with a warning.
    /// `None`: absent, or no word of it is known.
    pub(super) fn words(
        &mut self,
        name: &'static str,
        known: &[&'static str],
        code: ErrorCode,
    ) -> Option<Vec<&'d str>> {
        let value = self.text(name)?;
        let (words, others): (Vec<_>, Vec<_>) = value
            .split_whitespace()
            .partition(|word| known.contains(word));
        if let Some(other) = others.first() {
            self.invalid(name, other, code);
        }
        Some(words).filter(|words| !words.is_empty())
    }

    pub(super) fn method(&mut self, name: &'static str, code: ErrorCode) -> Method {
        let Some(value) = self.text(name) else {
            return Method::default();
        };
        Method::parse(value.trim()).unwrap_or_else(|| {
            self.invalid(name, value, code);
            Method::default()
        })
    }

    /// A URL attribute with its method attribute. Both count as read even if the URL is absent.
    pub(super) fn link(
        &mut self,
        url: &'static str,
        method: &'static str,
        code: ErrorCode,
    ) -> Option<Link> {
        let method = self.method(method, code);
        let url = self.text(url)?.trim().to_owned();
        Some(Link { url, method })
    }

    /// The same of a callback, which a blank URL does not ask for: templates leave it empty where
    /// nobody is to be told. (That of an `action` is the current document.)
    pub(super) fn callback(
        &mut self,
        url: &'static str,
        method: &'static str,
        code: ErrorCode,
    ) -> Option<Link> {
        let link = self.link(url, method, code);
        link.filter(|link| !link.url.is_empty())
    }

    /// Attributes that are part of the language and without effect here.
    pub(super) fn without_effect(&mut self, names: &[&'static str]) {
        self.read.extend_from_slice(names);
    }

    pub(super) fn warn(&mut self, code: ErrorCode, message: String) {
        self.report.warn(code, self.element, message);
    }

    pub(super) fn finish(self) {
        for attribute in self.element.attributes() {
            if !self.read.contains(&attribute.name()) {
                let (name, element) = (short(attribute.name()), self.element.tag_name().name());
                let message = format!("attribute {name} is not allowed in <{element}>");
                self.report.warn(ErrorCode::SCHEMA, self.element, message);
            }
        }
    }

    fn invalid(&mut self, name: &str, value: &str, code: ErrorCode) {
        let element = self.element.tag_name().name();
        let message = format!("{} is no value for {name} of <{element}>", short(value));
        self.warn(code, message);
    }
}
