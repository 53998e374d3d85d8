//! Reads a configuration file section by section, so that all its errors are told at once.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use filters::Registry;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::build::{Settings, build};
use super::error::{Errors, Report};
use super::file;

/// What reading a file needs beside its text.
#[derive(Clone)]
pub struct Loader {
    /// The filters that chains are made of.
    pub registry: Arc<Registry>,
    /// The counters that filters keep, over reloads.
    pub counters: Arc<filters::Counters>,
    /// Seed of the loop detection and key of the Record-Route tokens where the file gives none.
    pub entropy: [u8; 32],
}

/// The sections of a file, each with its place.
#[derive(Default)]
pub(super) struct Sections<'a> {
    pub(super) server: file::Server,
    pub(super) timers: file::Timers,
    pub(super) limits: file::LimitsSection,
    pub(super) registrar: file::Registrar,
    pub(super) executor: Option<Placed<'a, file::Executor>>,
    pub(super) listen: Vec<Placed<'a, file::Listen>>,
    pub(super) trunk: Vec<Placed<'a, file::Trunk>>,
    pub(super) domain: Vec<Placed<'a, file::Domain>>,
    pub(super) route: Vec<Placed<'a, file::Route>>,
    pub(super) chain: Vec<ChainSection<'a>>,
    /// Kinds of sections of which one could not be read, so that names may be missing.
    broken: Vec<String>,
    /// Where the keys of the sections that are there once stand, by `section.key`.
    spans: HashMap<String, Range<usize>>,
}

impl Sections<'_> {
    /// Where `section.key` stands, if it is written.
    pub(super) fn span(&self, key: &str) -> Option<Range<usize>> {
        self.spans.get(key).cloned()
    }

    /// Whether every section of this kind could be read: else what is missing has been told.
    pub(super) fn is_whole(&self, kind: &str) -> bool {
        !self.broken.iter().any(|broken| broken == kind)
    }

    /// The names of all sections of this kind.
    fn names(&self, kind: &str) -> Vec<&str> {
        match kind {
            "chain" => self.chain.iter().map(|chain| chain.name.as_str()).collect(),
            "domain" => self
                .domain
                .iter()
                .map(|domain| domain.value.name.as_str())
                .collect(),
            "trunk" => self
                .trunk
                .iter()
                .map(|trunk| trunk.value.name.as_str())
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Whether there is a section of this kind with this name; says so at `key` of `item` if not.
    pub(super) fn check_name<T>(
        &self,
        item: &Placed<'_, T>,
        key: &str,
        kind: &str,
        name: &str,
        report: &mut Report<'_>,
    ) {
        let names = self.names(kind);
        if names.contains(&name) || !self.is_whole(kind) {
            return;
        }
        let known: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let known = match known.is_empty() {
            true => format!("there is no [[{kind}]]"),
            false => format!("expected one of {}", known.join(", ")),
        };
        report.add(
            item.span(key),
            item.key(key),
            format!("no {kind} `{name}`; {known}"),
        );
    }

    fn note_spans(&mut self, section: &str, value: &DeValue<'_>) {
        for (key, value) in value.as_table().into_iter().flatten() {
            let key = format!("{section}.{}", key.get_ref());
            self.spans.insert(key, value.span());
        }
    }
}

/// A section with its place, for errors that only show when sections are held together.
pub(super) struct Placed<'a, T> {
    pub(super) path: String,
    pub(super) value: T,
    table: Spanned<DeValue<'a>>,
}

/// `[[chain]]`: a name, and the tables of its filters.
pub(super) struct ChainSection<'a> {
    pub(super) path: String,
    pub(super) name: String,
    pub(super) span: Range<usize>,
    pub(super) filters: Vec<Spanned<DeValue<'a>>>,
}

impl<T> Placed<'_, T> {
    /// Where `key` stands, or the section where it does not.
    pub(super) fn span(&self, key: &str) -> Option<Range<usize>> {
        let table = self.table.get_ref().as_table();
        let value = table.and_then(|table| table.get(key));
        Some(value.map_or_else(|| self.table.span(), Spanned::span))
    }

    pub(super) fn key(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }
}

/// Reads the file at `path`.
///
/// # Errors
///
/// Every error of the file, or that it cannot be read.
pub fn load(path: &Path, loader: &Loader) -> Result<Settings, Errors> {
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => loader.parse(&name, &text),
        Err(error) => {
            let mut report = Report::new(&name, "");
            report.add(None, "", format!("cannot be read: {error}"));
            Err(report.into_errors())
        }
    }
}

impl Loader {
    /// Reads `text`; `name` stands in errors.
    ///
    /// # Errors
    ///
    /// Every error of the file.
    pub fn parse(&self, name: &str, text: &str) -> Result<Settings, Errors> {
        let mut report = Report::new(name, text);
        let (root, broken) = DeTable::parse_recoverable(text);
        for error in &broken {
            report.add_toml("", None, error);
        }
        if !report.is_empty() {
            return Err(report.into_errors());
        }
        let sections = read_sections(root.into_inner(), &mut report);
        let settings = build(&sections, self, &mut report);
        match settings {
            Some(settings) if report.is_empty() => Ok(settings),
            _ => Err(report.into_errors()),
        }
    }
}

fn read_sections<'a>(root: DeTable<'a>, report: &mut Report<'_>) -> Sections<'a> {
    let mut sections = Sections::default();
    for (key, value) in root {
        let name = key.get_ref().to_string();
        sections.note_spans(&name, value.get_ref());
        let errors = report.len();
        match name.as_str() {
            "server" => sections.server = read(&name, value, report).unwrap_or_default(),
            "timers" => sections.timers = read(&name, value, report).unwrap_or_default(),
            "limits" => sections.limits = read(&name, value, report).unwrap_or_default(),
            "registrar" => sections.registrar = read(&name, value, report).unwrap_or_default(),
            "executor" => sections.executor = placed(name.clone(), value, report),
            "listen" => sections.listen = read_all(&name, value, report),
            "trunk" => sections.trunk = read_all(&name, value, report),
            "domain" => sections.domain = read_all(&name, value, report),
            "route" => sections.route = read_all(&name, value, report),
            "chain" => sections.chain = read_chains(value, report),
            _ => report.add(
                Some(key.span()),
                &name,
                format!("unknown section; expected one of {SECTIONS}"),
            ),
        }
        if report.len() > errors {
            sections.broken.push(name);
        }
    }
    sections
}

fn read<T: DeserializeOwned>(
    path: &str,
    value: Spanned<DeValue<'_>>,
    report: &mut Report<'_>,
) -> Option<T> {
    let span = value.span();
    match T::deserialize(ValueDeserializer::from(value)) {
        Ok(section) => Some(section),
        Err(error) => {
            report.add_toml(path, Some(span), &error);
            None
        }
    }
}

fn placed<'a, T: DeserializeOwned>(
    path: String,
    value: Spanned<DeValue<'a>>,
    report: &mut Report<'_>,
) -> Option<Placed<'a, T>> {
    let section = read(&path, value.clone(), report)?;
    Some(Placed {
        path,
        value: section,
        table: value,
    })
}

fn read_all<'a, T: DeserializeOwned>(
    name: &str,
    value: Spanned<DeValue<'a>>,
    report: &mut Report<'_>,
) -> Vec<Placed<'a, T>> {
    tables(name, value, report)
        .into_iter()
        .enumerate()
        .filter_map(|(index, table)| placed(format!("{name}[{index}]"), table, report))
        .collect()
}

/// The tables of `[[name]]`.
fn tables<'a>(
    name: &str,
    value: Spanned<DeValue<'a>>,
    report: &mut Report<'_>,
) -> Vec<Spanned<DeValue<'a>>> {
    let span = value.span();
    match value.into_inner() {
        DeValue::Array(array) => array.into_iter().collect(),
        _ => {
            report.add(
                Some(span),
                name,
                format!("expected tables: write [[{name}]]"),
            );
            Vec::new()
        }
    }
}

fn read_chains<'a>(value: Spanned<DeValue<'a>>, report: &mut Report<'_>) -> Vec<ChainSection<'a>> {
    let mut chains = Vec::new();
    for (index, table) in tables("chain", value, report).into_iter().enumerate() {
        let path = format!("chain[{index}]");
        let span = table.span();
        let DeValue::Table(table) = table.into_inner() else {
            report.add(
                Some(span),
                path,
                "expected a table with `name` and `filter`",
            );
            continue;
        };
        let mut chain = ChainSection {
            path: path.clone(),
            name: String::new(),
            span: span.clone(),
            filters: Vec::new(),
        };
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "name" => match value.get_ref().as_str() {
                    Some(name) if !name.is_empty() => chain.name = name.to_owned(),
                    _ => report.add(
                        Some(value.span()),
                        format!("{path}.name"),
                        "expected a name in quotes",
                    ),
                },
                "filter" => chain.filters = tables("chain.filter", value, report),
                other => {
                    let message = format!("unknown field `{other}`, expected `name` or `filter`");
                    report.add(Some(key.span()), format!("{path}.{other}"), message);
                }
            }
        }
        if chain.name.is_empty() {
            report.add(
                Some(span),
                format!("{path}.name"),
                "missing; every chain has a name",
            );
        } else {
            chains.push(chain);
        }
    }
    chains
}

const SECTIONS: &str = "`server`, `timers`, `limits`, `listen`, `trunk`, `domain`, `route`, `chain`, `executor`, `registrar`";
