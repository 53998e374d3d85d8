//! Unguessable text for branches and tags, from the system or, in simulations, from a seed.

/// A source of random 64-bit numbers.
#[derive(Debug)]
pub enum Random {
    /// The system's generator, read in blocks.
    System {
        /// Numbers not yet used.
        block: Vec<u64>,
    },
    /// A repeatable sequence (SplitMix64); never in production.
    Seeded(u64),
}

impl Random {
    /// The system's generator.
    pub fn system() -> Self {
        Self::System { block: Vec::new() }
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        match self {
            Self::System { block } => block.pop().unwrap_or_else(|| {
                fill(block);
                block.pop().unwrap_or_default()
            }),
            Self::Seeded(state) => {
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut z = *state;
                z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                z ^ (z >> 31)
            }
        }
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u128::from(self.number()) * u128::from(bound)) >> 64) as u32
    }
}

/// Reads a block from the system. Without randomness a proxy cannot be safe, so the process ends.
fn fill(block: &mut Vec<u64>) {
    let mut bytes = [0u8; 8 * BLOCK];
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::error!(%error, "the system gives no random numbers");
        std::process::abort();
    }
    block.extend(bytes.chunks_exact(8).map(|chunk| {
        let mut number = [0u8; 8];
        number.copy_from_slice(chunk);
        u64::from_le_bytes(number)
    }));
}

/// Numbers read from the system at once.
const BLOCK: usize = 64;
