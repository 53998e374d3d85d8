//! What is a document, and what is none.

use executor::ErrorCode;
use executor::twiml::sip_uri::SipUri;
use executor::twiml::{Document, Verb};
use proptest::prelude::*;

use crate::{codes, error, in_response, parse};

#[test]
fn acceptance_14_unknown_things_are_warnings_with_a_place() {
    let (document, warnings) = parse(
        "<Response>\n <say>x</say>\n <Say Voice='a'>y</Say>\n <Say><b>z</b></Say>text</Response>",
    );
    assert_eq!(document.steps.len(), 2);
    assert_eq!(
        warnings,
        [
            "12200 <say> is not allowed in <Response> (2:2)",
            "12200 attribute Voice is not allowed in <Say> (3:2)",
            "12200 <b> is not allowed in <Say> (4:7)",
            "12200 text outside of a verb (4:21)",
        ]
    );
}

#[test]
fn acceptance_15_what_is_no_document() {
    for (body, code) in [
        ("<Response>", 12100),
        ("<Response><Say>a & b</Say></Response>", 12100),
        (" <?xml version=\"1.0\"?><Response/>", 12100),
        ("\u{feff}<Response/>", 12100),
        ("plain", 12100),
        (
            "<!DOCTYPE r [<!ENTITY a \"b\">]><Response>&a;</Response>",
            12100,
        ),
        (
            "<!DOCTYPE r SYSTEM \"http://127.0.0.2:9999/x\"><Response/>",
            12100,
        ),
        ("<Resp/>", 12102),
        ("<response/>", 12102),
        (" \n ", 11770),
        ("", 11770),
    ] {
        assert_eq!(error(body).code.number(), code, "{body}");
    }
    assert_eq!(
        error(b"<Response><Say>\xe9</Say></Response>").code,
        ErrorCode::XML_PARSE
    );
    assert_eq!(
        error("<Response>\n<Say></Response>").location.unwrap().line,
        2
    );
}

#[test]
fn acceptance_28_limits_of_size_depth_and_nodes() {
    let nested = |depth: usize| {
        format!(
            "{}{}",
            "<Response>".repeat(depth),
            "</Response>".repeat(depth)
        )
    };
    assert!(Document::parse(nested(16).as_bytes(), Some("text/xml")).is_ok());
    assert_eq!(error(nested(17)).code, ErrorCode::XML_PARSE);
    assert_eq!(error(nested(3000)).code, ErrorCode::XML_PARSE);
    assert_eq!(
        error(in_response(&"<Hangup/>".repeat(1001))).code,
        ErrorCode::XML_PARSE
    );
    let padded = |bytes: usize| {
        let empty = in_response("<!---->").len();
        in_response(&format!("<!--{}-->", "x".repeat(bytes - empty)))
    };
    assert!(Document::parse(padded(65_536).as_bytes(), Some("text/xml")).is_ok());
    assert_eq!(error(padded(65_537)).code, ErrorCode::BODY_TOO_LARGE);
}

#[test]
fn acceptance_27_content_types() {
    let parse = |content_type, body: &str| Document::parse(body.as_bytes(), content_type);
    for content_type in ["text/xml", "APPLICATION/XML", "text/html; charset=utf-8"] {
        assert_eq!(
            parse(Some(content_type), "<Response/>")
                .unwrap()
                .0
                .steps
                .len(),
            0
        );
    }
    for content_type in [None, Some("application/json"), Some("")] {
        assert_eq!(
            parse(content_type, "<Response/>").unwrap_err().code,
            ErrorCode::CONTENT_TYPE
        );
    }
    let (document, _) = parse(Some("audio/mpeg"), "").unwrap();
    assert!(matches!(document.steps[0].verb, Verb::Play(_)));
    let (document, _) = parse(Some("text/plain"), "Tom & Jerry <3").unwrap();
    assert!(matches!(&document.steps[0].verb, Verb::Say(say) if say.text == "Tom & Jerry <3"));
}

#[test]
fn warnings_are_bounded() {
    assert_eq!(codes(&in_response(&"<x/>".repeat(500))).len(), 100);
}

proptest! {
    #[test]
    fn no_bytes_make_the_parser_panic(body: Vec<u8>, text in "<Response>(<[A-Z][a-z]{2,6} ?[a-zA-Z]{0,6}=?'?[^<&]{0,9}'?/?>|</[A-Z][a-z]+>|.){0,12}</Response>") {
        for body in [body.as_slice(), text.as_bytes()] {
            for content_type in ["text/xml", "text/plain"] {
                drop(Document::parse(body, Some(content_type)));
            }
        }
    }

    #[test]
    fn what_a_sip_uri_gives_fits_into_one_line(text: String, pairs in "(&?[xX]-[a-zA-Z%0-9]{0,6}=[ -~%0-9a-f\r\n]{0,12}){0,5}") {
        for text in [text.clone(), format!("sip:a@b.test?{pairs}"), format!("sip:{text}@b.test")] {
            let Ok(uri) = SipUri::parse(&text) else { continue };
            let names = uri.headers.iter().map(|(name, _)| name);
            let values = uri.headers.iter().map(|(_, value)| value);
            for part in names.chain(values).chain([&uri.address]) {
                prop_assert!(!part.chars().any(char::is_control), "{part:?} of {text:?}");
            }
        }
    }
}
