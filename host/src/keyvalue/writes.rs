//! The swaps of one instance that go on after `swap` has returned.
//!
//! A component calls `swap` synchronously: if that waited for the disk, so would every other request in the instance, and
//! no writes could be committed together. So `swap` begins the write, and answers only what is known at once. The outcome
//! is kept: reads of the key wait until the write is over, and the first of them fails with its error. An error is told
//! once. A lost race is no error: the value that is read shows it.
//!
//! Latchkey reads right after every swap, so the error reaches the request that swapped. It acknowledges nothing before.

use std::mem;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};

use super::{BackendError, Swap};

/// Errors that are kept until they are read; beyond it, the oldest is forgotten. An instance serves no more requests at a time
/// (see `Limits`), and each reads after its swap, before it swaps again: so what is forgotten is of a component that does not.
pub(crate) const MAX_UNREAD: usize = 1_000;

/// The writes of one instance: those that go on, and those that failed before anybody read.
#[derive(Clone, Default)]
pub(crate) struct Writes(Arc<Mutex<Vec<Write>>>);

struct Write {
    key: String,
    outcome: Shared<BoxFuture<'static, Outcome>>,
    /// Whether there is a read that fails if the write does.
    has_reader: bool,
}

type Outcome = Result<Swap, BackendError>;

impl Write {
    fn is_kept(&self) -> bool {
        match self.outcome.peek() {
            None => true,
            Some(Ok(_)) => false,
            Some(Err(_)) => !self.has_reader,
        }
    }
}

impl Writes {
    /// Begins `write`. Returns its outcome if that is known at once; otherwise the write goes on in the background, even if
    /// nobody waits for it.
    pub(super) fn begin(
        &self,
        key: &str,
        write: impl Future<Output = Outcome> + Send + 'static,
    ) -> Option<Outcome> {
        let broke_off = |_| Err(BackendError::Failed("a write broke off".into()));
        let outcome = AssertUnwindSafe(write)
            .catch_unwind()
            .map(move |outcome| outcome.unwrap_or_else(broke_off))
            .boxed()
            .shared();
        if let Some(known) = outcome.clone().now_or_never() {
            return Some(known);
        }
        self.lock().push(Write {
            key: key.to_owned(),
            outcome: outcome.clone(),
            has_reader: false,
        });
        let writes = self.clone();
        tokio::spawn(async move {
            let _ = outcome.await;
            writes.forget();
        });
        None
    }

    /// Waits until the writes of `key` are over. Fails if one of them failed and no read has been told.
    pub(super) async fn settled(&self, key: &str) -> Result<(), BackendError> {
        let writes: Vec<_> = self
            .lock()
            .iter_mut()
            .filter(|write| write.key == key)
            .map(|write| {
                let is_first = !mem::replace(&mut write.has_reader, true);
                (write.outcome.clone(), is_first)
            })
            .collect();
        if writes.is_empty() {
            return Ok(());
        }
        let mut result = Ok(());
        for (outcome, is_first) in writes {
            let outcome = outcome.await;
            if is_first {
                result = result.and(outcome.map(drop));
            }
        }
        self.forget();
        result
    }

    /// Drops the writes that no read need be told of.
    fn forget(&self) {
        let mut writes = self.lock();
        writes.retain(Write::is_kept);
        let is_unread = |write: &Write| write.outcome.peek().is_some();
        if writes.iter().filter(|write| is_unread(write)).count() > MAX_UNREAD {
            let oldest = writes.iter().position(is_unread);
            oldest.map(|index| writes.remove(index));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Write>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;
    use tokio::task::yield_now;

    use super::*;

    fn full() -> BackendError {
        BackendError::Failed("the disk is full".into())
    }

    /// Begins a write of `key` that ends when the returned sender says how.
    fn begin(writes: &Writes, key: &str) -> oneshot::Sender<Outcome> {
        let (end, ended) = oneshot::channel();
        let write = async { ended.await.expect("an outcome") };
        assert_eq!(writes.begin(key, write), None);
        end
    }

    #[tokio::test]
    async fn an_outcome_that_is_known_at_once_is_returned_and_not_kept() {
        let writes = Writes::default();
        for outcome in [Ok(Swap::Stored), Ok(Swap::Lost), Err(full())] {
            let write = std::future::ready(outcome.clone());
            assert_eq!(writes.begin("a", write), Some(outcome));
        }
        assert_eq!(writes.settled("a").await, Ok(()));
        assert!(writes.lock().is_empty());
    }

    #[tokio::test]
    async fn a_read_waits_for_the_writes_of_its_key() {
        let writes = Writes::default();
        let end = begin(&writes, "a");
        assert_eq!(writes.settled("b").await, Ok(()));
        let waiting = tokio::spawn({
            let writes = writes.clone();
            async move { writes.settled("a").await }
        });
        yield_now().await;
        assert!(!waiting.is_finished());
        end.send(Ok(Swap::Lost)).expect("the write goes on");
        assert_eq!(waiting.await.expect("no panic"), Ok(()));
        assert!(writes.lock().is_empty());
    }

    #[tokio::test]
    async fn an_error_is_told_to_the_first_read_after_the_swap() {
        let writes = Writes::default();
        let one = begin(&writes, "a");
        let mut first = Box::pin(writes.settled("a"));
        assert_eq!((&mut first).now_or_never(), None);
        let other = begin(&writes, "a");
        let mut second = Box::pin(writes.settled("a"));
        assert_eq!((&mut second).now_or_never(), None);
        let mut third = Box::pin(writes.settled("a"));
        assert_eq!((&mut third).now_or_never(), None);

        one.send(Err(full())).expect("the write goes on");
        assert_eq!(first.await, Err(full()));
        assert_eq!((&mut second).now_or_never(), None);
        other.send(Ok(Swap::Stored)).expect("the write goes on");
        assert_eq!(second.await, Ok(()));
        assert_eq!(third.await, Ok(()));
        assert!(writes.lock().is_empty());
    }

    #[tokio::test]
    async fn an_error_waits_for_its_read() {
        let writes = Writes::default();
        let end = begin(&writes, "a");
        end.send(Err(full())).expect("the write goes on");
        yield_now().await;
        assert_eq!(writes.settled("b").await, Ok(()));
        assert_eq!(writes.settled("a").await, Err(full()));
        assert_eq!(writes.settled("a").await, Ok(()));
        assert!(writes.lock().is_empty());
    }

    #[tokio::test]
    async fn errors_that_nobody_reads_do_not_add_up() {
        let writes = Writes::default();
        for number in 0..2 * MAX_UNREAD {
            let end = begin(&writes, &format!("key {number}"));
            end.send(Err(full())).expect("the write goes on");
            yield_now().await;
        }
        assert_eq!(writes.lock().len(), MAX_UNREAD);
        assert_eq!(writes.settled("key 0").await, Ok(()));
        let newest = format!("key {}", 2 * MAX_UNREAD - 1);
        assert_eq!(writes.settled(&newest).await, Err(full()));

        // A client that left while its read waited.
        let end = begin(&writes, "a");
        assert_eq!(writes.settled("a").now_or_never(), None);
        end.send(Err(full())).expect("the write goes on");
        yield_now().await;
        assert_eq!(writes.settled("a").await, Ok(()));
    }

    #[tokio::test]
    async fn a_write_that_panics_has_failed() {
        let writes = Writes::default();
        let write = async {
            yield_now().await;
            panic!("on purpose")
        };
        assert_eq!(writes.begin("a", write), None);
        let failed = BackendError::Failed("a write broke off".into());
        assert_eq!(writes.settled("a").await, Err(failed));
        assert!(writes.lock().is_empty());
    }
}
