//! What a path reads, without a heap for what is short.

use std::borrow::Cow;
use std::io::Write as _;
use std::net::IpAddr;
use std::ops::Deref;

use smallvec::SmallVec;

/// Bytes of the exchange, or a number or an address that was written out.
pub(crate) enum Read<'a> {
    Bytes(Cow<'a, [u8]>),
    Short(Short),
}

type Short = SmallVec<[u8; 40]>;

impl Read<'_> {
    /// A number in digits.
    pub(crate) fn number(number: u64) -> Self {
        let mut out = Short::new();
        sip::push_number(&mut out, number);
        Self::Short(out)
    }

    /// An address as RFC 5952 writes it.
    pub(crate) fn ip(ip: IpAddr) -> Self {
        let mut out = Short::new();
        match ip {
            IpAddr::V4(ip) => {
                for (index, octet) in ip.octets().into_iter().enumerate() {
                    if index > 0 {
                        out.push(b'.');
                    }
                    sip::push_number(&mut out, octet.into());
                }
            }
            // Writing to memory does not fail.
            IpAddr::V6(ip) => write!(out, "{ip}").unwrap_or_default(),
        }
        Self::Short(out)
    }
}

impl Deref for Read<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Short(short) => short,
        }
    }
}

impl<'a> From<Cow<'a, [u8]>> for Read<'a> {
    fn from(bytes: Cow<'a, [u8]>) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a> From<&'a [u8]> for Read<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(Cow::Borrowed(bytes))
    }
}
