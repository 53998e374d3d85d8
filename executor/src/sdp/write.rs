//! Writing our own descriptions.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use ::media::srtp::Crypto;

use super::format::Format;
use super::{Direction, Origin};

/// The stream that we take part in, as it is written.
pub(super) struct Own<'a> {
    pub(super) proto: &'a str,
    pub(super) rtp: SocketAddr,
    pub(super) formats: &'a [(u8, Format)],
    pub(super) direction: Direction,
    /// Milliseconds of sound in a packet.
    pub(super) ptime: u32,
    /// RTCP comes to the port of RTP.
    pub(super) rtcp_mux: bool,
    /// Our key, where the stream is protected.
    pub(super) crypto: Option<Crypto>,
}

/// The lines before the first stream.
pub(super) fn session(origin: &Origin, address: IpAddr, time: &str) -> String {
    let mut text = String::with_capacity(512);
    let Origin {
        id,
        version,
        address: creator,
    } = origin;
    push(&mut text, format_args!("v=0"));
    push(
        &mut text,
        format_args!("o=hookswitch {id} {version} {}", network(*creator)),
    );
    push(&mut text, format_args!("s=-"));
    push(&mut text, format_args!("c={}", network(address)));
    push(&mut text, format_args!("t={time}"));
    text
}

/// The stream that we take part in.
pub(super) fn own_stream(text: &mut String, own: &Own<'_>) {
    let payloads: Vec<_> = own
        .formats
        .iter()
        .map(|(payload, _)| payload.to_string())
        .collect();
    let (port, proto) = (own.rtp.port(), own.proto);
    push(
        text,
        format_args!("m=audio {port} {proto} {}", payloads.join(" ")),
    );
    for (payload, format) in own.formats {
        push(
            text,
            format_args!("a=rtpmap:{payload} {}", format.encoding()),
        );
        if let Some(parameters) = format.parameters() {
            push(text, format_args!("a=fmtp:{payload} {parameters}"));
        }
    }
    if let Some(crypto) = &own.crypto {
        push(text, format_args!("a=crypto:{crypto}"));
    }
    if own.rtcp_mux {
        push(text, format_args!("a=rtcp-mux"));
    }
    push(text, format_args!("a=ptime:{}", own.ptime));
    push(text, format_args!("a={}", own.direction.name()));
}

/// What tells a stream apart from others of its description (RFC 4574).
pub(super) fn label(text: &mut String, label: &str) {
    push(text, format_args!("a=label:{label}"));
}

/// A stream that we take no part in (RFC 3264 §6: port 0).
pub(super) fn refused(text: &mut String, kind: &str, proto: &str, formats: &[String]) {
    push(
        text,
        format_args!("m={kind} 0 {proto} {}", formats.join(" ")),
    );
}

fn network(address: IpAddr) -> String {
    let family = if address.is_ipv4() { "IP4" } else { "IP6" };
    format!("IN {family} {address}")
}

fn push(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    text.write_fmt(line).ok();
    text.push_str("\r\n");
}
