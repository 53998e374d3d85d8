//! Placeholder: SRTP, which refuses all.

/// Keys of one direction.
#[derive(Clone, PartialEq)]
pub struct SrtpKeys(());

impl std::fmt::Debug for SrtpKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SrtpKeys")
    }
}

/// Why a packet is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not authentic")]
pub struct SrtpError;

/// One direction.
#[derive(Debug)]
pub struct Srtp(());

impl Srtp {
    /// A context.
    pub fn new(_keys: &SrtpKeys) -> Self {
        Self(())
    }

    /// Protects an RTP packet.
    pub fn protect(&mut self, packet: &mut Vec<u8>) {
        packet.clear();
    }

    /// Opens an RTP packet.
    ///
    /// # Errors
    ///
    /// It is not authentic.
    pub fn unprotect(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        packet.clear();
        Err(SrtpError)
    }

    /// Protects an RTCP packet.
    pub fn protect_rtcp(&mut self, packet: &mut Vec<u8>) {
        packet.clear();
    }

    /// Opens an RTCP packet.
    ///
    /// # Errors
    ///
    /// It is not authentic.
    pub fn unprotect_rtcp(&mut self, packet: &mut Vec<u8>) -> Result<(), SrtpError> {
        packet.clear();
        Err(SrtpError)
    }
}
