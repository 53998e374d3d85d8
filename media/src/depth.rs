//! How much sound may wait in a jitter buffer.

/// How much of a late peer's sound waits for the rest, which is heard as delay.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Depth {
    /// Up to 200 ms, and what comes at once is kept: the fewest gaps.
    #[default]
    Large,
    /// Up to 120 ms, and a packet.
    Medium,
    /// Up to 60 ms, and a packet.
    Small,
    /// What has come is heard at once: of more than 20 ms, or two packets, the oldest is dropped.
    Off,
}

impl Depth {
    /// What waits at least, and at first.
    pub(crate) fn least_ms(self) -> u32 {
        match self {
            Self::Off => 20,
            _ => 40,
        }
    }

    /// What waits at most of what a network that is not smooth makes wait.
    pub(crate) fn most_ms(self) -> u32 {
        match self {
            Self::Large => 200,
            Self::Medium => 120,
            Self::Small => 60,
            Self::Off => 20,
        }
    }

    /// What waits besides a packet.
    pub(crate) fn spare_ms(self) -> u32 {
        match self {
            Self::Off => 0,
            _ => 20,
        }
    }

    /// What is kept when packets of `packet_ms` come all at once.
    pub(crate) fn held_ms_max(self, packet_ms: u32) -> u32 {
        match self {
            Self::Large => u32::MAX,
            _ => self.most_ms().max(packet_ms) + packet_ms,
        }
    }
}
