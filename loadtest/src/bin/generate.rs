//! A load of calls through a proxy, and what became of them, as JSON.
//!
//! ```text
//! generate --steps 10:2000 --watch-pid $(pidof hookswitch)
//! generate --config profile.toml --seed 2
//! ```

use std::fs;
use std::net::SocketAddrV4;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use loadtest::generator::{
    Arrivals, Config, Idle, InDialog, Mix, Party, Role, Span, Steps, Timestamps, mix, run,
};

/// Calls through a proxy, both sides of them; prints a report as JSON.
///
/// Times are `200ms`, `1.5s`, `0`; evenly spread `1s..5s`; exponential `~3s`.
#[derive(Debug, Parser)]
struct Flags {
    /// A TOML file with the same keys (`_` for `-`); flags go before it.
    #[arg(long)]
    config: Option<PathBuf>,
    /// Where the caller sends: the proxy [127.0.0.1:5060].
    #[arg(long)]
    target: Option<SocketAddrV4>,
    /// The caller's first address [127.0.0.1:5080].
    #[arg(long)]
    caller: Option<SocketAddrV4>,
    /// The callee's address [127.0.0.1:5070].
    #[arg(long)]
    callee: Option<SocketAddrV4>,
    /// Source ports of the caller [1].
    #[arg(long)]
    flows: Option<u16>,
    /// both, caller or callee [both].
    #[arg(long)]
    role: Option<Role>,
    /// Seconds and calls a second: 10:1000,5:1000-5000 [10:1000].
    #[arg(long)]
    steps: Option<Steps>,
    /// constant or poisson [constant].
    #[arg(long, value_parser = arrivals)]
    arrivals: Option<Arrivals>,
    /// Of everything random [1].
    #[arg(long)]
    seed: Option<u64>,
    /// Weights: call, cancel, busy, unavailable, not_found, register, options [call=1].
    #[arg(long, value_parser = mix)]
    mix: Option<Mix>,
    /// From 180 to 200 [0].
    #[arg(long)]
    ring: Option<Span>,
    /// From the ACK to the BYE [0].
    #[arg(long)]
    hold: Option<Span>,
    /// Who sends the BYE: caller or callee [caller].
    #[arg(long)]
    hangup: Option<Party>,
    /// From 180 to CANCEL in cancelled calls [0].
    #[arg(long)]
    cancel_after: Option<Span>,
    /// info, options or reinvite [info].
    #[arg(long)]
    in_dialog: Option<InDialog>,
    /// How many of them in each answered call [0].
    #[arg(long)]
    in_dialog_count: Option<u16>,
    /// Between two of them [0].
    #[arg(long)]
    in_dialog_gap: Option<Span>,
    /// Seconds at the beginning that are not measured [1].
    #[arg(long)]
    warmup: Option<f64>,
    /// Seconds at the end that are not measured [1].
    #[arg(long)]
    cooldown: Option<f64>,
    /// Seconds after the last arrival in which calls may end [33].
    #[arg(long)]
    drain: Option<f64>,
    /// End with this call, whatever the schedule says after it.
    #[arg(long)]
    calls: Option<u64>,
    /// Calls in progress at once [200000].
    #[arg(long)]
    calls_max: Option<u32>,
    /// User part of the Request-URI [+14158675309].
    #[arg(long)]
    user: Option<String>,
    /// Host of the Request-URI [the target].
    #[arg(long)]
    domain: Option<String>,
    /// sleep or spin [sleep].
    #[arg(long)]
    idle: Option<Idle>,
    /// kernel or batch [kernel].
    #[arg(long)]
    timestamps: Option<Timestamps>,
    /// The processor to stay on.
    #[arg(long)]
    cpu: Option<usize>,
    /// A process tree to keep the books of; may be repeated.
    #[arg(long)]
    watch_pid: Vec<u32>,
    /// Microseconds: sends later than this at p99 mean saturation [2000].
    #[arg(long)]
    lag_limit: Option<u64>,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let report = flags.config().and_then(|config| {
        let report = run(&config).map_err(|error| error.to_string())?;
        serde_json::to_string_pretty(&report).map_err(|error| error.to_string())
    });
    match report {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("generate: {error}");
            ExitCode::from(2)
        }
    }
}

fn arrivals(text: &str) -> Result<Arrivals, String> {
    match text {
        "constant" => Ok(Arrivals::Constant),
        "poisson" => Ok(Arrivals::Poisson),
        _ => Err(format!("{text}: none of constant, poisson")),
    }
}

impl Flags {
    /// The file, if there is one, with the flags written over it.
    fn config(self) -> Result<Config, String> {
        let mut config = match &self.config {
            Some(path) => {
                let explain =
                    |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
                let text = fs::read_to_string(path).map_err(|error| explain(&error))?;
                toml::from_str(&text).map_err(|error| explain(&error))?
            }
            None => Config::default(),
        };
        macro_rules! over {
            ($($key:ident)*) => {
                $(if let Some(value) = self.$key {
                    config.$key = value;
                })*
            };
        }
        over!(target caller callee flows role steps arrivals seed mix ring hold hangup cancel_after);
        over!(in_dialog in_dialog_count in_dialog_gap warmup cooldown drain calls_max user idle timestamps);
        config.domain = self.domain.or(config.domain);
        config.calls = self.calls.or(config.calls);
        config.cpu = self.cpu.or(config.cpu);
        config.watch_pid.extend(self.watch_pid);
        config.lag_limit_us = self.lag_limit.unwrap_or(config.lag_limit_us);
        Ok(config)
    }
}
