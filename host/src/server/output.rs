//! What an instance prints: lines for the auditor on its standard output, what went wrong on its standard error.

use std::borrow::Cow;
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

/// The target of the lines for an auditor.
const AUDIT: &str = "latchkey::audit";

/// The target of what the component says besides.
const COMPONENT: &str = "latchkey::component";

/// What is longer than this without an end of line is a line all the same.
const LONGEST_LINE: usize = 64 << 10;

/// One of the two outputs of an instance.
#[derive(Clone)]
pub(super) struct Output {
    /// What has come of a line.
    begun: Arc<Mutex<Vec<u8>>>,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Standard(Option<Arc<Metrics>>),
    Error,
}

impl Output {
    /// The standard output, with what counts the events.
    pub(super) fn standard(metrics: Option<Arc<Metrics>>) -> Self {
        Self::new(Kind::Standard(metrics))
    }

    /// The standard error.
    pub(super) fn error() -> Self {
        Self::new(Kind::Error)
    }

    fn new(kind: Kind) -> Self {
        let begun = Arc::default();
        Self { begun, kind }
    }

    fn print(&self, bytes: &[u8]) {
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            begun.extend_from_slice(piece);
            if piece.ends_with(b"\n") || begun.len() >= LONGEST_LINE {
                let line = String::from_utf8_lossy(&begun);
                self.kind.print_line(line.trim_end_matches(['\r', '\n']));
                begun.clear();
            }
        }
    }
}

impl Kind {
    fn print_line(&self, line: &str) {
        match self {
            _ if line.is_empty() => {}
            Self::Error => tracing::warn!(target: COMPONENT, "{line}"),
            Self::Standard(metrics) => match serde_json::from_str::<Audit<'_>>(line) {
                Ok(audit) => {
                    if let Some(metrics) = metrics {
                        metrics.event(&audit.audit);
                    }
                    audit.log();
                }
                Err(_) => tracing::info!(target: COMPONENT, "{line}"),
            },
        }
    }
}

/// A line for the auditor, as `latchkey_component::audit` writes it. Its time is that of the log's line.
#[derive(Deserialize)]
struct Audit<'a> {
    #[serde(borrow)]
    audit: Cow<'a, str>,
    #[serde(borrow)]
    user: Option<Cow<'a, str>>,
    #[serde(borrow)]
    jwt_token_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    jwt_token_description: Option<Cow<'a, str>>,
    jwt_token_life: Option<u64>,
    #[serde(borrow)]
    replaces: Option<Cow<'a, str>>,
    jwt_tokens_deleted: Option<u64>,
    #[serde(borrow)]
    client: Option<Cow<'a, str>>,
    #[serde(borrow)]
    request_id: Option<Cow<'a, str>>,
}

impl Audit<'_> {
    fn log(&self) {
        tracing::info!(
            target: AUDIT,
            audit = &*self.audit,
            user = self.user.as_deref(),
            jwt_token_id = self.jwt_token_id.as_deref(),
            jwt_token_description = self.jwt_token_description.as_deref(),
            jwt_token_life = self.jwt_token_life,
            replaces = self.replaces.as_deref(),
            jwt_tokens_deleted = self.jwt_tokens_deleted,
            client = self.client.as_deref(),
            request_id = self.request_id.as_deref(),
        );
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
