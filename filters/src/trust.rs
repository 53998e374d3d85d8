//! How far a neighbour is believed.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// The trust class of a listener or trunk, least first.
///
/// X- and P- headers cross to and from a class below [`Trust::Internal`] by allow-list only, and
/// `X-Hookswitch-*` not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Trust {
    /// Anyone: the internet, a carrier.
    #[default]
    Untrusted,
    /// Known and bound by agreement, but not ours.
    Partner,
    /// Ours: the executor, another node.
    Internal,
}

impl Trust {
    /// The word that stands in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Untrusted => "untrusted",
            Self::Partner => "partner",
            Self::Internal => "internal",
        }
    }

    /// Whether the far side is ours.
    pub fn is_internal(self) -> bool {
        self == Self::Internal
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Trust {
    type Err = UnknownTrust;

    fn from_str(text: &str) -> Result<Self, UnknownTrust> {
        [Self::Untrusted, Self::Partner, Self::Internal]
            .into_iter()
            .find(|trust| trust.as_str() == text)
            .ok_or(UnknownTrust)
    }
}

/// The text names no trust class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected \"untrusted\", \"partner\" or \"internal\"")]
pub struct UnknownTrust;
