//! A store that counts the operations of another.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;

use super::{Backend, BackendError, Swap};
use crate::metrics::{Metrics, Outcome};

pub(crate) struct Measured {
    backend: Arc<dyn Backend>,
    metrics: Arc<Metrics>,
}

impl Measured {
    pub(crate) fn new(backend: Arc<dyn Backend>, metrics: Arc<Metrics>) -> Self {
        Self { backend, metrics }
    }

    async fn measure<T>(
        &self,
        name: &'static str,
        operation: impl Future<Output = Result<T, BackendError>>,
        outcome: impl FnOnce(&T) -> Outcome,
    ) -> Result<T, BackendError> {
        let begin = Instant::now();
        let result = operation.await;
        let outcome = result.as_ref().map_or(Outcome::Failed, outcome);
        self.metrics.store_operation(name, outcome, begin.elapsed());
        result
    }
}

fn done<T>(_: &T) -> Outcome {
    Outcome::Done
}

#[async_trait]
impl Backend for Measured {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackendError> {
        self.measure("get", self.backend.get(key), done).await
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), BackendError> {
        self.measure("set", self.backend.set(key, value), done)
            .await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
    ) -> Result<Swap, BackendError> {
        let swap = self.backend.compare_and_swap(key, expected, value);
        let outcome = |swap: &Swap| match swap {
            Swap::Stored => Outcome::Done,
            Swap::Lost => Outcome::Lost,
        };
        self.measure("compare_and_swap", swap, outcome).await
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, BackendError> {
        self.measure("increment", self.backend.increment(key, delta), done)
            .await
    }

    async fn delete(&self, key: &str) -> Result<(), BackendError> {
        self.measure("delete", self.backend.delete(key), done).await
    }

    async fn list_keys(&self) -> Result<Vec<String>, BackendError> {
        self.measure("list_keys", self.backend.list_keys(), done)
            .await
    }
}
