//! Documents: what is read, what is a warning, what is an error.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use executor::ErrorCode;
use executor::twiml::sip_uri::{SipUri, SipUriError};
use executor::twiml::{Document, Noun, Prompt, TwimlError, Verb};

use proptest::prelude::*;

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

#[test]
fn a_document_of_all_verbs_is_clean() {
    let (document, warnings) = parse(
        r##"<?xml version="1.0" encoding="UTF-8"?>
        <!-- a comment -->
        <Response>
          <Say voice="woman" language="en-GB" loop="2">Hello <emphasis>you</emphasis>, there</Say>
          <Play loop="0" digits="1w">http://x.test/a.mp3</Play>
          <Pause length="3"/>
          <Gather action="/g" method="GET" timeout="7" finishOnKey="*" numDigits="4"
                  actionOnEmptyResult="true" input="dtmf"><Say>a</Say><Pause/><Play>b</Play></Gather>
          <Record action="/r" timeout="0" finishOnKey="#" maxLength="30" playBeep="false"
                  trim="do-not-trim" transcribe="false"/>
          <Dial action="/d" timeout="10" timeLimit="100" hangupOnStar="true" callerId="client:bob"
                answerOnBridge="true" ringTone="de" sequential="true"><Number sendDigits="1">+1555</Number>
            <Sip username="u" password="p">sip:a@b.test</Sip><Client>carol</Client></Dial>
          <Refer action="/f"><Sip>sip:x@y.test</Sip></Refer>
          <Redirect method="GET">/next</Redirect>
          <Reject reason="busy"/>
          <Hangup/>
        </Response>"##,
    );
    assert_eq!(warnings, Vec::<String>::new());
    let names: Vec<_> = document.steps.iter().map(|step| step.verb.name()).collect();
    assert_eq!(
        names,
        [
            "Say", "Play", "Pause", "Gather", "Record", "Dial", "Refer", "Redirect", "Reject",
            "Hangup"
        ]
    );
    let Verb::Say(say) = &document.steps[0].verb else {
        panic!()
    };
    assert_eq!((say.text.as_str(), say.times), ("Hello you, there", 2));
    assert_eq!(
        say.ssml.as_deref(),
        Some("Hello <emphasis>you</emphasis>, there")
    );
    let Verb::Gather(gather) = &document.steps[3].verb else {
        panic!()
    };
    assert!(matches!(
        gather.prompts[..],
        [Prompt::Say(_), Prompt::Pause(_), Prompt::Play(_)]
    ));
    assert_eq!(
        (gather.finish_on_key, gather.digits_max),
        (Some('*'), Some(4))
    );
    let Verb::Dial(dial) = &document.steps[5].verb else {
        panic!()
    };
    assert!(matches!(
        dial.nouns[..],
        [Noun::Number(_), Noun::Sip(_), Noun::Client(_)]
    ));
    assert_eq!(document.steps[0].location.to_string(), "4:11");
}

#[test]
fn defaults_are_the_documented_ones() {
    let (document, _) = parse("<Response><Gather/><Record/><Dial>100</Dial><Pause/></Response>");
    let Verb::Gather(gather) = &document.steps[0].verb else {
        panic!()
    };
    assert_eq!(
        (
            gather.timeout.as_secs(),
            gather.finish_on_key,
            gather.digits_max
        ),
        (5, Some('#'), None)
    );
    let Verb::Record(record) = &document.steps[1].verb else {
        panic!()
    };
    assert_eq!(
        (record.timeout.as_secs(), record.length_max.as_secs()),
        (5, 3600)
    );
    assert_eq!(record.finish_on_key, "1234567890*#");
    assert!(record.play_beep && record.trim_silence);
    let Verb::Dial(dial) = &document.steps[2].verb else {
        panic!()
    };
    assert_eq!(
        (dial.timeout.as_secs(), dial.time_limit.as_secs()),
        (30, 14_400)
    );
    assert!(!dial.answer_on_bridge && dial.action.is_none());
    let Verb::Pause(pause) = &document.steps[3].verb else {
        panic!()
    };
    assert_eq!(pause.length.as_secs(), 1);
}

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
fn attributes_have_their_own_codes() {
    for (verb, code) in [
        (r#"<Say loop="-1">x</Say>"#, 13510),
        ("<Say> </Say>", 13520),
        (r#"<Play loop="x">a</Play>"#, 13410),
        (r#"<Play digits="z">a</Play>"#, 13430),
        ("<Play/>", 13420),
        (r#"<Pause length="0"/>"#, 13910),
        (r#"<Pause length="one"/>"#, 13910),
        (r#"<Gather finishOnKey="12"/>"#, 13310),
        (r#"<Gather method="PUT"/>"#, 13312),
        (r#"<Gather timeout="-1"/>"#, 13313),
        (r#"<Gather numDigits="0"/>"#, 13314),
        ("<Gather><Dial/></Gather>", 13320),
        (r#"<Record method="x"/>"#, 13610),
        (r#"<Record timeout="x"/>"#, 13611),
        (r#"<Record maxLength="1"/>"#, 13612),
        (r#"<Record finishOnKey="x"/>"#, 13613),
        (r#"<Record playBeep="x"/>"#, 13616),
        (r#"<Record trim="x"/>"#, 13617),
        (r#"<Dial method="x">100</Dial>"#, 13210),
        (r#"<Dial timeout="4">100</Dial>"#, 13212),
        (r#"<Dial hangupOnStar="x">100</Dial>"#, 13213),
        (r#"<Dial callerId="a b">100</Dial>"#, 13214),
        ("<Dial><Say>x</Say></Dial>", 13215),
        (r#"<Dial timeLimit="0">100</Dial>"#, 13216),
        (r#"<Dial record="x">100</Dial>"#, 13217),
        (r#"<Dial sequential="x">100</Dial>"#, 13218),
        (r#"<Dial answerOnBridge="x">100</Dial>"#, 13219),
        (r#"<Dial ringTone="x">100</Dial>"#, 13220),
        (r#"<Dial><Number method="x">100</Number></Dial>"#, 13221),
        (r#"<Dial><Number sendDigits="x">100</Number></Dial>"#, 13222),
        ("<Dial>not a number</Dial>", 13224),
        (r#"<Dial><Sip method="x">a@b.test</Sip></Dial>"#, 13241),
        ("<Dial><Sip>http://b.test</Sip></Dial>", 13243),
        ("<Refer><Sip>a b</Sip></Refer>", 13243),
        (r#"<Redirect method="x"/>"#, 13710),
        (r#"<Reject reason="x"/>"#, 13810),
        ("<Connect/>", 90110),
        ("<Dial><Queue>q</Queue></Dial>", 90110),
    ] {
        assert_eq!(codes(&in_response(verb)).first(), Some(&code), "{verb}");
    }
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
fn acceptance_26_client_parameters() {
    let dial = |parameters: &str| {
        in_response(&format!(
            "<Dial><Client><Identity>alice</Identity>{parameters}</Client></Dial>"
        ))
    };
    let parameter = |name: usize, value: usize| {
        format!(
            "<Parameter name=\"{}\" value=\"{}\"/>",
            "n".repeat(name),
            "v".repeat(value)
        )
    };
    let fine = dial(&parameter(32, 128).repeat(8));
    assert_eq!(codes(&fine), []);
    assert_eq!(codes(&dial(&parameter(33, 1))), [90101]);
    assert_eq!(codes(&dial(&parameter(1, 129))), [90102]);
    assert_eq!(codes(&dial(&parameter(1, 1).repeat(9))), [90103]);
    assert_eq!(codes(&in_response("<Dial><Client/></Dial>")), [90104]);
    let long = in_response(&format!(
        "<Dial><Client>{}</Client></Dial>",
        "i".repeat(257)
    ));
    assert_eq!(codes(&long), [90104]);
    // Bytes count, not characters.
    assert_eq!(
        codes(&dial("<Parameter name=\"ääääääääääääääääx\" value=\"\"/>")),
        [90101]
    );
    for body in [
        dial(&parameter(33, 1)),
        dial(&parameter(1, 1).repeat(9)),
        long,
    ] {
        let Verb::Dial(dial) = &parse(&body).0.steps[0].verb else {
            panic!()
        };
        assert_eq!(dial.nouns, []);
    }
}

#[test]
fn the_eight_parameters_are_shared_by_the_clients_of_a_dial() {
    let client = |count: usize| {
        format!(
            "<Client><Identity>a</Identity>{}</Client>",
            "<Parameter name=\"n\" value=\"v\"/>".repeat(count)
        )
    };
    let body = in_response(&format!("<Dial>{}{}</Dial>", client(5), client(4)));
    assert_eq!(codes(&body), [90103]);
}

#[test]
fn the_first_seed_is_read_as_it_is_written() {
    let (document, warnings) = parse(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<Response>
  <Dial>
    <Client>
      <Identity>alice</Identity>
      <Param name="foo" value="bar"/>
      <Param name="baz" value="123"/>
    </Client>
  </Dial>
</Response>"#,
    );
    let Verb::Dial(dial) = &document.steps[0].verb else {
        panic!()
    };
    let Noun::Client(client) = &dial.nouns[0] else {
        panic!()
    };
    assert_eq!(client.identity, "alice");
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(client.parameters, [pair("foo", "bar"), pair("baz", "123")]);
    assert_eq!(
        warnings,
        [
            "12200 <Param> is read as <Parameter> (6:7)",
            "12200 <Param> is read as <Parameter> (7:7)",
        ]
    );
}

#[test]
fn at_most_ten_nouns_are_called() {
    let body = in_response(&format!(
        "<Dial>{}</Dial>",
        "<Number>100</Number>".repeat(11)
    ));
    assert_eq!(codes(&body), [13250]);
    let Verb::Dial(dial) = &parse(&body).0.steps[0].verb else {
        panic!()
    };
    assert_eq!(dial.nouns.len(), 10);
}

#[test]
fn only_the_first_sip_of_refer_counts() {
    let body = in_response("<Refer><Sip>sip:a@b.test</Sip><Sip>sip:c@d.test</Sip></Refer>");
    assert_eq!(codes(&body), [12200]);
    let Verb::Refer(refer) = &parse(&body).0.steps[0].verb else {
        panic!()
    };
    assert_eq!(refer.refer_to, "sip:a@b.test");
}

#[test]
fn refer_keeps_what_is_encoded() {
    let body = in_response(
        "<Refer><Sip>\n sip:a@b.test?X-a=b%3Bc&amp;Diversion=%3Csip:x%3E\n</Sip></Refer>",
    );
    let Verb::Refer(refer) = &parse(&body).0.steps[0].verb else {
        panic!()
    };
    assert_eq!(
        refer.refer_to,
        "sip:a@b.test?X-a=b%3Bc&Diversion=%3Csip:x%3E"
    );
}

#[test]
fn acceptance_21_sip_uri_headers_are_decoded_once() {
    let uri = SipUri::parse(" sip:bob@example.com?X-A=a%3D1%3Bb%2C%3Cc%3E&x-b=1+2%2520&User-To-User=04%3Bencoding%3Dhex&Remote-Party-ID=%3Csip:x%40y%3E&X-A=again ").unwrap();
    let headers: Vec<_> = uri
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    assert_eq!(
        headers,
        [
            "X-A: a=1;b,<c>",
            "x-b: 1+2%20",
            "User-To-User: 04;encoding=hex",
            "Remote-Party-ID: <sip:x@y>",
            "X-A: again",
        ]
    );
    assert_eq!(uri.refused, []);
}

#[test]
fn acceptance_22_other_headers_are_refused() {
    for (pair, code) in [
        ("Diversion=x", 13252),
        ("P-Asserted-Identity=x", 13252),
        ("From=x", 13252),
        ("Route=x", 13252),
        ("body=x", 13252),
        ("x-foo%3Dbar", 13252),
        ("x-foo", 13252),
        ("X-=x", 13252),
        ("X-a%20b=x", 13252),
        ("X-a%0d%0aVia=x", 13252),
        ("x-hookswitch-trunk=a", 13252),
        ("X-Hookswitch-Call-Sid=a", 13252),
        ("X-%48ookswitch-Call-Sid=a", 13252),
        ("X-a=b%0d%0aEvil:1", 13253),
        ("X-a=%00", 13253),
        ("X-a=%7f", 13253),
        ("X-a=%zz", 13253),
        ("X-a=%ff", 13253),
        ("X-a=%4", 13253),
    ] {
        let uri = SipUri::parse(&format!("sip:a@b.test?{pair}&X-ok=1")).unwrap();
        assert_eq!(uri.headers, [("X-ok".to_owned(), "1".to_owned())], "{pair}");
        assert_eq!(uri.refused.len(), 1, "{pair}");
        assert_eq!(uri.refused[0].code.number(), code, "{pair}");
    }
}

#[test]
fn acceptance_23_the_header_part_ends_before_1024() {
    let uri = |bytes: usize| format!("sip:a@b.test?X-a={}", "x".repeat(bytes - 4));
    assert!(SipUri::parse(&uri(1023)).is_ok());
    assert_eq!(SipUri::parse(&uri(1024)), Err(SipUriError::HeadersLong));
    assert_eq!(SipUriError::HeadersLong.code().number(), 21227);
    let address = |bytes: usize| format!("sip:{}@b.test", "a".repeat(bytes - 11));
    assert!(SipUri::parse(&address(254)).is_ok());
    assert_eq!(SipUri::parse(&address(255)), Err(SipUriError::AddressLong));
}

#[test]
fn addresses_are_cleaned_or_refused() {
    for (text, address) in [
        ("kate@example.com", "sip:kate@example.com"),
        (
            "\n SIP:kate@example.com:5080 \n",
            "sip:kate@example.com:5080",
        ),
        (
            "sips:kate@example.com;transport=udp",
            "sip:kate@example.com;transport=tls",
        ),
        (
            "sip:a@b.test;transport=TCP;region=ie1;edge=dublin;user=phone",
            "sip:a@b.test;transport=tcp;user=phone",
        ),
        ("sip:a@b.test;maddr=10.0.0.1;lr;ttl=1", "sip:a@b.test"),
        (
            "sip:+1%20555@[2001:db8::1]:5060",
            "sip:+1%20555@[2001:db8::1]:5060",
        ),
        ("sip:u:p@b.test", "sip:u:p@b.test"),
        ("b.test", "sip:b.test"),
    ] {
        assert_eq!(
            SipUri::parse(text).map(|uri| uri.address),
            Ok(address.to_owned()),
            "{text}"
        );
    }
    for text in [
        "",
        "sip:",
        "sip:@b.test",
        "sip:a@",
        "sip:a@b c",
        "sip:a@b:0",
        "sip:a@b:99999",
        "sip:a@[::1",
        "sip:a@b..c",
        "tel:+1555",
        "http://b.test/",
        "sip:a%0d@b.test",
        "sip:a@b.test;transport=ws",
        "sip:a@b\r\nVia: x",
        "sip:a\"@b",
        "sip:ä@b.test",
        "sip:a@b.test:",
        "sip:a@b.test;x=%0a",
        "sip:a@[::1]x",
    ] {
        assert!(SipUri::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn warnings_are_bounded() {
    assert_eq!(codes(&in_response(&"<x/>".repeat(500))).len(), 100);
}

#[test]
fn a_password_is_not_shown() {
    let body = in_response("<Dial><Sip username='u' password='geheim'>sip:a@b.test</Sip></Dial>");
    assert!(!format!("{:?}", parse(&body).0).contains("geheim"));
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
