//! Connection overrides in a URL's fragment: `https://host/path#ct=1000&rt=5000&rp=ct,rt&rc=2`.

use std::time::Duration;

use crate::{ErrorCode, Warning};

/// How a request is made, from the fragment of its URL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Overrides {
    /// `ct`: the TCP connection and the TLS handshake.
    pub connect: Duration,
    /// `rt`: the first byte, and the time between two packets.
    pub read: Duration,
    /// `tt`: everything, over all attempts.
    pub total: Duration,
    /// `rc`: how many times a failed request is repeated.
    pub retries: u32,
    /// `rp`: what is repeated.
    pub policy: RetryPolicy,
    /// `sni`: whether the TLS handshake says the host's name. The certificate is for that name either way.
    pub server_name: bool,
}

/// What is repeated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RetryPolicy {
    /// `4xx`.
    pub client_errors: bool,
    /// `5xx`.
    pub server_errors: bool,
    /// `ct`: no connection.
    pub connect: bool,
    /// `rt`: no first byte.
    pub read: bool,
}

impl Overrides {
    /// Reads a fragment. What is invalid keeps its default and is reported.
    pub fn parse(fragment: Option<&str>) -> (Self, Vec<Warning>) {
        let (mut overrides, mut warnings) = (Self::default(), Vec::new());
        let pairs = fragment
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty());
        for pair in pairs.take(PAIRS_MAX) {
            if let Err((code, why)) = overrides.set(pair) {
                let shown: String = pair.chars().take(60).collect();
                warnings.push(Warning::new(
                    code,
                    format!("connection override {shown}: {why}"),
                ));
            }
        }
        (overrides, warnings)
    }

    fn set(&mut self, pair: &str) -> Result<(), (ErrorCode, &'static str)> {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        match key {
            "ct" => self.connect = millis(value, 100..=10_000)?,
            "rt" => self.read = millis(value, 100..=15_000)?,
            "tt" => self.total = millis(value, 100..=15_000)?,
            "rc" => self.retries = number(value, 0..=5)?,
            "rp" => self.policy = RetryPolicy::parse(value)?,
            "sni" => self.server_name = yes_or_no(value)?,
            "e" => edges(value)?,
            _ => return Err((ErrorCode::OVERRIDE_KEY, "there is no such key")),
        }
        Ok(())
    }
}

impl Default for Overrides {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            read: Duration::from_secs(15),
            total: Duration::from_secs(15),
            retries: 1,
            policy: RetryPolicy::CONNECT,
            server_name: true,
        }
    }
}

impl RetryPolicy {
    const NOTHING: Self = Self {
        client_errors: false,
        server_errors: false,
        connect: false,
        read: false,
    };
    const CONNECT: Self = Self {
        connect: true,
        ..Self::NOTHING
    };
    const ALL: Self = Self {
        client_errors: true,
        server_errors: true,
        connect: true,
        read: true,
    };

    fn parse(value: &str) -> Result<Self, (ErrorCode, &'static str)> {
        let mut policy = Self::NOTHING;
        for word in value.split(',') {
            match word.trim() {
                "4xx" => policy.client_errors = true,
                "5xx" => policy.server_errors = true,
                "ct" => policy.connect = true,
                "rt" => policy.read = true,
                "all" => policy = Self::ALL,
                _ => {
                    return Err((
                        ErrorCode::OVERRIDE_RETRY_POLICY,
                        "it is a list of 4xx, 5xx, ct, rt, all",
                    ));
                }
            }
        }
        Ok(policy)
    }
}

fn yes_or_no(value: &str) -> Result<bool, (ErrorCode, &'static str)> {
    match value {
        "y" => Ok(true),
        "n" => Ok(false),
        _ => Err((ErrorCode::OVERRIDE_VALUE, "it is y or n")),
    }
}

/// Checks a list of edges, as a URL that works here should work with the provider too. There is nothing to
/// choose from: requests leave from where this process runs.
fn edges(value: &str) -> Result<(), (ErrorCode, &'static str)> {
    for edge in value.split(',').map(str::trim) {
        if INTERCONNECT_EDGES.contains(&edge) {
            return Err((
                ErrorCode::OVERRIDE_RANGE,
                "there is no private interconnect",
            ));
        }
        if !EDGES.contains(&edge) {
            return Err((ErrorCode::OVERRIDE_KEY, "there is no such edge"));
        }
    }
    Ok(())
}

fn millis(
    value: &str,
    range: std::ops::RangeInclusive<u32>,
) -> Result<Duration, (ErrorCode, &'static str)> {
    number(value, range).map(|millis| Duration::from_millis(millis.into()))
}

fn number(
    value: &str,
    range: std::ops::RangeInclusive<u32>,
) -> Result<u32, (ErrorCode, &'static str)> {
    match value.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        Ok(_) => Err((ErrorCode::OVERRIDE_RANGE, "it is out of range")),
        Err(_) => Err((ErrorCode::OVERRIDE_VALUE, "it is no number")),
    }
}

const PAIRS_MAX: usize = 32;
/// The provider's edges on the public Internet.
const EDGES: &[&str] = &[
    "ashburn",
    "dublin",
    "frankfurt",
    "roaming",
    "sao-paulo",
    "singapore",
    "sydney",
    "tokyo",
    "umatilla",
];
/// The provider's edges with private connections.
const INTERCONNECT_EDGES: &[&str] = &[
    "ashburn-ix",
    "frankfurt-ix",
    "london-ix",
    "san-jose-ix",
    "singapore-ix",
    "sydney-ix",
    "tokyo-ix",
];
