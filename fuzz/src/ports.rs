//! A clock, randomness and a store for the service.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::time::Duration;

use latchkey_component::ports::{Clock, Random};
use latchkey_component::store::{AtomicKeyValue, Change, KeyValue, KeyValueError};
use latchkey_component::token::Timestamp;

use super::jwt::NOW;

/// A clock that only sleep moves.
#[derive(Default)]
pub struct Sleeper(Cell<Duration>);

impl Clock for Sleeper {
    fn now(&self) -> Timestamp {
        let start = Duration::from_secs(NOW.as_secs());
        Timestamp::new(start + self.0.get())
    }

    async fn sleep(&self, pause: Duration) {
        self.0.set(self.0.get() + pause);
    }
}

/// No two draws are the same; each run draws the same.
#[derive(Default)]
pub struct Counter(Cell<u64>);

impl Random for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.set(self.0.get() + 1);
        bytes.fill(0x5a);
        for (byte, digit) in bytes.iter_mut().zip(self.0.get().to_le_bytes()) {
            *byte = digit;
        }
    }
}

/// A store that never fails.
#[derive(Default)]
pub struct Memory {
    documents: RefCell<HashMap<String, Vec<u8>>>,
    counters: RefCell<HashMap<String, i64>>,
}

impl KeyValue for Memory {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        Ok(self.documents.borrow().get(key).cloned())
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), KeyValueError> {
        self.documents.borrow_mut().insert(key.to_owned(), value);
        Ok(())
    }
}

impl AtomicKeyValue for Memory {
    async fn compare_and_swap(
        &self,
        key: &str,
        change: &mut Change<'_>,
    ) -> Result<(), KeyValueError> {
        let current = self.documents.borrow().get(key).cloned();
        if let Some(value) = change(current.as_deref()) {
            self.documents.borrow_mut().insert(key.to_owned(), value);
        }
        Ok(())
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, KeyValueError> {
        let mut counters = self.counters.borrow_mut();
        let counter = counters.entry(key.to_owned()).or_default();
        *counter += delta;
        Ok(*counter)
    }
}
