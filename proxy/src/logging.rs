//! Log lines: to standard error, as text or JSON, never with raw control bytes.

use tracing_subscriber::EnvFilter;

use crate::config::file::{LogFormat, Server};

/// Starts logging as `[server]` says; `RUST_LOG` outranks the file.
///
/// # Errors
///
/// Where the filter cannot be read.
pub(crate) fn start(server: &Server) -> Result<(), String> {
    let directives = std::env::var("RUST_LOG").unwrap_or_else(|_| server.log.clone());
    let filter = self::directives(&directives).map_err(|error| format!("log: {error}"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match server.log_format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text => builder
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
    };
    started.map_err(|error| error.to_string())
}

/// Reads a filter.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn directives(text: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(text)
        .map_err(|error| format!("`{text}`: {error}; expected for example \"info,access=warn\""))
}
