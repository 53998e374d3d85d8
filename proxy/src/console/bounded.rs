//! Events within bounds: copied, redacted, cut and weighed.

use bytes::Bytes;

use super::event::{CallEvent, Change, FilterStep};
use super::{redact, wire};

impl CallEvent {
    /// A copy that holds no secret, no reference to foreign buffers and at most `limit` bytes of
    /// text; also how many bytes were cut.
    pub(super) fn bounded(self, limit: usize) -> (Self, usize) {
        let mut budget = Budget {
            left: limit,
            cut: 0,
        };
        let bounded = match self {
            Self::Answered {
                to,
                status,
                message,
            } => Self::Answered {
                to,
                status,
                message: budget.message(&message),
            },
            Self::Ended { .. } => self,
            Self::Error { code, level, text } => Self::Error {
                code,
                level,
                text: budget.text(text),
            },
            Self::Filters { chain, hook, steps } => {
                let steps = budget.list(steps, |budget, step| budget.step(step));
                Self::Filters { chain, hook, steps }
            }
            Self::Forwarded { to, message } => Self::Forwarded {
                to,
                message: budget.message(&message),
            },
            Self::Note { text } => Self::Note {
                text: budget.text(text),
            },
            Self::Received { from, message } => Self::Received {
                from,
                message: budget.message(&message),
            },
            Self::Response {
                from,
                status,
                message,
            } => Self::Response {
                from,
                status,
                message: budget.message(&message),
            },
            Self::Twiml {
                id,
                status,
                content_type,
                body,
                parameters,
                elapsed,
                error,
            } => Self::Twiml {
                id,
                status,
                content_type: budget.text(content_type),
                error: error.map(|error| budget.text(error)),
                parameters: budget.pairs(parameters),
                body: budget.document(&body),
                elapsed,
            },
            Self::Webhook {
                id,
                method,
                url,
                parameters,
                kind,
            } => Self::Webhook {
                id,
                method: budget.text(method),
                url: budget.text(url),
                kind: budget.text(kind),
                parameters: budget.pairs(parameters),
            },
        };
        debug_assert!(budget.left <= limit);
        (bounded, budget.cut)
    }

    /// The memory that the event takes, up to what the allocator adds.
    pub(super) fn weight(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Answered { message, .. }
                | Self::Forwarded { message, .. }
                | Self::Received { message, .. }
                | Self::Response { message, .. } => message.len(),
                Self::Ended { .. } => 0,
                Self::Error { text, .. } | Self::Note { text } => text.len(),
                Self::Filters { steps, .. } => steps.iter().map(FilterStep::weight).sum(),
                Self::Twiml {
                    content_type,
                    body,
                    parameters,
                    error,
                    ..
                } => {
                    let error = error.as_ref().map_or(0, String::len);
                    content_type.len() + body.len() + pairs_weight(parameters) + error
                }
                Self::Webhook {
                    method,
                    url,
                    parameters,
                    kind,
                    ..
                } => method.len() + url.len() + kind.len() + pairs_weight(parameters),
            }
    }
}

impl FilterStep {
    fn weight(&self) -> usize {
        let changes: usize = self.changes.iter().map(Change::weight).sum();
        size_of::<Self>() + self.verdict.as_ref().map_or(0, String::len) + changes
    }
}

impl Change {
    fn weight(&self) -> usize {
        let value = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, Vec::len);
        size_of::<Self>() + self.header.len() + value(&self.before) + value(&self.after)
    }
}

fn pairs_weight(pairs: &[(String, String)]) -> usize {
    let text = |text: &String| size_of::<String>() + text.len();
    pairs
        .iter()
        .map(|(name, value)| text(name) + text(value))
        .sum()
}

/// How many bytes of text an event may still take.
struct Budget {
    left: usize,
    cut: usize,
}

impl Budget {
    fn text(&mut self, text: String) -> String {
        let mut text = redact::passwords(text);
        let kept = text.floor_char_boundary(self.left);
        self.spend(kept, text.len());
        text.truncate(kept);
        text.shrink_to_fit();
        text
    }

    fn bytes(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let mut bytes = redact::password_bytes(bytes);
        let kept = bytes.len().min(self.left);
        self.spend(kept, bytes.len());
        bytes.truncate(kept);
        bytes.shrink_to_fit();
        bytes
    }

    fn message(&mut self, message: &[u8]) -> Bytes {
        self.cut_to_fit(redact::message(message))
    }

    fn document(&mut self, body: &[u8]) -> Bytes {
        self.cut_to_fit(redact::document(body))
    }

    /// Cuts after redaction, which must see whole secrets.
    fn cut_to_fit(&mut self, whole: Bytes) -> Bytes {
        let kept = whole.len().min(self.left);
        self.spend(kept, whole.len());
        if kept == whole.len() {
            whole
        } else {
            Bytes::copy_from_slice(&whole[..kept])
        }
    }

    fn pairs(&mut self, pairs: Vec<(String, String)>) -> Vec<(String, String)> {
        self.list(pairs, |budget, (name, value)| {
            (budget.text(name), budget.text(value))
        })
    }

    fn step(&mut self, step: FilterStep) -> FilterStep {
        FilterStep {
            name: step.name,
            changes: self.list(step.changes, Self::change),
            nanos: step.nanos,
            verdict: step
                .verdict
                .filter(|verdict| !NO_VERDICT.contains(&verdict.as_str()))
                .map(|verdict| self.text(verdict)),
        }
    }

    fn change(&mut self, change: Change) -> Change {
        let secret = wire::is_secret_header(change.header.as_bytes());
        let mut value = |value: Vec<u8>| {
            self.bytes(if secret {
                redact::credentials(&value)
            } else {
                value
            })
        };
        let (before, after) = (change.before.map(&mut value), change.after.map(&mut value));
        Change {
            kind: change.kind,
            header: self.text(change.header),
            before,
            after,
        }
    }

    /// Keeps items while there is budget: an item costs something even if it is empty.
    fn list<T>(&mut self, items: Vec<T>, mut keep: impl FnMut(&mut Self, T) -> T) -> Vec<T> {
        let mut kept = Vec::with_capacity(items.len().min(self.left / ITEM_COST + 1));
        for item in items {
            if self.left < ITEM_COST {
                self.cut += ITEM_COST;
                continue;
            }
            self.left -= ITEM_COST;
            kept.push(keep(self, item));
        }
        kept.shrink_to_fit();
        kept
    }

    fn spend(&mut self, kept: usize, wanted: usize) {
        debug_assert!(kept <= self.left && kept <= wanted);
        self.left -= kept;
        self.cut += wanted - kept;
    }
}

/// What an item of a list costs beside its text: bounds lists of empty strings.
const ITEM_COST: usize = 16;
/// Decisions of filters that are none: the message goes on.
const NO_VERDICT: [&str; 3] = ["continue", "forward", "send"];
