//! The console's own series, in the text format of Prometheus.

use std::fmt::Write as _;

use super::call_log::Counters;

/// Appends the series to what the proxy reports.
pub(super) fn append(text: &mut String, counters: &Counters) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let series: [(&str, &str, &str, u64); 6] = [
        (
            "calls_recorded_total",
            "counter",
            "Calls recorded for the console.",
            counters.recorded,
        ),
        (
            "calls_skipped_total",
            "counter",
            "Calls not recorded because they came too fast.",
            counters.skipped,
        ),
        (
            "calls_evicted_total",
            "counter",
            "Calls that made room for newer ones.",
            counters.evicted,
        ),
        ("calls", "gauge", "Calls held.", counters.calls as u64),
        ("events", "gauge", "Events held.", counters.events as u64),
        ("bytes", "gauge", "Memory held.", counters.bytes as u64),
    ];
    for (name, kind, help, value) in series {
        // Writing to a String cannot fail.
        write!(
            text,
            "# HELP hookswitch_console_{name} {help}\n\
             # TYPE hookswitch_console_{name} {kind}\n\
             hookswitch_console_{name} {value}\n"
        )
        .unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_ends() {
        let mut text = "up 1".to_owned();
        append(
            &mut text,
            &Counters {
                recorded: 7,
                ..Counters::default()
            },
        );
        assert!(text.starts_with("up 1\n# HELP hookswitch_console_calls_recorded_total "));
        assert!(text.contains("\nhookswitch_console_calls_recorded_total 7\n"));
        assert!(text.ends_with("\nhookswitch_console_bytes 0\n"));
    }
}
