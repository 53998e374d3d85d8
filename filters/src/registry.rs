//! The filters that a configuration may name.

use std::collections::BTreeMap;
use std::fmt;

use toml::Spanned;
use toml::de::DeValue;

use crate::plugin::{BuildContext, Plugin};
use crate::settings::{self, Key};
use crate::{ConfigError, Filter, Reason, Settings, builtin, reference};

/// An explicit list of filters by name; there is no other place where a name becomes code.
///
/// ```
/// let registry = filters::Registry::builtin();
/// assert!(registry.names().any(|name| name == "trunk"));
/// ```
#[derive(Clone)]
pub struct Registry {
    entries: BTreeMap<&'static str, Entry>,
}

/// A plugin without its type.
#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) example: &'static str,
    pub(crate) reasons: &'static [Reason],
    pub(crate) keys: &'static [Key],
    build: Build,
}

type Build = fn(Spanned<DeValue<'_>>, &BuildContext) -> Result<Box<dyn Filter>, Vec<ConfigError>>;

/// A filter with the name that its counters have.
pub type Built = (&'static str, Box<dyn Filter>);

impl Registry {
    /// The filters of this crate.
    pub fn builtin() -> Self {
        let empty = Self {
            entries: BTreeMap::new(),
        };
        empty
            .with::<builtin::AccessLog>()
            .with::<builtin::RecordRoute>()
            .with::<builtin::Sanity>()
            .with::<builtin::Trunk>()
            .with::<builtin::UriHeaders>()
            .with::<builtin::XHeaders>()
    }

    /// Adds a filter; one of the same name is replaced.
    pub fn with<P: Plugin>(mut self) -> Self {
        let entry = Entry {
            name: P::NAME,
            summary: P::SUMMARY,
            example: P::EXAMPLE,
            reasons: P::REASONS,
            keys: P::Config::KEYS,
            build: |table, cx| {
                let config = settings::read::<P::Config>(table)?;
                // Before the first request, so that metrics show every reason from the start.
                cx.counters.filter(P::NAME, P::REASONS);
                Ok(Box::new(P::build(config, cx)?))
            },
        };
        self.entries.insert(P::NAME, entry);
        self
    }

    /// The names, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.entries.keys().copied()
    }

    /// Makes a filter from its table, whose `type` names it.
    ///
    /// # Errors
    ///
    /// Every mistake that can be told at once; spans are those of `table`.
    pub fn build(
        &self,
        table: Spanned<DeValue<'_>>,
        cx: &BuildContext,
    ) -> Result<Built, Vec<ConfigError>> {
        let name = table.get_ref().get("type");
        let Some(name) = name else {
            let error = ConfigError::new("type", table.span(), "is missing");
            return Err(vec![error.one_of("", self.names())]);
        };
        let Some(text) = name.get_ref().as_str() else {
            let found = format!("found {}", name.get_ref().type_str());
            let error = ConfigError::new("type", name.span(), found);
            return Err(vec![error.expected("the name of a filter")]);
        };
        if !self.entries.contains_key(text) {
            let message = format!("unknown filter {text:?}");
            let error = ConfigError::new("type", name.span(), message);
            return Err(vec![error.one_of(text, self.names())]);
        }
        let text = text.to_owned();
        self.build_named(&text, table, cx)
    }

    /// Makes the filter `name` from its table; a `type` in the table is passed over.
    ///
    /// # Errors
    ///
    /// Every mistake that can be told at once; spans are those of `table`.
    pub fn build_named(
        &self,
        name: &str,
        mut table: Spanned<DeValue<'_>>,
        cx: &BuildContext,
    ) -> Result<Built, Vec<ConfigError>> {
        let Some(entry) = self.entries.get(name) else {
            let message = format!("unknown filter {name:?}");
            let error = ConfigError::new("type", table.span(), message);
            return Err(vec![error.one_of(name, self.names())]);
        };
        if let DeValue::Table(entries) = table.get_mut() {
            entries.remove("type");
        }
        match (entry.build)(table, cx) {
            Ok(filter) => Ok((entry.name, filter)),
            Err(mut errors) => {
                errors.sort_by_key(|error| error.span.as_ref().map(|span| span.start));
                Err(errors)
            }
        }
    }

    /// The reference in Markdown: of one filter, or of all with a heading. `None` where there is no
    /// such filter.
    pub fn reference(&self, name: Option<&str>) -> Option<String> {
        match name {
            Some(name) => self.entries.get(name).map(reference::of),
            None => Some(reference::all(self.entries.values())),
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
