use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::schedule::{Arrivals, Steps};
use super::seen::Method;
use super::span::Span;

/// What a run is: the keys of a profile and the flags of `generate`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the caller sends everything: the proxy.
    pub target: SocketAddrV4,
    /// The caller's first address; further flows take the ports after it.
    pub caller: SocketAddrV4,
    /// The callee's address.
    pub callee: SocketAddrV4,
    /// How many source ports the caller has.
    pub flows: u16,
    /// Which sides this process plays.
    pub role: Role,
    /// The schedule.
    pub steps: Steps,
    /// How arrivals lie between each other.
    pub arrivals: Arrivals,
    /// Of everything random.
    pub seed: u64,
    /// Kinds of calls and their weights.
    pub mix: Mix,
    /// From 180 to 200.
    pub ring: Span,
    /// From the ACK to the BYE.
    pub hold: Span,
    /// Who sends the BYE.
    pub hangup: Party,
    /// From 180 to CANCEL in cancelled calls.
    pub cancel_after: Span,
    /// What is sent inside a dialog.
    pub in_dialog: InDialog,
    /// How often, in each answered call, one after another.
    pub in_dialog_count: u16,
    /// From the end of one (or the ACK) to the next.
    pub in_dialog_gap: Span,
    /// Seconds at the beginning of the schedule that are not measured.
    pub warmup: f64,
    /// Seconds at the end of the schedule that are not measured.
    pub cooldown: f64,
    /// Seconds after the last arrival in which calls may still end.
    pub drain: f64,
    /// The run ends with this call, whatever the schedule says after it.
    pub calls: Option<u64>,
    /// Calls in progress at once; arrivals beyond are shed and counted.
    pub calls_max: u32,
    /// The user part of the Request-URI.
    pub user: String,
    /// Its host and port; without it those of the target.
    pub domain: Option<String>,
    /// What the thread does between two things to do.
    pub idle: Idle,
    /// Where reception times come from.
    pub timestamps: Timestamps,
    /// The processor that the thread stays on.
    pub cpu: Option<usize>,
    /// Process trees whose processor time and memory are read.
    pub watch_pid: Vec<u32>,
    /// Microseconds: sends that are later than this at p99 mean that the generator is saturated.
    pub lag_limit_us: u64,
}

/// Weights of the kinds of calls; a kind that is not there does not happen.
pub type Mix = BTreeMap<Kind, u32>;

impl Default for Config {
    fn default() -> Self {
        let local = |port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port);
        Self {
            target: local(5060),
            caller: local(5080),
            callee: local(5070),
            flows: 1,
            role: Role::Both,
            steps: Steps::constant(10.0, 1000.0),
            arrivals: Arrivals::Constant,
            seed: 1,
            mix: Mix::from([(Kind::Call, 1)]),
            ring: Span::ZERO,
            hold: Span::ZERO,
            hangup: Party::Caller,
            cancel_after: Span::ZERO,
            in_dialog: InDialog::Info,
            in_dialog_count: 0,
            in_dialog_gap: Span::ZERO,
            warmup: 1.0,
            cooldown: 1.0,
            drain: 33.0,
            calls: None,
            calls_max: 200_000,
            user: "+14158675309".to_owned(),
            domain: None,
            idle: Idle::Sleep,
            timestamps: Timestamps::Kernel,
            cpu: None,
            watch_pid: Vec::new(),
            lag_limit_us: 2000,
        }
    }
}

impl Config {
    /// What is wrong with it, if anything.
    ///
    /// # Errors
    ///
    /// In words, the first one that is found.
    pub fn check(&self) -> Result<(), String> {
        let sum = |mix: &Mix| mix.values().map(|weight| u64::from(*weight)).sum::<u64>();
        let length = self.steps.seconds();
        let times = [self.warmup, self.cooldown, self.drain];
        let ends = self.caller.port().checked_add(self.flows.saturating_sub(1));
        if self.flows == 0 || self.flows > FLOWS_MAX || ends.is_none() {
            Err(format!("flows: 1 to {FLOWS_MAX}, with ports to the end"))
        } else if self.mix.is_empty() || sum(&self.mix) == 0 || sum(&self.mix) > u32::MAX.into() {
            Err("mix: no weight, or too much of it".to_owned())
        } else if !times.iter().all(|time| (0.0..=86_400.0).contains(time)) {
            Err("warmup, cooldown, drain: seconds, at most a day".to_owned())
        } else if length > 86_400.0 || length <= self.warmup + self.cooldown {
            Err("steps: nothing is left between warmup and cooldown, or more than a day".to_owned())
        } else if self.calls_max == 0 || self.calls_max > CALLS_MAX {
            Err(format!("calls_max: 1 to {CALLS_MAX}"))
        } else {
            Ok(())
        }
    }

    /// The Request-URI of everything that begins.
    pub(super) fn uri(&self) -> String {
        match &self.domain {
            Some(domain) => format!("sip:{}@{domain}", self.user),
            None => format!("sip:{}@{}", self.user, self.target),
        }
    }
}

/// Sockets of one run.
const FLOWS_MAX: u16 = 256;
/// Calls take about 2 KB each.
const CALLS_MAX: u32 = 4_000_000;

/// What happens in a call.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is answered and ended.
    Call,
    /// The caller gives up while it rings.
    Cancel,
    /// 486.
    Busy,
    /// 503.
    Unavailable,
    /// 404.
    NotFound,
    /// A REGISTER and its answer.
    Register,
    /// An OPTIONS outside a dialog and its answer.
    Options,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Call,
        Self::Cancel,
        Self::Busy,
        Self::Unavailable,
        Self::NotFound,
        Self::Register,
        Self::Options,
    ];

    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Cancel => "cancel",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::NotFound => "not_found",
            Self::Register => "register",
            Self::Options => "options",
        }
    }

    /// The final response that the first request of such a call gets.
    pub(super) const fn wants(self) -> u16 {
        match self {
            Self::Call | Self::Register | Self::Options => 200,
            Self::Cancel => 487,
            Self::Busy => 486,
            Self::Unavailable => 503,
            Self::NotFound => 404,
        }
    }

    /// Whether it may end like this: a proxy makes 500 of the 503 of one server (RFC 3261 §16.7, 6).
    pub(super) const fn accepts(self, status: u16) -> bool {
        status == self.wants() || matches!((self, status), (Self::Unavailable, 500))
    }

    /// What it begins with.
    pub(super) const fn method(self) -> Method {
        match self {
            Self::Register => Method::Register,
            Self::Options => Method::Options,
            _ => Method::Invite,
        }
    }
}

/// Reads `call=80,cancel=20`.
///
/// # Errors
///
/// When it is not that.
pub fn mix(text: &str) -> Result<Mix, String> {
    let part = |part: &str| {
        let (name, weight) = part.split_once('=')?;
        let kind = Kind::ALL
            .into_iter()
            .find(|kind| kind.name() == name.trim())?;
        Some((kind, weight.trim().parse().ok()?))
    };
    let mix: Option<Mix> = text.split(',').map(part).collect();
    mix.ok_or_else(|| format!("{text}: not a mix (call=80,cancel=20)"))
}

macro_rules! words {
    ($(#[$note:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$note])*
        #[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
        pub enum $name {
            $($(#[$each])* #[serde(rename = $word)] $variant,)*
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(format!("{text}: none of {}", [$($word),*].join(", "))),
                }
            }
        }
    };
}

words! {
    /// Which sides a process plays.
    Role {
        /// Caller and callee.
        Both = "both",
        /// The caller alone: somebody else answers.
        Caller = "caller",
        /// The callee alone: it answers any call, for as long as the schedule and the drain last.
        Callee = "callee",
    }
}

words! {
    /// One of the two ends of a call.
    Party {
        /// Who called.
        Caller = "caller",
        /// Who was called.
        Callee = "callee",
    }
}

words! {
    /// What is sent inside a dialog.
    InDialog {
        /// INFO.
        Info = "info",
        /// OPTIONS.
        Options = "options",
        /// INVITE, with its ACK.
        Reinvite = "reinvite",
    }
}

words! {
    /// What the thread does when there is nothing to do.
    Idle {
        /// Sleeps in the kernel until something comes or is due.
        Sleep = "sleep",
        /// Asks again at once: it takes a whole processor.
        Spin = "spin",
    }
}

words! {
    /// Where reception times come from.
    Timestamps {
        /// The kernel stamps each datagram as it arrives at the socket (SO_TIMESTAMPNS).
        Kernel = "kernel",
        /// The clock after each recvmmsg.
        Batch = "batch",
    }
}

impl InDialog {
    pub(super) const fn method(self) -> Method {
        match self {
            Self::Info => Method::Info,
            Self::Options => Method::Options,
            Self::Reinvite => Method::Invite,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_and_written_back() {
        let text = "steps = \"10:100-500,5:500\"\nhold = \"~3s\"\nflows = 4\nin_dialog = \"reinvite\"\n\
            warmup = 2\n[mix]\ncall = 80\nnot_found = 20\n";
        let config: Config = toml::from_str(text).unwrap();
        assert_eq!(config.check(), Ok(()));
        assert_eq!(config.mix, mix("call=80,not_found=20").unwrap());
        assert_eq!(config.in_dialog.method(), Method::Invite);
        let written = toml::to_string(&config).unwrap();
        let again: Config = toml::from_str(&written).unwrap();
        assert_eq!(toml::to_string(&again).unwrap(), written);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in [
            "stepps = \"1:1\"",
            "steps = \"1\"",
            "mix = { calls = 1 }",
            "idle = \"nap\"",
        ] {
            assert!(toml::from_str::<Config>(text).is_err(), "{text}");
        }
        for text in [
            "steps = \"2:100\"",
            "flows = 0",
            "flows = 2\ncaller = \"127.0.0.1:65535\"",
            "mix = { call = 0 }",
            "drain = -1",
            "calls_max = 0",
        ] {
            let config: Config = toml::from_str(text).unwrap();
            assert!(config.check().is_err(), "{text}");
        }
        assert!(mix("call").is_err() && mix("cal=1").is_err() && mix("call=x").is_err());
    }
}
