//! The authorities whose certificates are believed.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

/// Certificates of authorities that are believed besides those of the system; by default none.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Roots(Arc<[CertificateDer<'static>]>);

/// Why a file of certificates is of no use.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// It cannot be read, or is no PEM.
    #[error("{0}")]
    File(pem::Error),
    /// What it calls a certificate is none.
    #[error("certificate {number} is none of an authority: {error}")]
    Certificate {
        /// Its place in the file, from 1.
        number: usize,
        /// What is wrong with it.
        error: rustls::Error,
    },
    /// There is nothing in it.
    #[error("there is no certificate in it")]
    Empty,
    /// There are too many.
    #[error("there are more than {ROOTS_MAX} certificates in it")]
    Many,
}

impl Roots {
    /// The certificates of a PEM file; what else is in it is passed over.
    ///
    /// # Errors
    ///
    /// There is no certificate in it, or one that cannot be used.
    pub fn read(path: &Path) -> Result<Self, RootsError> {
        let mut certificates = Vec::new();
        for found in CertificateDer::pem_file_iter(path).map_err(RootsError::File)? {
            if certificates.len() == ROOTS_MAX {
                return Err(RootsError::Many);
            }
            certificates.push(found.map_err(RootsError::File)?);
        }
        if certificates.is_empty() {
            return Err(RootsError::Empty);
        }
        Self::new(certificates)
    }

    /// These certificates.
    ///
    /// # Errors
    ///
    /// One of them is none.
    pub fn new(certificates: Vec<CertificateDer<'static>>) -> Result<Self, RootsError> {
        let mut store = RootCertStore::empty();
        for (index, certificate) in certificates.iter().enumerate() {
            let added = store.add(certificate.clone());
            added.map_err(|error| RootsError::Certificate {
                number: index + 1,
                error,
            })?;
        }
        Ok(Self(certificates.into()))
    }

    /// For an HTTP client.
    pub(crate) fn http(&self) -> Result<Vec<reqwest::Certificate>, reqwest::Error> {
        let certificates = self.0.iter();
        certificates
            .map(|certificate| reqwest::Certificate::from_der(certificate))
            .collect()
    }

    /// TLS that believes the system's authorities and these.
    pub(crate) fn tls(&self) -> Result<ClientConfig, rustls::Error> {
        let config = ClientConfig::builder();
        let provider = Arc::clone(config.crypto_provider());
        let verifier = Verifier::new_with_extra_roots(self.0.iter().cloned(), provider)?;
        Ok(config
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth())
    }
}

impl fmt::Debug for Roots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Roots({} certificates)", self.0.len())
    }
}

/// Far more than any file of a system has.
const ROOTS_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use std::fs;

    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    fn pem(kind: &str, content: &[u8]) -> String {
        let text = STANDARD.encode(content);
        format!("-----BEGIN {kind}-----\n{text}\n-----END {kind}-----\n")
    }

    fn read(text: &str) -> Result<Roots, RootsError> {
        let name = format!("hookswitch-roots-{:p}.pem", text.as_ptr());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, text).unwrap();
        let roots = Roots::read(&path);
        fs::remove_file(&path).unwrap();
        roots
    }

    #[test]
    fn every_certificate_of_a_file_is_taken() {
        let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        let certificate = pem("CERTIFICATE", made.cert.der());
        let key = pem("PRIVATE KEY", &made.signing_key.serialize_der());
        let roots = read(&format!("An authority:\n{certificate}{key}{certificate}")).unwrap();
        assert_eq!(format!("{roots:?}"), "Roots(2 certificates)");
        assert!(matches!(read(&key), Err(RootsError::Empty)));
    }

    #[test]
    fn what_is_no_certificate_is_told() {
        let junk = read(&pem("CERTIFICATE", b"junk"));
        assert!(
            matches!(junk, Err(RootsError::Certificate { number: 1, .. })),
            "{junk:?}"
        );
        let cut = read("-----BEGIN CERTIFICATE-----\nMIIB");
        assert!(matches!(cut, Err(RootsError::File(_))), "{cut:?}");
        assert!(matches!(read(""), Err(RootsError::Empty)));
        let missing = Roots::read(Path::new("/nowhere/ca.pem")).unwrap_err();
        assert!(missing.to_string().contains("No such file"), "{missing}");
    }
}
