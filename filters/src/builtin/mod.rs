//! The filters of this crate and their keys.

mod access_log;
mod extension;
mod names;
mod record_route;
mod sanity;
mod trunk;
mod trunk_table;
mod uri_headers;
mod x_headers;

pub use access_log::{AccessLog, AccessLogKeys, LogField};
pub use names::Names;
pub use record_route::{RecordRoute, RecordRouteKeys};
pub use sanity::{FaultAction, Sanity, SanityKeys, SpaceBeforeColon, XFolding};
pub use trunk::{NoMatch, Trunk, TrunkKeys};
pub use uri_headers::{OnConflict, OnInvalid, Others, UriHeaders, UriHeadersKeys};
pub use x_headers::{Direction, On, OnMismatch, Op, RuleKeys, Unlisted, XHeaders, XHeadersKeys};
