//! `/metrics`: the counters of all workers and filters in Prometheus' text format.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use executor::webhook::WebhookCounters;
use executor::{MediaCounters, MediaHistogram, MediaQuality, Snapshot};

use crate::counters::Counters;
use crate::executor_role::Watched;
use crate::registrar::Registrar;

/// The sums of the workers' counters and the counts of the filters. Labels come from closed sets.
pub(crate) fn render(
    workers: &[Arc<Counters>],
    filters: &filters::Counters,
    registrar: &Registrar,
    executor: Option<&Watched>,
) -> String {
    let mut sums: BTreeMap<&str, (&str, u64)> = BTreeMap::new();
    for counters in workers {
        for (name, help, value) in counters.read() {
            sums.entry(name).or_insert((help, 0)).1 += value;
        }
    }
    let mut text = String::new();
    for (name, (help, value)) in sums {
        push(&mut text, name, help, value);
    }
    let (users, bindings) = registrar.size();
    let (help, name) = ("Users that are registered.", "hookswitch_registered_users");
    push(&mut text, name, help, users as u64);
    let (help, name) = ("Bindings of all users.", "hookswitch_registrations");
    push(&mut text, name, help, bindings as u64);
    if let Some(watched) = executor {
        let (held, media) = (watched.gauges.snapshot(), watched.media.read());
        let series = executor_series(&held, &media).into_iter();
        for (name, help, value) in series.chain(webhook_series(&watched.webhooks.read())) {
            push(
                &mut text,
                &format!("hookswitch_executor_{name}"),
                help,
                value,
            );
        }
        push_quality(&mut text, &media.quality);
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

fn executor_series(
    held: &Snapshot,
    media: &MediaCounters,
) -> [(&'static str, &'static str, u64); 13] {
    [
        ("calls", "Calls of the executor.", held.calls as u64),
        ("legs", "Legs of callers and callees.", held.legs as u64),
        ("media_sessions", "Legs with media.", media.sessions as u64),
        ("media_ports", "UDP ports of media.", media.ports as u64),
        ("media_rooms", "Conferences.", media.rooms as u64),
        (
            "media_packets_received_total",
            "RTP packets taken in.",
            media.packets_received,
        ),
        (
            "media_packets_sent_total",
            "RTP packets sent, relayed ones too.",
            media.packets_sent,
        ),
        (
            "media_packets_relayed_total",
            "RTP packets handed on without a decoder.",
            media.packets_relayed,
        ),
        (
            "media_packets_lost_total",
            "RTP packets that never came, or too late to be heard.",
            media.packets_lost,
        ),
        (
            "media_packets_refused_total",
            "Datagrams at media ports that are not taken.",
            media.packets_refused,
        ),
        (
            "media_packets_unsent_total",
            "RTP packets that the kernel did not take.",
            media.packets_unsent,
        ),
        (
            "media_ticks_skipped_total",
            "Ticks of 20 ms that media threads were too late for.",
            media.ticks_skipped,
        ),
        (
            "media_recorded_lost_milliseconds_total",
            "Sound that the disk was too slow for.",
            media.recorded_lost_ms,
        ),
    ]
}

/// What came of the peers' streams of sessions that have ended.
fn push_quality(text: &mut String, quality: &MediaQuality) {
    push_histogram(
        text,
        "hookswitch_executor_media_session_jitter_seconds",
        "Interarrival jitter (RFC 3550) at the end of ended sessions that something came to.",
        &MediaQuality::JITTER_BOUNDS,
        &quality.jitter,
        1e-6,
    );
    push_histogram(
        text,
        "hookswitch_executor_media_session_lost_packets",
        "RTP packets lost on the way to ended sessions that something came to.",
        &MediaQuality::LOST_BOUNDS,
        &quality.lost,
        1.0,
    );
}

fn webhook_series(done: &WebhookCounters) -> [(&'static str, &'static str, u64); 3] {
    [
        (
            "webhook_servers_open",
            "Web servers that fail and are not asked now.",
            done.open,
        ),
        (
            "webhook_servers_opened_total",
            "How many times a web server was not asked any more.",
            done.opened,
        ),
        (
            "webhook_requests_refused_total",
            "Requests that were not made because their web server fails.",
            done.refused,
        ),
    ]
}

fn push(text: &mut String, name: &str, help: &str, value: u64) {
    let kind = if name.ends_with("_total") {
        "counter"
    } else {
        "gauge"
    };
    // Writing to a string cannot fail.
    writeln!(
        text,
        "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
    )
    .unwrap_or_default();
}

/// A histogram whose bounds and sum are told in units of `unit` each.
fn push_histogram(
    text: &mut String,
    name: &str,
    help: &str,
    bounds: &[u64],
    histogram: &MediaHistogram,
    unit: f64,
) {
    let mut count = 0;
    let mut lines = format!("# HELP {name} {help}\n# TYPE {name} histogram\n");
    let bounds = bounds.iter().map(|bound| told(*bound, unit));
    let bounds = bounds.chain(std::iter::once("+Inf".to_owned()));
    for (bound, more) in bounds.zip(histogram.counts) {
        count += more;
        writeln!(lines, "{name}_bucket{{le=\"{bound}\"}} {count}").unwrap_or_default();
    }
    let sum = told(histogram.sum, unit);
    writeln!(lines, "{name}_sum {sum}\n{name}_count {count}").unwrap_or_default();
    text.push_str(&lines);
}

/// A number in units, to the microsecond.
fn told(value: u64, unit: f64) -> String {
    let text = format!("{:.6}", value as f64 * unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_is_cumulative() {
        let mut quality = MediaQuality::default();
        quality.jitter.counts[0] = 2;
        quality.jitter.counts[4] = 3;
        quality.jitter.counts[10] = 1;
        quality.jitter.sum = 1_234_500;
        quality.lost.counts[0] = 6;
        let mut text = String::new();
        push_quality(&mut text, &quality);
        let jitter = "hookswitch_executor_media_session_jitter_seconds";
        let lost = "hookswitch_executor_media_session_lost_packets";
        for line in [
            format!("# TYPE {jitter} histogram"),
            format!("{jitter}_bucket{{le=\"0.0005\"}} 2"),
            format!("{jitter}_bucket{{le=\"0.005\"}} 2"),
            format!("{jitter}_bucket{{le=\"0.01\"}} 5"),
            format!("{jitter}_bucket{{le=\"0.5\"}} 5"),
            format!("{jitter}_bucket{{le=\"+Inf\"}} 6"),
            format!("{jitter}_sum 1.2345"),
            format!("{jitter}_count 6"),
            format!("{lost}_bucket{{le=\"0\"}} 6"),
            format!("{lost}_bucket{{le=\"5000\"}} 6"),
            format!("{lost}_sum 0"),
            format!("{lost}_count 6"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        // Each series once: 11 buckets, a sum, a count and two lines before them.
        assert_eq!(text.lines().count(), 30);
    }

    #[test]
    fn numbers_have_no_tail() {
        for (value, unit, text) in [(0, 1.0, "0"), (5000, 1.0, "5000"), (10, 1e-6, "0.00001")] {
            assert_eq!(told(value, unit), text);
        }
    }
}
