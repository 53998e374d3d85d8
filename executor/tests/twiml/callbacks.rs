//! Callbacks whose URL is blank: nobody is told. An `action` that is blank is the current document.

use crate::{in_response, parse};

/// Every element that has a callback, with its attributes in place of `@`.
const CALLBACKS: [(&str, &str); 12] = [
    ("statusCallback", "<Dial><Number @>100</Number></Dial>"),
    ("statusCallback", "<Dial><Sip @>sip:b.test</Sip></Dial>"),
    ("statusCallback", "<Dial><Client @>bob</Client></Dial>"),
    (
        "amdStatusCallback",
        "<Dial><Number machineDetection='Enable' @>100</Number></Dial>",
    ),
    (
        "statusCallback",
        "<Dial><Conference @>room</Conference></Dial>",
    ),
    (
        "recordingStatusCallback",
        "<Dial><Conference record='record-from-start' @>room</Conference></Dial>",
    ),
    (
        "eventCallbackUrl",
        "<Dial><Conference record='record-from-start' @>room</Conference></Dial>",
    ),
    (
        "recordingStatusCallback",
        "<Dial record='record-from-answer' @>100</Dial>",
    ),
    ("recordingStatusCallback", "<Record @/>"),
    (
        "statusCallback",
        "<Start><Stream url='wss://s.test/' @/></Start>",
    ),
    ("statusCallback", "<Start><Siprec @/></Start>"),
    ("partialResultCallback", "<Gather input='speech' @/>"),
];

/// What a document means, with its warnings.
fn meaning(verb: &str, attributes: &str) -> String {
    format!("{:?}", parse(&in_response(&verb.replace('@', attributes))))
}

/// As `verb`, for URLs in one attribute.
fn with_url(verb: &str, attribute: &str, url: &str) -> String {
    meaning(verb, &format!("{attribute}='{url}'"))
}

/// Verbs that go on with a document, whose blank URL is the current one.
const ACTIONS: [&str; 4] = [
    "<Dial @>100</Dial>",
    "<Refer @><Sip>sip:b.test</Sip></Refer>",
    "<Enqueue @>q</Enqueue>",
    "<Connect @><Stream url='wss://s.test/'/></Connect>",
];

#[test]
fn a_blank_callback_is_none() {
    for (attribute, verb) in CALLBACKS {
        let absent = meaning(verb, "");
        for blank in ["", " ", "\n\t "] {
            assert_eq!(with_url(verb, attribute, blank), absent, "{verb}");
        }
        assert_ne!(with_url(verb, attribute, "/told"), absent, "{verb}");
    }
}

#[test]
fn a_blank_action_is_the_current_document() {
    for verb in ACTIONS {
        let blank = with_url(verb, "action", "");
        assert_ne!(blank, meaning(verb, ""), "{verb}");
        assert_eq!(blank, with_url(verb, "action", " "), "{verb}");
    }
}
