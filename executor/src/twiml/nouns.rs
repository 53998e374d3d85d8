//! `<Number>` and `<Sip>`, and what all nouns have in common.

use crate::{ErrorCode, Secret};

use super::Link;
use super::attributes::Attributes;
use super::machine_detection::MachineDetection;
use super::parse::text_of;
use super::report::{Element, Report, short};
use super::sip_uri::SipUri;

/// What every noun may have.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Common {
    /// The document that the callee hears before it is connected.
    pub screening: Option<Link>,
    /// Told about the stages of the leg.
    pub status_callback: Option<StatusCallback>,
    /// Whether it is told who has answered.
    pub machine_detection: Option<MachineDetection>,
}

/// A status callback of a noun.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StatusCallback {
    /// Where.
    pub link: Link,
    /// At which stages.
    pub events: CallbackEvents,
}

/// The stages of a leg that are told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct CallbackEvents {
    /// The INVITE was sent.
    pub initiated: bool,
    /// It rings.
    pub ringing: bool,
    /// It was answered.
    pub answered: bool,
    /// It is over.
    pub completed: bool,
}

/// A telephone number.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Number {
    /// Digits, with a leading `+` if it had one; separators are removed.
    pub number: String,
    /// Keys to send after the answer.
    pub send_digits: Option<String>,
    /// Screening and callbacks.
    pub common: Common,
}

/// A SIP URI.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct SipNoun {
    /// The URI and the header fields that it carries.
    pub uri: SipUri,
    /// User name for a 401 or 407.
    pub username: Option<String>,
    /// Password for a 401 or 407.
    pub password: Option<Secret>,
    /// Screening and callbacks.
    pub common: Common,
}

impl Number {
    pub(super) fn parse(element: Element<'_>, report: &mut Report) -> Option<Self> {
        let mut attributes = Attributes::of(element, report);
        let common = Common::parse(&mut attributes, ErrorCode::NUMBER_METHOD);
        let send_digits = attributes
            .text_if("sendDigits", ErrorCode::NUMBER_SEND_DIGITS, |text| {
                text.len() <= 256 && text.bytes().all(|byte| b"0123456789#*wW".contains(&byte))
            })
            .map(str::to_owned);
        attributes.without_effect(&["byoc"]);
        attributes.finish();
        report.no_children(element);
        let number = Self::of(&text_of(element), common, element, report)?;
        Some(Self {
            send_digits,
            ..number
        })
    }

    pub(super) fn of(
        text: &str,
        common: Common,
        element: Element<'_>,
        report: &mut Report,
    ) -> Option<Self> {
        let is_separator = |c: char| c.is_ascii_whitespace() || matches!(c, '-' | '(' | ')' | '.');
        let number: String = text.chars().filter(|c| !is_separator(*c)).collect();
        let digits = number.strip_prefix('+').unwrap_or(&number);
        let dialable = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'*' | b'#');
        if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.bytes().all(dialable) {
            let message = format!("{} is no telephone number", short(text));
            report.warn(ErrorCode::NUMBER_FORMAT, element, message);
            return None;
        }
        Some(Self {
            number,
            send_digits: None,
            common,
        })
    }
}

impl SipNoun {
    pub(super) fn parse(element: Element<'_>, report: &mut Report) -> Option<Self> {
        let mut attributes = Attributes::of(element, report);
        let common = Common::parse(&mut attributes, ErrorCode::SIP_METHOD);
        let plain = |text: &str| text.len() <= 254 && !text.bytes().any(|byte| byte < b' ');
        let username = attributes.text_if("username", ErrorCode::SIP_CREDENTIALS, plain);
        let username = username.map(str::to_owned);
        let password = attributes.text_if("password", ErrorCode::SIP_CREDENTIALS, plain);
        let password = password.map(Secret::new);
        attributes.finish();
        report.no_children(element);
        let noun = Self::of(&text_of(element), common, element, report)?;
        Some(Self {
            username,
            password,
            ..noun
        })
    }

    pub(super) fn of(
        text: &str,
        common: Common,
        element: Element<'_>,
        report: &mut Report,
    ) -> Option<Self> {
        match SipUri::parse(text) {
            Ok(uri) => {
                for refused in &uri.refused {
                    let message = format!(
                        "header {} is not sent: {}",
                        short(&refused.name),
                        refused.why
                    );
                    report.warn(refused.code, element, message);
                }
                Some(Self {
                    uri,
                    common,
                    ..Self::default()
                })
            }
            Err(error) => {
                report.warn(
                    error.code(),
                    element,
                    format!("this <Sip> is not called: {error}"),
                );
                None
            }
        }
    }
}

impl Common {
    pub(super) fn parse(attributes: &mut Attributes<'_, '_>, method: ErrorCode) -> Self {
        let screening = attributes.link("url", "method", method);
        let callback = attributes.callback("statusCallback", "statusCallbackMethod", method);
        let events = CallbackEvents::parse(attributes);
        let status_callback = callback.map(|link| StatusCallback { link, events });
        let machine_detection = MachineDetection::parse(attributes);
        Self {
            screening,
            status_callback,
            machine_detection,
        }
    }
}

impl CallbackEvents {
    fn parse(attributes: &mut Attributes<'_, '_>) -> Self {
        let words = attributes.words("statusCallbackEvent", EVENTS, ErrorCode::SCHEMA);
        let has = |word| words.as_ref().is_some_and(|words| words.contains(&word));
        // Without a list the end is told.
        Self {
            initiated: has("initiated"),
            ringing: has("ringing"),
            answered: has("answered"),
            completed: words.is_none() || has("completed"),
        }
    }
}

const EVENTS: &[&str] = &["initiated", "ringing", "answered", "completed"];
const DIGITS_MAX: usize = 32;
