//! The one thread that writes.
//!
//! A commit waits for the disk, so what has piled up meanwhile is committed together: one wait for all of it.

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::files::Files;
use crate::keyvalue::BackendError;

/// Writes that are committed together at most; bounds how long the first of them waits for the others.
pub(super) const BATCH: usize = 64;

/// A handle of the thread. When this is dropped, the thread does what is queued and ends.
pub(super) struct Writer {
    queue: mpsc::UnboundedSender<(Work, Reply)>,
}

/// What is to be written. Returns a number whose meaning its caller knows.
type Work = Box<dyn FnOnce(&Connection) -> Outcome + Send>;
type Reply = oneshot::Sender<Outcome>;
type Outcome = Result<i64, BackendError>;

impl Writer {
    /// Commits up to `batch` writes together.
    pub(super) fn start(connection: Connection, files: Files, batch: usize) -> Self {
        // Unbounded: there is at most one write per request in flight, and the server bounds those.
        let (queue, mut queued) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            let mut writes = Vec::with_capacity(batch);
            while queued.blocking_recv_many(&mut writes, batch) > 0 {
                let (works, replies): (Vec<_>, Vec<_>) = writes.drain(..).unzip();
                let count = works.len();
                let outcomes = commit(&connection, &files, works)
                    .unwrap_or_else(|error| vec![Err(error); count]);
                for (reply, outcome) in replies.into_iter().zip(outcomes) {
                    // The request may have gone.
                    let _: Result<_, _> = Reply::send(reply, outcome);
                }
            }
        });
        Self { queue }
    }

    /// Runs `work` in a transaction; returns its outcome when that is on the disk.
    pub(super) async fn write(
        &self,
        work: impl FnOnce(&Connection) -> Outcome + Send + 'static,
    ) -> Outcome {
        let ended = || BackendError::Failed("its writer has ended".into());
        let (reply, outcome) = oneshot::channel();
        self.queue
            .send((Box::new(work), reply))
            .map_err(|_| ended())?;
        outcome.await.unwrap_or_else(|_| Err(ended()))
    }
}

/// Runs all of `works` in one transaction. Work that fails changes nothing and does not harm the others.
fn commit(
    connection: &Connection,
    files: &Files,
    works: Vec<Work>,
) -> Result<Vec<Outcome>, BackendError> {
    // Rolls back when it is dropped.
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let mut outcomes = Vec::with_capacity(works.len());
    for work in works {
        let outcome = work(&transaction);
        if transaction.is_autocommit() {
            // SQLite has rolled all of it back by itself, as it does when the disk is full.
            let rolled_back = || BackendError::Failed("a write was rolled back".into());
            return Err(outcome.err().unwrap_or_else(rolled_back));
        }
        outcomes.push(outcome);
    }
    files.check()?;
    transaction.commit()?;
    Ok(outcomes)
}
