//! Sound from the outside: real programs, and servers that behave badly on demand.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "sound/fetching.rs"]
mod fetching;
#[path = "sound/hearing.rs"]
mod hearing;
#[path = "sound/listing.rs"]
mod listing;
#[path = "sound/recording.rs"]
mod recording;
#[path = "sound/speaking.rs"]
mod speaking;
#[path = "sound/streaming.rs"]
mod streaming;
#[allow(dead_code, reason = "another test uses the rest")]
mod support;
#[path = "sound/transcribing.rs"]
mod transcribing;
#[path = "sound/wave.rs"]
mod wave;
#[path = "sound/web.rs"]
mod web;
#[path = "sound/whole.rs"]
mod whole;
