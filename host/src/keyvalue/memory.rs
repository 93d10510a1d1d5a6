//! A store in memory: fast, and gone when the process ends.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{Backend, BackendError, Swap, incremented};

/// The store of `--store memory:`.
#[derive(Debug, Default)]
pub struct Memory {
    values: Mutex<HashMap<String, Vec<u8>>>,
}

impl Memory {
    /// No operation leaves the map half changed, so a panic elsewhere in one does not spoil it for the others.
    fn values(&self) -> MutexGuard<'_, HashMap<String, Vec<u8>>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Backend for Memory {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackendError> {
        Ok(self.values().get(key).cloned())
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), BackendError> {
        self.values().insert(key.to_owned(), value);
        Ok(())
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
    ) -> Result<Swap, BackendError> {
        let mut values = self.values();
        if values.get(key) != expected.as_ref() {
            return Ok(Swap::Lost);
        }
        values.insert(key.to_owned(), value);
        Ok(Swap::Stored)
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, BackendError> {
        let mut values = self.values();
        let sum = incremented(values.get(key).map(Vec::as_slice), delta)?;
        values.insert(key.to_owned(), sum.to_le_bytes().to_vec());
        Ok(sum)
    }

    async fn delete(&self, key: &str) -> Result<(), BackendError> {
        self.values().remove(key);
        Ok(())
    }

    async fn list_keys(&self) -> Result<Vec<String>, BackendError> {
        Ok(self.values().keys().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Memory;
    use crate::keyvalue::conformance;

    #[tokio::test(flavor = "multi_thread")]
    async fn conforms() {
        let store = Arc::new(Memory::default());
        conformance::run(store.clone(), store, conformance::little_endian).await;
    }
}
