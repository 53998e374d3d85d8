//! Documents: what is read, what is a warning, what is an error.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "twiml/attributes.rs"]
mod attributes;
#[path = "twiml/callbacks.rs"]
mod callbacks;
#[path = "twiml/documents.rs"]
mod documents;
#[path = "twiml/nouns.rs"]
mod nouns;
#[path = "twiml/uris.rs"]
mod uris;

use executor::twiml::{Document, TwimlError};

fn parse(body: &str) -> (Document, Vec<String>) {
    let (document, warnings) = Document::parse(body.as_bytes(), Some("text/xml")).expect(body);
    (document, warnings.iter().map(ToString::to_string).collect())
}

fn error(body: impl AsRef<[u8]>) -> TwimlError {
    Document::parse(body.as_ref(), Some("application/xml; charset=utf-8")).unwrap_err()
}

fn codes(body: &str) -> Vec<u32> {
    let (_, warnings) = Document::parse(body.as_bytes(), Some("text/xml")).expect(body);
    warnings
        .iter()
        .map(|warning| warning.code.number())
        .collect()
}

fn in_response(body: &str) -> String {
    format!("<Response>{body}</Response>")
}
