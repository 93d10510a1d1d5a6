//! The log, on standard error.
//!
//! A thread of its own writes it. If whoever reads it stops reading, the server goes on, and lines are lost: a server that
//! waits for its log could be stopped by a terminal that is scrolled back. How many are lost is said in the log.

use std::io::IsTerminal;
use std::time::Duration;

use clap::ValueEnum;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// What is logged where `RUST_LOG` says nothing.
const DEFAULT: &str = "warn,latchkey::request=info,latchkey::audit=info";

/// Lines that may wait to be written, of some 200 bytes each.
const WAITING_LINES: usize = 32 << 10;

/// How often it is looked whether lines are lost.
const LOSSES_PERIOD: Duration = Duration::from_secs(10);

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// An object of JSON, for programs.
    Json,
}

/// The log of this process. Dropped, it writes what is waiting.
pub struct Log {
    lost: ErrorCounter,
    _writer: WorkerGuard,
}

/// Begins to log, once for the process, and tells what is wrong with `RUST_LOG`, if it cannot be used.
pub fn start(format: LogFormat) -> (Log, Option<String>) {
    let (filter, problem) = match std::env::var("RUST_LOG") {
        Ok(filter) if !filter.trim().is_empty() => match EnvFilter::try_new(&filter) {
            Ok(filter) => (filter, None),
            Err(error) => (
                EnvFilter::new(DEFAULT),
                Some(format!("RUST_LOG cannot be used: {error}")),
            ),
        },
        _ => (EnvFilter::new(DEFAULT), None),
    };
    let (lines, writer) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING_LINES)
        .thread_name("latchkey-log")
        .finish(std::io::stderr());
    let lost = lines.error_counter();
    let log = fmt().with_env_filter(filter).with_writer(lines);
    match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    let log = Log {
        lost,
        _writer: writer,
    };
    (log, problem)
}

impl Log {
    /// Says from time to time how many lines were lost, until it is dropped.
    pub fn report_losses(&self) -> impl Future<Output = ()> + Send + use<> {
        let lost = self.lost.clone();
        async move {
            let mut said = 0;
            loop {
                tokio::time::sleep(LOSSES_PERIOD).await;
                let all = lost.dropped_lines();
                if all > said {
                    tracing::warn!(
                        "{} lines of the log were lost: they are not read fast enough",
                        all - said
                    );
                    said = all;
                }
            }
        }
    }
}
