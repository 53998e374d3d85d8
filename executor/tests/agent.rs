//! The user agent from outside: raw SIP and RTP over loopback on one side, HTTP on the other.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "agent/basic.rs"]
mod basic;
#[path = "agent/bridge.rs"]
mod bridge;
#[path = "agent/connections.rs"]
mod connections;
#[path = "agent/credentials.rs"]
mod credentials;
#[path = "agent/dial.rs"]
mod dial;
#[path = "agent/dialog.rs"]
mod dialog;
#[path = "agent/hostile.rs"]
mod hostile;
#[path = "agent/leaks.rs"]
mod leaks;
#[path = "agent/phone.rs"]
mod phone;
#[path = "agent/refer.rs"]
mod refer;
#[path = "agent/reliable.rs"]
mod reliable;
#[path = "agent/rtp.rs"]
mod rtp;
#[path = "agent/siprec.rs"]
mod siprec;
#[path = "agent/sound.rs"]
mod sound;
#[path = "agent/speech.rs"]
mod speech;
#[path = "agent/stays.rs"]
mod stays;
#[path = "agent/stream.rs"]
mod stream;
#[path = "agent/transcription.rs"]
mod transcription;
#[path = "agent/transfer.rs"]
mod transfer;
#[path = "sound/wave.rs"]
mod wave;
#[path = "agent/web.rs"]
mod web;
#[path = "agent/world.rs"]
mod world;
