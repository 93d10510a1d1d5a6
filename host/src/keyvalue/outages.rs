//! One line in the log when a store goes away and one when it is back, however many operations fail meanwhile.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::BackendError;

/// An operation that succeeds ends an outage if none has failed for as long: of those that were under way, some fail later.
const CALM: Duration = Duration::from_secs(1);

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

/// What has become of a store.
#[derive(Debug, PartialEq, Eq)]
enum Turn {
    Away,
    Back { after: Duration, failures: u64 },
}

impl Outages {
    /// Takes note of how an operation ended, and logs what that changes.
    pub(super) fn observe<T>(&self, access: Access, result: &Result<T, BackendError>) {
        let verb = match access {
            Access::Read => "read",
            Access::Write => "written",
        };
        if let Err(error) = result {
            tracing::debug!("key-value: {error}");
        }
        match (self.turn(access, result.is_err()), result) {
            (Some(Turn::Away), Err(error)) => tracing::warn!(
                "the store cannot be {verb}: {error}; further failures are counted, not logged"
            ),
            (Some(Turn::Back { after, failures }), _) => tracing::warn!(
                "the store can be {verb} again, after {after:.1?} and {failures} failed operations"
            ),
            _ => {}
        }
    }

    fn turn(&self, access: Access, failed: bool) -> Option<Turn> {
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
                Some(Turn::Away)
            }
            Some(outage) if failed => {
                outage.last = now;
                outage.failures += 1;
                None
            }
            Some(over) if now - over.last >= CALM => {
                let (after, failures) = (now - over.since, over.failures);
                *outage = None;
                Some(Turn::Back { after, failures })
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
        let write = |failed| outages.turn(Access::Write, failed);
        assert_eq!(write(false), None);
        assert_eq!(write(true), Some(Turn::Away));
        for _ in 0..100 {
            assert_eq!(write(true), None);
        }
        advance(10 * CALM).await;
        assert_eq!(write(true), None);
        // One that was begun before, and one that fails once more.
        assert_eq!(write(false), None);
        assert_eq!(write(true), None);
        // It can be read all the time.
        assert_eq!(outages.turn(Access::Read, false), None);
        advance(CALM).await;
        let after = 11 * CALM;
        let failures = 103;
        assert_eq!(write(false), Some(Turn::Back { after, failures }));
        assert_eq!(write(false), None);
        assert_eq!(write(true), Some(Turn::Away));
    }
}
