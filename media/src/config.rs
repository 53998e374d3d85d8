//! What an engine is made with.

use std::time::Duration;

use crate::RtpPorts;

/// The settings of an engine; read once, when it starts.
#[derive(Clone, Debug)]
pub struct Config {
    /// The range that ports come from.
    pub ports: RtpPorts,
    /// Media threads, at least one.
    pub workers: usize,
    /// Sessions that may be open at the same time.
    pub sessions: usize,
    /// How long no RTP may come before [`Event::Quiet`](crate::Event::Quiet) is told.
    pub quiet: Duration,
    /// How often a packet is sent to a peer that is told nothing, so that a NAT before it keeps the
    /// way open (RFC 6263). At 20 ms or less it is sent silence without a break, for peers that take a
    /// pause of packets for the end of the call.
    pub keep_open: Duration,
    /// How often RTCP reports are sent (RFC 3550 §6.2).
    pub reports: Duration,
    /// The name that RTCP gives for us (RFC 3550 §6.5.1); it need not be the name of a machine.
    pub cname: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ports: RtpPorts::default(),
            workers: 1,
            sessions: 2000,
            quiet: Duration::from_secs(30),
            keep_open: Duration::from_secs(10),
            reports: Duration::from_secs(5),
            cname: "hookswitch".to_owned(),
        }
    }
}
