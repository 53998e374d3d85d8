//! Other SIP parsers beside ours, over the same messages, with one face for all.
//!
//! Without the feature `peers` this library is empty, so that no build of the product compiles
//! them. `make bench-peers` installs what it needs and prints the table.

#[cfg(feature = "peers")]
mod c;
#[cfg(feature = "peers")]
mod parser;
#[cfg(feature = "peers")]
mod rust;

#[cfg(feature = "peers")]
pub use parser::{Keys, Parser, parsers};
