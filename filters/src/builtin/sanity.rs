//! `sanity`: requests that must not get further.

use sip::{CSeq, HeaderName, HeaderSet, Headers, Limits, Method, ParseError, Request};
use toml::Spanned;

use super::extension::Extension;
use crate::{
    BuildContext, ConfigError, Context, Filter, Flow, Hooks, Kind, Plugin, Reason, Reply, settings,
    words,
};

settings! {
    /// Keys of `sanity`.
    pub struct SanityKeys {
        /// What becomes of a request that is malformed or too large: `reject` answers it (400, 414
        /// or 513), `drop` says nothing. 416, 420 and 483 are answers that RFC 3261 asks for and
        /// are always given.
        action: FaultAction = Kind::Choice(FaultAction::WORDS), r#""reject""#, r#""drop""#;
        /// Bytes of a whole message. This and the bounds below may only be tighter than those of
        /// the server, which hold where a key is not set.
        message_bytes: Option<Spanned<usize>> = Kind::Integer(1, 65535), absent, "16384";
        /// Bytes of start line and headers.
        header_section_bytes: Option<Spanned<usize>> = Kind::Integer(1, 65535), absent, "8192";
        /// Bytes of one header line with its folds.
        header_bytes: Option<Spanned<usize>> = Kind::Integer(1, 65535), absent, "2048";
        /// Header rows.
        headers: Option<Spanned<usize>> = Kind::Integer(1, 65535), absent, "64";
        /// Via values.
        via_values: Option<Spanned<usize>> = Kind::Integer(1, 65535), absent, "35";
        /// Bytes of the Request-URI.
        uri_bytes: Option<Spanned<usize>> = Kind::Integer(1, 65535), absent, "400";
        /// Bytes of the method.
        method_bytes: Option<Spanned<usize>> = Kind::Integer(1, 65535), absent, "32";
        /// Bytes of the body.
        body_bytes: Option<Spanned<usize>> = Kind::Integer(0, 65535), absent, "8192";
        /// Headers that must be there beside those that RFC 3261 §8.1.1 asks for (Via, From, To,
        /// Call-ID and CSeq; Max-Forwards may be missing, as RFC 2543 elements leave it out).
        required_headers: Vec<Spanned<String>> = Kind::Texts, "[]", r#"["User-Agent"]"#;
        /// Headers that may stand once only beside those that RFC 3261 §20 says so of.
        single_headers: Vec<Spanned<String>> = Kind::Texts, "[]", r#"["X-Tenant"]"#;
        /// Which headers may not have white space before the colon. RFC 3261 §7.3.1 allows it, but
        /// elements that disagree about it read different names. So it is refused in `extension`
        /// headers, whose names begin with `X-` or `P-`; in `all`; or in `none`.
        space_before_colon: SpaceBeforeColon = Kind::Choice(SpaceBeforeColon::WORDS), r#""extension""#, r#""all""#;
        /// What becomes of `X-` and `P-` headers that are folded over several lines: `reject` the
        /// request, `unfold` them into one line, or `allow` them as they are.
        x_folding: XFolding = Kind::Choice(XFolding::WORDS), r#""reject""#, r#""unfold""#;
        /// Option tags of Proxy-Require that are let through (RFC 3261 §16.3 step 5).
        proxy_require: Vec<String> = Kind::Texts, "[]", r#"["foo"]"#;
    }
}

words! {
    /// What becomes of a malformed request.
    pub enum FaultAction {
        /// It is not answered.
        Drop = "drop",
        /// It is answered.
        Reject = "reject",
    }
}

words! {
    /// Which headers may not have white space before the colon.
    pub enum SpaceBeforeColon {
        /// Any.
        All = "all",
        /// `X-` and `P-` headers.
        Extension = "extension",
        /// None; all may.
        None = "none",
    }
}

words! {
    /// What becomes of folded `X-` and `P-` headers.
    pub enum XFolding {
        /// They stay as they are.
        Allow = "allow",
        /// The request is refused.
        Reject = "reject",
        /// They are written as one line.
        Unfold = "unfold",
    }
}

/// Refuses what no later filter and no later element should have to see.
///
/// The grammar of the headers that routing reads is checked by the pipeline before any chain runs;
/// it is not read a second time here.
#[derive(Debug)]
pub struct Sanity {
    action: FaultAction,
    limits: Limits,
    /// Whether any bound on lines, rows or bytes is tighter than the one that was held already.
    measures: bool,
    /// Whether the bound on Via values is.
    counts_vias: bool,
    required: Vec<String>,
    single: Vec<String>,
    space_before_colon: SpaceBeforeColon,
    x_folding: XFolding,
    proxy_require: Vec<String>,
}

/// Why a request is not sane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finding {
    Header(Reason),
    Limit(ParseError),
}

const CONTROL_BYTE: Reason = Reason("control_byte");
const DUPLICATE_HEADER: Reason = Reason("duplicate_header");
const FOLDED_HEADER: Reason = Reason("folded_header");
const MALFORMED_HEADER: Reason = Reason("malformed_header");
const METHOD_MISMATCH: Reason = Reason("method_mismatch");
const MISSING_HEADER: Reason = Reason("missing_header");
const PROXY_REQUIRE: Reason = Reason("proxy_require");
const SPACE_BEFORE_COLON: Reason = Reason("space_before_colon");
const TOO_MANY_HOPS: Reason = Reason("too_many_hops");
const URI_SCHEME: Reason = Reason("uri_scheme");
const VIA_TOO_MANY: Reason = Reason("via_too_many");

impl Filter for Sanity {
    fn on_request(&self, request: &mut Request, _: &mut Context) -> Flow {
        // The scheme comes first: what follows it is not ours to judge (§16.3 step 2).
        if !has_known_scheme(request.uri_bytes()) {
            return Flow::Reply(Reply::new(416, "Unsupported URI Scheme", URI_SCHEME));
        }
        let checked = self.check(request);
        let (hops, proxy_require) = match checked {
            Ok(found) => found,
            Err(finding) => return self.refuse(finding),
        };
        if self.x_folding == XFolding::Unfold
            && let Err(finding) = unfold_extensions(request)
        {
            return self.refuse(finding);
        }
        // RFC 3261 §16.3 step 3.
        if hops == Some(0) {
            return Flow::Reply(Reply::new(483, "Too Many Hops", TOO_MANY_HOPS));
        }
        if proxy_require {
            return self.check_proxy_require(request);
        }
        Flow::Continue
    }

    fn hooks(&self) -> Hooks {
        Hooks::REQUEST
    }
}

impl Sanity {
    /// Every check that ends in a finding; returns the hops that are left, and whether there is a
    /// Proxy-Require.
    fn check(&self, request: &Request) -> Result<(Option<u32>, bool), Finding> {
        if self.measures {
            self.check_bounds(request)?;
        }
        let seen = self.check_rows(&request.headers)?;
        if REQUIRED & !seen != 0 {
            return Err(Finding::Header(MISSING_HEADER));
        }
        let hops = self.check_named(request)?;
        Ok((hops, seen & bit(HeaderName::ProxyRequire) != 0))
    }

    fn check_bounds(&self, request: &Request) -> Result<(), Finding> {
        let limits = &self.limits;
        let headers = &request.headers;
        let over = |error| Err(Finding::Limit(error));
        if request.uri_bytes().len() > limits.uri_bytes {
            return over(ParseError::UriTooLarge);
        }
        if request.method_bytes().len() > limits.method_bytes {
            return over(ParseError::MethodTooLarge);
        }
        if headers.len() > limits.headers {
            return over(ParseError::HeadersTooMany);
        }
        let start_line = request.method_bytes().len() + request.uri_bytes().len();
        let mut section = start_line + START_LINE_REST + LINE_END;
        for index in 0..headers.len() {
            let line = headers.line(index).unwrap_or_default().len();
            if line > limits.header_bytes {
                return over(ParseError::HeaderTooLarge);
            }
            section += line;
        }
        if section > limits.header_section_bytes {
            return over(ParseError::HeaderSectionTooLarge);
        }
        let body = headers.body().len();
        if body > limits.body_bytes {
            return over(ParseError::BodyTooLarge);
        }
        if section + body > limits.message_bytes {
            return over(ParseError::MessageTooLarge);
        }
        Ok(())
    }

    /// One pass over all rows: what may be there once, and what elements read differently. Returns
    /// what is there, one bit a name; see [`bit`].
    fn check_rows(&self, headers: &Headers) -> Result<u64, Finding> {
        let mut seen = 0;
        for (index, id, name) in headers.names(EVERY) {
            let bit = bit(id);
            if seen & bit & SINGLE != 0 {
                return Err(Finding::Header(DUPLICATE_HEADER));
            }
            seen |= bit;
            let extension = is_extension(id, name);
            if extension || self.space_before_colon == SpaceBeforeColon::All {
                let line = headers.line(index).unwrap_or_default();
                self.check_row(name, line, extension)?;
            }
        }
        Ok(seen)
    }

    /// Blanks beside the name, folds, control bytes.
    fn check_row(&self, name: &[u8], line: &[u8], extension: bool) -> Result<(), Finding> {
        let judged = match self.space_before_colon {
            SpaceBeforeColon::All => true,
            SpaceBeforeColon::Extension => extension,
            SpaceBeforeColon::None => false,
        };
        if judged && line.get(name.len()) != Some(&b':') {
            return Err(Finding::Header(SPACE_BEFORE_COLON));
        }
        if !extension {
            return Ok(());
        }
        let odd = odd_bytes(line);
        if odd.line_end && self.x_folding == XFolding::Reject {
            return Err(Finding::Header(FOLDED_HEADER));
        }
        if odd.control {
            return Err(Finding::Header(CONTROL_BYTE));
        }
        Ok(())
    }

    /// Headers by name: CSeq, Max-Forwards, Via, and those that the configuration lists. Returns
    /// the hops that are left.
    fn check_named(&self, request: &Request) -> Result<Option<u32>, Finding> {
        let headers = &request.headers;
        let found = |reason| Err(Finding::Header(reason));
        let method = request.method_bytes();
        let cseq = headers.first(HeaderName::CSeq).unwrap_or_default();
        if !is_plain_cseq(cseq, method) {
            match CSeq::parse(cseq) {
                Err(_) => return found(MALFORMED_HEADER),
                Ok(cseq) if cseq.method != method => return found(METHOD_MISMATCH),
                Ok(_) => {}
            }
        }
        let hops = match headers.first(HeaderName::MaxForwards) {
            None => None,
            Some(hops) => match sip::number(hops) {
                None => return found(MALFORMED_HEADER),
                hops => hops,
            },
        };
        if self.counts_vias
            && headers
                .list(HeaderName::Via)
                .nth(self.limits.via_values)
                .is_some()
        {
            return found(VIA_TOO_MANY);
        }
        for name in &self.required {
            if headers.named(name.as_bytes()).next().is_none() {
                return found(MISSING_HEADER);
            }
        }
        for name in &self.single {
            if headers.named(name.as_bytes()).nth(1).is_some() {
                return found(DUPLICATE_HEADER);
            }
        }
        Ok(hops)
    }

    /// RFC 3261 §16.3 step 5; §8.2.2.3 exempts CANCEL and ACK.
    fn check_proxy_require(&self, request: &Request) -> Flow {
        if matches!(request.method(), Method::Ack | Method::Cancel) {
            return Flow::Continue;
        }
        let known = |tag: &&[u8]| {
            let mut known = self.proxy_require.iter();
            known.any(|known| known.as_bytes().eq_ignore_ascii_case(tag))
        };
        let tags = request.headers.list(HeaderName::ProxyRequire);
        let unknown: Vec<&[u8]> = tags.filter(|tag| !known(tag)).take(TAGS_MAX).collect();
        if unknown.is_empty() {
            return Flow::Continue;
        }
        let unsupported = sip::unfold(&unknown.join(b", ".as_slice())).into_owned();
        let reply = Reply::new(420, "Bad Extension", PROXY_REQUIRE);
        Flow::Reply(reply.header("Unsupported", unsupported))
    }

    fn refuse(&self, finding: Finding) -> Flow {
        let (status, phrase, reason) = match finding {
            Finding::Header(reason) => (400, "Bad Request", reason),
            Finding::Limit(error) => {
                let (status, phrase) = error.status();
                (status, phrase, Reason(error.label()))
            }
        };
        match self.action {
            FaultAction::Drop => Flow::Drop(reason),
            FaultAction::Reject => Flow::Reply(Reply::new(status, phrase, reason)),
        }
    }
}

/// RFC 3261 §16.3 step 2.
fn has_known_scheme(uri: &[u8]) -> bool {
    if uri.starts_with(b"sip:") {
        return true;
    }
    let end = memchr::memchr(b':', uri).unwrap_or(uri.len());
    let scheme = uri.get(..end).unwrap_or_default();
    let known = [b"sip".as_slice(), b"sips", b"tel"];
    known.iter().any(|known| known.eq_ignore_ascii_case(scheme))
}

/// Whether a CSeq is a number, one space and `method`, which is a token.
fn is_plain_cseq(cseq: &[u8], method: &[u8]) -> bool {
    let number = cseq.strip_suffix(method);
    let number = number.and_then(|number| number.strip_suffix(b" "));
    number.is_some_and(|number| sip::number(number).is_some())
}

fn unfold_extensions(request: &mut Request) -> Result<(), Finding> {
    let headers = &mut request.headers;
    for index in 0..headers.len() {
        let Some(header) = headers.get(index) else {
            break;
        };
        if !is_extension(header.id, header.name) || memchr::memchr(b'\n', header.value).is_none() {
            continue;
        }
        let value = header.unfolded().into_owned();
        // No byte of it is new, so it can be written unless there is no room.
        let unfolded = headers.set_value_at(index, &value);
        unfolded.map_err(|_| Finding::Limit(ParseError::MessageTooLarge))?;
    }
    Ok(())
}

/// What a header line holds that it should not.
struct Odd {
    /// It goes on behind a line end; a fold may stand before the value too.
    line_end: bool,
    /// A control byte that is no white space.
    control: bool,
}

fn odd_bytes(line: &[u8]) -> Odd {
    let text = line.strip_suffix(b"\r\n").unwrap_or(line);
    if is_plain(text) {
        return Odd {
            line_end: false,
            control: false,
        };
    }
    let ends = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t' && !ends(byte);
    Odd {
        line_end: text.iter().any(ends),
        control: text.iter().any(control),
    }
}

/// Whether no byte is a control byte; sixteen at a time, which are one register.
fn is_plain(text: &[u8]) -> bool {
    let has_control = |chunk: &[u8; 16]| {
        let each = chunk.iter().map(u8::is_ascii_control);
        each.fold(false, |any, control| any | control)
    };
    let Some(last) = text.last_chunk() else {
        return !text.iter().any(u8::is_ascii_control);
    };
    let (chunks, _) = text.as_chunks();
    !has_control(last) && !chunks.iter().any(has_control)
}

/// One bit a known name; all other names share the last one.
const fn bit(id: HeaderName) -> u64 {
    1 << id as u8
}

#[inline]
fn is_extension(id: HeaderName, name: &[u8]) -> bool {
    Extension::NAMES.contains(id) && Extension::of(name).is_some()
}

impl Plugin for Sanity {
    const NAME: &'static str = "sanity";
    const SUMMARY: &'static str = "\
Refuses requests that no later element should have to see. It checks bounds, headers that RFC 3261 \
requires or allows once only, tricks with header names (`X-Foo :`, folding, control bytes), \
Max-Forwards (483), Proxy-Require (420) and the scheme of the Request-URI (416).";
    const EXAMPLE: &'static str = "\
action = \"reject\"
header_bytes = 2048
single_headers = [\"X-Tenant\"]
";
    const REASONS: &'static [Reason] = &[
        Reason("body_too_large"),
        CONTROL_BYTE,
        DUPLICATE_HEADER,
        FOLDED_HEADER,
        Reason("header_section_too_large"),
        Reason("header_too_large"),
        Reason("headers_too_many"),
        MALFORMED_HEADER,
        Reason("message_too_large"),
        METHOD_MISMATCH,
        Reason("method_too_large"),
        MISSING_HEADER,
        PROXY_REQUIRE,
        SPACE_BEFORE_COLON,
        TOO_MANY_HOPS,
        URI_SCHEME,
        Reason("uri_too_large"),
        VIA_TOO_MANY,
    ];
    type Config = SanityKeys;

    fn build(config: SanityKeys, cx: &BuildContext) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let server = &cx.limits;
        let mut tighter = |key: &str, value: Option<Spanned<usize>>, server: usize| {
            let Some(value) = value else { return server };
            if *value.get_ref() > server {
                let message = format!("{} is above the server's bound", value.get_ref());
                let error = ConfigError::new(key, value.span(), message);
                errors.push(error.expected(format!("at most {server}")));
            }
            value.into_inner()
        };
        let limits = Limits {
            message_bytes: tighter("message_bytes", config.message_bytes, server.message_bytes),
            header_section_bytes: tighter(
                "header_section_bytes",
                config.header_section_bytes,
                server.header_section_bytes,
            ),
            header_bytes: tighter("header_bytes", config.header_bytes, server.header_bytes),
            headers: tighter("headers", config.headers, server.headers),
            via_values: tighter("via_values", config.via_values, server.via_values),
            uri_bytes: tighter("uri_bytes", config.uri_bytes, server.uri_bytes),
            method_bytes: tighter("method_bytes", config.method_bytes, server.method_bytes),
            body_bytes: tighter("body_bytes", config.body_bytes, server.body_bytes),
        };
        let mut names = |key: &str, names: Vec<Spanned<String>>| -> Vec<String> {
            for (index, name) in names.iter().enumerate() {
                if !sip::is_token(name.get_ref().as_bytes()) {
                    let message = format!("{:?} is no header name", name.get_ref());
                    let key = format!("{key}[{index}]");
                    errors.push(ConfigError::new(key, name.span(), message));
                }
            }
            names.into_iter().map(Spanned::into_inner).collect()
        };
        let required = names("required_headers", config.required_headers);
        let single = names("single_headers", config.single_headers);
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            action: config.action,
            measures: limits.message_bytes < server.message_bytes
                || limits.header_section_bytes < server.header_section_bytes
                || limits.header_bytes < server.header_bytes
                || limits.headers < server.headers
                || limits.uri_bytes < server.uri_bytes
                || limits.method_bytes < server.method_bytes
                || limits.body_bytes < server.body_bytes,
            counts_vias: limits.via_values < server.via_values,
            limits,
            required,
            single,
            space_before_colon: config.space_before_colon,
            x_folding: config.x_folding,
            proxy_require: config.proxy_require,
        })
    }
}

/// RFC 3261 §8.1.1; Max-Forwards is let off.
const REQUIRED: u64 = bit(HeaderName::Via)
    | bit(HeaderName::From)
    | bit(HeaderName::To)
    | bit(HeaderName::CallId)
    | bit(HeaderName::CSeq);
const _: () = assert!((HeaderName::Other as u8) < 64, "`bit` has 64 of them");
/// All of them.
const EVERY: HeaderSet = {
    let mut every = HeaderSet::of(HeaderName::ALL);
    every.insert(HeaderName::Other);
    every
};
/// Headers that may stand once only.
const SINGLE: u64 = {
    let mut single = 0;
    let mut at = 0;
    while at < HeaderName::ALL.len() {
        if HeaderName::ALL[at].is_single() {
            single |= bit(HeaderName::ALL[at]);
        }
        at += 1;
    }
    single
};
/// A space on either side of the Request-URI, the version and the line end.
const START_LINE_REST: usize = " ".len() * 2 + "SIP/2.0\r\n".len();
const LINE_END: usize = "\r\n".len();
/// Option tags that Unsupported lists at most.
const TAGS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_is_what_has_no_control_byte() {
        for length in 0..50 {
            for at in 0..length {
                for byte in 0..=255u8 {
                    let mut text = vec![b'~'; length];
                    text[at] = byte;
                    assert_eq!(is_plain(&text), !byte.is_ascii_control(), "{text:?}");
                    text[length - 1 - at] |= 0x80;
                    let control = text.iter().any(u8::is_ascii_control);
                    assert_eq!(is_plain(&text), !control, "{text:?}");
                }
            }
        }
        assert!(is_plain(b""));
    }
}
