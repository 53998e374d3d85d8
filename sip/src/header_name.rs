//! Header field names that the product knows by number.

/// Declares the known names once: variant, long form, and compact form where one exists.
macro_rules! header_names {
    ($($variant:ident = $long:literal $(/ $compact:literal)?,)*) => {
        /// A header field name, compared without case and with its compact form (RFC 3261 §7.3.3).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum HeaderName {
            $(#[doc = concat!("`", $long, "`")] $variant,)*
            /// Any name that is not listed here.
            Other,
        }

        impl HeaderName {
            /// The long form as RFC 3261 spells it; empty for [`HeaderName::Other`].
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $long,)*
                    Self::Other => "",
                }
            }
        }

        const KNOWN: &[(&[u8], HeaderName)] = &[
            $(($long.as_bytes(), HeaderName::$variant),)*
        ];
        const COMPACT: &[(u8, HeaderName)] = &[
            $($(($compact, HeaderName::$variant),)?)*
        ];
    };
}

header_names! {
    Accept = "Accept",
    AcceptContact = "Accept-Contact" / b'a',
    Allow = "Allow",
    AllowEvents = "Allow-Events" / b'u',
    Authorization = "Authorization",
    CallId = "Call-ID" / b'i',
    Contact = "Contact" / b'm',
    ContentEncoding = "Content-Encoding" / b'e',
    ContentLength = "Content-Length" / b'l',
    ContentType = "Content-Type" / b'c',
    CSeq = "CSeq",
    Date = "Date",
    Diversion = "Diversion",
    Event = "Event" / b'o',
    Expires = "Expires",
    From = "From" / b'f',
    HistoryInfo = "History-Info",
    Identity = "Identity" / b'y',
    MaxBreadth = "Max-Breadth",
    MaxForwards = "Max-Forwards",
    MinExpires = "Min-Expires",
    MinSe = "Min-SE",
    PAssertedIdentity = "P-Asserted-Identity",
    PPreferredIdentity = "P-Preferred-Identity",
    Path = "Path",
    Privacy = "Privacy",
    ProxyAuthenticate = "Proxy-Authenticate",
    ProxyAuthorization = "Proxy-Authorization",
    ProxyRequire = "Proxy-Require",
    Reason = "Reason",
    RecordRoute = "Record-Route",
    ReferSub = "Refer-Sub",
    ReferTo = "Refer-To" / b'r',
    ReferredBy = "Referred-By" / b'b',
    RejectContact = "Reject-Contact" / b'j',
    Replaces = "Replaces",
    RequestDisposition = "Request-Disposition" / b'd',
    Require = "Require",
    RetryAfter = "Retry-After",
    Route = "Route",
    Server = "Server",
    SessionExpires = "Session-Expires" / b'x',
    Subject = "Subject" / b's',
    SubscriptionState = "Subscription-State",
    Supported = "Supported" / b'k',
    Timestamp = "Timestamp",
    To = "To" / b't',
    Unsupported = "Unsupported",
    UserAgent = "User-Agent",
    UserToUser = "User-to-User",
    Via = "Via" / b'v',
    Warning = "Warning",
    WwwAuthenticate = "WWW-Authenticate",
}

impl HeaderName {
    /// The id of `name` (long or compact form, any case).
    #[inline]
    pub fn of(name: &[u8]) -> Self {
        if let [byte] = name {
            return COMPACT_BY_LETTER[(byte | 0x20) as usize];
        }
        let Some(bucket) = BY_LENGTH.get(name.len()) else {
            return Self::Other;
        };
        let first = name.first().map_or(0, |byte| byte | 0x20);
        for &index in bucket {
            if index == VACANT {
                break;
            }
            let (long, id) = KNOWN[index as usize];
            if long[0] | 0x20 == first && long.eq_ignore_ascii_case(name) {
                return id;
            }
        }
        Self::Other
    }

    /// Whether the header is a comma-separated list whose values may share a row (RFC 3261 §7.3.1).
    pub fn is_list(self) -> bool {
        matches!(
            self,
            Self::Accept
                | Self::Allow
                | Self::AllowEvents
                | Self::Contact
                | Self::Diversion
                | Self::HistoryInfo
                | Self::PAssertedIdentity
                | Self::Path
                | Self::ProxyRequire
                | Self::RecordRoute
                | Self::Require
                | Self::Route
                | Self::Supported
                | Self::Unsupported
                | Self::Via
                | Self::Warning
        )
    }

    /// Whether RFC 3261 allows the header at most once (§20, Table 2, the single-valued rows).
    pub fn is_single(self) -> bool {
        matches!(
            self,
            Self::CallId
                | Self::ContentLength
                | Self::ContentType
                | Self::CSeq
                | Self::Date
                | Self::Event
                | Self::Expires
                | Self::From
                | Self::MaxBreadth
                | Self::MaxForwards
                | Self::MinExpires
                | Self::MinSe
                | Self::ReferTo
                | Self::ReferredBy
                | Self::Replaces
                | Self::RetryAfter
                | Self::SessionExpires
                | Self::SubscriptionState
                | Self::Timestamp
                | Self::To
        )
    }
}

const VACANT: u8 = u8::MAX;
const LENGTH_MAX: usize = 24;
const BUCKET: usize = 12;

/// Known names by the length of their long form: at most [`BUCKET`] comparisons a lookup.
const BY_LENGTH: [[u8; BUCKET]; LENGTH_MAX] = {
    let mut table = [[VACANT; BUCKET]; LENGTH_MAX];
    let mut fill = [0usize; LENGTH_MAX];
    let mut at = 0;
    while at < KNOWN.len() {
        let length = KNOWN[at].0.len();
        table[length][fill[length]] = at as u8;
        fill[length] += 1;
        at += 1;
    }
    table
};

const COMPACT_BY_LETTER: [HeaderName; 256] = {
    let mut table = [HeaderName::Other; 256];
    let mut at = 0;
    while at < COMPACT.len() {
        table[COMPACT[at].0 as usize] = COMPACT[at].1;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_compact_and_case() {
        for (long, id) in KNOWN {
            assert_eq!(HeaderName::of(long), *id);
            assert_eq!(HeaderName::of(&long.to_ascii_uppercase()), *id);
            assert_eq!(id.as_str().as_bytes(), *long);
        }
        assert_eq!(HeaderName::of(b"v"), HeaderName::Via);
        assert_eq!(HeaderName::of(b"V"), HeaderName::Via);
        assert_eq!(HeaderName::of(b"X-Foo"), HeaderName::Other);
        assert_eq!(HeaderName::of(b""), HeaderName::Other);
        assert_eq!(HeaderName::of(b"@"), HeaderName::Other);
        assert_eq!(HeaderName::of(b"\x16"), HeaderName::Other);
    }
}
