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

        impl HeaderName {
            /// Every known name.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];
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
            return Self::of_letter(*byte);
        }
        Self::of_words(Words::of(name), name.len(), || Words::middle(name))
    }

    /// As [`HeaderName::of`] for the name at `start..end` of `bytes`, for the one loop where a copy
    /// of a short name would cost more than the lookup.
    #[inline(always)]
    pub(crate) fn at(bytes: &[u8], start: usize, end: usize) -> Self {
        let Some(words) = Words::at(bytes, start, end) else {
            return Self::of(bytes.get(start..end).unwrap_or_default());
        };
        if end - start == 1 {
            return Self::of_letter(words.head as u8);
        }
        Self::of_words(words, end - start, || {
            Words::middle(bytes.get(start..end).unwrap_or_default())
        })
    }

    #[inline(always)]
    #[allow(clippy::indexing_slicing)] // A byte indexes 256 rows.
    fn of_letter(byte: u8) -> Self {
        COMPACT_BY_LETTER[(byte | 0x20) as usize]
    }

    #[inline(always)]
    #[allow(clippy::indexing_slicing)] // A hash of nine bits indexes 512 rows.
    fn of_words(words: Words, length: usize, middle: impl FnOnce() -> u64) -> Self {
        let slot = SLOTS[words.hash(length, MULTIPLIER)];
        let Some(key) = KEYS.get(usize::from(slot)) else {
            return Self::Other;
        };
        if key.length == length
            && key.matches(words)
            && (length <= 16 || middle() | key.case_middle == key.lower_middle)
        {
            key.id
        } else {
            Self::Other
        }
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
    pub const fn is_single(self) -> bool {
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

/// The first and the last eight bytes of a name; a shorter one fills both, with zeros behind it.
#[derive(Clone, Copy)]
struct Words {
    head: u64,
    tail: u64,
}

impl Words {
    #[inline]
    const fn of(name: &[u8]) -> Self {
        if let (Some(head), Some(tail)) = (name.first_chunk(), name.last_chunk()) {
            return Self {
                head: u64::from_le_bytes(*head),
                tail: u64::from_le_bytes(*tail),
            };
        }
        let word = match name {
            [] => 0,
            [a] => *a as u64,
            [a, b] => *a as u64 | (*b as u64) << 8,
            [a, b, c] => *a as u64 | (*b as u64) << 8 | (*c as u64) << 16,
            _ => match (name.first_chunk(), name.last_chunk()) {
                // The two overlap where they hold the same bytes.
                (Some(head), Some(tail)) => {
                    let tail = u32::from_le_bytes(*tail) as u64;
                    u32::from_le_bytes(*head) as u64 | tail << (8 * (name.len() - 4))
                }
                _ => 0,
            },
        };
        Self {
            head: word,
            tail: word,
        }
    }

    /// The words of `start..end`, read without a look at its length; `None` where `bytes` end within
    /// eight bytes.
    #[inline(always)]
    #[allow(clippy::indexing_slicing)] // Eight at most.
    fn at(bytes: &[u8], start: usize, end: usize) -> Option<Self> {
        let name = bytes.get(start..)?;
        let length = end - start;
        let filled = length.min(8);
        let head: &[u8; 8] = name.first_chunk()?;
        let tail: &[u8; 8] = name.get(length - filled..)?.first_chunk()?;
        let mask = MASKS[filled];
        Some(Self {
            head: u64::from_le_bytes(*head) & mask,
            tail: u64::from_le_bytes(*tail) & mask,
        })
    }

    /// The second eight bytes of a name of 17 to 24; with head and tail that is all of it.
    #[inline]
    const fn middle(name: &[u8]) -> u64 {
        let Some((_, [a, b, c, d, e, f, g, h, ..])) = name.split_at_checked(8) else {
            return 0;
        };
        u64::from_le_bytes([*a, *b, *c, *d, *e, *f, *g, *h])
    }

    /// A slot of [`SLOTS`]; upper and lower case share it.
    #[inline]
    const fn hash(self, length: usize, multiplier: u64) -> usize {
        let folded = (self.head | LOWER) ^ (self.tail | LOWER).rotate_left(7) ^ length as u64;
        (folded.wrapping_mul(multiplier) >> (64 - SLOT_BITS)) as usize
    }
}

/// A known name, ready to be compared a word at a time.
struct Key {
    id: HeaderName,
    length: usize,
    lower: Words,
    /// Bit 5 of every letter: the only bits in which two spellings may differ.
    case: Words,
    lower_middle: u64,
    case_middle: u64,
}

impl Key {
    #[allow(clippy::indexing_slicing)] // Evaluated by the compiler.
    const fn of(name: &'static [u8], id: HeaderName) -> Self {
        assert!(name.len() <= LENGTH_MAX);
        let mut lower = [0; LENGTH_MAX];
        let mut case = [0; LENGTH_MAX];
        let mut at = 0;
        while at < name.len() {
            lower[at] = name[at].to_ascii_lowercase();
            case[at] = if name[at].is_ascii_alphabetic() {
                0x20
            } else {
                0
            };
            at += 1;
        }
        Self {
            id,
            length: name.len(),
            lower: Words::of(lower.split_at(name.len()).0),
            case: Words::of(case.split_at(name.len()).0),
            lower_middle: Words::middle(lower.split_at(name.len()).0),
            case_middle: Words::middle(case.split_at(name.len()).0),
        }
    }

    #[inline]
    fn matches(&self, words: Words) -> bool {
        words.head | self.case.head == self.lower.head
            && words.tail | self.case.tail == self.lower.tail
    }
}

/// The first so many bytes of a word.
const MASKS: [u64; 9] = [
    0,
    0xff,
    0xffff,
    0xff_ffff,
    0xffff_ffff,
    0xff_ffff_ffff,
    0xffff_ffff_ffff,
    0xff_ffff_ffff_ffff,
    u64::MAX,
];
const LOWER: u64 = 0x2020_2020_2020_2020;
const SLOT_BITS: u32 = 9;
const SLOT_COUNT: usize = 1 << SLOT_BITS;
const VACANT: u8 = u8::MAX;
/// Three words hold a name whole.
const LENGTH_MAX: usize = 24;

#[allow(clippy::indexing_slicing)] // Evaluated by the compiler.
static KEYS: [Key; KNOWN.len()] = {
    let mut keys = [const { Key::of(b"", HeaderName::Other) }; KNOWN.len()];
    let mut at = 0;
    while at < KNOWN.len() {
        keys[at] = Key::of(KNOWN[at].0, KNOWN[at].1);
        at += 1;
    }
    keys
};

/// The first multiplier that gives every known name a slot of its own.
#[allow(clippy::indexing_slicing)] // Evaluated by the compiler.
const MULTIPLIER: u64 = {
    let mut multiplier = 0x9e37_79b9_7f4a_7c15_u64;
    let mut taken = [0u16; SLOT_COUNT];
    let mut round = 0;
    'search: loop {
        round += 1;
        multiplier = multiplier
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407)
            | 1;
        let mut at = 0;
        while at < KNOWN.len() {
            let name = KNOWN[at].0;
            let slot = Words::of(name).hash(name.len(), multiplier);
            if taken[slot] == round {
                continue 'search;
            }
            taken[slot] = round;
            at += 1;
        }
        break multiplier;
    }
};

/// Which of [`KEYS`] a hash may mean.
#[allow(clippy::indexing_slicing)] // Evaluated by the compiler.
static SLOTS: [u8; SLOT_COUNT] = {
    let mut slots = [VACANT; SLOT_COUNT];
    let mut at = 0;
    while at < KNOWN.len() {
        let name = KNOWN[at].0;
        slots[Words::of(name).hash(name.len(), MULTIPLIER)] = at as u8;
        at += 1;
    }
    slots
};

#[allow(clippy::indexing_slicing)] // Evaluated by the compiler.
static COMPACT_BY_LETTER: [HeaderName; 256] = {
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

    /// Bit 5 makes a letter small, but CR a hyphen: only letters may differ in it.
    #[test]
    fn near_misses_are_other() {
        for (long, _) in KNOWN {
            for at in 0..long.len() {
                for flip in [0x20u8, 0x80, 0x01] {
                    let mut name = long.to_vec();
                    name[at] ^= flip;
                    let expected = KNOWN
                        .iter()
                        .find(|(known, _)| known.eq_ignore_ascii_case(&name))
                        .map_or(HeaderName::Other, |(_, id)| *id);
                    assert_eq!(HeaderName::of(&name), expected, "{}", name.escape_ascii());
                }
            }
            for cut in [&long[1..], &long[..long.len() - 1]] {
                let expected = KNOWN
                    .iter()
                    .find(|(known, _)| known.eq_ignore_ascii_case(cut));
                if cut.len() > 1 {
                    assert_eq!(
                        HeaderName::of(cut),
                        expected.map_or(HeaderName::Other, |(_, id)| *id)
                    );
                }
            }
        }
    }
}
