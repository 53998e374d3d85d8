//! What is heard: tones, files, speech, keys, recordings.

use std::time::{Duration, Instant};

use crate::phone::{Line, Msg};
use crate::rtp::{Sound, address_of};
use crate::wave;
use crate::world::{URI, World};

const CALLER: f64 = 600.0;
const CALLEE: f64 = 900.0;

/// An answered caller with sound; the 200.
pub(crate) fn answered<'a>(world: &'a World, sound: &Sound, formats: &str) -> (Line<'a>, Msg) {
    let line = world.phone.invite(URI, "", Some(&sound.sdp(formats)));
    world.phone.expect("SIP/2.0 180");
    let answer = line.expect_answer();
    (line, answer)
}

#[test]
fn a_text_is_heard_and_then_a_file() {
    let world = World::new();
    let file = wave::wav(&wave::tone(CALLEE, 8000, 400), 8000);
    world.web.file("/tone.wav", "audio/wav", file);
    let (say, play) = ("<Say>Hello</Say>", "<Play>/tone.wav</Play>");
    world.web.says("/voice", &format!("{say}{play}"));
    let sound = Sound::new();
    let began = Instant::now();
    let (line, _) = answered(&world, &sound, "0 101");
    // The fake synthesizer says all texts at 500 Hz.
    sound.expect_tone(&[500.0], began);
    sound.expect_tone(&[CALLEE], began);
    line.expect_bye();
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn a_file_that_is_not_there_goes_to_the_fallback() {
    let world = World::with(|settings, web| {
        let mut domain = settings.domains.all()[0].clone();
        domain.fallback = Some(executor::webhook::Hook::post(web.url("/fallback")));
        settings.domains.replace(vec![domain]);
    });
    world.web.says("/voice", "<Play>/nowhere.wav</Play>");
    world.web.says("/fallback", "<Hangup/>");
    let sound = Sound::new();
    let (line, _) = answered(&world, &sound, "0 101");
    let asked = world.web.expect("/fallback");
    assert!(
        asked.param("ErrorUrl").contains("/nowhere.wav"),
        "{asked:?}"
    );
    line.expect_bye();
}

#[test]
fn keys_are_heard_as_events_and_as_tones() {
    let world = World::new();
    world.web.says("/voice", "<Play digits=\"1w2\"/>");
    let sound = Sound::new();
    let (line, _) = answered(&world, &sound, "0 101");
    sound.expect_keys(101, "12");
    line.expect_bye();
    let plain = Sound::new();
    let began = Instant::now();
    let offer = plain
        .sdp("0")
        .replace("a=rtpmap:101 telephone-event/8000\r\n", "");
    let line = world.phone.invite(URI, "", Some(&offer));
    world.phone.expect("SIP/2.0 180");
    line.expect_answer();
    plain.expect_tone(&[697.0, 1209.0], began);
    plain.expect_tone(&[697.0, 1336.0], began);
    line.expect_bye();
}

#[test]
fn two_legs_hear_each_other_and_the_ring_tone_before() {
    let world = World::new();
    world.web.says(
        "/voice",
        "<Dial ringTone=\"de\"><Sip>sip:a@pbx.example</Sip></Dial>",
    );
    let (caller, callee) = (Sound::new(), Sound::new());
    let began = Instant::now();
    let (line, answer) = answered(&world, &caller, "0 101");
    let invite = world.callee.expect("INVITE ");
    assert_ne!(address_of(&invite), address_of(&answer));
    caller.expect_tone(&[425.0], began);
    world
        .callee
        .reply(&invite, "200 OK", "ta", "", Some(&callee.sdp("8 101")));
    world.callee.expect("ACK ");
    let bridged = Instant::now();
    // Different codecs: what one says is decoded and encoded for the other.
    let second = Duration::from_secs(1);
    std::thread::scope(|scope| {
        scope.spawn(|| caller.say(address_of(&answer), 0, &[CALLER], second));
        scope.spawn(|| callee.say(address_of(&invite), 8, &[CALLEE], second));
    });
    caller.expect_tone(&[CALLEE], bridged);
    callee.expect_tone(&[CALLER], bridged);
    world.phone.expect_nothing(Duration::from_millis(100));
    line.hang_up();
    let bye = world.callee.expect("BYE ");
    world.callee.reply(&bye, "200 OK", "", "", None);
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn early_media_are_heard_before_the_answer() {
    for attributes in ["", " answerOnBridge=\"true\""] {
        let world = World::new();
        world.web.says(
            "/voice",
            &format!("<Dial{attributes}><Sip>sip:a@pbx.example</Sip></Dial>"),
        );
        let (caller, callee) = (Sound::new(), Sound::new());
        let line = world.phone.invite(URI, "", Some(&caller.sdp("0 101")));
        world.phone.expect("SIP/2.0 180");
        if attributes.is_empty() {
            line.expect_answer();
        }
        let invite = world.callee.expect("INVITE ");
        assert!(
            invite.body.contains("RTP/AVP 0 "),
            "the caller's codec first"
        );
        let early = callee.sdp("0 101");
        world
            .callee
            .reply(&invite, "183 Session Progress", "ta", "", Some(&early));
        let told = (!attributes.is_empty()).then(|| world.phone.expect("SIP/2.0 183"));
        let began = Instant::now();
        let second = Duration::from_secs(1);
        callee.say(address_of(&invite), 0, &[CALLEE], second);
        caller.expect_tone(&[CALLEE], began);
        world.callee.reply(&invite, "200 OK", "ta", "", None);
        world.callee.expect("ACK ");
        if let Some(told) = told {
            let answer = line.expect_answer();
            assert_eq!(answer.body, told.body, "one answer to one offer");
        }
        let began = Instant::now();
        callee.say(address_of(&invite), 0, &[CALLER], second);
        caller.expect_tone(&[CALLER], began);
        world.callee.request_back(&invite, "ta", "BYE", 1, "", None);
        world.callee.expect("SIP/2.0 200");
        line.expect_bye();
        world.expect_rest(Duration::from_secs(30));
    }
}

#[test]
fn keys_go_to_the_callee_before_and_during_the_bridge() {
    let world = World::new();
    let number = "<Number sendDigits=\"42\">+15550001</Number>";
    world.web.says(
        "/voice",
        &format!("<Dial hangupOnStar=\"true\" action=\"/dialled\">{number}</Dial>"),
    );
    world.web.says("/dialled", "<Hangup/>");
    let (caller, callee) = (Sound::new(), Sound::new());
    let (line, answer) = answered(&world, &caller, "0 101");
    let invite = world.callee.expect("INVITE ");
    world
        .callee
        .reply(&invite, "200 OK", "ta", "", Some(&callee.sdp("0 101")));
    world.callee.expect("ACK ");
    callee.expect_keys(101, "42");
    let to = address_of(&answer);
    // Packets of the peer's own tell the bridge where it is.
    caller.say(to, 0, &[CALLER], Duration::from_millis(300));
    caller.press(to, 101, '7');
    callee.expect_keys(101, "427");
    line.request("INFO", "Content-Type: application/dtmf\r\n", Some("8"));
    world.phone.expect("SIP/2.0 200");
    callee.expect_keys(101, "4278");
    caller.press(to, 101, '*');
    let bye = world.callee.expect("BYE ");
    world.callee.reply(&bye, "200 OK", "", "", None);
    let asked = world.web.expect("/dialled");
    assert_eq!(asked.param("DialCallStatus"), "completed");
    line.expect_bye();
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn a_star_is_heard_in_the_sound_too() {
    let world = World::new();
    let sip = "<Sip>sip:a@pbx.example</Sip>";
    world.web.says(
        "/voice",
        &format!("<Dial hangupOnStar=\"true\" action=\"/dialled\">{sip}</Dial>"),
    );
    world.web.says("/dialled", "<Hangup/>");
    let (caller, callee) = (Sound::new(), Sound::new());
    let offer = caller
        .sdp("0")
        .replace("a=rtpmap:101 telephone-event/8000\r\n", "");
    let line = world.phone.invite(URI, "", Some(&offer));
    world.phone.expect("SIP/2.0 180");
    let answer = line.expect_answer();
    let invite = world.callee.expect("INVITE ");
    world
        .callee
        .reply(&invite, "200 OK", "ta", "", Some(&callee.sdp("0 101")));
    world.callee.expect("ACK ");
    caller.say(
        address_of(&answer),
        0,
        &[941.0, 1209.0],
        Duration::from_millis(200),
    );
    let bye = world.callee.expect("BYE ");
    world.callee.reply(&bye, "200 OK", "", "", None);
    world.web.expect("/dialled");
    line.expect_bye();
}

#[test]
fn what_the_caller_says_is_recorded() {
    let world = World::new();
    world.web.says(
        "/voice",
        "<Record action=\"/recorded\" finishOnKey=\"#\" playBeep=\"false\" trim=\"do-not-trim\"/>",
    );
    world.web.says("/recorded", "<Hangup/>");
    let sound = Sound::new();
    let (line, answer) = answered(&world, &sound, "0 101");
    let to = address_of(&answer);
    sound.say(to, 0, &[CALLER], Duration::from_secs(2));
    sound.press(to, 101, '#');
    let asked = world.web.expect("/recorded");
    assert_eq!(asked.param("Digits"), "#");
    let samples = world.recording(asked.param("RecordingSid"));
    assert_eq!(samples.len(), 1, "one channel");
    let told: f64 = asked.param("RecordingDuration").parse().unwrap();
    let lasted = samples[0].len() as f64 / 8000.0;
    assert!((0.0..1.0).contains(&(lasted - told)), "{told} {lasted}");
    let heard = samples[0].windows(640).step_by(160);
    let tones = heard.filter(|part| crate::rtp::is_tone(part, &[CALLER]));
    // A machine that stands still for a moment has sent or heard nothing meanwhile.
    assert!(tones.count() > 50, "most of two seconds");
    line.expect_bye();
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn silence_is_no_recording_and_a_hang_up_is_one() {
    let world = World::new();
    world.web.says(
        "/voice",
        "<Record timeout=\"1\" action=\"/never\" playBeep=\"false\"/><Redirect>/second</Redirect>",
    );
    world.web.says(
        "/second",
        "<Record timeout=\"30\" action=\"/recorded\" playBeep=\"false\"/>",
    );
    world.web.says("/recorded", "<Hangup/>");
    let sound = Sound::new();
    let (line, answer) = answered(&world, &sound, "0 101");
    world.web.expect("/second");
    sound.say(
        address_of(&answer),
        0,
        &[CALLER, 750.0],
        Duration::from_secs(1),
    );
    line.hang_up();
    let asked = world.web.expect("/recorded");
    assert_eq!(asked.param("Digits"), "hangup");
    assert!(
        asked.param("RecordingUrl").contains("/Recordings/RE"),
        "{asked:?}"
    );
    assert!(world.web.asked().iter().all(|asked| asked.path != "/never"));
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn a_dial_is_recorded_in_two_channels() {
    let world = World::new();
    let sip = "<Sip>sip:a@pbx.example</Sip>";
    world.web.says(
        "/voice",
        &format!("<Dial record=\"record-from-answer-dual\" action=\"/dialled\">{sip}</Dial>"),
    );
    world.web.says("/dialled", "<Hangup/>");
    let (caller, callee) = (Sound::new(), Sound::new());
    let (line, answer) = answered(&world, &caller, "0 101");
    let invite = world.callee.expect("INVITE ");
    world
        .callee
        .reply(&invite, "200 OK", "ta", "", Some(&callee.sdp("0 101")));
    world.callee.expect("ACK ");
    let second = Duration::from_secs(1);
    std::thread::scope(|scope| {
        scope.spawn(|| caller.say(address_of(&answer), 0, &[CALLER], second));
        scope.spawn(|| callee.say(address_of(&invite), 0, &[CALLEE], second));
    });
    world.callee.request_back(&invite, "ta", "BYE", 1, "", None);
    world.callee.expect("SIP/2.0 200");
    let asked = world.web.expect("/dialled");
    let url = asked.param("RecordingUrl");
    let sid = url.rsplit('/').next().unwrap();
    let channels = world.recording(sid);
    assert_eq!(channels.len(), 2);
    for (channel, hertz) in channels.iter().zip([CALLER, CALLEE]) {
        let mut parts = channel.windows(1600).step_by(160);
        assert!(
            parts.any(|part| crate::rtp::is_tone(part, &[hertz])),
            "{hertz}"
        );
    }
    line.expect_bye();
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn a_caller_who_asks_for_srtp_gets_it() {
    let world = World::new();
    world.web.says("/voice", "<Say>Hello</Say>");
    let sound = Sound::new();
    let key = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
    let offer = sound.sdp("0 101").replace("RTP/AVP", "RTP/SAVP")
        + &format!("a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:{key}\r\n");
    let line = world.phone.invite(URI, "", Some(&offer));
    world.phone.expect("SIP/2.0 180");
    let answer = line.expect_answer();
    assert!(
        answer.body.contains("RTP/SAVP 0 101\r\n"),
        "{}",
        answer.body
    );
    let told = crate::phone::between(
        &answer.body,
        "a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:",
        "\r\n",
    );
    assert_ne!(told, key);
    line.expect_bye();
    let keys =
        media::srtp::SrtpKeys::parse(media::srtp::Suite::AesCm128HmacSha1_80, &told).unwrap();
    let mut theirs = media::srtp::Srtp::new(&keys);
    let mut samples = Vec::new();
    for packet in sound.packets() {
        let mut raw = packet.raw.clone();
        theirs.unprotect(&mut raw).unwrap();
        media::codec::Decoder::new(media::codec::Codec::Pcmu).decode(&raw[12..], &mut samples);
    }
    let mut parts = samples.windows(1600).step_by(160);
    assert!(parts.any(|part| crate::rtp::is_tone(part, &[500.0])));
    // Keys are not for those who watch.
    let seen = world
        .log
        .records()
        .iter()
        .any(|record| match &record.event {
            executor::CallEvent::SipReceived(message) | executor::CallEvent::SipSent(message) => {
                String::from_utf8_lossy(&message.wire).contains("inline:")
            }
            _ => false,
        });
    assert!(!seen, "a key was told");
}

#[test]
fn a_key_comes_by_srtp_and_not_without() {
    use media::srtp::{Srtp, SrtpKeys, Suite};

    let world = World::new();
    world.web.says(
        "/voice",
        "<Gather numDigits=\"1\" action=\"/keys\" timeout=\"20\"/>",
    );
    world.web.says("/keys", "<Hangup/>");
    let sound = Sound::new();
    let key = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj";
    let offer = sound.sdp("0 101").replace("RTP/AVP", "RTP/SAVP")
        + &format!("a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:{key}\r\n");
    let line = world.phone.invite(URI, "", Some(&offer));
    world.phone.expect("SIP/2.0 180");
    let answer = line.expect_answer();
    let to = address_of(&answer);
    // In the clear it is nobody's.
    sound.press(to, 101, '1');
    let keys = SrtpKeys::parse(Suite::AesCm128HmacSha1_32, key).unwrap();
    let mut ours = Srtp::new(&keys);
    for sequence in 0..3 {
        let mut packet = vec![
            0x80, 101, 1, sequence, 0, 0, 9, 9, 7, 7, 7, 7, 2, 0x8a, 3, 0x20,
        ];
        ours.protect(&mut packet).unwrap();
        sound.send_raw(to, &packet);
    }
    assert_eq!(world.web.expect("/keys").param("Digits"), "2");
    line.expect_bye();
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn a_callee_behind_tls_is_offered_srtp() {
    let world = World::new();
    let sip = "<Sip>sip:a@pbx.example;transport=tls</Sip>";
    world.web.says("/voice", &format!("<Dial>{sip}</Dial>"));
    let sound = Sound::new();
    let (line, _) = answered(&world, &sound, "0 101");
    let invite = world.callee.expect("INVITE ");
    assert!(invite.body.contains(" RTP/SAVP 0 "), "{}", invite.body);
    assert!(
        invite
            .body
            .contains("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"),
        "{}",
        invite.body
    );
    world.callee.reply(&invite, "486 Busy Here", "ta", "", None);
    world.callee.expect("ACK ");
    line.expect_bye();
}
