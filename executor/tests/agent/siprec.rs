//! `<Siprec>`: a recording server behind the outbound proxy hears what is said (RFC 7866).

use std::time::{Duration, Instant};

use executor::{Settings, SiprecConnector};
use roxmltree::Document;

use crate::phone::{Line, Msg, between};
use crate::rtp::{Sound, address_of};
use crate::web::Asked;
use crate::world::{URI, World, offer};

/// A world with a recording server that is called `vault`.
fn world(change: impl FnOnce(&mut Settings)) -> World {
    World::with(|settings, _| {
        settings.siprec = vec![SiprecConnector {
            name: "vault".to_owned(),
            uri: "sip:srs@vault.example;transport=udp".to_owned(),
        }];
        change(settings);
    })
}

/// A call that runs these verbs, waits for a key, and runs `then`.
fn calling<'a>(world: &'a World, verbs: &str, then: &str, sdp: &str) -> (Line<'a>, Msg) {
    let wait = "<Gather action=\"/next\" timeout=\"20\" numDigits=\"1\"/>";
    world.web.says("/voice", &format!("{verbs}{wait}"));
    world.web.says("/next", then);
    world.web.answers("/s", 204, "", Duration::ZERO);
    let line = world.phone.invite(URI, "X-Secret: s3cret\r\n", Some(sdp));
    world.phone.expect("SIP/2.0 180");
    let answer = line.expect_answer();
    (line, answer)
}

/// The INVITE of a recording server, its session description and its metadata.
#[track_caller]
fn recorded(world: &World) -> (Msg, String, String) {
    let invite = world
        .callee
        .expect("INVITE sip:srs@vault.example;transport=udp SIP/2.0");
    let kind = invite.header("Content-Type");
    let boundary = kind.strip_prefix("multipart/mixed;boundary=").unwrap();
    let delimiter = format!("--{boundary}");
    let parts: Vec<_> = invite.body.split(&delimiter).collect();
    let [before, description, metadata, after] = parts.as_slice() else {
        panic!("{}", invite.body)
    };
    assert_eq!((*before, *after), ("", "--\r\n"));
    let content = |part: &str, head: &str| {
        let content = part
            .strip_prefix(head)
            .and_then(|it| it.strip_suffix("\r\n"));
        content.unwrap_or_else(|| panic!("{part}")).to_owned()
    };
    let description = content(description, "\r\nContent-Type: application/sdp\r\n\r\n");
    let metadata = content(
        metadata,
        "\r\nContent-Type: application/rs-metadata+xml\r\n\
         Content-Disposition: recording-session\r\n\r\n",
    );
    (invite, description, metadata)
}

/// What a recording server answers: a stream at each of these.
fn taking(streams: &[(&Sound, u8)], direction: &str) -> String {
    let mut text =
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n".to_owned();
    for (sound, kind) in streams {
        let port = between(&sound.sdp("0"), "m=audio ", " ");
        text += &format!("m=audio {port} RTP/AVP {kind}\r\na={direction}\r\n");
    }
    text
}

/// The status callback of this event.
#[track_caller]
fn told(world: &World, event: &str) -> Asked {
    let is_it = |asked: &Asked| asked.params.iter().any(|(_, value)| value == event);
    world.web.expect_after(0, "/s", is_it)
}

fn events(world: &World) -> Vec<String> {
    let callbacks = world.web.asked_at("/s");
    let event = |asked: &Asked| asked.param("SiprecEvent").to_owned();
    callbacks.iter().map(event).collect()
}

#[test]
fn a_server_gets_both_tracks_and_what_they_are() {
    let world = world(|_| {});
    let caller = Sound::new();
    let (line, answer) = calling(
        &world,
        "<Start><Siprec connectorName=\"vault\" name=\"rec\" statusCallback=\"/s\">\
         <Parameter name=\"who\" value=\"a &lt;b> &amp; c\"/></Siprec></Start>",
        "<Say>text</Say><Pause length=\"20\"/>",
        &caller.sdp("0 101"),
    );
    let (invite, description, metadata) = recorded(&world);
    assert_eq!(invite.header("Require"), "siprec");
    assert!(
        invite.header("Contact").ends_with(">;+sip.src"),
        "{}",
        invite.raw
    );
    assert_eq!(invite.header("Max-Forwards"), "68");
    assert_eq!(
        invite.header("Route"),
        format!("<sip:{};lr>", world.callee.address)
    );
    assert!(!invite.raw.contains("s3cret"), "{}", invite.raw);

    let labels: Vec<_> = description
        .lines()
        .filter_map(|line| line.strip_prefix("a=label:"))
        .collect();
    assert_eq!(labels, ["1", "2"]);
    assert_eq!(description.matches("\r\na=sendonly\r\n").count(), 2);
    assert_eq!(description.matches(" RTP/AVP 0 8\r\n").count(), 2);

    let document = Document::parse(&metadata).unwrap();
    let all = |name: &str| -> Vec<_> {
        let mut nodes: Vec<_> = document.descendants().collect();
        nodes.retain(|node| node.tag_name().name() == name);
        nodes
    };
    let in_metadata: Vec<_> = all("label").iter().filter_map(|it| it.text()).collect();
    assert_eq!(in_metadata, labels);
    let names: Vec<_> = all("nameID")
        .iter()
        .filter_map(|it| it.attribute("aor"))
        .collect();
    assert_eq!(names, ["sip:alice@atlanta.example", "sip:bob@demo.example"]);
    assert_eq!(all("name")[0].text(), Some("Alice"));
    let parameter = all("Parameter")[0];
    assert_eq!(parameter.attribute("name"), Some("who"));
    assert_eq!(parameter.text(), Some("a <b> & c"));

    let (inbound, outbound) = (Sound::new(), Sound::new());
    let began = Instant::now();
    let body = taking(&[(&inbound, 8), (&outbound, 0)], "recvonly");
    world
        .callee
        .reply(&invite, "200 OK", "srs", "", Some(&body));
    world.callee.expect("ACK ");
    let started = told(&world, "siprec-started");
    assert_eq!(started.param("SiprecName"), "rec");
    let sid = started.param("SiprecSid");
    assert_eq!(all("Call")[0].attribute("SiprecSid"), Some(sid));
    let voice = world.web.expect("/voice");
    for name in ["CallSid", "AccountSid"] {
        assert_eq!(started.param(name), voice.param(name));
        assert_eq!(all("Call")[0].attribute(name), Some(voice.param(name)));
    }
    assert!(started.param("Timestamp").ends_with('Z'));

    let to = address_of(&answer);
    caller.say(to, 0, &[600.0], Duration::from_millis(800));
    inbound.expect_tone(&[600.0], began);
    caller.press(to, 101, '5');
    outbound.expect_tone(&[500.0], began);
    // Each has its own track in its own codec, and no keys.
    assert!(inbound.packets().iter().all(|packet| packet.kind == 8));
    assert!(outbound.packets().iter().all(|packet| packet.kind == 0));

    line.hang_up();
    let bye = world.callee.expect("BYE ");
    world.callee.reply(&bye, "200 OK", "", "", None);
    assert_eq!(told(&world, "siprec-stopped").param("SiprecSid"), sid);
    world.expect_rest(Duration::from_secs(30));
    assert_eq!(events(&world), ["siprec-started", "siprec-stopped"]);
    assert_eq!(world.log.codes(), [0; 0]);
}

#[test]
fn stop_ends_it_and_the_call_goes_on() {
    let world = world(|_| {});
    let caller = Sound::new();
    let began = Instant::now();
    let (line, answer) = calling(
        &world,
        "<Start><Siprec connectorName=\"vault\" name=\"rec\" track=\"outbound_track\" \
         statusCallback=\"/s\"/></Start>",
        "<Stop><Siprec name=\"rec\"/></Stop><Say>text</Say>",
        &caller.sdp("0 101"),
    );
    let (invite, description, _) = recorded(&world);
    assert!(
        description.ends_with("a=sendonly\r\na=label:2\r\n"),
        "{description}"
    );
    assert_eq!(description.matches("m=audio").count(), 1);
    let server = Sound::new();
    let body = taking(&[(&server, 0)], "recvonly");
    world
        .callee
        .reply(&invite, "200 OK", "srs", "", Some(&body));
    world.callee.expect("ACK ");
    told(&world, "siprec-started");
    let until = Instant::now() + Duration::from_secs(20);
    while server.since(began).is_empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(10));
    }
    caller.press(address_of(&answer), 101, '1');
    let bye = world.callee.expect("BYE ");
    world.callee.reply(&bye, "200 OK", "", "", None);
    told(&world, "siprec-stopped");
    caller.expect_tone(&[500.0], began);
    line.expect_bye();
    world.expect_rest(Duration::from_secs(30));
    // What was said after the end is not in it.
    let heard = server.since(began);
    assert!(!heard.is_empty(), "it was sent silence before");
    assert!(
        heard.iter().all(|sample| *sample == 0),
        "{} samples",
        heard.len()
    );
    assert_eq!(events(&world), ["siprec-started", "siprec-stopped"]);
}

#[test]
fn one_that_is_stopped_before_it_has_begun_is_cancelled() {
    let world = world(|_| {});
    let (line, _) = calling(
        &world,
        "<Start><Siprec connectorName=\"vault\" name=\"rec\" statusCallback=\"/s\"/></Start>\
         <Stop><Siprec name=\"rec\"/></Stop>",
        "",
        &offer(),
    );
    let (invite, ..) = recorded(&world);
    world.callee.reply(&invite, "180 Ringing", "srs", "", None);
    let cancel = world.callee.expect("CANCEL ");
    assert_eq!(cancel.header("Via"), invite.header("Via"));
    world.callee.reply(&cancel, "200 OK", "srs", "", None);
    // It has answered at the same moment.
    let server = Sound::new();
    let body = taking(&[(&server, 0), (&server, 0)], "recvonly");
    world
        .callee
        .reply(&invite, "200 OK", "srs", "", Some(&body));
    world.callee.expect("ACK ");
    let bye = world.callee.expect("BYE ");
    world.callee.reply(&bye, "200 OK", "", "", None);
    line.hang_up();
    world.expect_rest(Duration::from_secs(30));
    assert_eq!(events(&world), [""; 0]);
    assert_eq!(server.packets().len(), 0);
}

#[test]
fn a_server_that_hangs_up_ends_the_recording_and_not_the_call() {
    let world = world(|_| {});
    let caller = Sound::new();
    let (line, answer) = calling(
        &world,
        "<Start><Siprec connectorName=\"vault\" statusCallback=\"/s\"/></Start>",
        "<Say>text</Say>",
        &caller.sdp("0 101"),
    );
    let (invite, ..) = recorded(&world);
    let server = Sound::new();
    let body = taking(&[(&server, 0), (&server, 0)], "recvonly");
    world
        .callee
        .reply(&invite, "200 OK", "srs", "", Some(&body));
    world.callee.expect("ACK ");
    told(&world, "siprec-started");
    world
        .callee
        .request_back(&invite, "srs", "BYE", 1, "", None);
    world.callee.expect("SIP/2.0 200");
    told(&world, "siprec-stopped");
    let began = Instant::now();
    caller.press(address_of(&answer), 101, '1');
    caller.expect_tone(&[500.0], began);
    line.expect_bye();
    world.expect_rest(Duration::from_secs(30));
    assert_eq!(events(&world), ["siprec-started", "siprec-stopped"]);
}

#[test]
fn a_server_pauses_and_goes_on_elsewhere() {
    let world = world(|_| {});
    let caller = Sound::new();
    let (line, answer) = calling(
        &world,
        "<Start><Siprec connectorName=\"vault\" track=\"inbound_track\" statusCallback=\"/s\"/>\
         </Start>",
        "",
        &caller.sdp("0 101"),
    );
    let (invite, ..) = recorded(&world);
    let (first, second) = (Sound::new(), Sound::new());
    let body = taking(&[(&first, 0)], "recvonly");
    world
        .callee
        .reply(&invite, "200 OK", "srs", "", Some(&body));
    world.callee.expect("ACK ");
    told(&world, "siprec-started");
    for (number, sound, theirs, ours) in [
        (1, &first, "inactive", "inactive"),
        (2, &second, "recvonly", "sendonly"),
    ] {
        let body = taking(&[(sound, 8)], theirs);
        world
            .callee
            .request_back(&invite, "srs", "INVITE", number, "", Some(&body));
        let ok = world.callee.expect("SIP/2.0 200");
        assert!(ok.header("Contact").ends_with(">;+sip.src"), "{}", ok.raw);
        let end = format!("a={ours}\r\na=label:1\r\n");
        assert!(ok.body.ends_with(&end), "{}", ok.body);
        world
            .callee
            .request_back(&invite, "srs", "ACK", number, "", None);
    }
    let began = Instant::now();
    caller.say(address_of(&answer), 0, &[600.0], Duration::from_millis(500));
    second.expect_tone(&[600.0], began);
    // What was on its way to the first place is silence.
    let late = first.since(began);
    assert!(late.iter().all(|sample| sample.abs() < 100), "{late:?}");
    // An offer without anything for us changes nothing.
    let video = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                 m=video 9 RTP/AVP 96\r\n";
    world
        .callee
        .request_back(&invite, "srs", "INVITE", 3, "", Some(video));
    world.callee.expect("SIP/2.0 488");
    world
        .callee
        .request_back(&invite, "srs", "ACK", 3, "", None);
    line.hang_up();
    let bye = world.callee.expect("BYE ");
    world.callee.reply(&bye, "200 OK", "", "", None);
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn what_fails_is_told_and_the_call_goes_on() {
    let world = world(|settings| {
        settings.timers.t1 = Duration::from_millis(50);
        settings.timers.t2 = Duration::from_millis(200);
    });
    let silent = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                  m=audio 0 RTP/AVP 0\r\nm=audio 0 RTP/AVP 0\r\n";
    let cases = [
        (
            "nobody",
            None,
            "no recording server is called nobody",
            90130,
        ),
        (
            "vault",
            Some("486 Busy Here"),
            "the recording server answered 486",
            90134,
        ),
        (
            "vault",
            Some("200 OK"),
            "the recording server takes no stream",
            90134,
        ),
        ("vault", None, "the recording server did not answer", 90134),
    ];
    for (connector, answer, error, code) in cases {
        let caller = Sound::new();
        let began = Instant::now();
        let before = world.web.asked().len();
        let (line, answered) = calling(
            &world,
            &format!(
                "<Start><Siprec connectorName=\"{connector}\" statusCallback=\"/s\"/></Start>"
            ),
            "<Say>text</Say>",
            &caller.sdp("0 101"),
        );
        if connector == "vault" {
            let (invite, ..) = recorded(&world);
            match answer {
                Some("200 OK") => {
                    world
                        .callee
                        .reply(&invite, "200 OK", "srs", "", Some(silent));
                    world.callee.expect("ACK ");
                    let bye = world.callee.expect("BYE ");
                    world.callee.reply(&bye, "200 OK", "", "", None);
                }
                Some(answer) => {
                    world.callee.reply(&invite, answer, "srs", "", None);
                    world.callee.expect("ACK ");
                }
                None => {}
            }
        }
        let told = world.web.expect_after(before, "/s", |_| true);
        assert_eq!(told.param("SiprecEvent"), "siprec-error");
        assert_eq!(told.param("SiprecError"), error);
        assert_eq!(told.param("SiprecErrorCode"), code.to_string());
        assert!(told.param("SiprecSid").starts_with("SR"));
        caller.press(address_of(&answered), 101, '1');
        caller.expect_tone(&[500.0], began);
        line.expect_bye();
    }
    world.expect_rest(Duration::from_secs(30));
    assert_eq!(world.log.codes(), [90130, 90134, 90134, 90134]);
}
