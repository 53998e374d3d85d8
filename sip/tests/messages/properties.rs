//! What holds for every message and every edit, on random ones.

use bytes::Bytes;
use proptest::prelude::*;
use sip::frame::{Frame, Framer};
use sip::{
    CSeq, EditError, HeaderName, Headers, Limits, Line, Message, NameAddr, Params, Reply, Request,
    Slices, Uri, Via,
};

use crate::corpus;
use crate::support::{Stream, parse, request};

/// Header names that edits and messages draw from: known, compact, unknown, and odd.
const NAMES: [&str; 14] = [
    "Via",
    "v",
    "Route",
    "Record-Route",
    "From",
    "Max-Forwards",
    "Contact",
    "m",
    "Supported",
    "X-A",
    "x-a",
    "X-B",
    "X-Long-Name-Of-Some-Vendor",
    "!odd.name~",
];

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&NAMES[..])
}

/// Content-Length as well, which edits may write only as it is.
fn edited_name() -> impl Strategy<Value = &'static str> {
    prop_oneof![15 => name(), 1 => Just("Content-Length"), 1 => Just("l")]
}

/// A value as we may write it.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "[ -~]{0,40}",
        1 => "[a-z<>\",\\\\;= ]{0,30}",
        1 => "\\PC{0,12}",
    ]
}

/// Numbers as well, some of which are true lengths.
fn edited_value() -> impl Strategy<Value = String> {
    prop_oneof![9 => value(), 1 => "[0-9]{1,2}"]
}

/// A value as it may come: with folds as well.
fn received_value() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => value(),
        1 => ("[ -~]{0,12}", "[ -~]{0,12}").prop_map(|(a, b)| format!("{a}\r\n {b}")),
        1 => ("[ -~]{1,12}", "[ -~]{1,12}").prop_map(|(a, b)| format!("{a},\r\n\t{b}")),
    ]
}

/// A request that is valid as far as `parse` goes.
fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let colon = prop::sample::select(vec![":", ": ", " : ", "\t:", ":  "]);
    let rows = prop::collection::vec((name(), colon, received_value()), 0..50);
    let body = prop::collection::vec(any::<u8>(), 0..80);
    let method = prop::sample::select(vec!["INVITE", "OPTIONS", "FOO-1"]);
    (method, rows, body, any::<bool>()).prop_map(|(method, rows, body, declared)| {
        let mut text = format!("{method} sip:a@b;p=1 SIP/2.0\r\n");
        for (name, colon, value) in rows {
            text += &format!("{name}{colon}{value}\r\n");
        }
        if declared {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        text += "\r\n";
        [text.into_bytes(), body].concat()
    })
}

/// One of the corpus with some bytes changed, lost, doubled or moved.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let large = corpus::invite_identity();
    let mut samples: Vec<Vec<u8>> = corpus::SAMPLES
        .iter()
        .map(|sample| sample.bytes.to_vec())
        .collect();
    samples.push(large);
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0u8..6);
    (
        prop::sample::select(samples),
        prop::collection::vec(change, 0..8),
    )
        .prop_map(|(mut bytes, changes)| {
            for (index, byte, kind) in changes {
                if bytes.is_empty() {
                    break;
                }
                let at = index.index(bytes.len());
                match kind {
                    0 => bytes[at] = byte,
                    1 => bytes.insert(at, byte),
                    2 => drop(bytes.remove(at)),
                    3 => bytes.truncate(at),
                    4 => bytes.insert(at, b"\r\n:;,<>\"\\ \0"[usize::from(byte) % 11]),
                    _ => {
                        let tail = bytes.split_off(at);
                        bytes.extend_from_slice(&tail[tail.len() / 2..]);
                        bytes.extend_from_slice(&tail);
                    }
                }
            }
            bytes
        })
}

/// Looks at everything that a filter could look at.
fn look(message: &Message) {
    let limits = Limits::default();
    if let Message::Request(request) = message {
        let _ = sip::check_request(request, &limits);
        if let Ok(uri) = request.uri() {
            assert!(uri.equivalent(&uri));
            look_at_uri(&uri);
        }
        let _ = sip::ServerKey::of(request);
        let reply = Reply::new(request, 200, "OK")
            .record_route()
            .to_tag(b"t")
            .build();
        parse(&reply.to_bytes()).expect("an answer is a message");
    }
    if let Message::Response(response) = message {
        let _ = sip::check_response(response, &limits);
    }
    for header in message.headers().iter() {
        let _ = header.unfolded();
        let _ = CSeq::parse(header.value);
        for element in sip::elements(header.value) {
            look_at_element(element);
        }
        look_at_element(header.value);
    }
    let _ = message.headers().body_bytes();
}

fn look_at_element(element: &[u8]) {
    if let Ok(via) = Via::parse(element) {
        let _ = (via.branch(), via.received(), via.rport());
    }
    if let Ok(value) = NameAddr::parse(element) {
        let _ = value.tag();
        if let Ok(uri) = value.uri() {
            look_at_uri(&uri);
        }
    }
    if let Ok(uri) = Uri::parse(element) {
        look_at_uri(&uri);
    }
    let _ = Params::new(Some(element)).iter().count();
    let _ = sip::percent_decode(element);
}

fn look_at_uri(uri: &Uri<'_>) {
    let _ = (uri.ip(), uri.user_decoded(), uri.without_headers());
    let _ = uri.header_pairs().count();
    let _ = uri.params.get(b"lr");
}

fn framed(bytes: &[u8], cuts: &[usize]) -> Stream {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    Stream::read(cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]))
}

/// The index as pairs, and as the naive model has it.
fn pairs(headers: &Headers) -> Vec<(Vec<u8>, Vec<u8>)> {
    headers
        .iter()
        .map(|header| (header.name.to_vec(), header.value.to_vec()))
        .collect()
}

fn same_name(a: &[u8], b: &[u8]) -> bool {
    match (HeaderName::of(a), HeaderName::of(b)) {
        (HeaderName::Other, HeaderName::Other) => a.eq_ignore_ascii_case(b),
        (a, b) => a == b,
    }
}

#[derive(Clone, Debug)]
enum Edit {
    Append(&'static str, String),
    AppendLine(&'static str, String),
    Prepend(&'static str, String),
    InsertBefore(&'static str, &'static str, String),
    Insert(usize, &'static str, String),
    Set(&'static str, String),
    SetValueAt(usize, String),
    RenameAt(usize, &'static str),
    Remove(&'static str),
    RemoveAt(usize),
    RetainEven,
    PopFirst(&'static str),
    ReplaceFirst(&'static str, String),
    SetUri(String),
    SetBody(Vec<u8>),
}

fn edit() -> impl Strategy<Value = Edit> {
    let index = 0usize..60;
    prop_oneof![
        (edited_name(), edited_value()).prop_map(|(n, v)| Edit::Append(n, v)),
        (edited_name(), edited_value()).prop_map(|(n, v)| Edit::AppendLine(n, v)),
        (edited_name(), edited_value()).prop_map(|(n, v)| Edit::Prepend(n, v)),
        (edited_name(), edited_name(), edited_value())
            .prop_map(|(b, n, v)| Edit::InsertBefore(b, n, v)),
        (index.clone(), edited_name(), edited_value()).prop_map(|(i, n, v)| Edit::Insert(i, n, v)),
        (edited_name(), edited_value()).prop_map(|(n, v)| Edit::Set(n, v)),
        (index.clone(), edited_value()).prop_map(|(i, v)| Edit::SetValueAt(i, v)),
        (index.clone(), edited_name()).prop_map(|(i, n)| Edit::RenameAt(i, n)),
        edited_name().prop_map(Edit::Remove),
        index.prop_map(Edit::RemoveAt),
        Just(Edit::RetainEven),
        edited_name().prop_map(Edit::PopFirst),
        (edited_name(), edited_value()).prop_map(|(n, v)| Edit::ReplaceFirst(n, v)),
        "sip:[a-z]{1,10}@[a-z]{1,10}".prop_map(Edit::SetUri),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Edit::SetBody),
    ]
}

type Model = Vec<(Vec<u8>, Vec<u8>)>;

fn apply(request: &mut Request, edit: &Edit) -> Result<(), EditError> {
    let headers = &mut request.headers;
    match edit {
        Edit::Append(name, value) => headers.append(name.as_bytes(), value.as_bytes()),
        Edit::AppendLine(name, value) => {
            headers.append_line(&Line::new(name.as_bytes(), value.as_bytes())?)
        }
        Edit::Prepend(name, value) => headers.prepend(name.as_bytes(), value.as_bytes()),
        Edit::InsertBefore(before, name, value) => {
            let before = HeaderName::of(before.as_bytes());
            headers.insert_before(before, name.as_bytes(), value.as_bytes())
        }
        Edit::Insert(at, name, value) => headers.insert(*at, name.as_bytes(), value.as_bytes()),
        Edit::Set(name, value) => headers.set(name.as_bytes(), value.as_bytes()),
        Edit::SetValueAt(at, value) => headers.set_value_at(*at, value.as_bytes()),
        Edit::RenameAt(at, name) => headers.rename_at(*at, name.as_bytes()),
        Edit::Remove(name) => {
            headers.remove(name.as_bytes());
            Ok(())
        }
        Edit::RemoveAt(at) => {
            headers.remove_at(*at);
            Ok(())
        }
        Edit::RetainEven => {
            headers.retain(|header| header.value.len() % 2 == 0);
            Ok(())
        }
        Edit::PopFirst(name) => headers.pop_first(HeaderName::of(name.as_bytes())).map(drop),
        Edit::ReplaceFirst(name, value) => {
            headers.replace_first(HeaderName::of(name.as_bytes()), value.as_bytes())
        }
        Edit::SetUri(uri) => request.set_uri(uri.as_bytes()),
        Edit::SetBody(body) => headers.set_body(Bytes::copy_from_slice(body)),
    }
}

/// The same edit on a plain list.
fn apply_to_model(model: &mut Model, edit: &Edit) {
    let row = |name: &str, value: &str| (name.as_bytes().to_vec(), clean(value.as_bytes()));
    let find = |model: &Model, name: &str| {
        model
            .iter()
            .position(|(other, _)| same_name(other, name.as_bytes()))
    };
    // The edits that take an id find every unknown header alike.
    let find_id = |model: &Model, name: &str| {
        let id = HeaderName::of(name.as_bytes());
        model
            .iter()
            .position(|(other, _)| HeaderName::of(other) == id)
    };
    match edit {
        Edit::Append(name, value) | Edit::AppendLine(name, value) => model.push(row(name, value)),
        Edit::Prepend(name, value) => model.insert(0, row(name, value)),
        Edit::InsertBefore(before, name, value) => {
            let at = find_id(model, before).unwrap_or(model.len());
            model.insert(at, row(name, value));
        }
        Edit::Insert(at, name, value) => model.insert((*at).min(model.len()), row(name, value)),
        Edit::Set(name, value) => match find(model, name) {
            None => model.push(row(name, value)),
            Some(first) => {
                model[first] = row(name, value);
                let mut at = 0;
                model.retain(|(other, _)| {
                    at += 1;
                    at <= first + 1 || !same_name(other, name.as_bytes())
                });
            }
        },
        Edit::SetValueAt(at, value) => {
            if let Some(row) = model.get_mut(*at) {
                row.1 = clean(value.as_bytes());
            }
        }
        Edit::RenameAt(at, name) => {
            if let Some(row) = model.get_mut(*at) {
                *row = (name.as_bytes().to_vec(), sip::unfold(&row.1).into_owned());
            }
        }
        Edit::Remove(name) => model.retain(|(other, _)| !same_name(other, name.as_bytes())),
        Edit::RemoveAt(at) => {
            if *at < model.len() {
                model.remove(*at);
            }
        }
        Edit::RetainEven => model.retain(|(_, value)| value.len() % 2 == 0),
        Edit::PopFirst(name) => {
            while let Some(at) = find_id(model, name) {
                let elements = owned_elements(&model[at].1);
                if elements.len() < 2 {
                    model.remove(at);
                } else {
                    model[at].1 = b", ".join_all(&elements[1..]);
                }
                if !elements.is_empty() {
                    break;
                }
            }
        }
        Edit::ReplaceFirst(name, value) => match find_id(model, name) {
            None => {
                let long = HeaderName::of(name.as_bytes()).as_str();
                model.insert(0, row(long, value));
            }
            Some(at) => {
                let elements = owned_elements(&model[at].1);
                let mut all = vec![value.as_bytes().to_vec()];
                all.extend(elements.into_iter().skip(1));
                model[at].1 = b", ".join_all(&all);
            }
        },
        Edit::SetUri(_) => {}
        Edit::SetBody(body) => {
            let length = body.len().to_string();
            apply_to_model(model, &Edit::Set("Content-Length", length));
        }
    }
}

fn clean(value: &[u8]) -> Vec<u8> {
    sip::trim(value).to_vec()
}

fn owned_elements(value: &[u8]) -> Vec<Vec<u8>> {
    sip::elements(value).map(<[u8]>::to_vec).collect()
}

trait JoinAll {
    fn join_all(&self, parts: &[Vec<u8>]) -> Vec<u8>;
}

impl JoinAll for [u8; 2] {
    fn join_all(&self, parts: &[Vec<u8>]) -> Vec<u8> {
        clean(&parts.join(&self[..]))
    }
}

/// Two lists of headers; where elements were joined again, blanks and commas may differ.
fn assert_same(found: &Model, expected: &Model, rejoined: bool) {
    if !rejoined {
        assert_eq!(found, expected);
        return;
    }
    let bare = |model: &Model| -> Model {
        let keep = |byte: &u8| !byte.is_ascii_whitespace() && *byte != b',';
        let rows = model.iter();
        rows.map(|(name, value)| (name.clone(), value.iter().copied().filter(keep).collect()))
            .collect()
    };
    assert_eq!(bare(found), bare(expected));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn unedited_message_is_sent_as_it_came(bytes in any_request()) {
        let request = request(&bytes);
        prop_assert_eq!(&request.to_bytes()[..], &bytes[..]);
        let mut slices = Slices::new();
        request.gather(&mut slices);
        // Nothing was touched, so there is one piece.
        prop_assert_eq!(slices.len(), 1);
        prop_assert_eq!(request.wire_len(), bytes.len());
    }

    #[test]
    fn glance_sees_what_the_parser_sees(bytes in mutated()) {
        let glance = sip::opening_call_id(&bytes);
        if let (Some(call_id), Ok(Message::Request(request))) = (glance, parse(&bytes)) {
            prop_assert_eq!(request.method(), sip::Method::Invite);
            prop_assert_eq!(request.headers.first(HeaderName::CallId), Some(call_id));
            let to = request.headers.first(HeaderName::To).unwrap_or_default();
            prop_assert!(NameAddr::parse(to).map_or(true, |to| to.tag().is_none()));
        }
    }

    #[test]
    fn edit_changes_its_own_line_only(
        bytes in any_request(),
        at in any::<prop::sample::Index>(),
        value in "[!-~]{1,20}",
    ) {
        let mut request = request(&bytes);
        prop_assume!(!request.headers.is_empty());
        let at = at.index(request.headers.len());
        prop_assume!(request.headers.get(at).unwrap().id != HeaderName::ContentLength);
        let lines = |request: &Request| -> Vec<Vec<u8>> {
            (0..request.headers.len())
                .map(|index| request.headers.line(index).unwrap().to_vec())
                .collect()
        };
        let mut before = lines(&request);
        request.headers.set_value_at(at, value.as_bytes()).unwrap();
        let name = request.headers.get(at).unwrap().name;
        before[at] = [name, b": ", value.as_bytes(), b"\r\n"].concat();
        prop_assert_eq!(lines(&request), before.clone());
        let start = bytes.len() - memchr::memmem::find(&bytes, b"\r\n").unwrap() - 2;
        let head = &bytes[..bytes.len() - start];
        let body = request.headers.body().to_vec();
        let expected = [head, &before.concat(), b"\r\n", &body].concat();
        prop_assert_eq!(&request.to_bytes()[..], &expected[..]);
    }

    #[test]
    fn edits_are_those_of_a_plain_list(
        bytes in any_request(),
        edits in prop::collection::vec(edit(), 0..30),
    ) {
        let mut request = request(&bytes);
        let mut model = pairs(&request.headers);
        for edit in &edits {
            let before = pairs(&request.headers);
            match apply(&mut request, edit) {
                Ok(()) => apply_to_model(&mut model, edit),
                Err(_) => prop_assert_eq!(pairs(&request.headers), before),
            }
            let rejoined = matches!(edit, Edit::PopFirst(_) | Edit::ReplaceFirst(..));
            assert_same(&pairs(&request.headers), &model, rejoined);
            model = pairs(&request.headers);
        }
        // What was found is what is sent: the next element sees the same headers and body.
        let branch = request.clone();
        prop_assert_eq!(branch.to_bytes(), request.to_bytes());
        let sent = request.to_bytes();
        prop_assert_eq!(sent.len(), request.wire_len());
        let mut copied = Vec::new();
        request.write_to(&mut copied);
        prop_assert_eq!(&copied[..], &sent[..]);
        if let Ok(Message::Request(again)) = parse(&sent) {
            prop_assert_eq!(pairs(&again.headers), pairs(&request.headers));
            prop_assert_eq!(again.headers.body(), request.headers.body());
            prop_assert_eq!(again.uri_bytes(), request.uri_bytes());
            prop_assert_eq!(again.method_bytes(), request.method_bytes());
        } else {
            prop_assert!(false, "what is sent is a message: {}", sent.escape_ascii());
        }
    }

    #[test]
    fn popping_takes_elements_in_order(values in prop::collection::vec(received_value(), 1..5)) {
        let mut text = String::from("OPTIONS sip:a@b SIP/2.0\r\n");
        for value in &values {
            text += &format!("Supported: {value}\r\n");
        }
        let mut request = request(format!("{text}\r\n").as_bytes());
        let list = |request: &Request| -> Vec<Vec<u8>> {
            let elements = request.headers.list(HeaderName::Supported);
            elements.map(|element| sip::unfold(element).into_owned()).collect()
        };
        let mut all = list(&request);
        while !all.is_empty() {
            prop_assert!(request.headers.pop_first(HeaderName::Supported).unwrap());
            all.remove(0);
            prop_assert_eq!(list(&request), all.clone());
        }
        prop_assert!(!request.headers.pop_first(HeaderName::Supported).unwrap());
        prop_assert_eq!(request.headers.len(), 0);
    }

    #[test]
    fn nothing_panics_on_anything(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&bytes).map(|message| look(&message));
        let _ = sip::salvage(Bytes::copy_from_slice(&bytes), &Limits::default());
        look_at_element(&bytes);
        let _ = framed(&bytes, &[]);
    }

    #[test]
    fn nothing_panics_on_almost_valid_messages(
        bytes in mutated(),
        cuts in prop::collection::vec(any::<usize>(), 0..6),
        edits in prop::collection::vec(edit(), 0..6),
    ) {
        if let Ok(mut message) = parse(&bytes) {
            look(&message);
            if let Message::Request(request) = &mut message {
                for edit in &edits {
                    let _ = apply(request, edit);
                }
            }
            let _ = message.to_bytes();
        }
        if let Some(request) = sip::salvage(Bytes::copy_from_slice(&bytes), &Limits::default()) {
            look(&Message::Request(request));
        }
        prop_assert_eq!(framed(&bytes, &cuts), framed(&bytes, &[]));
    }

    #[test]
    fn stream_cut_anywhere_gives_the_same_frames(
        picks in prop::collection::vec(0usize..8, 0..6),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let mut bytes = Vec::new();
        for pick in picks {
            match corpus::SAMPLES.get(pick) {
                Some(sample) => bytes.extend_from_slice(sample.bytes),
                None if pick == 6 => bytes.extend_from_slice(b"\r\n\r\n"),
                None => bytes.extend_from_slice(b"\r\n"),
            }
        }
        let whole = framed(&bytes, &[]);
        prop_assert_eq!(whole.error, None);
        prop_assert_eq!(&framed(&bytes, &cuts), &whole);
        for frame in &whole.frames {
            if let Frame::Message(bytes) = frame {
                prop_assert!(parse(bytes).is_ok());
            }
        }
    }

    /// A frame is what the parser reads as one message, or the parser refuses it.
    #[test]
    fn framer_and_parser_agree_on_the_end(bytes in mutated()) {
        let mut framer = Framer::new(Limits::default());
        framer.push(&bytes);
        if let Some(Ok(Frame::Message(frame))) = framer.next_frame()
            && let Ok(message) = parse(&frame)
        {
            prop_assert_eq!(message.to_bytes().len(), frame.len());
            prop_assert_eq!(message.headers().all(HeaderName::ContentLength).count(), 1);
        }
    }
}
