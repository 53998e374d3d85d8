//! `<Client>` with `<Identity>` and `<Parameter>`.

use roxmltree::Node;

use crate::ErrorCode;

use super::attributes::Attributes;
use super::nouns::Common;
use super::parse::text_of;
use super::report::{Element, Report};

/// Longest name of a `<Parameter>`.
pub const PARAMETER_NAME_BYTES_MAX: usize = 32;

/// Longest value of a `<Parameter>`.
pub const PARAMETER_VALUE_BYTES_MAX: usize = 128;

/// Most `<Parameter>`s of one `<Dial>`, over all its clients.
pub const PARAMETERS_PER_DIAL_MAX: usize = 8;

/// Longest identity.
pub const IDENTITY_CHARS_MAX: usize = 256;

/// A registered client.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ClientNoun {
    /// Who.
    pub identity: String,
    /// Custom parameters, in order.
    pub parameters: Vec<(String, String)>,
    /// Screening and callbacks.
    pub common: Common,
}

/// Why a `<Client>` is not called.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ClientError {
    /// 90104.
    #[error("it has no identity")]
    IdentityMissing,
    /// 90104.
    #[error("its identity is longer than {IDENTITY_CHARS_MAX} characters")]
    IdentityLong,
    /// 90104.
    #[error("its identity has control characters")]
    IdentityIllegal,
    /// 90101.
    #[error("the name of a parameter is longer than {PARAMETER_NAME_BYTES_MAX} bytes")]
    NameLong,
    /// 90101.
    #[error("a parameter has no name")]
    NameMissing,
    /// 90103.
    #[error("the <Dial> has more than {PARAMETERS_PER_DIAL_MAX} parameters")]
    ParametersMany,
    /// 90102.
    #[error("the value of a parameter is longer than {PARAMETER_VALUE_BYTES_MAX} bytes")]
    ValueLong,
}

impl ClientNoun {
    /// `parameters` counts those of the whole `<Dial>`.
    pub(super) fn parse(
        element: Element<'_>,
        parameters: &mut usize,
        report: &mut Report,
    ) -> Option<Self> {
        let mut attributes = Attributes::of(element, report);
        let common = Common::parse(&mut attributes, ErrorCode::DIAL_METHOD);
        attributes.without_effect(&["clientNotificationUrl"]);
        attributes.finish();
        match Self::read(element, common, parameters, report) {
            Ok(noun) => Some(noun),
            Err((place, error)) => {
                report.warn(
                    error.code(),
                    place,
                    format!("this <Client> is not called: {error}"),
                );
                None
            }
        }
    }

    fn read<'d>(
        element: Element<'d>,
        common: Common,
        count: &mut usize,
        report: &mut Report,
    ) -> Result<Self, (Element<'d>, ClientError)> {
        let mut identity = text_of(element);
        let mut parameters = Vec::new();
        for child in element.children().filter(Node::is_element) {
            match child.tag_name().name() {
                "Identity" => identity = text_of(child),
                name @ ("Param" | "Parameter") => {
                    if name == "Param" {
                        let message = "<Param> is read as <Parameter>".to_owned();
                        report.warn(ErrorCode::SCHEMA, child, message);
                    }
                    *count += 1;
                    let parameter = parameter(child, *count, report);
                    parameters.push(parameter.map_err(|error| (child, error))?);
                }
                _ => report.unknown_child(element, child),
            }
        }
        check_identity(&identity).map_err(|error| (element, error))?;
        Ok(Self {
            identity,
            parameters,
            common,
        })
    }

    pub(super) fn checked_identity(
        text: &str,
        element: Element<'_>,
        report: &mut Report,
    ) -> Option<String> {
        match check_identity(text) {
            Ok(()) => Some(text.to_owned()),
            Err(error) => {
                report.warn(
                    error.code(),
                    element,
                    format!("this client is not called: {error}"),
                );
                None
            }
        }
    }
}

impl ClientError {
    /// The number.
    pub fn code(self) -> ErrorCode {
        match self {
            Self::IdentityMissing | Self::IdentityLong | Self::IdentityIllegal => {
                ErrorCode::CLIENT_IDENTITY
            }
            Self::NameLong | Self::NameMissing => ErrorCode::CLIENT_PARAMETER_NAME,
            Self::ParametersMany => ErrorCode::CLIENT_PARAMETERS_MANY,
            Self::ValueLong => ErrorCode::CLIENT_PARAMETER_VALUE,
        }
    }
}

fn parameter(
    element: Element<'_>,
    count: usize,
    report: &mut Report,
) -> Result<(String, String), ClientError> {
    let mut attributes = Attributes::of(element, report);
    let name = attributes.text("name").unwrap_or_default().to_owned();
    let value = attributes.text("value").unwrap_or_default().to_owned();
    attributes.finish();
    report.no_children(element);
    if count > PARAMETERS_PER_DIAL_MAX {
        Err(ClientError::ParametersMany)
    } else if name.is_empty() {
        Err(ClientError::NameMissing)
    } else if name.len() > PARAMETER_NAME_BYTES_MAX {
        Err(ClientError::NameLong)
    } else if value.len() > PARAMETER_VALUE_BYTES_MAX {
        Err(ClientError::ValueLong)
    } else {
        Ok((name, value))
    }
}

fn check_identity(identity: &str) -> Result<(), ClientError> {
    if identity.is_empty() {
        Err(ClientError::IdentityMissing)
    } else if identity.chars().count() > IDENTITY_CHARS_MAX {
        Err(ClientError::IdentityLong)
    } else if identity.chars().any(char::is_control) {
        Err(ClientError::IdentityIllegal)
    } else {
        Ok(())
    }
}
