//! `uri_headers`: custom data in SIP URIs becomes headers.

use std::ops::ControlFlow;

use sip::{EditError, HeaderName, Headers, Method, Request, Uri, percent_decode};
use smallvec::SmallVec;
use toml::Spanned;

use crate::counters::Counts;
use crate::{
    Branch, BuildContext, ConfigError, Context, Filter, Flow, Hooks, Kind, Plugin, Reason, Reply,
    Target, escape, reserved, settings, words,
};

settings! {
    /// Keys of `uri_headers`.
    pub struct UriHeadersKeys {
        /// Names that are taken as they are beside `X-*`.
        names: Vec<Spanned<String>> = Kind::Texts, r#"["User-to-User"]"#, r#"["User-to-User", "P-Called-Party-ID"]"#;
        /// Other names in the Request-URI of a request: `prefix` puts `X-` before them, so that
        /// `customParameter` becomes `X-customParameter`; `drop` leaves them out; `reject` makes
        /// them invalid.
        others: Others = Kind::Choice(Others::WORDS), r#""prefix""#, r#""reject""#;
        /// Other names in the URI of a target: the same words.
        target_others: Others = Kind::Choice(Others::WORDS), r#""drop""#, r#""prefix""#;
        /// What becomes of a URI with an invalid header: `drop_and_warn` leaves that header out,
        /// `reject` answers 400, or passes the target over.
        on_invalid: OnInvalid = Kind::Choice(OnInvalid::WORDS), r#""drop_and_warn""#, r#""reject""#;
        /// Which one stays where the message has a header of that name already: `keep` the
        /// message's, `replace` it by the URI's, or `append` the URI's.
        on_conflict: OnConflict = Kind::Choice(OnConflict::WORDS), r#""keep""#, r#""replace""#;
    }
}

words! {
    /// What becomes of names that are neither `X-*` nor listed.
    pub enum Others {
        /// They are left out.
        Drop = "drop",
        /// `X-` is put before them.
        Prefix = "prefix",
        /// They are invalid.
        Reject = "reject",
    }
}

words! {
    /// What becomes of a URI with an invalid header.
    pub enum OnInvalid {
        /// The header is left out.
        DropAndWarn = "drop_and_warn",
        /// The request is refused.
        Reject = "reject",
    }
}

words! {
    /// Which header stays.
    pub enum OnConflict {
        /// Both.
        Append = "append",
        /// The message's.
        Keep = "keep",
        /// The URI's.
        Replace = "replace",
    }
}

/// Turns `?name=value&…` into headers: of the Request-URI on requests, of the target's URI on
/// branches. The Request-URI never keeps it (RFC 3261 §19.1.1, Table 1).
#[derive(Debug)]
pub struct UriHeaders {
    names: Vec<String>,
    others: Others,
    target_others: Others,
    on_invalid: OnInvalid,
    on_conflict: OnConflict,
    counts: Counts,
}

/// The headers that a URI gave, decoded and checked, in order and with duplicates.
#[derive(Default)]
struct Pairs {
    text: SmallVec<[u8; 256]>,
    /// Where each name ends and its value begins, and where that ends.
    ends: SmallVec<[(usize, usize); 8]>,
}

impl Pairs {
    /// Name and value of each.
    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |(name_end, value_end)| {
            let name = self.text.get(start..*name_end).unwrap_or_default();
            let value = self.text.get(*name_end..*value_end).unwrap_or_default();
            start = *value_end;
            (name, value)
        })
    }
}

const BODY: Reason = Reason("body");
const CONFLICT: Reason = Reason("conflict");
const CONTROL_BYTE: Reason = Reason("control_byte");
const ENCODING: Reason = Reason("encoding");
const ESCAPE: Reason = Reason("escape");
const NAME: Reason = Reason("name");
const NOT_ALLOWED: Reason = Reason("not_allowed");
const OTHER_NAME: Reason = Reason("other_name");
const REQUEST_URI: Reason = Reason("request_uri");
const RESERVED: Reason = Reason("reserved");
const SYNTAX: Reason = Reason("syntax");
const TOO_LARGE: Reason = Reason("too_large");

impl Filter for UriHeaders {
    fn on_request(&self, request: &mut Request, _: &mut Context) -> Flow {
        let refuse = |reason| Flow::Reply(Reply::new(400, "Bad Request", reason));
        if memchr::memchr(b'?', request.uri_bytes()).is_none() {
            return Flow::Continue;
        }
        // What stands behind the `?` of a URI that cannot be read cannot be told.
        let Ok(uri) = request.uri() else {
            return refuse(REQUEST_URI);
        };
        let Some(text) = uri.headers.filter(|_| uri.is_sip()) else {
            return Flow::Continue;
        };
        // Hop by hop and end of a handshake: they carry the Request-URI of the INVITE, and none of
        // its data anew.
        let pairs = match request.method() {
            Method::Ack | Method::Cancel => Ok(Pairs::default()),
            _ => self.pairs(text, self.others),
        };
        let bare = Bare::from_slice(uri.without_headers());
        match pairs {
            Err(reason) => return refuse(reason),
            Ok(pairs) => {
                if let ControlFlow::Break(reason) = self.add(&mut request.headers, &pairs) {
                    return refuse(reason);
                }
            }
        }
        match request.set_uri(&bare) {
            Ok(()) => Flow::Continue,
            Err(_) => refuse(TOO_LARGE),
        }
    }

    fn on_branch(&self, request: &mut Request, target: &Target, _: &mut Context) -> Branch {
        if memchr::memchr(b'?', request.uri_bytes()).is_some() {
            let Ok(uri) = request.uri() else {
                return Branch::Skip(REQUEST_URI);
            };
            let bare = Bare::from_slice(uri.without_headers());
            if request.set_uri(&bare).is_err() {
                return Branch::Skip(TOO_LARGE);
            }
        }
        if memchr::memchr(b'?', &target.uri).is_none() {
            return Branch::Send;
        }
        let Ok(uri) = Uri::parse(&target.uri) else {
            return Branch::Skip(REQUEST_URI);
        };
        let Some(text) = uri.headers.filter(|_| uri.is_sip()) else {
            return Branch::Send;
        };
        if matches!(request.method(), Method::Ack | Method::Cancel) {
            return Branch::Send;
        }
        match self.pairs(text, self.target_others) {
            Err(reason) => Branch::Skip(reason),
            Ok(pairs) => match self.add(&mut request.headers, &pairs) {
                ControlFlow::Break(reason) => Branch::Skip(reason),
                ControlFlow::Continue(()) => Branch::Send,
            },
        }
    }

    fn hooks(&self) -> Hooks {
        Hooks::REQUEST | Hooks::BRANCH
    }
}

impl UriHeaders {
    /// The headers that `text` gives.
    fn pairs(&self, text: &[u8], others: Others) -> Result<Pairs, Reason> {
        let mut pairs = Pairs::default();
        if text.len() >= HEADERS_BYTES_MAX {
            return self.invalid(TOO_LARGE, b"").map(|()| pairs);
        }
        for part in text.split(|&byte| byte == b'&') {
            let start = pairs.text.len();
            match self.pair(part, others, &mut pairs.text) {
                Ok(Some(name_end)) => pairs.ends.push((name_end, pairs.text.len())),
                Ok(None) => pairs.text.truncate(start),
                Err(reason) => {
                    pairs.text.truncate(start);
                    self.invalid(reason, part)?;
                }
            }
        }
        Ok(pairs)
    }

    /// Decodes and judges one `name=value`, which it puts at the end of `text`; returns where the
    /// value begins, or `None` where the header is to be left out.
    fn pair(
        &self,
        part: &[u8],
        others: Others,
        text: &mut SmallVec<[u8; 256]>,
    ) -> Result<Option<usize>, Reason> {
        // RFC 3261 §25.1: header = hname "=" hvalue
        let equals = memchr::memchr(b'=', part).ok_or(SYNTAX)?;
        let (name, value) = part.split_at(equals);
        // Once: what is still escaped after that is the value.
        let start = text.len();
        text.extend_from_slice(PREFIX);
        push_decoded(text, name).ok_or(ESCAPE)?;
        let name_end = text.len();
        push_decoded(text, &value[1..]).ok_or(ESCAPE)?;
        let prefixed = &text[start..name_end];
        let name = &prefixed[PREFIX.len()..];
        let value = &text[name_end..];
        if !sip::is_token(name) {
            return Err(NAME);
        }
        if name.eq_ignore_ascii_case(b"body") {
            return Err(BODY);
        }
        if reserved::is_reserved(name) {
            return Err(RESERVED);
        }
        if is_refused(name) {
            return Err(NOT_ALLOWED);
        }
        if value.iter().any(u8::is_ascii_control) {
            return Err(CONTROL_BYTE);
        }
        // RFC 3261 §25.1: header values are TEXT-UTF8.
        if std::str::from_utf8(value).is_err() {
            return Err(ENCODING);
        }
        if self.is_accepted(name) {
            text.copy_within(start + PREFIX.len().., start);
            text.truncate(text.len() - PREFIX.len());
            return Ok(Some(name_end - PREFIX.len()));
        }
        match others {
            Others::Drop => {
                self.counts.add(OTHER_NAME);
                Ok(None)
            }
            Others::Reject => Err(OTHER_NAME),
            Others::Prefix if reserved::is_reserved(prefixed) => Err(RESERVED),
            Others::Prefix => Ok(Some(name_end)),
        }
    }

    /// Whether a name is taken as it is.
    fn is_accepted(&self, name: &[u8]) -> bool {
        let extension = name.len() > PREFIX.len() && matches!(name, [b'X' | b'x', b'-', ..]);
        let listed = |known: &String| known.as_bytes().eq_ignore_ascii_case(name);
        extension || self.names.iter().any(listed)
    }

    /// Counts an invalid header; an error where the request is to be refused for it.
    fn invalid(&self, reason: Reason, part: &[u8]) -> Result<(), Reason> {
        match self.on_invalid {
            // The chain counts what it refuses.
            OnInvalid::Reject => Err(reason),
            OnInvalid::DropAndWarn => {
                if self.counts.add_and_sample(reason) {
                    let name = part.split(|&byte| byte == b'=').next().unwrap_or_default();
                    tracing::warn!(
                        filter = Self::NAME,
                        reason = reason.as_str(),
                        name = escape(name),
                        "a header of a URI was left out"
                    );
                }
                Ok(())
            }
        }
    }

    /// Adds the headers to the message; breaks where it is to be refused.
    fn add(&self, headers: &mut Headers, pairs: &Pairs) -> ControlFlow<Reason> {
        // Headers of the URI do not conflict with one another, so names are judged first.
        let conflicts = pairs.iter();
        let conflicts = conflicts.map(|(name, _)| headers.named(name).next().is_some());
        let conflicts: SmallVec<[bool; 16]> = conflicts.collect();
        for (index, ((name, value), conflict)) in pairs.iter().zip(conflicts).enumerate() {
            let mut before = pairs.iter().take(index);
            let first = !before.any(|(other, _)| other.eq_ignore_ascii_case(name));
            match self.on_conflict {
                _ if !conflict => {}
                OnConflict::Append => {
                    self.counts.add(CONFLICT);
                }
                OnConflict::Keep => {
                    self.counts.add(CONFLICT);
                    continue;
                }
                OnConflict::Replace => {
                    self.counts.add(CONFLICT);
                    if first {
                        headers.remove(name);
                    }
                }
            }
            if let Err(error) = headers.append(name, value) {
                let reason = match error {
                    EditError::Name => NAME,
                    EditError::Index | EditError::TooLarge => TOO_LARGE,
                    EditError::Value => CONTROL_BYTE,
                };
                if let Err(reason) = self.invalid(reason, name) {
                    return ControlFlow::Break(reason);
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// Puts `text` at the end of `out`, percent-decoded (RFC 3261 §19.1.2); `None` on a broken escape.
fn push_decoded(out: &mut SmallVec<[u8; 256]>, text: &[u8]) -> Option<()> {
    if memchr::memchr(b'%', text).is_some() {
        out.extend_from_slice(&percent_decode(text)?);
    } else {
        out.extend_from_slice(text);
    }
    Some(())
}

/// Names that no URI may set, in either form: those of RFC 3261 §19.1.5, and those that say where a
/// message goes or what its body is.
fn is_refused(name: &[u8]) -> bool {
    let id = HeaderName::of(name);
    let listed = matches!(
        id,
        HeaderName::Accept
            | HeaderName::AcceptContact
            | HeaderName::Allow
            | HeaderName::CallId
            | HeaderName::Contact
            | HeaderName::ContentEncoding
            | HeaderName::ContentLength
            | HeaderName::ContentType
            | HeaderName::CSeq
            | HeaderName::From
            | HeaderName::MaxForwards
            | HeaderName::RecordRoute
            | HeaderName::Route
            | HeaderName::Supported
            | HeaderName::To
            | HeaderName::UserAgent
            | HeaderName::Via
    );
    let begins = |prefix: &[u8]| {
        let head = name.get(..prefix.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(prefix))
    };
    listed
        || name.eq_ignore_ascii_case(b"Organization")
        || [b"Accept-".as_slice(), b"Allow-", b"Content-"]
            .into_iter()
            .any(begins)
}

impl Plugin for UriHeaders {
    const NAME: &'static str = "uri_headers";
    const SUMMARY: &'static str = "\
Turns the custom data in SIP URIs into headers. \
`sip:username@domain?customParameter=xxx&customValue=true` in the Request-URI of a request, or \
`sip:+14158675309@your.doma.in?X-customParameter=xxx` as the URI of a target, gives the request \
these headers, and the Request-URI loses its `?` part. Values are percent-decoded once, `+` stays \
`+`, order and duplicates are kept.

Refused always: From, To, Call-ID, CSeq, Via, Route, Record-Route, Contact, Max-Forwards, \
Accept\\*, Allow\\*, Content-\\*, Organization, Supported, User-Agent, `X-Hookswitch-*`, `body`, names \
that are no token, values with control characters or broken UTF-8, and a header part of 1,024 bytes \
or more.";
    const EXAMPLE: &'static str = "\
names = [\"User-to-User\"]
others = \"prefix\"
on_invalid = \"drop_and_warn\"
on_conflict = \"keep\"
";
    const REASONS: &'static [Reason] = &[
        BODY,
        CONFLICT,
        CONTROL_BYTE,
        ENCODING,
        ESCAPE,
        NAME,
        NOT_ALLOWED,
        OTHER_NAME,
        REQUEST_URI,
        RESERVED,
        SYNTAX,
        TOO_LARGE,
    ];
    type Config = UriHeadersKeys;

    fn build(config: UriHeadersKeys, cx: &BuildContext) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        for (index, name) in config.names.iter().enumerate() {
            let text = name.get_ref().as_bytes();
            let message = if !sip::is_token(text) || text.contains(&b'*') {
                "is no header name"
            } else if reserved::is_reserved(text) {
                "names that begin with X-Hookswitch- are reserved"
            } else if is_refused(text) || text.eq_ignore_ascii_case(b"body") {
                "no URI may set this header (RFC 3261 §19.1.5)"
            } else {
                continue;
            };
            let key = format!("names[{index}]");
            let message = format!("{:?}: {message}", name.get_ref());
            errors.push(ConfigError::new(key, name.span(), message));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            names: config.names.into_iter().map(Spanned::into_inner).collect(),
            others: config.others,
            target_others: config.target_others,
            on_invalid: config.on_invalid,
            on_conflict: config.on_conflict,
            counts: cx.counters.filter(Self::NAME, Self::REASONS),
        })
    }
}

/// What makes a name one of ours.
const PREFIX: &[u8] = b"X-";
/// A URI without its headers.
type Bare = SmallVec<[u8; 128]>;
/// RFC 3261 sets no bound; neighbours take less than this.
const HEADERS_BYTES_MAX: usize = 1024;
