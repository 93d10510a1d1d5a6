//! The one thread that writes.
//!
//! A commit waits for the disk, so what has piled up meanwhile is committed together: one wait for all of it.

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::keyvalue::BackendError;

/// Writes that are committed together at most; bounds how long the first of them waits for the others.
pub(super) const BATCH: usize = 64;

/// A handle of the thread, which ends when the last handle is gone and its work is done.
pub(super) struct Writer {
    jobs: mpsc::UnboundedSender<Box<dyn Job>>,
}

impl Writer {
    /// Commits up to `batch` writes together.
    pub(super) fn start(connection: Connection, batch: usize) -> Self {
        // Unbounded: there is at most one write per request in flight, and the server bounds those.
        let (jobs, mut queue) = mpsc::unbounded_channel::<Box<dyn Job>>();
        std::thread::spawn(move || {
            let mut jobs = Vec::with_capacity(batch);
            while queue.blocking_recv_many(&mut jobs, batch) > 0 {
                let committed = commit(&connection, &mut jobs);
                for job in jobs.drain(..) {
                    job.finish(committed.clone());
                }
            }
        });
        Self { jobs }
    }

    /// Runs `work` in a transaction; returns its result when that is on the disk.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, BackendError> {
        let (reply, answer) = oneshot::channel();
        let gone = || BackendError::Failed("its writer has ended".into());
        self.jobs
            .send(Box::new(Pending {
                work: Some(work),
                result: Err(BackendError::Failed("the write was not begun".into())),
                reply,
            }))
            .map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }
}

/// Runs all jobs in one transaction. A job that is refused changes nothing and does not harm the others.
fn commit(connection: &Connection, batch: &mut [Box<dyn Job>]) -> Result<(), BackendError> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    for job in batch {
        job.run(connection);
        if connection.is_autocommit() {
            // SQLite has rolled the transaction back by itself, as it does when the disk is full.
            return Err(BackendError::Failed("a write was rolled back".into()));
        }
    }
    connection.execute_batch("COMMIT").map_err(|error| {
        // Leave no transaction open that the next batch would fail to begin in.
        let _ = connection.execute_batch("ROLLBACK");
        error.into()
    })
}

/// A write of any type of result.
trait Job: Send {
    fn run(&mut self, connection: &Connection);
    fn finish(self: Box<Self>, committed: Result<(), BackendError>);
}

struct Pending<F, T> {
    work: Option<F>,
    result: Result<T, BackendError>,
    reply: oneshot::Sender<Result<T, BackendError>>,
}

impl<F, T: Send> Job for Pending<F, T>
where
    F: FnOnce(&Connection) -> Result<T, BackendError> + Send,
{
    fn run(&mut self, connection: &Connection) {
        if let Some(work) = self.work.take() {
            self.result = work(connection);
        }
    }

    fn finish(self: Box<Self>, committed: Result<(), BackendError>) {
        // Nobody may be left to hear it.
        let _ = self.reply.send(committed.and(self.result));
    }
}
