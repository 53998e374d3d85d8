//! Rules at work on one message.

use regex::bytes::Regex;
use sip::{EditError, Headers, Request, Response};
use smallvec::SmallVec;

use super::rule::{Edit, Rule, Subject, covers};
use super::{
    DENIED, Direction, EMPTY_VALUE, INVALID_VALUE, MISMATCH, On, OnMismatch, REJECTED, TOO_LARGE,
    VARS_FULL, XHeaders,
};
use crate::lang::{Captures, Filled, Message, Pattern, Scope, Template};
use crate::{Context, Reason, Role, Trust, reserved};

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

impl Walk<'_> {
    pub(super) fn run(mut self) -> Result<(), Refusal> {
        let filter = self.filter;
        let ways = self.ways();
        self.hold_back(&ways, None);
        for (index, rule) in filter.rules.iter().enumerate() {
            if let Edit::Allow { .. } = rule.edit {
                self.hold_back(&ways, Some(index));
            } else if rule.runs_on(self.hook) && self.applies(rule) {
                self.edit(&rule.edit)?;
            }
        }
        Ok(())
    }

    /// The boundaries that the message crosses here to or from a side that is not ours.
    fn ways(&self) -> SmallVec<[Direction; 2]> {
        let far = |trust: Trust| !trust.is_internal();
        let source = far(self.cx.facts.trust);
        let target = self
            .cx
            .target
            .as_ref()
            .is_some_and(|target| far(target.trust));
        let mut ways = SmallVec::new();
        match self.hook {
            On::Request if source => ways.push(Direction::In),
            On::Branch if target => ways.push(Direction::Out),
            On::Response => {
                if target {
                    ways.push(Direction::In);
                }
                // The chain of a trunk guards the side of the trunk alone.
                if source && self.filter.role == Role::Listener {
                    ways.push(Direction::Out);
                }
            }
            On::Branch | On::Request => {}
        }
        ways
    }

    /// Removes the X- and P- headers that may not cross, for the ways whose place this is.
    fn hold_back(&mut self, ways: &[Direction], place: Option<usize>) {
        let filter = self.filter;
        for way in ways {
            if filter.firewall.place(*way) != place {
                continue;
            }
            let speaking = |rule: &&Rule| match rule.edit {
                Edit::Allow { direction, .. } => covers(direction, *way) && self.applies(rule),
                _ => false,
            };
            let allows: SmallVec<[&Rule; 4]> = filter.rules.iter().filter(speaking).collect();
            if allows.is_empty() && !filter.firewall.denies() {
                continue;
            }
            let allowed = |header: &sip::Header<'_>| {
                allows.iter().any(|rule| match &rule.edit {
                    Edit::Allow { patterns, .. } => matches_any(patterns, header),
                    _ => false,
                })
            };
            let gone = self.message.headers_mut().retain(|header| {
                !is_guarded(header.name) || reserved::is_reserved(header.name) || allowed(header)
            });
            for _ in 0..gone {
                filter.counts.add(DENIED);
            }
        }
    }

    fn applies(&self, rule: &Rule) -> bool {
        let scope = self.scope();
        let dialog = rule
            .in_dialog
            .is_none_or(|inside| inside == self.cx.facts.in_dialog);
        let method = rule.methods.as_ref().is_none_or(|methods| {
            let method = scope.method();
            methods.iter().any(|name| &**name == method)
        });
        dialog && method && rule.when.as_ref().is_none_or(|when| when.holds(&scope))
    }

    fn edit(&mut self, edit: &Edit) -> Result<(), Refusal> {
        match edit {
            Edit::Allow { .. } => {}
            Edit::Add { name, value } => {
                if let Some(value) = self.fill(value) {
                    let added = self.message.headers_mut().append(name.as_bytes(), &value);
                    self.count_error(added);
                }
            }
            Edit::Copy { from, to } => self.copy(from, to),
            Edit::Match {
                subject,
                regex,
                on_mismatch,
                status,
            } => {
                if !self.matches(subject, regex, *on_mismatch) {
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
                let headers = self.message.headers_mut();
                headers.retain(|header| !matches_any(patterns, header));
            }
            Edit::Rename { from, to } => self.rename(from, to),
            Edit::Replace { name, value } => self.replace(name, value),
            Edit::Store { subject, var } => {
                let value = match subject {
                    Subject::Value(value) => Some(value.fill(&self.scope())),
                    Subject::Headers(patterns) => self.first(patterns),
                };
                if let Some(value) = value {
                    self.store(var, &value);
                }
            }
        }
        Ok(())
    }

    /// The value to write; `None` where there is nothing to write.
    fn fill(&self, value: &Template) -> Option<Filled> {
        let filled = value.fill(&self.scope());
        if sip::trim(&filled).is_empty() && value.literal().is_none() {
            self.filter.counts.add(EMPTY_VALUE);
            return None;
        }
        Some(filled)
    }

    /// Whatever comes of the new value, no old one stays.
    fn replace(&mut self, name: &str, value: &Template) {
        let Some(value) = self.fill(value) else {
            self.message.headers_mut().remove(name.as_bytes());
            return;
        };
        let headers = self.message.headers_mut();
        let set = headers.set(name.as_bytes(), &value);
        if set.is_err() {
            headers.remove(name.as_bytes());
        }
        self.count_error(set);
    }

    fn copy(&mut self, from: &Pattern, to: &str) {
        let headers = self.message.headers_mut();
        let rows = headers.iter().filter(|header| from.matches(header));
        let values: Vec<Vec<u8>> = rows.map(|header| header.unfolded().into_owned()).collect();
        for value in values {
            let added = self.message.headers_mut().append(to.as_bytes(), &value);
            self.count_error(added);
        }
    }

    fn rename(&mut self, from: &Pattern, to: &str) {
        for index in 0..self.message.headers_mut().len() {
            let headers = self.message.headers_mut();
            if headers
                .get(index)
                .is_some_and(|header| from.matches(&header))
            {
                let renamed = headers.rename_at(index, to.as_bytes());
                self.count_error(renamed);
            }
        }
    }

    /// Runs a `match`; false where it refuses the message.
    fn matches(&mut self, subject: &Subject, regex: &Regex, on_mismatch: OnMismatch) -> bool {
        self.captures.clear();
        let patterns = match subject {
            Subject::Headers(patterns) => patterns,
            Subject::Value(value) => {
                let value = value.fill(&self.scope());
                return self.catch(regex, &value) || on_mismatch != OnMismatch::Reject;
            }
        };
        let headers = self.message.headers_mut();
        let rows = headers.iter().enumerate();
        let rows: Vec<(usize, Filled)> = rows
            .filter(|(_, header)| matches_any(patterns, header))
            .map(|(index, header)| (index, Filled::from_slice(&header.unfolded())))
            .collect();
        // A name that must match must be there; a pattern with * may mean nothing at all.
        let absent = rows.is_empty() && patterns.iter().any(Pattern::is_name);
        let mut wrong = Vec::new();
        for (index, value) in &rows {
            let matched = if self.captures.is_empty() {
                self.catch(regex, value)
            } else {
                regex.is_match(value)
            };
            if !matched {
                wrong.push(*index);
            }
        }
        match on_mismatch {
            OnMismatch::Ignore => true,
            OnMismatch::Reject => wrong.is_empty() && !absent,
            OnMismatch::DropHeader => {
                for index in wrong.iter().rev() {
                    self.message.headers_mut().remove_at(*index);
                    self.filter.counts.add(MISMATCH);
                }
                true
            }
        }
    }

    /// Keeps the groups of a match; named ones as variables too.
    fn catch(&mut self, regex: &Regex, value: &[u8]) -> bool {
        let Some(caught) = regex.captures(value) else {
            return false;
        };
        self.captures = caught
            .iter()
            .map(|group| SmallVec::from_slice(group.map_or(b"", |group| group.as_bytes())))
            .collect();
        for name in regex.capture_names().flatten() {
            if let Some(group) = caught.name(name) {
                self.store(name, group.as_bytes());
            }
        }
        true
    }

    fn store(&mut self, var: &str, value: &[u8]) {
        if !self.cx.facts.vars.set(var, value) {
            self.filter.counts.add(VARS_FULL);
        }
    }

    fn first(&self, patterns: &[Pattern]) -> Option<Filled> {
        let headers = self.scope().headers();
        let mut rows = headers.iter();
        let row = rows.find(|header| matches_any(patterns, header))?;
        Some(Filled::from_slice(&row.unfolded()))
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
    fn headers_mut(&mut self) -> &mut Headers {
        match self {
            Self::Request(request) => &mut request.headers,
            Self::Response(response) => &mut response.headers,
        }
    }
}

fn matches_any(patterns: &[Pattern], header: &sip::Header<'_>) -> bool {
    patterns.iter().any(|pattern| pattern.matches(header))
}

/// Whether a header crosses boundaries by allow-list only.
fn is_guarded(name: &[u8]) -> bool {
    matches!(name, [b'X' | b'x' | b'P' | b'p', b'-', ..])
}
