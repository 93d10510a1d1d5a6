//! Keys of which a write may be on one machine only.
//!
//! A server that waits for its standby, or for replicas, may stop waiting: for a signal, a restart, a time limit. Then the value is
//! there to be read, and gone after a failover. Latchkey reads after each write to find out what became of it, and would
//! acknowledge it. So a key whose last write has no known outcome is read only after another write, a *barrier*, has been
//! acknowledged: with that, the other machines have all that was before it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// More keys than this are all keys: nobody remembers which.
const MOST: usize = 10_000;

#[derive(Default)]
pub(super) struct Doubts {
    keys: Mutex<Keys>,
    /// Held while a barrier is written: one is enough for all who wait.
    barrier: tokio::sync::Mutex<()>,
}

/// The keys in doubt, each with the number of the write that left it so.
#[derive(Default)]
struct Keys {
    /// The number of the last such write.
    last: u64,
    some: HashMap<String, u64>,
    /// Set when there were too many to remember.
    all: Option<u64>,
}

impl Keys {
    fn holds(&self, key: &str) -> bool {
        self.all.is_some() || self.some.contains_key(key)
    }

    fn add(&mut self, key: &str) {
        self.last += 1;
        self.some.insert(key.to_owned(), self.last);
        if self.some.len() > MOST {
            self.some.clear();
            self.all = Some(self.last);
        }
    }

    /// The writes up to this number are no longer in doubt.
    fn settle(&mut self, until: u64) {
        self.some.retain(|_, number| *number > until);
        self.all = self.all.filter(|number| *number > until);
    }
}

/// A write whose outcome is unknown until it is told, also if its future is dropped.
pub(super) struct Doubt<'a> {
    doubts: &'a Doubts,
    key: &'a str,
    is_known: bool,
}

impl Doubts {
    /// To be called before a write is sent.
    pub(super) fn begin<'a>(&'a self, key: &'a str) -> Doubt<'a> {
        Doubt {
            doubts: self,
            key,
            is_known: false,
        }
    }

    /// Waits until what can be read of `key` is there to stay. Runs `barrier` for that, unless nothing is in doubt.
    pub(super) async fn resolve<E>(
        &self,
        key: &str,
        barrier: impl Future<Output = Result<(), E>>,
    ) -> Result<(), E> {
        if !self.lock().holds(key) {
            return Ok(());
        }
        let _turn = self.barrier.lock().await;
        let until = {
            let keys = self.lock();
            if !keys.holds(key) {
                return Ok(());
            }
            // A write that fails meanwhile stays in doubt.
            keys.last
        };
        barrier.await?;
        self.lock().settle(until);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Doubt<'_> {
    /// Ends it; `is_known` says whether we were told what became of the write.
    pub(super) fn settle(mut self, is_known: bool) {
        self.is_known = is_known;
    }
}

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        if !self.is_known {
            self.doubts.lock().add(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_in_doubt_until_its_outcome_is_told() {
        let doubts = Doubts::default();
        drop(doubts.begin("dropped"));
        doubts.begin("stored").settle(true);
        doubts.begin("unknown").settle(false);
        for (key, expected) in [
            ("dropped", true),
            ("stored", false),
            ("unknown", true),
            ("never written", false),
        ] {
            assert_eq!(doubts.lock().holds(key), expected, "{key}");
        }
        let until = doubts.lock().last;
        drop(doubts.begin("unknown"));
        doubts.lock().settle(until);
        assert!(doubts.lock().holds("unknown"), "it is in doubt again");
        assert!(!doubts.lock().holds("dropped"));
    }

    #[test]
    fn too_many_keys_are_all_keys() {
        let doubts = Doubts::default();
        for number in 0..=MOST {
            drop(doubts.begin(&format!("key {number}")));
        }
        assert!(doubts.lock().holds("another"));
        let until = doubts.lock().last;
        doubts.lock().settle(until);
        assert!(!doubts.lock().holds("key 1"));
    }
}
