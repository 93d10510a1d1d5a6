//! What an instance prints: audit lines on its standard output, what went wrong on its standard error.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use serde::Deserialize;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError};

use crate::metrics::Metrics;

/// The target by which the log's filter switches the audit lines on and off.
const AUDIT: &str = "latchkey::audit";

/// The log target of everything else that the component prints.
const COMPONENT: &str = "latchkey::component";

/// A longer line is cut here.
const LONGEST_LINE: usize = 64 << 10;

/// Takes each audit line as the component wrote it, with its end. Must not block: the instance waits meanwhile.
pub type AuditLog = Arc<dyn Fn(&[u8]) + Send + Sync>;

/// One of the two outputs of an instance.
#[derive(Clone)]
pub(super) struct Output {
    /// A line whose end is not yet printed.
    begun: Arc<Mutex<Vec<u8>>>,
    kind: Kind,
}

#[derive(Clone)]
pub(super) enum Kind {
    /// Audit lines go to the log, and are counted.
    Standard(AuditLog, Option<Arc<Metrics>>),
    Error,
}

impl Output {
    pub(super) fn new(kind: Kind) -> Self {
        let begun = Arc::default();
        Self { begun, kind }
    }

    fn print(&self, bytes: &[u8]) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            begun.extend_from_slice(piece);
            if piece.ends_with(b"\n") || begun.len() >= LONGEST_LINE {
                self.kind.print_line(&begun);
                begun.clear();
            }
        }
    }
}

/// What the host reads of an audit line of `latchkey_component::audit`.
#[derive(Deserialize)]
struct Audit<'a> {
    audit: &'a str,
}

impl Kind {
    fn print_line(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line.trim_ascii_end());
        match self {
            _ if text.is_empty() => {}
            Self::Error => tracing::warn!(target: COMPONENT, "{text}"),
            Self::Standard(log, metrics) => match serde_json::from_slice::<Audit<'_>>(line) {
                Ok(Audit { audit }) => {
                    if let Some(metrics) = metrics {
                        metrics.event(audit);
                    }
                    if tracing::enabled!(target: AUDIT, tracing::Level::INFO) {
                        log(line);
                    }
                }
                Err(_) => tracing::info!(target: COMPONENT, "{text}"),
            },
        }
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.print(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(LONGEST_LINE)
    }
}

#[async_trait::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Output {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.print(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
