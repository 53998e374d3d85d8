//! `access_log`: one line a transaction.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::ops::Range;

use sip::Uri;

use crate::{
    BuildContext, ConfigError, Context, Filter, Hooks, Kind, Outcome, Plugin, Reason, Source,
    push_escaped, settings, words,
};

settings! {
    /// Keys of `access_log`.
    pub struct AccessLogKeys {
        /// The fields of a line.
        fields: Vec<LogField> = Kind::Choices(LogField::WORDS), r#"["method", "status", "call_id", "ruri", "trunk", "source", "target", "duration_us", "reason"]"#, r#"["method", "status", "call_id"]"#;
        /// One call in this many is logged, with all its transactions; 1 logs all.
        sample: u32 = Kind::Integer(1, 1_000_000), "1", "100";
        /// Whether refused and failed requests (status 400 and above, or none) are logged whatever
        /// `sample` says.
        failures: bool = Kind::Bool, "true", "false";
    }
}

words! {
    /// A field of the access log.
    pub enum LogField {
        /// The method as written.
        Method = "method",
        /// The final status; 0 where nothing was sent.
        Status = "status",
        /// Call-ID.
        CallId = "call_id",
        /// The Request-URI as received, without password and headers.
        Ruri = "ruri",
        /// The trunk that called.
        Trunk = "trunk",
        /// Transport, address and port of the sender.
        Source = "source",
        /// The target that answered, without password and headers.
        Target = "target",
        /// From the arrival to the final response, in microseconds.
        DurationUs = "duration_us",
        /// Why we refused it, where we did.
        Reason = "reason",
    }
}

/// Writes a `tracing` event with the target `access` when an exchange is over.
#[derive(Debug)]
pub struct AccessLog {
    /// One bit a [`LogField`].
    fields: u16,
    sample: u32,
    failures: bool,
}

impl Filter for AccessLog {
    fn on_done(&self, outcome: &Outcome<'_>, cx: &mut Context) {
        // The ACK to a 2xx has no transaction; one that went on is no news.
        if outcome.method == b"ACK" && outcome.reason.is_none() {
            return;
        }
        if !tracing::enabled!(target: "access", tracing::Level::INFO) {
            return;
        }
        let failed = outcome.status == 0 || outcome.status >= 400;
        let sampled = self.sample == 1 || hash(outcome.call_id).is_multiple_of(self.sample);
        if !(sampled || failed && self.failures) {
            return;
        }
        let on = |field: LogField| self.fields & bit(field) != 0;
        let mut line = Line::default();
        let method = on(LogField::Method).then(|| line.escaped(outcome.method));
        let call_id = on(LogField::CallId).then(|| line.escaped(outcome.call_id));
        let ruri = on(LogField::Ruri).then(|| line.uri(outcome.ruri));
        let trunk = cx.facts.trunk.as_ref().filter(|_| on(LogField::Trunk));
        let trunk = trunk.map(|trunk| line.escaped(trunk.name.as_bytes()));
        let source = on(LogField::Source).then(|| line.source(&cx.source));
        let target = outcome.target.filter(|_| on(LogField::Target));
        let target = target.map(|target| line.uri(&target.uri));
        let text = |part: Option<Range<usize>>| line.0.get(part?);
        tracing::info!(
            target: "access",
            method = text(method),
            status = on(LogField::Status).then_some(outcome.status),
            call_id = text(call_id),
            ruri = text(ruri),
            trunk = text(trunk),
            source = text(source),
            target = text(target),
            duration_us = on(LogField::DurationUs)
                .then(|| u64::try_from(outcome.duration.as_micros()).unwrap_or(u64::MAX)),
            reason = outcome.reason.filter(|_| on(LogField::Reason)).map(Reason::as_str),
        );
    }

    fn hooks(&self) -> Hooks {
        Hooks::DONE
    }
}

/// The text of all fields, written once.
#[derive(Default)]
struct Line(String);

impl Line {
    fn escaped(&mut self, text: &[u8]) -> Range<usize> {
        self.write(|line| push_escaped(line, text))
    }

    fn uri(&mut self, raw: &[u8]) -> Range<usize> {
        self.write(|line| push_shown_uri(line, raw))
    }

    /// Transport, address and port.
    fn source(&mut self, source: &Source) -> Range<usize> {
        let ip = source.address.ip().to_canonical();
        let sender = SocketAddr::new(ip, source.address.port());
        let transport = source.transport.param();
        // Writing to memory does not fail.
        self.write(|line| write!(line, "{transport}:{sender}").unwrap_or_default())
    }

    fn write(&mut self, write: impl FnOnce(&mut String)) -> Range<usize> {
        let start = self.0.len();
        write(&mut self.0);
        start..self.0.len()
    }
}

/// A URI without what may be secret: password and headers. Of one that cannot be read only what
/// stands before they could begin.
fn push_shown_uri(out: &mut String, raw: &[u8]) {
    let Ok(uri) = Uri::parse(raw) else {
        let mut parts = raw.splitn(3, |byte| matches!(byte, b':' | b'?' | b'@'));
        let scheme = parts.next().unwrap_or_default();
        let user = parts.next().map_or(0, |user| user.len() + 1);
        return push_escaped(out, raw.get(..scheme.len() + user).unwrap_or_default());
    };
    let kept = uri.without_headers();
    let Some(password) = uri.password else {
        return push_escaped(out, kept);
    };
    // A sip URI holds one `@` at most, and the password stands right before it.
    let host = memchr::memchr(b'@', kept).unwrap_or(kept.len());
    let user = host.saturating_sub(password.len() + 1);
    push_escaped(out, kept.get(..user).unwrap_or_default());
    push_escaped(out, kept.get(host..).unwrap_or_default());
}

/// FNV-1a: the same Call-ID is in or out on every node and in every transaction.
fn hash(text: &[u8]) -> u32 {
    text.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

fn bit(field: LogField) -> u16 {
    1 << field as u16
}

impl Plugin for AccessLog {
    const NAME: &'static str = "access_log";
    const SUMMARY: &'static str = "\
Writes one structured log event a transaction, with the target `access`. Everything from the wire \
is escaped; passwords and headers of URIs are left out.";
    const EXAMPLE: &'static str = "\
fields = [\"method\", \"status\", \"call_id\", \"duration_us\"]
sample = 10
";
    const REASONS: &'static [Reason] = &[];
    type Config = AccessLogKeys;

    fn build(config: AccessLogKeys, _: &BuildContext) -> Result<Self, Vec<ConfigError>> {
        Ok(Self {
            fields: config
                .fields
                .iter()
                .fold(0, |bits, field| bits | bit(*field)),
            sample: config.sample.max(1),
            failures: config.failures,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_without_secrets() {
        for (uri, shown) in [
            ("sip:a:secret@b;lr?X-Key=1", "sip:a@b;lr"),
            ("sip:a@b", "sip:a@b"),
            ("sip:a:@b", "sip:a@b"),
            ("sip:b?X=1", "sip:b"),
            ("tel:+1;ext=2", "tel:+1;ext=2"),
            ("sip:a:secret@", "sip:a"),
            ("nonsense", "nonsense"),
        ] {
            let mut found = String::new();
            push_shown_uri(&mut found, uri.as_bytes());
            assert_eq!(found, shown, "{uri}");
        }
    }
}
