//! Declared keys: what a filter's table may hold, said once for reading, checking and documenting.

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeValue, ValueDeserializer};

use crate::ConfigError;

/// A configuration whose keys are declared; made by [`crate::settings!`].
pub trait Settings: DeserializeOwned {
    /// The keys, in the order of the reference.
    const KEYS: &'static [Key];
}

/// One key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// What stands for it when it is not written.
    pub default: Unset,
    /// What it means; Markdown, may be several lines.
    pub meaning: &'static str,
    /// An example value in TOML.
    pub example: &'static str,
}

/// What stands for a key that is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unset {
    /// Nothing: the setting is not made.
    Absent,
    /// Nothing can: it must be written.
    Required,
    /// This TOML value, read as if it were written.
    Value(&'static str),
}

/// What the value of a key is.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of some of these words.
    Choices(&'static [&'static str]),
    /// A whole number within these bounds.
    Integer(i64, i64),
    /// A string or a list of strings.
    Names,
    /// A list of tables with these keys.
    Tables(&'static [Key]),
    /// A string.
    Text,
    /// A list of strings.
    Texts,
}

/// Declares a settings struct with its documented keys.
///
/// A field is `name: Type = kind, default, example;` where `default` is `absent` (the type is an
/// `Option`), `required`, or a TOML value, and the example a TOML value.
///
/// ```
/// filters::settings! {
///     /// Keys of `greeting`.
///     pub struct Greeting {
///         /// The header that carries the greeting.
///         header: String = filters::Kind::Text, r#""X-Greeting""#, r#""X-Hello""#;
///     }
/// }
/// ```
#[macro_export]
macro_rules! settings {
    (
        $(#[$about:meta])*
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $type:ty = $kind:expr, $default:tt, $example:literal;
            )*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, ::serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        $vis struct $name {
            $(
                $(#[doc = $doc])+
                pub $field: $type,
            )*
        }

        impl $crate::Settings for $name {
            const KEYS: &'static [$crate::Key] = &[
                $($crate::Key {
                    name: stringify!($field),
                    kind: $kind,
                    default: $crate::settings!(@default $default),
                    meaning: concat!($($doc, "\n"),+),
                    example: $example,
                },)*
            ];
        }
    };
    (@default absent) => { $crate::Unset::Absent };
    (@default required) => { $crate::Unset::Required };
    (@default $value:literal) => { $crate::Unset::Value($value) };
}

/// Declares an enum of words for [`Kind::Choice`] and [`Kind::Choices`].
#[macro_export]
macro_rules! words {
    (
        $(#[$about:meta])*
        $vis:vis enum $name:ident {
            $($(#[doc = $doc:literal])+ $variant:ident = $word:literal,)+
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ::serde::Deserialize)]
        $vis enum $name {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// Every word, as the configuration spells it.
            pub const WORDS: &'static [&'static str] = &[$($word,)+];
        }
    };
}

/// Reads a table by its declared keys.
///
/// # Errors
///
/// Every unknown key, missing key and value of the wrong kind.
pub(crate) fn read<S: Settings>(mut table: Spanned<DeValue<'_>>) -> Result<S, Vec<ConfigError>> {
    let mut errors = Vec::new();
    check_table(&table, S::KEYS, "", &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    add_defaults(table.get_mut(), S::KEYS).map_err(|error| vec![error])?;
    S::deserialize(ValueDeserializer::from(table)).map_err(|error| {
        let span = error.span();
        vec![ConfigError::new("", span, error.message())]
    })
}

fn check_table(
    table: &Spanned<DeValue<'_>>,
    keys: &'static [Key],
    path: &str,
    errors: &mut Vec<ConfigError>,
) {
    let Some(entries) = table.get_ref().as_table() else {
        let message = format!("found {}", table.get_ref().type_str());
        errors.push(ConfigError::new(path, table.span(), message).expected("a table"));
        return;
    };
    for (name, value) in entries {
        let at = join(path, name.get_ref());
        match keys.iter().find(|key| key.name == name.get_ref()) {
            Some(key) => check_value(value, key.kind, &at, errors),
            None => {
                let names = keys.iter().map(|key| key.name);
                let error = ConfigError::new(at, name.span(), "unknown key");
                errors.push(error.one_of(name.get_ref(), names));
            }
        }
    }
    for key in keys {
        if key.default == Unset::Required && !entries.contains_key(key.name) {
            let error = ConfigError::new(join(path, key.name), table.span(), "is missing");
            errors.push(error.expected(format!("{}, such as {}", key.kind.text(), key.example)));
        }
    }
}

fn check_value(
    value: &Spanned<DeValue<'_>>,
    kind: Kind,
    path: &str,
    errors: &mut Vec<ConfigError>,
) {
    let found = value.get_ref();
    match (kind, found) {
        (Kind::Bool, DeValue::Boolean(_)) | (Kind::Text | Kind::Names, DeValue::String(_)) => {
            return;
        }
        (Kind::Integer(low, high), DeValue::Integer(number)) => {
            let digits = number.as_str();
            match i64::from_str_radix(digits, number.radix()) {
                Ok(number) if (low..=high).contains(&number) => {}
                _ => {
                    let error =
                        ConfigError::new(path, value.span(), format!("{digits} is out of range"));
                    errors.push(error.expected(kind.text()));
                }
            }
            return;
        }
        (Kind::Choice(words), DeValue::String(word)) => {
            if !words.contains(&&**word) {
                let error = ConfigError::new(path, value.span(), format!("unknown word {word:?}"));
                errors.push(error.one_of(word, words.iter().copied()));
            }
            return;
        }
        (Kind::Choices(words), DeValue::Array(items)) => {
            return check_items(items, Kind::Choice(words), path, errors);
        }
        (Kind::Texts | Kind::Names, DeValue::Array(items)) => {
            return check_items(items, Kind::Text, path, errors);
        }
        (Kind::Tables(keys), DeValue::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                check_table(item, keys, &format!("{path}[{index}]"), errors);
            }
            return;
        }
        _ => {}
    }
    let error = ConfigError::new(path, value.span(), format!("found {}", found.type_str()));
    errors.push(error.expected(kind.text()));
}

fn check_items(
    items: &[Spanned<DeValue<'_>>],
    kind: Kind,
    path: &str,
    errors: &mut Vec<ConfigError>,
) {
    for (index, item) in items.iter().enumerate() {
        check_value(item, kind, &format!("{path}[{index}]"), errors);
    }
}

/// Writes the documented default of every key that is not there into the table, so that what is
/// documented is what holds.
fn add_defaults(table: &mut DeValue<'_>, keys: &'static [Key]) -> Result<(), ConfigError> {
    let DeValue::Table(entries) = table else {
        return Ok(());
    };
    for key in keys {
        if let Unset::Value(text) = key.default
            && !entries.contains_key(key.name)
        {
            let value = DeValue::parse(text)
                .map_err(|error| ConfigError::new(key.name, None, error.message()))?;
            entries.insert(Spanned::new(0..0, key.name.into()), value);
        }
        if let Kind::Tables(keys) = key.kind
            && let Some(DeValue::Array(items)) = entries.get_mut(key.name).map(Spanned::get_mut)
        {
            for item in items.iter_mut() {
                add_defaults(item.get_mut(), keys)?;
            }
        }
    }
    Ok(())
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

impl Kind {
    /// The kind in words.
    pub fn text(self) -> String {
        match self {
            Self::Bool => "true or false".to_owned(),
            Self::Choice(words) => list(words),
            Self::Choices(words) => format!("a list with any of {}", list(words)),
            Self::Integer(low, high) => format!("a whole number from {low} to {high}"),
            Self::Names => "a string or a list of strings".to_owned(),
            Self::Tables(_) => "a list of tables".to_owned(),
            Self::Text => "a string".to_owned(),
            Self::Texts => "a list of strings".to_owned(),
        }
    }
}

fn list(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match words.as_slice() {
        [] => "nothing".to_owned(),
        [word] => word.clone(),
        [head @ .., last] => format!("{} or {last}", head.join(", ")),
    }
}
