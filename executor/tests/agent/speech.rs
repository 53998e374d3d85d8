//! `<Gather input="speech">`, with a recognition service over HTTP.

use std::time::{Duration, Instant};

use executor::sound::HearingConfig;
use executor::sound::hear::HttpHearingConfig;

use crate::rtp::{Sound, address_of};
use crate::sound::answered;
use crate::world::World;

#[test]
fn what_the_caller_says_is_understood() {
    let world = World::with(|settings, _| {
        let url = recogniser().parse().unwrap();
        settings.sound.hearing = HearingConfig::Http(HttpHearingConfig::new(url));
    });
    world.web.says(
        "/voice",
        "<Gather input=\"speech\" action=\"/said\" partialResultCallback=\"/partial\" \
         speechTimeout=\"1\" timeout=\"10\"><Say>say something</Say></Gather>",
    );
    world.web.says("/said", "<Hangup/>");
    world.web.says("/partial", "");
    let sound = Sound::new();
    let began = Instant::now();
    let (line, answer) = answered(&world, &sound, "0 101");
    sound.expect_tone(&[500.0], began);
    std::thread::sleep(Duration::from_millis(1500));
    let length = Duration::from_millis(2500);
    sound.say(address_of(&answer), 0, &[600.0, 750.0], length);
    let asked = world.web.expect("/said");
    assert_eq!(asked.param("SpeechResult"), "two tones");
    assert_eq!(asked.param("Confidence"), "0.75");
    let partial = world.web.expect("/partial");
    assert_eq!(partial.param("UnstableSpeechResult"), "two");
    line.expect_bye();
    world.expect_rest(Duration::from_secs(30));
}

#[test]
fn silence_is_no_speech() {
    let world = World::with(|settings, _| {
        let url = recogniser().parse().unwrap();
        settings.sound.hearing = HearingConfig::Http(HttpHearingConfig::new(url));
    });
    world.web.says(
        "/voice",
        "<Gather input=\"speech\" action=\"/said\" timeout=\"1\"/><Redirect>/next</Redirect>",
    );
    world.web.says("/next", "<Hangup/>");
    let sound = Sound::new();
    let (line, _) = answered(&world, &sound, "0 101");
    world.web.expect("/next");
    assert!(world.web.asked().iter().all(|asked| asked.path != "/said"));
    line.expect_bye();
    world.expect_rest(Duration::from_secs(30));
}

/// The URL of a service that understands anybody as soon as the speech is over.
pub(crate) fn recogniser() -> String {
    use std::io::{Read, Write};

    fn chunk(stream: &mut std::net::TcpStream, text: &str) {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        stream.write_all(chunk.as_bytes()).ok();
    }

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/listen", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
            let mut answered = false;
            while !heard.ends_with(b"\r\n0\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(length) if length > 0 => heard.extend_from_slice(&buffer[..length]),
                    _ => break,
                }
                if heard.len() > 8000 && !std::mem::replace(&mut answered, true) {
                    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                    stream.write_all(head.as_bytes()).unwrap();
                    let partial = "{\"type\":\"partial\",\"text\":\"two\",\"stability\":0.5}\n";
                    chunk(&mut stream, partial);
                }
            }
            chunk(
                &mut stream,
                "{\"type\":\"final\",\"text\":\"two tones\",\"confidence\":0.75}\n",
            );
            chunk(&mut stream, "");
        }
    });
    url
}
