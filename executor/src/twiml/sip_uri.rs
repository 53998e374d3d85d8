//! The URI of a `<Sip>` noun, with the header fields that it carries (RFC 3261 §19.1.1).

use percent_encoding::percent_decode_str;

use crate::ErrorCode;

/// Longest address part, in bytes, plus one.
pub const ADDRESS_BYTES_LIMIT: usize = 255;

/// Longest header part as written (encoded), in bytes, plus one.
pub const HEADERS_BYTES_LIMIT: usize = 1024;

/// A SIP URI taken apart.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SipUri {
    /// The address with its parameters and without headers, beginning with `sip:`.
    pub address: String,
    /// Header fields for the INVITE, decoded and checked, in order.
    pub headers: Vec<(String, String)>,
    /// Header fields that may not be sent.
    pub refused: Vec<RefusedHeader>,
}

/// A header field of the URI that may not be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RefusedHeader {
    /// Its name, as written.
    pub name: String,
    /// The number of the warning.
    pub code: ErrorCode,
    /// The reason.
    pub why: &'static str,
}

/// Why a text is no URI that may be called.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SipUriError {
    /// 13243.
    #[error("the address has 255 characters or more")]
    AddressLong,
    /// 13243.
    #[error("it has a character that no SIP URI has")]
    Character,
    /// 21227.
    #[error("the headers have 1024 characters or more")]
    HeadersLong,
    /// 13243.
    #[error("the host or port is invalid")]
    Host,
    /// 13243.
    #[error("the transport is none of udp, tcp and tls")]
    Transport,
    /// 13243.
    #[error("the user part is invalid")]
    User,
}

impl SipUri {
    /// Reads the text of a `<Sip>`: the scheme may be missing, the text may be surrounded by
    /// white space; `region` and `edge` are taken off, as are parameters that would redirect the
    /// request (`maddr`, `ttl`, `method`, `lr`); `sips:` is `sip:` over TLS.
    ///
    /// # Errors
    ///
    /// See [`SipUriError`]. A header field that may not be sent is no error:
    /// see [`SipUri::refused`].
    pub fn parse(text: &str) -> Result<Self, SipUriError> {
        let text = text.trim();
        if text
            .bytes()
            .any(|byte| byte <= b' ' || byte >= 0x7f || b"<>\"\\^`{|}".contains(&byte))
        {
            return Err(SipUriError::Character);
        }
        let (address, headers) = text.split_once('?').unwrap_or((text, ""));
        if address.len() >= ADDRESS_BYTES_LIMIT {
            return Err(SipUriError::AddressLong);
        }
        if headers.len() >= HEADERS_BYTES_LIMIT {
            return Err(SipUriError::HeadersLong);
        }
        let mut uri = Self {
            address: parse_address(address)?,
            ..Self::default()
        };
        for pair in headers.split('&').filter(|pair| !pair.is_empty()) {
            match parse_header(pair) {
                Ok(header) => uri.headers.push(header),
                Err(refused) => uri.refused.push(refused),
            }
        }
        Ok(uri)
    }
}

impl SipUriError {
    /// The number.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::HeadersLong => ErrorCode::SIP_HEADERS_LENGTH,
            _ => ErrorCode::SIP_URI,
        }
    }
}

/// Whether a text says itself that it is a SIP URI.
pub fn has_sip_scheme(text: &str) -> bool {
    split_scheme(text).0.is_some()
}

fn split_scheme(text: &str) -> (Option<&'static str>, &str) {
    for scheme in ["sips:", "sip:"] {
        if text
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        {
            return (Some(scheme), text.get(scheme.len()..).unwrap_or_default());
        }
    }
    (None, text)
}

fn parse_address(address: &str) -> Result<String, SipUriError> {
    let (scheme, rest) = split_scheme(address);
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, rest),
    };
    if user.is_some_and(|user| !is_user(user)) {
        return Err(SipUriError::User);
    }
    let (host, parameters) = rest.split_once(';').unwrap_or((rest, ""));
    if !is_host_port(host) {
        return Err(SipUriError::Host);
    }
    let mut uri = String::from("sip:");
    if let Some(user) = user {
        uri.push_str(user);
        uri.push('@');
    }
    uri.push_str(host);
    push_parameters(&mut uri, parameters, scheme == Some("sips:"))?;
    Ok(uri)
}

fn push_parameters(uri: &mut String, parameters: &str, secure: bool) -> Result<(), SipUriError> {
    for parameter in parameters
        .split(';')
        .filter(|parameter| !parameter.is_empty())
    {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let (name, plain) = (
            name.to_ascii_lowercase(),
            is_escaped_from(parameter, PARAMETER_MARKS),
        );
        match name.as_str() {
            "region" | "edge" | "maddr" | "ttl" | "method" | "lr" => {}
            "transport" if secure => {}
            "transport" => {
                let value = value.to_ascii_lowercase();
                if !matches!(value.as_str(), "udp" | "tcp" | "tls") {
                    return Err(SipUriError::Transport);
                }
                uri.push_str(";transport=");
                uri.push_str(&value);
            }
            _ if !plain || name.is_empty() => return Err(SipUriError::Character),
            _ => {
                uri.push(';');
                uri.push_str(parameter);
            }
        }
    }
    if secure {
        uri.push_str(";transport=tls");
    }
    Ok(())
}

fn is_user(user: &str) -> bool {
    !user.is_empty() && is_escaped_from(user, USER_MARKS)
}

/// RFC 3261 §25.1 `hostport`.
fn is_host_port(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, "")) => (host.parse::<std::net::Ipv6Addr>().is_ok(), None),
            Some((host, port)) => {
                let Some(port) = port.strip_prefix(':') else {
                    return false;
                };
                (host.parse::<std::net::Ipv6Addr>().is_ok(), Some(port))
            }
            None => return false,
        },
        None => match text.split_once(':') {
            Some((host, port)) => (is_host(host), Some(port)),
            None => (is_host(text), None),
        },
    };
    host && port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

fn is_host(host: &str) -> bool {
    let byte_fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let host = host.strip_suffix('.').unwrap_or(host);
    !host.is_empty()
        && host.bytes().all(byte_fits)
        && host.split('.').all(|label| !label.is_empty())
}

/// Letters, digits, the unreserved marks, `marks`, and `%` with two hexadecimal digits that do
/// not stand for a control character.
fn is_escaped_from(text: &str, marks: &[u8]) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => matches!(
                (bytes.next(), bytes.next()),
                (Some(high @ (b'2'..=b'9' | b'a'..=b'f' | b'A'..=b'F')), Some(low))
                    if low.is_ascii_hexdigit() && !(high == b'7' && low.eq_ignore_ascii_case(&b'f'))
            ),
            _ => {
                byte.is_ascii_alphanumeric()
                    || b"-_.!~*'()".contains(&byte)
                    || marks.contains(&byte)
            }
        };
        if !fits {
            return false;
        }
    }
    true
}

/// RFC 3261 §19.1.1: name and value are percent-decoded once; `+` is a plus sign.
fn parse_header(pair: &str) -> Result<(String, String), RefusedHeader> {
    let written = pair.split('=').next().unwrap_or(pair);
    let refuse = |code, why| RefusedHeader {
        name: written.to_owned(),
        code,
        why,
    };
    let bad_name = |why| refuse(ErrorCode::SIP_HEADER_NAME, why);
    let bad_value = |why| refuse(ErrorCode::SIP_HEADER_LONG, why);
    let Some((name, value)) = pair.split_once('=') else {
        return Err(bad_name("it has no value"));
    };
    let Some(name) = decode(name) else {
        return Err(bad_name("its name is not decodable"));
    };
    if !is_token(&name) {
        return Err(bad_name("its name is no header name"));
    }
    if !is_allowed(&name) {
        return Err(bad_name(
            "only X-, User-to-User, Remote-Party-ID, P-Preferred-Identity and P-Called-Party-ID may be set",
        ));
    }
    let Some(value) = decode(value) else {
        return Err(bad_value("its value is not decodable"));
    };
    if value.chars().any(char::is_control) {
        return Err(bad_value("its value has control characters"));
    }
    Ok((name, value))
}

/// Decodes once. `None`: a lone `%`, or no UTF-8.
fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let whole = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'%')
        .all(|(at, _)| {
            let digits = bytes.get(at + 1..at + 3);
            digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        });
    if !whole {
        return None;
    }
    percent_decode_str(text)
        .decode_utf8()
        .ok()
        .map(|text| text.into_owned())
}

/// RFC 3261 §25.1 `token`.
fn is_token(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(&byte);
    !name.is_empty() && name.bytes().all(fits)
}

fn is_allowed(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    if name.starts_with("x-hookswitch-") {
        return false;
    }
    (name.starts_with("x-") && name.len() > 2) || ALLOWED.contains(&name.as_str())
}

const ALLOWED: &[&str] = &[
    "user-to-user",
    "remote-party-id",
    "p-preferred-identity",
    "p-called-party-id",
];
const USER_MARKS: &[u8] = b"&=+$,;/:";
const PARAMETER_MARKS: &[u8] = b"[]/:&+$=";
