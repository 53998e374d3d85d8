//! What a request says.

use super::*;

#[tokio::test]
async fn acceptance_2_post_has_all_parameters_under_their_exact_names() {
    let server = Server::start(|_| ok("text/xml", TWIML)).await;
    let url = server.url("/twiml.php?customParameter=xxxxxxxxx&customValue=true");
    let mut request = request(&url, Method::Post);
    request.params = vec![
        ("Digits".to_owned(), "1#".to_owned()),
        ("CallSid".to_owned(), "evil".to_owned()),
    ];
    let reply = client().fetch(&request, &call()).await.unwrap();
    assert_eq!((reply.status, reply.body.as_ref()), (200, TWIML.as_bytes()));
    assert_eq!(reply.content_type.as_deref(), Some("text/xml"));
    assert_eq!(reply.url.as_str(), url);
    assert_eq!(reply.exchange.requests, 1);

    let [seen] = server.seen().try_into().unwrap();
    assert_eq!(
        seen.line,
        "POST /twiml.php?customParameter=xxxxxxxxx&customValue=true HTTP/1.1"
    );
    let expected = [
        ("CallSid", "CAabababababababababababababababab"),
        ("AccountSid", &call().account_sid.to_string()),
        ("From", "sip:alice@caller.example"),
        ("To", "sip:service@demo.example"),
        ("Caller", "sip:alice@caller.example"),
        ("Called", "sip:service@demo.example"),
        ("CallStatus", "ringing"),
        ("ApiVersion", "2010-04-01"),
        ("Direction", "inbound"),
        ("SipDomain", "demo.example"),
        ("SipDomainSid", &call().sip.domain_sid.unwrap().to_string()),
        ("SipUsername", "alice"),
        ("SipCallId", "a84b4c76e66710@pc33.example"),
        ("SipSourceIp", "203.0.113.9"),
        ("SipHeader_X-Route-Id", "42"),
        ("SipHeader_User-to-User", "04c8;encoding=hex"),
        ("SipHeader_X-Test", "a=1;b=2 & c"),
        ("Digits", "1#"),
    ];
    let expected: Vec<_> = expected
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    assert_eq!(form(&seen), expected);
    assert_eq!(reply.exchange.params, expected);
    assert_eq!(
        seen.header("content-type"),
        "application/x-www-form-urlencoded; charset=UTF-8"
    );
    assert!(seen.header("user-agent").starts_with("Hookswitch/0."));
    assert_eq!(seen.header("accept"), "*/*");
    assert_eq!(seen.header("accept-encoding"), "gzip");
    assert_eq!(seen.header("i-twilio-idempotency-token").len(), 36);
    assert_eq!(
        seen.header("x-twilio-signature"),
        sign(&Secret::new("12345"), &url, &form(&seen))
    );
    assert!(
        seen.body.contains("SipHeader_X-Test=a%3D1%3Bb%3D2+%26+c"),
        "{}",
        seen.body
    );
}

#[tokio::test]
async fn get_keeps_the_query_and_signs_the_whole_url() {
    let server = Server::start(|_| ok("text/xml", TWIML)).await;
    let url = server.url("/twiml.php?customParameter=a%20b&customValue=true");
    let reply = get(&url).await.unwrap();
    assert_eq!(reply.url.as_str(), url);
    let [seen] = server.seen().try_into().unwrap();
    let target = seen.target();
    assert!(
        target.starts_with("/twiml.php?customParameter=a%20b&customValue=true&CallSid=CAab"),
        "{target}"
    );
    assert!(
        target.contains("&From=sip%3Aalice%40caller.example&"),
        "{target}"
    );
    assert!(target.contains("&SipHeader_X-Route-Id=42&"), "{target}");
    assert_eq!(
        seen.header("x-twilio-signature"),
        sign(&Secret::new("12345"), &server.url(target), &[])
    );
    assert_eq!((seen.body.as_str(), seen.header("content-type")), ("", ""));
}

#[tokio::test]
async fn acceptance_3_and_4_only_x_headers_and_user_to_user_are_passed() {
    let server = Server::start(|_| ok("text/xml", TWIML)).await;
    let mut call = call();
    call.sip.headers = vec![
        header("X-A", "1"),
        header("x-a", " 2 "),
        header("x-inin-cnv", "lower"),
        header("X-A", "3,4"),
        header("P-Asserted-Identity", "<sip:a@b>"),
        header("X-Hookswitch-Trunk", "internal"),
        header("x-hookswitch-source", "10.0.0.1:5060"),
        header("X-Forwarded-For", "1\r\n folded"),
        ("X-B".to_owned(), b"\xff\xfe&CallSid=evil\x00\x07".to_vec()),
        header("USER-TO-USER", "00"),
        header("X-", "none"),
        header("X-\u{e4}", "none"),
    ];
    client()
        .fetch(&request(&server.url("/"), Method::Post), &call)
        .await
        .unwrap();
    let [seen] = server.seen().try_into().unwrap();
    let passed: Vec<_> = form(&seen)
        .into_iter()
        .filter(|(name, _)| name.starts_with("SipHeader_"))
        .collect();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        passed,
        [
            pair("SipHeader_X-A", "1, 2, 3,4"),
            pair("SipHeader_x-inin-cnv", "lower"),
            pair("SipHeader_X-Forwarded-For", "1 folded"),
            pair("SipHeader_X-B", "\u{fffd}\u{fffd}&CallSid=evil"),
            pair("SipHeader_USER-TO-USER", "00"),
        ]
    );
    assert_eq!(
        form(&seen)
            .iter()
            .filter(|(name, _)| name == "CallSid")
            .count(),
        1
    );
    assert_eq!(seen.header("x-forwarded-for"), "");
}

#[tokio::test]
async fn acceptance_12_fragment_and_userinfo_are_neither_sent_nor_signed() {
    let server = Server::start(|_| ok("text/xml", TWIML)).await;
    let url = server
        .url("/hook?a=b#rc=2&rp=5xx")
        .replace("http://", "http://user:geheim@");
    let reply = post(&url).await.unwrap();
    let [seen] = server.seen().try_into().unwrap();
    assert_eq!(seen.line, "POST /hook?a=b HTTP/1.1");
    assert_eq!(seen.header("authorization"), "");
    assert_eq!(
        seen.header("x-twilio-signature"),
        sign(
            &Secret::new("12345"),
            &server.url("/hook?a=b"),
            &form(&seen)
        )
    );
    assert_eq!(reply.exchange.url, server.url("/hook?a=b"));
    assert!(reply.warnings.is_empty());
    assert_eq!(
        reply.url.as_str(),
        url,
        "the base keeps credentials and overrides"
    );
}

#[tokio::test]
async fn status_callbacks_have_a_timestamp_and_their_failure_is_15003() {
    let server = Server::start(|seen| {
        if seen.target() == "/fine" {
            response("204 No Content", &[], "")
        } else {
            response("404 Not Found", &[], "")
        }
    })
    .await;
    let mut request = request(&server.url("/fine"), Method::Post);
    request.purpose = Purpose::StatusCallback;
    request.call_status = CallStatus::Completed;
    assert_eq!(client().status_callback(&request, &call()).await, None);
    let [seen] = server.seen().try_into().unwrap();
    let timestamp = form(&seen)
        .into_iter()
        .find(|(name, _)| name == "Timestamp")
        .unwrap()
        .1;
    assert!(
        timestamp.ends_with(" +0000") && timestamp.len() == 31,
        "{timestamp}"
    );
    assert!(form(&seen).contains(&("CallStatus".to_owned(), "completed".to_owned())));
    request.url = Url::parse(&server.url("/gone")).unwrap();
    assert_eq!(
        client()
            .status_callback(&request, &call())
            .await
            .unwrap()
            .code
            .number(),
        15003
    );
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?} {:?}", call(), client());
    assert!(!shown.contains("12345"), "{shown}");
}
