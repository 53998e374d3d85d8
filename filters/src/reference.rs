//! The reference of the filters in Markdown, from what they declare.

use crate::registry::Entry;
use crate::settings::{Key, Kind, Unset};

/// The whole reference.
pub(crate) fn all<'e>(entries: impl Iterator<Item = &'e Entry> + Clone) -> String {
    let mut out = String::from(HEAD);
    for entry in entries.clone() {
        let anchor = entry.name;
        let sentence = first_sentence(entry.summary);
        push(
            &mut out,
            format_args!("- [`{anchor}`](#{anchor}): {sentence}\n"),
        );
    }
    for entry in entries {
        out.push('\n');
        out.push_str(&of(entry));
    }
    out
}

/// The reference of one filter.
pub(crate) fn of(entry: &Entry) -> String {
    let mut out = format!("## {}\n\n{}\n\n", entry.name, entry.summary.trim());
    let table = format!("type = \"{}\"\n{}", entry.name, entry.example.trim());
    push(&mut out, format_args!("```toml\n{}\n```\n", table.trim()));
    if entry.keys.is_empty() {
        out.push_str("\nNo keys.\n");
    } else {
        out.push_str("\nKeys:\n\n");
        push_keys(&mut out, entry.keys);
    }
    for key in entry.keys {
        if let Kind::Tables(keys) = key.kind {
            push(
                &mut out,
                format_args!("\nKeys of each of `{}`:\n\n", key.name),
            );
            push_keys(&mut out, keys);
        }
    }
    if !entry.reasons.is_empty() {
        let reasons = entry.reasons.iter().map(|reason| format!("`{reason}`"));
        let reasons: Vec<_> = reasons.collect();
        push(
            &mut out,
            format_args!("\nReasons that it counts: {}.\n", reasons.join(", ")),
        );
    }
    out
}

fn push_keys(out: &mut String, keys: &[Key]) {
    for key in keys {
        let default = match key.default {
            Unset::Absent => "not set".to_owned(),
            Unset::Required => "required".to_owned(),
            Unset::Value(value) => format!("default `{value}`"),
        };
        let kind = key.kind.text();
        push(
            out,
            format_args!("- `{}` ({kind}; {default})\\\n", key.name),
        );
        for line in key.meaning.trim().lines() {
            push(out, format_args!("  {}\n", line.trim()));
        }
        // A line break of Markdown behind the last line.
        out.insert(out.len() - 1, '\\');
        push(
            out,
            format_args!("  Example: `{} = {}`\n", key.name, key.example),
        );
    }
}

fn first_sentence(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.find(". ") {
        Some(at) => text.chars().take(text[..at].chars().count() + 1).collect(),
        None => text,
    }
}

fn push(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.push_str(&text.to_string());
}

const HEAD: &str = "\
# Filters

The filters that a chain may have, with every key. This text is generated from the filters; \
`hookswitch filters [NAME]` prints the same.

A filter is a table in a chain:

```toml
[[chain]]
name = \"inbound\"

[[chain.filter]]
type = \"sanity\"

[[chain.filter]]
type = \"trunk\"
no_match = \"reject\"
```

Requests pass the filters in the order of the file, responses in reverse. What a filter refuses or \
drops is counted by filter and reason. Beside its own reasons each filter has `filter_panic` (it \
failed; that transaction got a 500), `wait_timeout` (what it waited for did not come; 504) and `other`.

Headers that begin with `X-Hookswitch-` are reserved: they are stripped at every boundary that is \
not internal, in both directions, whatever a chain holds.

";
