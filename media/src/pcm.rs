//! Placeholder: mono sound.

use std::sync::Arc;

/// Mono samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Pcm {
    /// Samples a second.
    pub rate: u32,
    /// The samples.
    pub samples: Arc<[i16]>,
}
