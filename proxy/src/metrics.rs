//! `/metrics`: the counters of all workers and filters in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::counters::Counters;
use crate::registrar::Registrar;

/// The sums of the workers' counters and the counts of the filters. Labels come from closed sets.
pub(crate) fn render(
    workers: &[Arc<Counters>],
    filters: &filters::Counters,
    registrar: &Registrar,
) -> String {
    let mut sums: BTreeMap<&str, (&str, u64)> = BTreeMap::new();
    for counters in workers {
        for (name, help, value) in counters.read() {
            sums.entry(name).or_insert((help, 0)).1 += value;
        }
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    for (name, (help, value)) in sums {
        let kind = if name.ends_with("_total") {
            "counter"
        } else {
            "gauge"
        };
        writeln!(
            text,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
        )
        .unwrap_or_default();
    }
    let (users, bindings) = registrar.size();
    for (name, help, value) in [
        (
            "hookswitch_registered_users",
            "Users that are registered.",
            users,
        ),
        (
            "hookswitch_registrations",
            "Bindings of all users.",
            bindings,
        ),
    ] {
        writeln!(
            text,
            "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}"
        )
        .unwrap_or_default();
    }
    let name = "hookswitch_filter_events_total";
    writeln!(
        text,
        "# HELP {name} What filters did, by filter and reason.\n# TYPE {name} counter"
    )
    .unwrap_or_default();
    for count in filters.snapshot() {
        writeln!(
            text,
            "{name}{{filter=\"{}\",reason=\"{}\"}} {}",
            count.filter, count.reason, count.value
        )
        .unwrap_or_default();
    }
    text
}
