//! The core in virtual time, without sockets: a configuration, messages in, messages out.
#![allow(clippy::unwrap_used)] // What fails in a helper of a test fails the test.

mod support;

mod cancelling;
mod dialogs;
mod failover;
mod filtering;
mod forwarding;
mod leading;
mod mtu;
mod overload;
mod phones;
mod registering;
mod responses;
mod simulation;
mod torture;
mod trust;
mod users_are_called;
mod users_call;
mod validation;
