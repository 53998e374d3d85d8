//! From what the HTTP client says to the number of an error.

use std::error::Error;
use std::io;

use rustls::CertificateError;

use crate::ErrorCode;

use super::guard::{NoAddress, NotPublic};
use super::lookup::TooManyNames;
use super::phases::ConnectTimedOut;

/// A failed attempt.
pub(super) struct Failure {
    pub(super) code: ErrorCode,
    pub(super) detail: String,
    /// Which part of the retry policy it belongs to.
    pub(super) class: Class,
}

/// The retry policy's view of a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Class {
    ClientError,
    Connect,
    /// Never repeated: nothing would change, or part of a reply was there already.
    Final,
    Read,
    ServerError,
}

/// What a failure says about the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// It answered, though not with what was wanted.
    Answered,
    /// It did not do its part.
    Failed,
    /// Nothing: it was not asked.
    Unknown,
}

impl Failure {
    pub(super) fn new(code: ErrorCode, class: Class, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            class,
        }
    }

    pub(super) fn fatal(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self::new(code, Class::Final, detail)
    }

    pub(super) fn verdict(&self) -> Verdict {
        match self.class {
            Class::Connect | Class::Read | Class::ServerError => Verdict::Failed,
            Class::ClientError => Verdict::Answered,
            Class::Final => match self.code {
                // The body did not come to its end.
                ErrorCode::CONNECTION_FAILURE
                | ErrorCode::PROTOCOL_VIOLATION
                | ErrorCode::TOTAL_TIMEOUT => Verdict::Failed,
                ErrorCode::BAD_HOST | ErrorCode::INTERNAL | ErrorCode::INVALID_URL => {
                    Verdict::Unknown
                }
                _ => Verdict::Answered,
            },
        }
    }

    /// An error before the head of a response was there. The URL is left out: it may hold
    /// secrets of the customer.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        if let Some(failure) = chain(error).find_map(known) {
            return failure;
        }
        if error.is_connect() {
            return Self::new(ErrorCode::CONNECTION_FAILURE, Class::Connect, root(error));
        }
        if error.is_builder() {
            return Self::fatal(ErrorCode::INVALID_URL, "the request cannot be made");
        }
        let reset = chain(error).any(|error| {
            error
                .downcast_ref::<io::Error>()
                .is_some_and(|error| !matches!(error.kind(), io::ErrorKind::InvalidData))
        });
        let closed = root(error).contains("closed");
        let code = if reset || closed {
            ErrorCode::CONNECTION_FAILURE
        } else {
            ErrorCode::PROTOCOL_VIOLATION
        };
        Self::new(code, Class::Read, root(error))
    }
}

fn known(error: &(dyn Error + 'static)) -> Option<Failure> {
    if let Some(error) = error.downcast_ref::<NotPublic>() {
        return Some(Failure::fatal(ErrorCode::BAD_HOST, error.to_string()));
    }
    if let Some(error) = error.downcast_ref::<TooManyNames>() {
        return Some(Failure::fatal(ErrorCode::INTERNAL, error.to_string()));
    }
    if let Some(error) = error.downcast_ref::<NoAddress>() {
        return Some(Failure::new(
            ErrorCode::BAD_HOST,
            Class::Connect,
            error.to_string(),
        ));
    }
    if let Some(error) = error.downcast_ref::<ConnectTimedOut>() {
        return Some(Failure::new(
            ErrorCode::CONNECT_TIMEOUT,
            Class::Connect,
            error.to_string(),
        ));
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(tls(error));
    }
    let io = error.downcast_ref::<io::Error>()?;
    match io.kind() {
        io::ErrorKind::ConnectionRefused => Some(Failure::new(
            ErrorCode::CONNECT_REFUSED,
            Class::Connect,
            "connection refused",
        )),
        io::ErrorKind::TimedOut => Some(Failure::new(
            ErrorCode::CONNECT_TIMEOUT,
            Class::Connect,
            "connection timed out",
        )),
        // getaddrinfo's errors have no kind of their own.
        _ if io.to_string().contains("failed to lookup address") => Some(Failure::new(
            ErrorCode::BAD_HOST,
            Class::Connect,
            "the host name does not resolve",
        )),
        _ => None,
    }
}

fn tls(error: &rustls::Error) -> Failure {
    let code = match error {
        rustls::Error::InvalidCertificate(reason) => match reason {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => ErrorCode::CERTIFICATE_EXPIRED,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                ErrorCode::CERTIFICATE_NAME
            }
            _ => ErrorCode::CERTIFICATE_UNTRUSTED,
        },
        _ => ErrorCode::TLS_HANDSHAKE,
    };
    Failure::new(code, Class::Connect, error.to_string())
}

/// The error and what caused it. An `io::Error` gives its content's cause as its own: the content
/// itself is put into the chain here.
fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'e (dyn Error + 'static)| {
        let content = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match content {
            Some(content) => Some(content as &(dyn Error + 'static)),
            None => (*error).source(),
        }
    })
    .take(CHAIN_MAX)
}

fn root(error: &(dyn Error + 'static)) -> String {
    chain(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

const CHAIN_MAX: usize = 16;
