//! `<Refer>`.

use roxmltree::Node;

use crate::ErrorCode;

use super::Link;
use super::attributes::Attributes;
use super::parse::text_of;
use super::report::{Element, Report};

/// Transfer the caller: REFER (RFC 3515).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refer {
    /// Where the result goes; `None`: the next verb.
    pub action: Option<Link>,
    /// The URI as written, for `Refer-To: <…>`: nothing is decoded and any header is allowed.
    pub refer_to: String,
}

impl Refer {
    pub(super) fn parse(element: Element<'_>, report: &mut Report) -> Option<Self> {
        let mut attributes = Attributes::of(element, report);
        let action = attributes.link("action", "method", ErrorCode::SCHEMA);
        attributes.finish();
        let mut refer_to = None;
        for child in element.children().filter(Node::is_element) {
            if child.tag_name().name() != "Sip" {
                report.unknown_child(element, child);
            } else if refer_to.is_some() {
                let message = "only the first <Sip> of <Refer> counts".to_owned();
                report.warn(ErrorCode::SCHEMA, child, message);
            } else {
                Attributes::of(child, report).finish();
                report.no_children(child);
                refer_to = target(child, report);
            }
        }
        if refer_to.is_none() {
            report.warn(
                ErrorCode::SIP_URI,
                element,
                "<Refer> has no usable <Sip>".to_owned(),
            );
        }
        Some(Self {
            action,
            refer_to: refer_to?,
        })
    }
}

/// A URI that can stand between angle brackets in one header line.
fn target(element: Element<'_>, report: &mut Report) -> Option<String> {
    let text = text_of(element);
    let unsafe_byte = |byte: u8| byte <= b' ' || matches!(byte, b'<' | b'>' | b'"' | 0x7f..);
    let lower = text.to_ascii_lowercase();
    if text.is_empty() || text.len() > URI_BYTES_MAX || text.bytes().any(unsafe_byte) {
        report.warn(
            ErrorCode::SIP_URI,
            element,
            "this is no URI for Refer-To".to_owned(),
        );
        return None;
    }
    let has_scheme = ["sip:", "sips:", "tel:"]
        .iter()
        .any(|scheme| lower.starts_with(scheme));
    Some(if has_scheme {
        text
    } else {
        format!("sip:{text}")
    })
}

/// 254 for the address and 1,023 for the headers, as in `<Dial>`.
const URI_BYTES_MAX: usize = 1278;
