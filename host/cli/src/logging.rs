//! The log, and the audit lines, on standard error.
//!
//! Threads of their own write them. If nobody reads, the server goes on, and lines are lost: a server that waits for its log
//! could be stopped by a terminal that is scrolled back. Audit lines have a queue of their own, so that no other line takes
//! their room. How many lines are lost is said in the log.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use latchkey_host::metrics::Metrics;
use latchkey_host::server::AuditLog;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// What is logged where `RUST_LOG` says nothing.
const DEFAULT: &str = "warn,latchkey::request=info,latchkey::audit=info,latchkey::up=info";

/// Lines of the log that may wait to be written, of some 200 bytes each.
const WAITING_LINES: usize = 32 << 10;

/// Audit lines that may wait.
const WAITING_AUDIT_LINES: usize = 16 << 10;

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

/// The log of this process. When this is dropped, what waits is written.
pub struct Log {
    lost: ErrorCounter,
    audit: NonBlocking,
    _writers: [WorkerGuard; 2],
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
    let (lines, writer) = queue(WAITING_LINES, "latchkey-log");
    let (audit, audit_writer) = queue(WAITING_AUDIT_LINES, "latchkey-audit");
    let lost = lines.error_counter();
    let log = fmt().with_env_filter(filter).with_writer(lines);
    match format {
        LogFormat::Text => log.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    let log = Log {
        lost,
        audit,
        _writers: [writer, audit_writer],
    };
    (log, problem)
}

fn queue(lines: usize, thread: &str) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(lines)
        .thread_name(thread)
        .finish(std::io::stderr())
}

impl Log {
    pub fn audit(&self) -> AuditLog {
        let audit = self.audit.clone();
        // Cannot fail: a line that finds no room is counted as lost.
        Arc::new(move |line| _ = audit.clone().write_all(line))
    }

    /// Says from time to time how many lines were lost, and counts those for the auditor in `metrics`, until it is dropped.
    pub fn report_losses(&self, metrics: Arc<Metrics>) -> impl Future<Output = ()> + Send + use<> {
        let (log, audit) = (self.lost.clone(), self.audit.error_counter());
        async move {
            let (mut log_said, mut audit_said) = (0, 0);
            loop {
                tokio::time::sleep(LOSSES_PERIOD).await;
                let lost = newly_lost(&audit, &mut audit_said);
                if lost > 0 {
                    metrics.audit_lines_lost(lost);
                    tracing::error!("{lost} audit lines were lost: they are not read fast enough");
                }
                let lost = newly_lost(&log, &mut log_said);
                if lost > 0 {
                    tracing::warn!(
                        "{lost} lines of the log were lost: they are not read fast enough"
                    );
                }
            }
        }
    }
}

/// How many lines were lost since this was asked last.
fn newly_lost(counter: &ErrorCounter, said: &mut usize) -> usize {
    let all = counter.dropped_lines();
    all - std::mem::replace(said, all)
}
