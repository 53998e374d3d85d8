//! The configuration of the side-by-side with something changed.

use std::fmt::Write as _;

/// With so many rules more in `x_headers`: by turns one that takes a header off which is not there, and one whose
/// condition reads a header and does not hold.
#[must_use]
pub(super) fn with_rules(text: &str, count: u64) -> String {
    let mut rules = String::new();
    for number in 0..count {
        if number % 2 == 0 {
            push(
                &mut rules,
                &format!("    {{ op = \"remove\", header = \"X-Nothing-{number}\" }},"),
            );
        } else {
            push(
                &mut rules,
                &format!(
                    "    {{ op = \"add\", header = \"X-Rule-{number}\", value = \"yes\", when = \"header.X-Campaign == 'campaign-{number}'\" }},"
                ),
            );
        }
    }
    text.replacen("rules = [\n", &format!("rules = [\n{rules}"), 1)
}

/// With so many targets more, ten to a trunk; each trunk has a source address and a route by host of its own, and the
/// one route that all calls take stands behind them all.
#[must_use]
pub(super) fn with_targets(text: &str, count: u64) -> String {
    let mut trunks = String::new();
    for trunk in 0..count.div_ceil(TARGETS_MAX) {
        let (high, low) = (trunk / 250, trunk % 250 + 1);
        push(
            &mut trunks,
            &format!("[[route]]\nname = \"to-{trunk}\"\nruri_host = [\"trunk-{trunk}.test\"]"),
        );
        push(
            &mut trunks,
            &format!("to = \"trunk\"\ntrunk = \"trunk-{trunk}\"\n"),
        );
        push(
            &mut trunks,
            &format!("[[trunk]]\nname = \"trunk-{trunk}\"\ntrust = \"untrusted\""),
        );
        push(&mut trunks, &format!("source = [\"192.0.{high}.{low}\"]"));
        for target in TARGETS_MAX * trunk..count.min(TARGETS_MAX * (trunk + 1)) {
            push(
                &mut trunks,
                &format!("  [[trunk.target]]\n  uri = \"sip:target-{target}@127.0.0.1:5070\""),
            );
        }
        push(&mut trunks, "");
    }
    let route = "[[route]]";
    text.replacen(route, &format!("{trunks}{route}"), 1)
}

/// A trunk has so many at most.
const TARGETS_MAX: u64 = 10;

/// With one rule more: an OPTIONS to the user `probe` is refused with this status.
#[must_use]
pub(super) fn with_probe(text: &str, status: u16) -> String {
    let rule = format!(
        "    {{ op = \"reject\", status = {status}, when = \"method == 'OPTIONS' and ruri.user == 'probe'\" }},\n"
    );
    text.replacen("rules = [\n", &format!("rules = [\n{rule}"), 1)
}

/// With `/metrics` at this port.
#[must_use]
pub(super) fn with_console(text: &str, port: u16) -> String {
    text.replacen(
        "[server]\n",
        &format!("[server]\nconsole = \"127.0.0.1:{port}\"\n"),
        1,
    )
}

fn push(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("a String takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::subject::own_configuration;
    use crate::{Edge, Scratch};

    #[test]
    fn every_variant_is_valid() {
        let own = own_configuration().unwrap();
        let variants = [
            own.clone(),
            with_rules(&own, 100),
            with_targets(&own, 100),
            with_probe(&own, 480),
            with_console(&own, 8080),
        ];
        let scratch = Scratch::new("variants");
        for (number, text) in variants.iter().enumerate() {
            assert!(
                number == 0 || *text != own,
                "variant {number} changes nothing"
            );
            let file = scratch.write("variant.toml", text);
            let output = Edge::command(&["check", "-c", &file.display().to_string()]);
            assert!(output.status.success(), "variant {number}: {output:?}");
        }
    }
}
