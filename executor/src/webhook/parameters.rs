//! The parameters of a request.

use url::form_urlencoded::Serializer;

use crate::Sid;

use super::{CallContext, Purpose, Request};

/// The legacy date that names the API, and with it the set of parameters.
const API_VERSION: &str = "2010-04-01";
/// Longest value of a `SipHeader_…` parameter, in bytes: a header line is bounded by the proxy,
/// repeated ones are not.
const HEADER_VALUE_BYTES_MAX: usize = 8 * 1024;
/// Most `SipHeader_…` parameters.
const HEADERS_MAX: usize = 64;

/// All parameters of a request, in the order in which they are sent: the call's, then the
/// SIP leg's, then those of the verb. A name stands there once: the call's own parameters cannot
/// be overridden by what comes later.
///
/// A request about something else than a leg (a recording, a conference, a media stream) has its
/// own parameters, and the account and the call that it belongs to; a participant's event is
/// about the participant's call.
pub fn call_params(request: &Request, call: &CallContext) -> Vec<(String, String)> {
    if !request.purpose.is_about_call() {
        return own_params(request, call);
    }
    let sid = |sid: Option<Sid>| sid.map(|sid| sid.to_string());
    let sip = &call.sip;
    let fixed = [
        ("CallSid", Some(call.call_sid.to_string())),
        ("AccountSid", Some(call.account_sid.to_string())),
        ("From", Some(call.from.clone())),
        ("To", Some(call.to.clone())),
        ("Caller", Some(call.from.clone())),
        ("Called", Some(call.to.clone())),
        ("CallStatus", Some(request.call_status.to_string())),
        ("ApiVersion", Some(API_VERSION.to_owned())),
        ("Direction", Some(call.direction.to_string())),
        ("ParentCallSid", sid(call.parent_call_sid)),
        ("SipDomain", sip.domain.clone()),
        ("SipDomainSid", sid(sip.domain_sid)),
        ("SipUsername", sip.username.clone()),
        ("SipCallId", sip.call_id.clone()),
        (
            "SipSourceIp",
            sip.source_ip.map(|ip| ip.to_canonical().to_string()),
        ),
    ];
    let mut params: Vec<(String, String)> = fixed
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), clean(value?.as_bytes()))))
        .collect();
    params.extend(header_params("SipHeader_", &sip.headers));
    for (name, value) in &request.params {
        if params.iter().all(|(taken, _)| taken != name) {
            params.push((name.clone(), value.clone()));
        }
    }
    params
}

fn own_params(request: &Request, call: &CallContext) -> Vec<(String, String)> {
    let mut params = vec![("AccountSid".to_owned(), call.account_sid.to_string())];
    if request.purpose != Purpose::ConferenceCallback {
        params.push(("CallSid".to_owned(), call.call_sid.to_string()));
    }
    params.extend(request.params.iter().cloned());
    params
}

/// One parameter for each header name that an application may see: `X-…` and `User-to-User`, but
/// never the reserved `X-Hookswitch-…`. The name is kept as received; of names that differ in
/// case only, the first counts, and the values are joined by `, ` in order (RFC 3261 §7.3.1).
pub fn header_params<'h>(
    prefix: &str,
    headers: impl IntoIterator<Item = &'h (String, Vec<u8>)>,
) -> Vec<(String, String)> {
    let mut params: Vec<(&str, String)> = Vec::new();
    for (name, value) in headers {
        if !is_visible(name) {
            continue;
        }
        let value = clean(value);
        let count = params.len();
        match params
            .iter_mut()
            .find(|(taken, _)| taken.eq_ignore_ascii_case(name))
        {
            Some((_, joined)) if joined.len() + value.len() <= HEADER_VALUE_BYTES_MAX => {
                joined.push_str(", ");
                joined.push_str(&value);
            }
            None if count < HEADERS_MAX => params.push((name, value)),
            _ => {}
        }
    }
    params
        .into_iter()
        .map(|(name, value)| (format!("{prefix}{name}"), value))
        .collect()
}

/// The pairs as `application/x-www-form-urlencoded`.
pub(super) fn encode(params: &[(String, String)]) -> String {
    Serializer::new(String::new()).extend_pairs(params).finish()
}

fn is_visible(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let is_text = lower.bytes().all(|byte| byte.is_ascii_graphic());
    is_text
        && (lower == "user-to-user" || (lower.starts_with("x-") && lower.len() > 2))
        && !lower.starts_with("x-hookswitch-")
}

/// A value as text: bytes that are no UTF-8 become U+FFFD, folds become a space, other control
/// characters are dropped.
fn clean(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.trim().chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\r' if chars.peek() == Some(&'\n') => {
                while chars
                    .next_if(|c| matches!(c, '\r' | '\n' | ' ' | '\t'))
                    .is_some()
                {}
                clean.push(' ');
            }
            '\t' => clean.push(' '),
            c if c.is_control() => {}
            c => clean.push(c),
        }
    }
    clean
}
