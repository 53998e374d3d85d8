//! The nouns of `<Dial>` and `<Refer>`.

use executor::twiml::{Noun, Verb};

use crate::{codes, in_response, parse};

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
    assert_eq!(codes(&fine), [0; 0]);
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
fn a_password_is_not_shown() {
    let body = in_response("<Dial><Sip username='u' password='geheim'>sip:a@b.test</Sip></Dial>");
    assert!(!format!("{:?}", parse(&body).0).contains("geheim"));
}
