use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use crate::machine::Machine;

/// `instructions.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Baseline {
    /// Where the counts hold.
    pub(crate) made_with: Machine,
    /// Id to instructions.
    pub(crate) instructions: BTreeMap<String, u64>,
}

impl Baseline {
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        Self::parse(&text).map_err(|error| format!("{}: {error}", file.display()))
    }

    pub(crate) fn write(&self, file: &Path) -> Result<(), String> {
        std::fs::write(file, self.text()).map_err(|error| format!("{}: {error}", file.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file = DeTable::parse(text).map_err(|error| error.to_string())?;
        let table = |name: &str| match file.get_ref().get(name).map(|value| value.get_ref()) {
            Some(DeValue::Table(table)) => Ok(table),
            _ => Err(format!("no table [{name}]")),
        };
        let made_with = table("made_with")?;
        let word = |name: &str| match made_with.get(name).map(|value| value.get_ref()) {
            Some(DeValue::String(text)) => Ok(text.to_string()),
            _ => Err(format!("no string made_with.{name}")),
        };
        let count = |(id, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
            let id: &std::borrow::Cow<'_, str> = id.get_ref();
            let count = match value.get_ref() {
                DeValue::Integer(number) => number.as_str().parse().ok(),
                _ => None,
            };
            count
                .map(|count| (id.to_string(), count))
                .ok_or_else(|| format!("{id}: no count"))
        };
        Ok(Self {
            made_with: Machine {
                cpu: word("cpu")?,
                rustc: word("rustc")?,
                libc: word("libc")?,
            },
            instructions: table("instructions")?
                .iter()
                .map(count)
                .collect::<Result<_, _>>()?,
        })
    }

    fn text(&self) -> String {
        let mut text = String::from(
            "# Instructions a message, counted by callgrind: `make gate` fails where one grows by more than\n\
             # 3 %. Written by `make accept-instructions`.\n",
        );
        let Machine { cpu, rustc, libc } = &self.made_with;
        text += &format!(
            "\n[made_with]\ncpu = \"{cpu}\"\nrustc = \"{rustc}\"\nlibc = \"{libc}\"\n\n[instructions]\n"
        );
        for (id, count) in &self.instructions {
            writeln!(text, "\"{id}\" = {count}").expect("a String takes all");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let baseline = Baseline {
            made_with: Machine {
                cpu: "x86_64 with AVX2".to_owned(),
                rustc: "1.95.0".to_owned(),
                libc: "glibc 2.36".to_owned(),
            },
            instructions: BTreeMap::from([
                ("chain/empty_8".to_owned(), 311),
                ("parse/invite_1059".to_owned(), 4_711),
            ]),
        };
        assert_eq!(Baseline::parse(&baseline.text()), Ok(baseline));
    }

    #[test]
    fn what_is_missing_is_told() {
        assert_eq!(Baseline::parse(""), Err("no table [made_with]".to_owned()));
        let text =
            "[made_with]\ncpu = \"a\"\nrustc = \"b\"\nlibc = \"c\"\n[instructions]\nx = \"1\"\n";
        assert_eq!(Baseline::parse(text), Err("x: no count".to_owned()));
    }
}
