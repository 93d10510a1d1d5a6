//! One line in the log when a store goes away and one when it is back, however many operations fail meanwhile.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::BackendError;

/// An operation that succeeds ends an outage if none has failed for as long: of those that were under way, some fail later.
const QUIET_TIME: Duration = Duration::from_secs(1);

/// A store may be read while it takes no writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Whether a store can be read and written, as far as operations have shown.
#[derive(Default)]
pub(super) struct Outages([Mutex<Option<Outage>>; 2]);

/// Since when operations have failed.
struct Outage {
    since: Instant,
    last: Instant,
    failures: u64,
}

/// What an operation has shown of a store.
#[derive(Debug, PartialEq, Eq)]
enum Transition {
    Began,
    Ended { after: Duration, failures: u64 },
}

impl Outages {
    /// Takes note of how an operation ended, and logs what that changes.
    pub(super) fn observe<T>(&self, access: Access, result: &Result<T, BackendError>) {
        match result {
            // What the component asked for, or observed when the swap ended.
            Err(
                BackendError::NotACounter
                | BackendError::CounterOverflow
                | BackendError::EarlierSwap(_),
            ) => return,
            Ok(_) | Err(BackendError::Busy | BackendError::Failed(_)) => {}
        }
        let verb = match access {
            Access::Read => "read",
            Access::Write => "written",
        };
        if let Err(error) = result {
            tracing::debug!("key-value: {error}");
        }
        match (self.transition(access, result.is_err()), result) {
            (Some(Transition::Began), Err(error)) => tracing::warn!(
                "the store cannot be {verb}: {error}; further failures are counted, not logged"
            ),
            (Some(Transition::Ended { after, failures }), _) => tracing::warn!(
                "the store can be {verb} again, after {after:.1?} (failed operations: {failures})"
            ),
            _ => {}
        }
    }

    fn transition(&self, access: Access, failed: bool) -> Option<Transition> {
        let outage = &self.0[access as usize];
        let mut outage = outage.lock().unwrap_or_else(PoisonError::into_inner);
        let now = match (failed, &*outage) {
            // Nearly always.
            (false, None) => return None,
            _ => Instant::now(),
        };
        match &mut *outage {
            None => {
                *outage = Some(Outage {
                    since: now,
                    last: now,
                    failures: 1,
                });
                Some(Transition::Began)
            }
            Some(outage) if failed => {
                outage.last = now;
                outage.failures += 1;
                None
            }
            Some(over) if now - over.last >= QUIET_TIME => {
                let (after, failures) = (now - over.since, over.failures);
                *outage = None;
                Some(Transition::Ended { after, failures })
            }
            Some(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_told_at_its_begin_and_at_its_end() {
        let outages = Outages::default();
        let write = |failed| outages.transition(Access::Write, failed);
        assert_eq!(write(false), None);
        assert_eq!(write(true), Some(Transition::Began));
        for _ in 0..100 {
            assert_eq!(write(true), None);
        }
        advance(10 * QUIET_TIME).await;
        assert_eq!(write(true), None);
        // One that was begun before, and one that fails once more.
        assert_eq!(write(false), None);
        assert_eq!(write(true), None);
        // It can be read all the time.
        assert_eq!(outages.transition(Access::Read, false), None);
        advance(QUIET_TIME).await;
        let after = 11 * QUIET_TIME;
        let failures = 103;
        assert_eq!(write(false), Some(Transition::Ended { after, failures }));
        assert_eq!(write(false), None);
        assert_eq!(write(true), Some(Transition::Began));
    }
}
