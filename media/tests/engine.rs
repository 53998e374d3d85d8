//! The engine over real sockets: what phones hear is decoded and looked at.
#![allow(clippy::unwrap_used, clippy::float_cmp)] // What fails in a helper of a test fails the test.

#[path = "engine/support.rs"]
mod support;

#[path = "engine/bridging.rs"]
mod bridging;
#[path = "engine/hearing.rs"]
mod hearing;
#[path = "engine/life.rs"]
mod life;
#[path = "engine/network.rs"]
mod network;
#[path = "engine/packets.rs"]
mod packets;
#[path = "engine/playing.rs"]
mod playing;
#[path = "engine/quality.rs"]
mod quality;
#[path = "engine/recording.rs"]
mod recording;
#[path = "engine/rooms.rs"]
mod rooms;
