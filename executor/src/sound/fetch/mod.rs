//! The sound files of `<Play>`: fetched, decoded, and remembered as HTTP permits.

mod fetcher;
mod freshness;
mod local;
mod types;

use std::path::PathBuf;
use std::time::Duration;

pub use fetcher::Fetcher;

/// The bounds on files that are fetched.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FetchConfig {
    /// The largest file.
    pub bytes_max: usize,
    /// The bound on one fetch, with redirects and retries.
    pub time_max: Duration,
    /// The longest sound; a longer one is not played at all.
    pub seconds_max: u32,
    /// What the files of all fetches may take in memory until they are decoded; then a fetch fails.
    pub waiting_bytes_max: usize,
    /// What decoded sounds may take in memory.
    pub cache_bytes_max: usize,
    /// Files that are decoded at a time; more wait.
    pub decoding_max: usize,
    /// The folder that `file:///name.wav` is below; without one there are no such files.
    pub files: Option<PathBuf>,
}

impl Default for FetchConfig {
    fn default() -> Self {
        Self {
            bytes_max: 40 * 1024 * 1024,
            time_max: Duration::from_secs(15),
            seconds_max: 40 * 60,
            waiting_bytes_max: 512 * 1024 * 1024,
            cache_bytes_max: 256 * 1024 * 1024,
            decoding_max: 2,
            files: None,
        }
    }
}
