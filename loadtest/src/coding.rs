/// A kind of sound on the line, by the name that baresip gives it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Coding {
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722.
    G722,
    /// Opus.
    Opus,
}

impl Coding {
    /// All of them, each with the samples a second of its sound.
    pub const ALL: [(Self, u32); 4] = [
        (Self::Pcmu, 8000),
        (Self::Pcma, 8000),
        (Self::G722, 16_000),
        (Self::Opus, 48_000),
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU/8000/1",
            Self::Pcma => "PCMA/8000/1",
            Self::G722 => "G722/16000/1",
            Self::Opus => "opus/48000/2",
        }
    }

    /// Samples a second and channels of the files that baresip takes and makes.
    pub(crate) fn file(self) -> (u32, u16) {
        match self {
            Self::Pcmu | Self::Pcma => (8000, 1),
            Self::G722 => (16_000, 1),
            Self::Opus => (48_000, 2),
        }
    }

    pub(crate) fn module(self) -> &'static str {
        match self {
            Self::Pcmu | Self::Pcma => "g711.so",
            Self::G722 => "g722.so",
            Self::Opus => "opus.so",
        }
    }
}
