//! The command line.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use filters::Registry;

use crate::config::{Loader, load};
use crate::server::{self, Launch};
use crate::{demo, logging, try_message};

/// The SIP edge: carrier trunks in, webhooks out.
#[derive(Debug, Parser)]
#[command(name = "hookswitch", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the proxy, and the executor if the file has one.
    Run {
        /// The configuration file.
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Say whether a configuration file is valid: exit code 0, or 2 and a list of errors.
    Check {
        /// The configuration file.
        #[arg(short, long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Run one SIP message through a chain and show what each filter does to it.
    Try(try_message::TryArguments),
    /// Print the reference of all filters, or of one.
    Filters {
        /// The filter.
        name: Option<String>,
    },
    /// Start everything on this machine with a webhook application of its own.
    Demo {
        /// The address that SIP listens on.
        #[arg(long, default_value = "127.0.0.1")]
        bind: IpAddr,
        /// The port that SIP listens on, UDP and TCP.
        #[arg(long, default_value_t = 5060)]
        sip_port: u16,
        /// Where the web page is.
        #[arg(long, default_value = "127.0.0.1:8080")]
        console: SocketAddr,
        /// Where the webhook application of the demo listens.
        #[arg(long, default_value = "127.0.0.1:8081")]
        webhook: SocketAddr,
        /// The port of the proxy's inner side, on loopback.
        #[arg(long, default_value_t = 5062)]
        internal_port: u16,
        /// The port of the executor, on loopback.
        #[arg(long, default_value_t = 5080)]
        executor_port: u16,
    },
}

/// Runs the program with the filters of `registry`.
pub fn run(registry: Registry) -> ExitCode {
    let arguments = Arguments::parse();
    let mut entropy = [0u8; 32];
    if let Err(error) = getrandom::fill(&mut entropy) {
        return fail(format_args!("the system gives no random numbers: {error}"));
    }
    let loader = Loader {
        registry: Arc::new(registry),
        counters: Arc::new(filters::Counters::default()),
        entropy,
    };
    match arguments.command {
        Command::Run { config } => start(config, loader),
        Command::Check { config } => check(config, &loader),
        Command::Try(arguments) => try_message::run(&arguments, &loader),
        Command::Filters { name } => reference(&loader, name.as_deref()),
        Command::Demo {
            bind,
            sip_port,
            console,
            webhook,
            internal_port,
            executor_port,
        } => {
            let ports = demo::Ports {
                bind,
                sip_port,
                console,
                webhook,
                internal_port,
                executor_port,
            };
            demo::run(&ports, &loader)
        }
    }
}

fn start(config: PathBuf, loader: Loader) -> ExitCode {
    let settings = match load(&config, &loader) {
        Ok(settings) => settings,
        Err(errors) => return fail(errors),
    };
    if let Err(error) = logging::start(&settings.server) {
        return fail(error);
    }
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let listening = settings.clone();
    let ready = Box::new(move || {
        for listener in &listening.plan.listeners {
            tracing::info!(
                listener = %listener.name,
                socket = %format_args!("{}:{}", listener.transport.param(), listener.bind),
                "listening"
            );
        }
        if let Some(console) = listening.server.console {
            tracing::info!("console at http://{console}");
        }
    });
    let launch = Launch {
        settings,
        filter_counters: loader.counters.clone(),
        reload: Some((config, loader)),
        examples: Vec::new(),
        services: Vec::new(),
        ready,
    };
    match server::serve(launch) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error),
    }
}

fn check(config: PathBuf, loader: &Loader) -> ExitCode {
    match load(&config, loader) {
        Ok(settings) => {
            for warning in &settings.warnings {
                say(format_args!("{}: warning: {warning}", config.display()));
            }
            let plan = &settings.plan;
            let counts = [
                (plan.listeners.len(), "listener"),
                (plan.trunks.len(), "trunk"),
                (settings.domains.len(), "domain"),
                (plan.routes.len(), "route"),
                (try_message::chain_names(plan).len(), "chain"),
            ];
            let counts = counts.map(|(count, word)| {
                format!("{count} {word}{}", if count == 1 { "" } else { "s" })
            });
            say(format_args!(
                "{}: valid: {}",
                config.display(),
                counts.join(", ")
            ));
            ExitCode::SUCCESS
        }
        Err(errors) => {
            let count = errors.0.len();
            let errors = errors.to_string();
            fail(format_args!(
                "{errors}{count} error{}",
                if count == 1 { "" } else { "s" }
            ))
        }
    }
}

fn reference(loader: &Loader, name: Option<&str>) -> ExitCode {
    match loader.registry.reference(name) {
        Some(text) => {
            say(text.trim_end());
            ExitCode::SUCCESS
        }
        None => {
            let known: Vec<&str> = loader.registry.names().collect();
            fail(format_args!(
                "no filter `{}`; expected one of {}",
                name.unwrap_or_default(),
                known.join(", ")
            ))
        }
    }
}

/// Prints a line; a closed pipe is no error of ours.
pub(crate) fn say(text: impl std::fmt::Display) {
    drop(writeln!(std::io::stdout(), "{text}"));
}

/// Prints what is wrong; exit code 2.
pub(crate) fn fail(text: impl std::fmt::Display) -> ExitCode {
    let text = text.to_string();
    drop(writeln!(std::io::stderr(), "{}", text.trim_end()));
    ExitCode::from(2)
}
