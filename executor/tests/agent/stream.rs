//! `<Stream>`: the voice of a call over a WebSocket, and back.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use media::codec::{Codec, Decoder, Encoder};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::rtp::{Sound, address_of, is_tone, tone};
use crate::world::{URI, World};

#[test]
fn a_server_hears_the_caller_talks_and_lets_go() {
    let world = World::with(|settings, _| settings.sound.streams.allow_plain = true);
    let (url, messages) = server();
    world.web.says(
        "/voice",
        &format!(
            "<Connect><Stream url=\"{url}\"><Parameter name=\"who\" value=\"me\"/></Stream>\
             </Connect><Say>after</Say>"
        ),
    );
    let sound = Sound::new();
    let began = Instant::now();
    let line = world.phone.invite(URI, "", Some(&sound.sdp("0 101")));
    world.phone.expect("SIP/2.0 180");
    let answer = line.expect_answer();
    let to = address_of(&answer);
    sound.expect_tone(&[900.0], began);
    sound.say(to, 0, &[600.0], Duration::from_millis(800));
    // All that the server has said is played before the key makes it leave.
    let mut heard = Vec::new();
    while heard
        .last()
        .is_none_or(|last: &Value| last["event"] != "mark")
    {
        heard.push(messages.recv_timeout(Duration::from_secs(20)).unwrap());
    }
    sound.press(to, 101, '5');
    // The key makes the server close; the document goes on.
    sound.expect_tone(&[500.0], began);
    line.expect_bye();
    world.expect_rest(Duration::from_secs(30));
    let messages: Vec<Value> = heard.into_iter().chain(messages.iter()).collect();
    let start = messages.iter().find(|m| m["event"] == "start").unwrap();
    assert_eq!(start["start"]["customParameters"], json!({"who": "me"}));
    let call_sid = world.web.expect("/voice").param("CallSid").to_owned();
    assert_eq!(start["start"]["callSid"], json!(call_sid));
    assert!(
        messages
            .iter()
            .any(|m| m["event"] == "mark" && m["mark"]["name"] == "end")
    );
    assert!(
        messages
            .iter()
            .any(|m| m["event"] == "dtmf" && m["dtmf"]["digit"] == "5")
    );
    let mut samples = Vec::new();
    for message in messages.iter().filter(|m| m["event"] == "media") {
        let payload = STANDARD
            .decode(message["media"]["payload"].as_str().unwrap())
            .unwrap();
        Decoder::new(Codec::Pcmu).decode(&payload, &mut samples);
    }
    let mut parts = samples.windows(1600).step_by(160);
    assert!(
        parts.any(|part| is_tone(part, &[600.0])),
        "the caller's voice"
    );
}

/// A server that says half a second of 900 Hz and a mark, and closes when a key is pressed.
fn server() -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/media", listener.local_addr().unwrap());
    let (sender, messages) = channel();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        serve(&stream, &sender);
    });
    (url, messages)
}

fn serve(stream: &TcpStream, sender: &Sender<Value>) {
    let mut reader = BufReader::new(stream);
    let mut key = String::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(": ") else {
            if line.trim().is_empty() {
                break;
            }
            continue;
        };
        if name.eq_ignore_ascii_case("sec-websocket-key") {
            key = value.to_owned();
        }
    }
    // RFC 6455 §4.2.2.
    let accept = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    let head = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        STANDARD.encode(accept)
    );
    (&*stream).write_all(head.as_bytes()).unwrap();
    while let Some((opcode, payload)) = read_frame(&mut reader) {
        if opcode != 1 {
            continue;
        }
        let message: Value = serde_json::from_slice(&payload).unwrap();
        let event = message["event"].as_str().unwrap().to_owned();
        if event == "start" {
            let sid = message["streamSid"].clone();
            for at in 0..25 {
                let samples: Vec<i16> = (0..160)
                    .map(|step| tone(&[900.0], at * 160 + step))
                    .collect();
                let mut ulaw = Vec::new();
                Encoder::new(Codec::Pcmu).encode(&samples, &mut ulaw);
                let payload = STANDARD.encode(ulaw);
                let media =
                    json!({"event": "media", "streamSid": sid, "media": {"payload": payload}});
                write_frame(stream, 1, media.to_string().as_bytes());
            }
            let mark = json!({"event": "mark", "streamSid": sid, "mark": {"name": "end"}});
            write_frame(stream, 1, mark.to_string().as_bytes());
        }
        let over = event == "dtmf";
        sender.send(message).unwrap();
        if over {
            write_frame(stream, 8, &1000u16.to_be_bytes());
        }
    }
}

/// The next frame of a client, unmasked (RFC 6455 §5.2).
fn read_frame(reader: &mut impl Read) -> Option<(u8, Vec<u8>)> {
    let mut head = [0; 2];
    reader.read_exact(&mut head).ok()?;
    let length = match head[1] & 0x7f {
        126 => {
            let mut length = [0; 2];
            reader.read_exact(&mut length).ok()?;
            u16::from_be_bytes(length).into()
        }
        length => usize::from(length),
    };
    let mut mask = [0; 4];
    reader.read_exact(&mut mask).ok()?;
    let mut payload = vec![0; length];
    reader.read_exact(&mut payload).ok()?;
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    Some((head[0] & 0x0f, payload))
}

fn write_frame(mut stream: &TcpStream, opcode: u8, payload: &[u8]) {
    let mut frame = vec![0x80 | opcode];
    if payload.len() < 126 {
        frame.push(payload.len() as u8);
    } else {
        frame.push(126);
        frame.extend((payload.len() as u16).to_be_bytes());
    }
    frame.extend(payload);
    stream.write_all(&frame).unwrap();
}
