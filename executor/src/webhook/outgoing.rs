//! One HTTP request as it goes out.

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue};
use url::Url;

use crate::ErrorCode;

use super::cache::Cached;
use super::classify::Failure;
use super::request::bare;
use super::{CallContext, Method, parameters, sign};

/// What makes a request, besides the call.
pub(super) struct Outgoing<'o> {
    pub(super) call: &'o CallContext,
    /// With userinfo, without the call's parameters.
    pub(super) url: &'o Url,
    pub(super) method: Method,
    pub(super) params: &'o [(String, String)],
    /// The same on all attempts, so that the application can tell a repetition.
    pub(super) token: &'o str,
}

impl Outgoing<'_> {
    /// The URL on the wire: a GET's has the parameters after its own query.
    pub(super) fn wire_url(&self) -> Url {
        let mut url = bare(self.url);
        if self.method == Method::Get {
            let added = parameters::encode(self.params);
            let query = match url.query() {
                Some(own) if !own.is_empty() => format!("{own}&{added}"),
                _ => added,
            };
            url.set_query(Some(&query));
        }
        url
    }

    /// The request: signed, with the cookies and credentials of the call, and conditional if the
    /// reply is known.
    pub(super) fn build(
        &self,
        wire: &Url,
        cached: Option<&Cached>,
    ) -> Result<reqwest::Request, Failure> {
        let (method, form) = match self.method {
            Method::Get => (http::Method::GET, &[][..]),
            Method::Post => (http::Method::POST, self.params),
        };
        let mut request = reqwest::Request::new(method, wire.clone());
        let signature = sign(&self.call.auth_token, wire.as_str(), form);
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        insert(headers, "x-twilio-signature", &signature)?;
        insert(headers, "i-twilio-idempotency-token", self.token)?;
        if let Some(cookies) = self.call.session.cookies(wire) {
            insert(headers, COOKIE.as_str(), &cookies)?;
        }
        self.authorize(headers, wire)?;
        if let Some(cached) = cached {
            cached.validators.ask(headers);
        }
        if self.method == Method::Post {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(FORM));
            *request.body_mut() = Some(parameters::encode(form).into());
        }
        Ok(request)
    }

    /// The credentials are the configured URL's own; the path and query are the wire's.
    fn authorize(&self, headers: &mut HeaderMap, wire: &Url) -> Result<(), Failure> {
        let mut identified = wire.clone();
        copy_userinfo(self.url, &mut identified);
        let (session, method) = (&self.call.session, self.method.as_str());
        if let Some(value) = session.authorization(method, &identified, &random_token()) {
            insert(headers, AUTHORIZATION.as_str(), &value)?;
            if let Some(value) = headers.get_mut(AUTHORIZATION) {
                value.set_sensitive(true);
            }
        }
        Ok(())
    }
}

/// Both setters fail only for URLs that cannot have userinfo, and these have a host.
pub(super) fn copy_userinfo(from: &Url, to: &mut Url) {
    to.set_username(from.username()).unwrap_or_default();
    to.set_password(from.password()).unwrap_or_default();
}

/// A UUID (RFC 9562 §5.4).
pub(super) fn random_token() -> String {
    let mut bytes = [0; 16];
    // Without randomness tokens collide, which costs a retry its mark and nothing else.
    getrandom::fill(&mut bytes).unwrap_or_default();
    let number = u128::from_be_bytes(bytes) & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let hex = format!("{number:032x}");
    let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default();
    [
        part(0..8),
        part(8..12),
        part(12..16),
        part(16..20),
        part(20..32),
    ]
    .join("-")
}

fn insert(headers: &mut HeaderMap, name: &'static str, value: &str) -> Result<(), Failure> {
    let value = HeaderValue::from_str(value)
        .map_err(|_| Failure::fatal(ErrorCode::INTERNAL, format!("{name} cannot be sent")))?;
    headers.insert(name, value);
    Ok(())
}

const FORM: &str = "application/x-www-form-urlencoded; charset=UTF-8";
