//! Regular expressions of `match` rules.

use std::sync::Mutex;

use regex::bytes::{CaptureLocations, Regex};
use smallvec::SmallVec;

use crate::lang::Captures;

/// A regular expression that keeps the room for its groups from one message to the next.
#[derive(Debug)]
pub(super) struct Matcher {
    regex: Regex,
    /// Number and name of each group that has one.
    names: Box<[(usize, Box<str>)]>,
    /// Taken by one worker at a time; another one makes its own.
    spare: Mutex<Option<CaptureLocations>>,
}

impl Matcher {
    pub(super) fn new(regex: Regex) -> Self {
        let names = regex.capture_names().enumerate();
        let names = names.filter_map(|(group, name)| Some((group, name?.into())));
        Self {
            names: names.collect(),
            spare: Mutex::default(),
            regex,
        }
    }

    /// Whether any group is a variable too.
    pub(super) fn has_names(&self) -> bool {
        !self.names.is_empty()
    }

    pub(super) fn is_match(&self, value: &[u8]) -> bool {
        self.regex.is_match(value)
    }

    /// The groups of the first match in `value`, where there is one; those with names go to `named`
    /// too.
    pub(super) fn catch(
        &self,
        value: &[u8],
        mut named: impl FnMut(&str, &[u8]),
    ) -> Option<Captures> {
        let spare = self
            .spare
            .try_lock()
            .ok()
            .and_then(|mut spare| spare.take());
        let mut groups = spare.unwrap_or_else(|| self.regex.capture_locations());
        let text = |groups: &CaptureLocations, group| {
            let (start, end) = groups.get(group)?;
            value.get(start..end)
        };
        let caught = self.regex.captures_read(&mut groups, value).map(|_| {
            let all = (0..groups.len()).map(|group| text(&groups, group));
            let caught = all.map(|text| SmallVec::from_slice(text.unwrap_or_default()));
            for (group, name) in &self.names {
                if let Some(text) = text(&groups, *group) {
                    named(name, text);
                }
            }
            caught.collect()
        });
        if let Ok(mut spare) = self.spare.try_lock() {
            *spare = Some(groups);
        }
        caught
    }
}
