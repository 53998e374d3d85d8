//! `<Siprec>` of `<Start>`: a recording server hears along (RFC 7866).

use crate::ErrorCode;

use super::attributes::Attributes;
use super::fork::parameters;
use super::report::{Element, Report};
use super::{Link, StreamTracks};

/// A recording session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Siprec {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Which recording server: a name of the configuration.
    pub connector: String,
    /// What is recorded.
    pub tracks: StreamTracks,
    /// Told when it begins, ends or fails.
    pub status_callback: Option<Link>,
    /// What the recording server is told beside.
    pub parameters: Vec<(String, String)>,
}

impl Siprec {
    pub(super) fn parse(element: Element<'_>, report: &mut Report) -> Self {
        let mut attributes = Attributes::of(element, report);
        let a = &mut attributes;
        let mut text = |name| {
            let text = a.text(name).filter(|text| !text.is_empty());
            text.map(str::to_owned)
        };
        let name = text("name");
        let connector = text("connectorName").unwrap_or_else(|| DEFAULT_CONNECTOR.to_owned());
        let tracks = StreamTracks::read(a, ErrorCode::SIPREC_TRACK, StreamTracks::Both);
        let status_callback =
            a.callback("statusCallback", "statusCallbackMethod", ErrorCode::SCHEMA);
        attributes.finish();
        Self {
            name,
            connector,
            tracks,
            status_callback,
            parameters: parameters(element, ErrorCode::SIPREC_PARAMETER, report),
        }
    }
}

/// The connector of a `<Siprec>` that names none.
const DEFAULT_CONNECTOR: &str = "Default";
