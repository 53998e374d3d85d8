//! Which rules a message can concern at all; the others are not looked at.
//!
//! A rule that removes, renames, copies or stores headers does nothing where there is none, and a
//! condition such as `header.X-Foo == 'a'` does not hold. One pass over the rows of the message
//! tells which names are there. The result may name a rule too many, never one too few.

use sip::{HeaderName, Headers, Method};
use smallvec::SmallVec;

use super::firewall::Firewall;
use super::names::{ALWAYS, Bits, Names};
use super::rule::{Edit, Rule, Subject};
use super::{Direction, On, OnMismatch};
use crate::lang::Pattern;

/// The rules of one filter by what they depend on.
#[derive(Debug)]
pub(super) struct Index {
    /// By hook: its rules in order, and those where headers are held back.
    steps: [Box<[Step]>; HOOKS.len()],
    /// By hook: whether names of headers matter.
    looks: [bool; HOOKS.len()],
    /// By hook: whether nothing is done there whatever the message.
    rests: [bool; HOOKS.len()],
    /// Whether any rule is for some methods only.
    has_methods: bool,
    /// By rule: the headers that it speaks of.
    speaks: Box<[Bits]>,
    /// By rule: the headers that it may write.
    writes: Box<[Bits]>,
    /// By rule: the methods and dialogs that it is for.
    fits: Box<[u32]>,
    names: Names,
}

/// One rule on one hook.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// Headers without any of which it does nothing; [`ALWAYS`] where it does not depend on any.
    needs: Bits,
    /// One bit a method, and one each for inside and outside of dialogs.
    fits: u32,
    rule: u32,
}

/// What a message has that rules may ask for.
#[derive(Debug)]
pub(super) struct Look {
    /// The names that are or were there.
    present: Bits,
    /// Its method and whether it is inside a dialog, as in [`Step::fits`].
    fits: u32,
    /// The rows that rules speak of, in order.
    rows: SmallVec<[Found; 16]>,
}

/// A row that rules may speak of.
#[derive(Clone, Copy, Debug)]
struct Found {
    index: usize,
    name: Bits,
}

impl Look {
    fn push(&mut self, index: usize, name: Bits) {
        if name != 0 {
            self.present |= name;
            self.rows.push(Found { index, name });
        }
    }

    /// The rows that `names` may mean.
    pub(super) fn rows(&self, names: Bits) -> impl Iterator<Item = usize> {
        let rows = self.rows.iter().filter(move |row| row.name & names != 0);
        rows.map(|row| row.index)
    }

    /// Takes rows out of the message, whose indices are given in order.
    pub(super) fn remove_rows(&mut self, headers: &mut Headers, gone: &[usize]) {
        if gone.is_empty() {
            return;
        }
        if gone.len() <= FEW {
            for index in gone.iter().rev() {
                headers.remove_at(*index);
            }
        } else {
            let mut row = 0;
            let mut rest = gone;
            headers.retain(|_| {
                let here = rest.first() == Some(&row);
                rest = if here {
                    rest.get(1..).unwrap_or_default()
                } else {
                    rest
                };
                row += 1;
                !here
            });
        }
        let mut before = 0;
        self.rows.retain(|row| {
            while gone.get(before).is_some_and(|index| *index < row.index) {
                before += 1;
            }
            let kept = gone.get(before) != Some(&row.index);
            row.index -= before;
            kept
        });
    }

    /// Row `index` has another name.
    pub(super) fn renamed(&mut self, index: usize, name: Bits) {
        self.present |= name;
        let row = self.rows.iter_mut().find(|row| row.index == index);
        if let Some(row) = row {
            row.name = name;
        }
    }

    /// Rows came at the end, where there were `before`.
    pub(super) fn appended(&mut self, before: usize, headers: &Headers, name: Bits) {
        for index in before..headers.len() {
            self.push(index, name);
        }
    }
}

impl Index {
    /// The index of `rules`; `catches` says whether any of them reads what a `match` caught.
    pub(super) fn new(rules: &[Rule], firewall: &Firewall, catches: bool) -> Self {
        let mut names = Names::new();
        let mut speaks = Vec::with_capacity(rules.len());
        for rule in rules {
            let patterns = needs(rule);
            let bits = patterns.iter().map(|pattern| names.add(pattern));
            speaks.push(bits.fold(0, |all, bits| all | bits));
        }
        let bits = |name: &str| names.of(HeaderName::of(name.as_bytes()), name.as_bytes());
        let written = |rule: &Rule| rule.edit.writes().map_or(0, bits);
        let writes = rules.iter().map(written).collect();
        let fits: Box<[u32]> = rules.iter().map(fits).collect();
        let gates = |hook: On| {
            let gates = ways(hook).iter().map(|way| firewall.gate(*way));
            gates.filter(|gate| !gate.is_open())
        };
        let step = |hook: On, at: usize, rule: &Rule| {
            let (needs, fits) = if rule.is_allow() {
                // Whether the rule itself fits is asked when headers are held back.
                let here = gates(hook).any(|gate| gate.place() == Some(at));
                here.then_some((ALWAYS, u32::MAX))?
            } else if !rule.runs_on(hook) {
                return None;
            } else if speaks[at] != 0 && is_idle(rule, catches) {
                (speaks[at], fits[at])
            } else {
                (ALWAYS, fits[at])
            };
            let rule = u32::try_from(at).ok()?;
            Some(Step { needs, fits, rule })
        };
        let steps = HOOKS.map(|hook| {
            let rules = rules.iter().enumerate();
            let steps = rules.filter_map(|(at, rule)| step(hook, at, rule));
            steps.collect::<Box<[Step]>>()
        });
        // A gate that stands with a rule is one of the steps.
        let rests = |hook: On| {
            steps[hook as usize].is_empty() && gates(hook).all(|gate| gate.place().is_some())
        };
        let looks = |hook: On| {
            let mut rules = rules.iter().zip(&speaks);
            rules.any(|(rule, bits)| rule.runs_on(hook) && !rule.is_allow() && *bits != 0)
        };
        Self {
            looks: HOOKS.map(looks),
            rests: HOOKS.map(rests),
            steps,
            has_methods: rules.iter().any(|rule| rule.methods.is_some()),
            speaks: speaks.into(),
            writes,
            fits,
            names,
        }
    }

    /// Whether nothing is done on `hook`, whatever the message.
    pub(super) fn rests(&self, hook: On) -> bool {
        self.rests[hook as usize]
    }

    /// What a message with `headers` has; its method is asked for where it matters.
    pub(super) fn look(
        &self,
        hook: On,
        in_dialog: bool,
        method: impl FnOnce() -> Method,
        headers: &Headers,
    ) -> Look {
        let method = if self.has_methods {
            method_bit(method())
        } else {
            0
        };
        let mut look = Look {
            present: ALWAYS,
            fits: method | dialog_bit(in_dialog),
            rows: SmallVec::new(),
        };
        if self.looks[hook as usize] {
            self.look_again(headers, &mut look);
        }
        look
    }

    /// Finds all rows anew.
    pub(super) fn look_again(&self, headers: &Headers, look: &mut Look) {
        look.rows.clear();
        for (index, id, name) in headers.names(self.names.mattering()) {
            look.push(index, self.names.of(id, name));
        }
    }

    /// The step behind `next`, and the rule that is to be run.
    #[inline]
    pub(super) fn due(&self, hook: On, next: &mut usize, look: &Look) -> Option<usize> {
        let steps = self.steps[hook as usize].get(*next..)?;
        let due =
            |step: &Step| step.needs & look.present != 0 && step.fits & look.fits == look.fits;
        let ahead = steps.iter().position(due)?;
        *next += ahead + 1;
        steps.get(ahead).map(|step| step.rule as usize)
    }

    /// The headers that the rule speaks of.
    pub(super) fn speaks(&self, rule: usize) -> Bits {
        self.speaks.get(rule).copied().unwrap_or_default()
    }

    /// Whether the rows of [`Look::rows`] are those that rules mean, and none besides.
    pub(super) fn is_exact(&self) -> bool {
        self.names.are_exact()
    }

    /// The headers that the rule may write.
    pub(super) fn writes(&self, rule: usize) -> Bits {
        self.writes.get(rule).copied().unwrap_or_default()
    }

    /// Whether the rule is for the method and the dialog of the message.
    pub(super) fn fits(&self, rule: usize, look: &Look) -> bool {
        let fits = self.fits.get(rule);
        fits.is_some_and(|fits| fits & look.fits == look.fits)
    }
}

/// The ways that a message of `hook` may cross a boundary.
fn ways(hook: On) -> &'static [Direction] {
    match hook {
        On::Request => &[Direction::In],
        On::Branch => &[Direction::Out],
        On::Response => &[Direction::In, Direction::Out],
    }
}

fn fits(rule: &Rule) -> u32 {
    let methods = match &rule.methods {
        None => method_bit(Method::Other) * 2 - 1,
        Some(names) => {
            let bits = names.iter().map(|name| method_bit(Method::of(name)));
            bits.fold(0, |all, bit| all | bit)
        }
    };
    let inside = rule.in_dialog != Some(false);
    let outside = rule.in_dialog != Some(true);
    let dialogs = [(inside, true), (outside, false)];
    let dialogs = dialogs.into_iter().filter(|(fits, _)| *fits);
    dialogs.fold(methods, |all, (_, inside)| all | dialog_bit(inside))
}

fn method_bit(method: Method) -> u32 {
    1 << method as u8
}

fn dialog_bit(inside: bool) -> u32 {
    1 << (30 + u8::from(inside))
}

/// The headers that a rule speaks of: those that it edits or reads; or else those without any of
/// which its condition cannot hold. Empty where there are none.
fn needs(rule: &Rule) -> Vec<Pattern> {
    match &rule.edit {
        Edit::Allow { .. } => Vec::new(),
        Edit::Remove(patterns)
        | Edit::Match {
            subject: Subject::Headers(patterns),
            ..
        }
        | Edit::Store {
            subject: Subject::Headers(patterns),
            ..
        } => patterns.to_vec(),
        Edit::Copy { from, .. } | Edit::Rename { from, .. } => vec![from.clone()],
        _ => {
            let needs = rule.when.as_ref().and_then(|when| when.needs());
            let name = |(id, name): (HeaderName, &str)| Pattern::Name {
                id,
                name: name.into(),
            };
            needs.map_or_else(Vec::new, |needs| needs.into_iter().map(name).collect())
        }
    }
}

/// Whether a rule does nothing where none of the headers is there that it speaks of.
fn is_idle(rule: &Rule, catches: bool) -> bool {
    match &rule.edit {
        // It forgets what an earlier one caught, and may refuse the message.
        Edit::Match {
            subject: Subject::Headers(patterns),
            on_mismatch,
            ..
        } => {
            let refuses = *on_mismatch == OnMismatch::Reject;
            let refuses = refuses && patterns.iter().any(Pattern::is_name);
            !(catches || refuses)
        }
        _ => true,
    }
}

/// Rows that are taken out one by one: closing few gaps is cheaper than moving every row.
const FEW: usize = 4;
/// Every hook, as numbered.
const HOOKS: [On; 3] = [On::Branch, On::Request, On::Response];
const _: () = assert!(HOOKS[0] as usize == 0 && HOOKS[2] as usize == 2);
const _: () = assert!((Method::Other as u8) < 30, "dialogs have the last two bits");
