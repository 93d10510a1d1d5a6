//! Keeps a store that does not answer from blocking requests that need no store.
//!
//! The calls of `wasi:keyvalue` are synchronous: an instance that waits in one serves nobody meanwhile. One call may wait
//! for a store that has become silent. If all did, one after the other, nothing could be asked for minutes, not even
//! whether the server is alive.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::BackendError;
use super::outages::{Access, Outages};

/// How long a read may wait. A write has the time that its backend gives it, since nobody knows what becomes of one that is
/// given up.
const READ_TIME: Duration = Duration::from_secs(1);

/// For how long calls fail at once after one that waited in vain.
const OPEN_TIME: Duration = Duration::from_secs(3);

/// Closed while the store answers, even if it answers with errors.
#[derive(Default)]
pub(super) struct CircuitBreaker {
    open_until: Mutex<Option<Instant>>,
    /// Of the store, and so shared by all components.
    outages: Arc<Outages>,
}

impl CircuitBreaker {
    /// Another for the same store: what one component asks for must not close it to the others.
    pub(super) fn for_another_component(&self) -> Self {
        Self {
            open_until: Mutex::default(),
            outages: self.outages.clone(),
        }
    }

    /// Calls the store to read from it.
    pub(super) async fn read<T>(
        &self,
        read: impl Future<Output = Result<T, BackendError>>,
    ) -> Result<T, BackendError> {
        let read = timeout(READ_TIME, read);
        let read = async { read.await.unwrap_or_else(|_| Err(silent())) };
        self.call(Access::Read, read).await
    }

    /// Calls the store to write to it.
    pub(super) async fn write<T>(
        &self,
        write: impl Future<Output = Result<T, BackendError>>,
    ) -> Result<T, BackendError> {
        self.call(Access::Write, write).await
    }

    /// Calls the store to list what is there, with the time of a write: there may be many keys.
    pub(super) async fn list<T>(
        &self,
        list: impl Future<Output = Result<T, BackendError>>,
    ) -> Result<T, BackendError> {
        self.call(Access::Read, list).await
    }

    async fn call<T>(
        &self,
        access: Access,
        call: impl Future<Output = Result<T, BackendError>>,
    ) -> Result<T, BackendError> {
        let began = Instant::now();
        let is_open = self.open_until().is_some_and(|time| began < time);
        let result = match is_open {
            true => Err(silent()),
            false => call.await,
        };
        if !is_open && result.is_err() && began.elapsed() >= READ_TIME {
            *self.open_until() = Some(Instant::now() + OPEN_TIME);
        }
        self.outages.observe(access, &result);
        result
    }

    /// Closes if another call was successful, which did not block anybody: the store answers again.
    pub(super) fn heed<T>(
        &self,
        access: Access,
        result: Result<T, BackendError>,
    ) -> Result<T, BackendError> {
        if result.is_ok() {
            *self.open_until() = None;
        }
        self.outages.observe(access, &result);
        result
    }

    /// Takes note of a call that was made past it.
    pub(super) fn observe<T>(&self, access: Access, result: &Result<T, BackendError>) {
        self.outages.observe(access, result);
    }

    fn open_until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.open_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn silent() -> BackendError {
    BackendError::Failed("the store does not answer".into())
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_call_waits_for_a_silent_store_and_the_next_ones_do_not() {
        let breaker = CircuitBreaker::default();
        let began = Instant::now();
        assert_eq!(
            breaker.read(pending::<Result<(), _>>()).await,
            Err(silent())
        );
        let waited = began.elapsed();
        assert!(waited >= READ_TIME);
        for _ in 0..3 {
            assert_eq!(breaker.read(ready(Ok(()))).await, Err(silent()));
            assert_eq!(breaker.write(ready(Ok(()))).await, Err(silent()));
        }
        assert_eq!(began.elapsed(), waited);
        assert_eq!(
            breaker.heed::<()>(Access::Read, Err(silent())),
            Err(silent())
        );
        assert_eq!(breaker.read(ready(Ok(()))).await, Err(silent()));
        assert_eq!(breaker.heed(Access::Read, Ok(())), Ok(()));
        assert_eq!(breaker.read(ready(Ok(()))).await, Ok(()));

        let silence = breaker.read(pending::<Result<(), _>>());
        assert_eq!(silence.await, Err(silent()));
        sleep(OPEN_TIME).await;
        assert_eq!(breaker.read(ready(Ok(()))).await, Ok(()));
        assert_eq!(breaker.write(ready(Ok(()))).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_answers_is_asked_again() {
        let breaker = CircuitBreaker::default();
        let failed = || Err::<(), _>(BackendError::Failed("on purpose".into()));
        assert_eq!(breaker.read(ready(failed())).await, failed());
        let slow = async {
            sleep(2 * READ_TIME).await;
            Ok(())
        };
        assert_eq!(breaker.write(slow).await, Ok(()));
        assert_eq!(breaker.read(ready(Ok(()))).await, Ok(()));
        let slow = async {
            sleep(2 * READ_TIME).await;
            failed()
        };
        assert_eq!(breaker.write(slow).await, failed());
        assert_eq!(breaker.write(ready(Ok(()))).await, Err(silent()));
    }
}
