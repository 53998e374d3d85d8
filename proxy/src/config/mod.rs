//! The configuration: the file as written ([`file`]), read with every error at its place
//! ([`load`]), into a snapshot that cannot be wrong ([`crate::plan::Plan`]).

mod build;
mod check;
mod error;
pub mod file;
mod load;
mod routes;
pub mod units;
mod users;

pub use build::Settings;
pub(crate) use check::WORKERS_MAX;
pub use error::{ConfigError, Errors};
pub use load::{Loader, load};
