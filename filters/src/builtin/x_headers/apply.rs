//! Rules at work on one message.

use std::slice;

use sip::{EditError, Headers, Method, Request, Response};

use super::firewall::{Gate, Indices, matches_any};
use super::index::Look;
use super::matcher::Matcher;
use super::rule::{Edit, Rule, Subject};
use super::{
    DENIED, Direction, EMPTY_VALUE, INVALID_VALUE, MISMATCH, On, OnMismatch, REJECTED, TOO_LARGE,
    VARS_FULL, XHeaders,
};
use crate::lang::{Captures, Filled, Message, Pattern, Scope, Template};
use crate::{Context, Reason, Role, Trust};

/// One run over the rules.
pub(super) struct Walk<'m> {
    pub(super) filter: &'m XHeaders,
    pub(super) hook: On,
    pub(super) message: MessageMut<'m>,
    pub(super) cx: &'m mut Context,
    pub(super) captures: Captures,
}

/// The message of a hook, for writing.
pub(super) enum MessageMut<'m> {
    Request(&'m mut Request),
    Response(&'m mut Response),
}

/// A rule refused the message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) reason: Reason,
}

impl<'m> Walk<'m> {
    pub(super) fn run(mut self) -> Result<(), Refusal> {
        let filter = self.filter;
        let index = &filter.index;
        let method = || Method::of(self.scope().method());
        let in_dialog = self.cx.facts.in_dialog;
        let mut look = index.look(self.hook, in_dialog, method, self.message.headers());
        let gates = self.gates();
        for gate in gates.into_iter().flatten() {
            if gate.place().is_none() {
                self.hold_back(gate, &mut look);
            }
        }
        let mut next = 0;
        while let Some(at) = index.due(self.hook, &mut next, &look) {
            let Some(rule) = filter.rules.get(at) else {
                break;
            };
            if rule.is_allow() {
                for gate in gates.into_iter().flatten() {
                    if gate.place() == Some(at) {
                        self.hold_back(gate, &mut look);
                    }
                }
            } else if self.applies(rule) {
                self.edit(at, rule, &mut look)?;
            }
        }
        Ok(())
    }

    /// The gates that the message comes to on its way to or from a side that is not ours, but for
    /// those that hold nothing back.
    fn gates(&self) -> [Option<&'m Gate>; 2] {
        let firewall = &self.filter.firewall;
        let gate = |far: bool, way| Some(firewall.gate(way)).filter(|gate| far && !gate.is_open());
        let far = |trust: Trust| !trust.is_internal();
        let source = far(self.cx.facts.trust);
        let target = self.cx.target.as_ref();
        let target = target.is_some_and(|target| far(target.trust));
        // The chain of a trunk guards the side of the trunk alone.
        let source_too = source && self.filter.role == Role::Listener;
        match self.hook {
            On::Request => [gate(source, Direction::In), None],
            On::Branch => [None, gate(target, Direction::Out)],
            On::Response => [
                gate(target, Direction::In),
                gate(source_too, Direction::Out),
            ],
        }
    }

    /// Removes the X- and P- headers that may not come through `gate`.
    fn hold_back(&mut self, gate: &Gate, look: &mut Look) {
        let filter = self.filter;
        let held = gate.held(self.message.headers(), |at| {
            let rule = filter.rules.get(at);
            rule.is_some_and(|rule| filter.index.fits(at, look) && self.applies(rule))
        });
        look.remove_rows(self.message.headers_mut(), &held);
        if !held.is_empty() {
            filter.counts.add_many(DENIED, held.len() as u64);
        }
    }

    /// Whether a rule that fits the message as far as the index can tell is to be run.
    #[inline]
    fn applies(&self, rule: &Rule) -> bool {
        (rule.methods.is_none() && rule.when.is_none()) || self.holds(rule)
    }

    fn holds(&self, rule: &Rule) -> bool {
        let scope = self.scope();
        let method = rule.methods.as_ref().is_none_or(|methods| {
            let method = scope.method();
            methods.iter().any(|name| &**name == method)
        });
        method && rule.when.as_ref().is_none_or(|when| when.holds(&scope))
    }

    /// Runs rule `at`.
    fn edit(&mut self, at: usize, rule: &Rule, look: &mut Look) -> Result<(), Refusal> {
        match &rule.edit {
            Edit::Allow { .. } => {}
            Edit::Add { name, value, line } => {
                let before = self.message.headers().len();
                match line {
                    Some(line) => {
                        let added = self.message.headers_mut().append_line(line);
                        self.count_error(added);
                    }
                    None => self.add(name, value),
                }
                look.appended(before, self.message.headers(), self.filter.index.writes(at));
            }
            Edit::Copy { from, to } => {
                let before = self.message.headers().len();
                self.copy(at, from, to, look);
                look.appended(before, self.message.headers(), self.filter.index.writes(at));
            }
            Edit::Match {
                subject,
                regex,
                on_mismatch,
                status,
            } => {
                let matched = match subject {
                    Subject::Headers(patterns) => {
                        self.matches(at, patterns, regex, *on_mismatch, look)
                    }
                    Subject::Value(value) => {
                        self.captures.clear();
                        let value = value.fill(&self.scope());
                        self.catch(regex, &value) || *on_mismatch != OnMismatch::Reject
                    }
                };
                if !matched {
                    return Err(Refusal {
                        status: *status,
                        reason: MISMATCH,
                    });
                }
            }
            Edit::Reject { status } => {
                return Err(Refusal {
                    status: *status,
                    reason: REJECTED,
                });
            }
            Edit::Remove(patterns) => {
                let gone = self.meant(at, patterns, look);
                look.remove_rows(self.message.headers_mut(), &gone);
            }
            Edit::Rename { from, to } => self.rename(at, from, to, look),
            Edit::Replace { name, value } => {
                let before = self.message.headers().len();
                self.replace(name, value);
                let headers = self.message.headers();
                if headers.len() < before {
                    self.filter.index.look_again(headers, look);
                } else {
                    look.appended(before, headers, self.filter.index.writes(at));
                }
            }
            Edit::Store { subject, var } => match subject {
                Subject::Value(value) => {
                    let value = value.fill(&self.scope());
                    self.store(var, &value);
                }
                Subject::Headers(patterns) => {
                    let row = self.meant(at, patterns, look).first().copied();
                    let row = row.and_then(|index| self.message.headers().get(index));
                    if let Some(header) = row {
                        let value = Filled::from_slice(&header.unfolded());
                        self.store(var, &value);
                    }
                }
            },
        }
        Ok(())
    }

    /// The rows that rule `at` means by `patterns`.
    fn meant(&self, at: usize, patterns: &[Pattern], look: &Look) -> Indices {
        let headers = self.message.headers();
        let index = &self.filter.index;
        let meant = |row: usize| {
            let header = headers.get(row);
            header.is_some_and(|header| matches_any(patterns, &header))
        };
        let mut rows = Indices::new();
        for row in look.rows(index.speaks(at)) {
            if index.is_exact() || meant(row) {
                rows.push(row);
            }
        }
        rows
    }

    /// The value to write, of a template that is no literal; `None` where it came out empty.
    fn fill(&self, value: &Template) -> Option<Filled> {
        let filled = value.fill(&self.scope());
        if sip::trim(&filled).is_empty() {
            self.filter.counts.add(EMPTY_VALUE);
            return None;
        }
        Some(filled)
    }

    fn add(&mut self, name: &str, value: &Template) {
        if let Some(value) = self.fill(value) {
            let added = self.message.headers_mut().append(name.as_bytes(), &value);
            self.count_error(added);
        }
    }

    /// Whatever comes of the new value, no old one stays.
    fn replace(&mut self, name: &str, value: &Template) {
        let set = match value.literal() {
            Some(text) => self.set(name, text.as_bytes()),
            None => match self.fill(value) {
                Some(value) => self.set(name, &value),
                None => {
                    self.message.headers_mut().remove(name.as_bytes());
                    return;
                }
            },
        };
        if set.is_err() {
            self.message.headers_mut().remove(name.as_bytes());
        }
        self.count_error(set);
    }

    fn set(&mut self, name: &str, value: &[u8]) -> Result<(), EditError> {
        self.message.headers_mut().set(name.as_bytes(), value)
    }

    fn copy(&mut self, at: usize, from: &Pattern, to: &str, look: &Look) {
        for index in self.meant(at, slice::from_ref(from), look) {
            let headers = self.message.headers_mut();
            let row = headers.get(index);
            let value = row.map(|header| Filled::from_slice(&header.unfolded()));
            let added = headers.append(to.as_bytes(), &value.unwrap_or_default());
            self.count_error(added);
        }
    }

    fn rename(&mut self, at: usize, from: &Pattern, to: &str, look: &mut Look) {
        for index in self.meant(at, slice::from_ref(from), look) {
            let renamed = self.message.headers_mut().rename_at(index, to.as_bytes());
            if renamed.is_ok() {
                look.renamed(index, self.filter.index.writes(at));
            }
            self.count_error(renamed);
        }
    }

    /// Runs a `match` on headers; false where it refuses the message.
    fn matches(
        &mut self,
        at: usize,
        patterns: &[Pattern],
        regex: &Matcher,
        on_mismatch: OnMismatch,
        look: &mut Look,
    ) -> bool {
        self.captures.clear();
        let mut rows = self.meant(at, patterns, look);
        // A name that must match must be there; a pattern with * may mean nothing at all.
        let absent = rows.is_empty() && patterns.iter().any(Pattern::is_name);
        let mut caught = false;
        rows.retain(|index| {
            let Some(header) = self.message.headers().get(*index) else {
                return false;
            };
            // Of several that match the first one is caught.
            let matched = if caught {
                regex.is_match(&header.unfolded())
            } else {
                let value = Filled::from_slice(&header.unfolded());
                self.catch(regex, &value)
            };
            caught |= matched;
            !matched
        });
        let wrong = rows;
        match on_mismatch {
            OnMismatch::Ignore => true,
            OnMismatch::Reject => wrong.is_empty() && !absent,
            OnMismatch::DropHeader => {
                look.remove_rows(self.message.headers_mut(), &wrong);
                if !wrong.is_empty() {
                    self.filter.counts.add_many(MISMATCH, wrong.len() as u64);
                }
                true
            }
        }
    }

    /// Keeps the groups of a match, where a rule reads them; named ones as variables too.
    fn catch(&mut self, regex: &Matcher, value: &[u8]) -> bool {
        if !self.filter.catches && !regex.has_names() {
            return regex.is_match(value);
        }
        let (vars, counts) = (&mut self.cx.facts.vars, &self.filter.counts);
        let caught = regex.catch(value, |name, text| {
            if !vars.set(name, text) {
                counts.add(VARS_FULL);
            }
        });
        let matched = caught.is_some();
        self.captures = caught.unwrap_or_default();
        matched
    }

    fn store(&mut self, var: &str, value: &[u8]) {
        if !self.cx.facts.vars.set(var, value) {
            self.filter.counts.add(VARS_FULL);
        }
    }

    fn count_error(&self, result: Result<(), EditError>) {
        match result {
            Ok(()) => {}
            Err(EditError::Index | EditError::TooLarge) => {
                self.filter.counts.add(TOO_LARGE);
            }
            Err(EditError::Name | EditError::Value) => {
                self.filter.counts.add(INVALID_VALUE);
            }
        }
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            message: match &self.message {
                MessageMut::Request(request) => Message::Request(request),
                MessageMut::Response(response) => Message::Response(response),
            },
            cx: self.cx,
            captures: &self.captures,
        }
    }
}

impl MessageMut<'_> {
    fn headers(&self) -> &Headers {
        match self {
            Self::Request(request) => &request.headers,
            Self::Response(response) => &response.headers,
        }
    }

    fn headers_mut(&mut self) -> &mut Headers {
        match self {
            Self::Request(request) => &mut request.headers,
            Self::Response(response) => &mut response.headers,
        }
    }
}
