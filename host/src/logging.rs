//! The log, on standard error.

use std::io::IsTerminal;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// The target of the line that is written for each request.
pub const REQUEST: &str = "latchkey::request";

/// The target of the lines for an auditor.
pub const AUDIT: &str = "latchkey::audit";

/// The target of what the component says besides.
pub const COMPONENT: &str = "latchkey::component";

/// What is logged where `RUST_LOG` says nothing.
const DEFAULT: &str = "warn,latchkey::request=info,latchkey::audit=info";

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object of JSON, for programs.
    Json,
}

/// Begins to log, once for the process. Tells what is wrong with `RUST_LOG`, if it cannot be used.
pub fn start(format: LogFormat) -> Result<(), String> {
    let (filter, problem) = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.trim().is_empty() => match EnvFilter::try_new(&filter) {
            Ok(filter) => (filter, None),
            Err(error) => (EnvFilter::new(DEFAULT), Some(error.to_string())),
        },
        _ => (EnvFilter::new(DEFAULT), None),
    };
    let log = fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    problem.map_or(Ok(()), |problem| Err(format!("RUST_LOG: {problem}")))
}
