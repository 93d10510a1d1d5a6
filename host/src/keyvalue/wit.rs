//! The key-value interfaces of the component, over a [`Backend`].
//!
//! Both interfaces see the same store. A label that the manifest does not grant is `access-denied` in both, and one that
//! it grants but that this host does not back is `no-such-store`.

use std::collections::BTreeSet;
use std::sync::Arc;

use wasmtime::component::{Accessor, HasData, Resource, ResourceTable};

use super::circuit_breaker::CircuitBreaker;
use super::handles::{Bucket, Cas};
use super::outages::Access;
use super::writes::Writes;
use super::{Backend, BackendError, DEFAULT_LABEL, Swap};
use crate::bindings::{spin::key_value::key_value as spin, wasi::keyvalue as wasi};

/// What a component may open.
#[derive(Clone)]
pub(crate) struct Stores {
    backend: Arc<dyn Backend>,
    granted: Arc<BTreeSet<String>>,
    /// For the calls that are synchronous to the component.
    breaker: Arc<CircuitBreaker>,
}

impl Stores {
    /// None is granted yet.
    pub(crate) fn new(backend: Arc<dyn Backend>) -> Self {
        Self {
            backend,
            granted: Arc::default(),
            breaker: Arc::default(),
        }
    }

    /// The same for a component that is granted these, the labels of its `key_value_stores`.
    pub(crate) fn granting(&self, labels: BTreeSet<String>) -> Self {
        Self {
            backend: self.backend.clone(),
            granted: Arc::new(labels),
            breaker: Arc::new(self.breaker.for_another_component()),
        }
    }

    fn open(&self, label: &str) -> Result<Bucket, wasi::store::Error> {
        if !self.granted.contains(label) {
            Err(wasi::store::Error::AccessDenied)
        } else if label != DEFAULT_LABEL {
            Err(wasi::store::Error::NoSuchStore)
        } else {
            let backend = self.backend.clone();
            Ok(Bucket { backend })
        }
    }
}

/// Tells wasmtime which part of an instance's data these interfaces need: its [`View`].
pub(crate) struct KeyValue;

impl HasData for KeyValue {
    type Data<'a> = View<'a>;
}

/// The stores, handles and writes of an instance.
pub(crate) struct View<'a> {
    pub(crate) stores: &'a Stores,
    pub(crate) table: &'a mut ResourceTable,
    pub(crate) writes: &'a Writes,
}

impl View<'_> {
    fn backend(&self, bucket: &Resource<Bucket>) -> wasmtime::Result<Arc<dyn Backend>> {
        Ok(self.table.get(bucket)?.backend.clone())
    }

    /// Reads `key` once this instance's writes of it are over.
    fn read(
        &self,
        bucket: &Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<impl Future<Output = Result<Option<Vec<u8>>, BackendError>> + use<>> {
        let backend = self.backend(bucket)?;
        let writes = self.writes.clone();
        Ok(async move {
            let settled = writes.settled(&key).await;
            settled.map_err(|error| BackendError::EarlierSwap(error.into()))?;
            backend.get(&key).await
        })
    }
}

impl From<BackendError> for wasi::store::Error {
    fn from(error: BackendError) -> Self {
        Self::Other(error.to_string())
    }
}

impl From<wasi::store::Error> for spin::Error {
    fn from(error: wasi::store::Error) -> Self {
        match error {
            wasi::store::Error::NoSuchStore => Self::NoSuchStore,
            wasi::store::Error::AccessDenied => Self::AccessDenied,
            wasi::store::Error::Other(text) => Self::Other(text),
        }
    }
}

impl From<BackendError> for spin::Error {
    fn from(error: BackendError) -> Self {
        wasi::store::Error::from(error).into()
    }
}

impl spin::Host for View<'_> {}

impl spin::HostStore for View<'_> {
    fn drop(&mut self, store: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(store)?;
        Ok(())
    }
}

impl<T: Send> spin::HostStoreWithStore<T> for KeyValue {
    async fn open(
        accessor: &Accessor<T, Self>,
        label: String,
    ) -> wasmtime::Result<Result<Resource<Bucket>, spin::Error>> {
        accessor.with(|mut access| {
            let View { stores, table, .. } = access.get();
            Ok(match stores.open(&label) {
                Ok(bucket) => table.push(bucket).map_err(|_| spin::Error::StoreTableFull),
                Err(error) => Err(error.into()),
            })
        })
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        store: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, spin::Error>> {
        // The first `?` ends the instance; the backend's error is for the component to handle.
        let (value, breaker) = accessor.with(|mut access| {
            let view = access.get();
            wasmtime::error::Ok((view.read(&store, key)?, view.stores.breaker.clone()))
        })?;
        let value = value.await;
        Ok(breaker.heed(Access::Read, value).map_err(Into::into))
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        store: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), spin::Error>> {
        let (backend, breaker) = accessor.with(|mut access| {
            let view = access.get();
            wasmtime::error::Ok((view.backend(&store)?, view.stores.breaker.clone()))
        })?;
        let written = backend.set(&key, value).await;
        Ok(breaker.heed(Access::Write, written).map_err(Into::into))
    }
}

impl wasi::store::Host for View<'_> {
    fn open(
        &mut self,
        label: String,
    ) -> wasmtime::Result<Result<Resource<Bucket>, wasi::store::Error>> {
        Ok(match self.stores.open(&label) {
            Ok(bucket) => Ok(self.table.push(bucket)?),
            Err(error) => Err(error),
        })
    }
}

impl wasi::store::HostBucket for View<'_> {
    async fn get(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, wasi::store::Error>> {
        let value = self.read(&bucket, key)?;
        Ok(self.stores.breaker.read(value).await.map_err(Into::into))
    }

    async fn set(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), wasi::store::Error>> {
        let backend = self.backend(&bucket)?;
        let write = backend.set(&key, value);
        Ok(self.stores.breaker.write(write).await.map_err(Into::into))
    }

    async fn exists(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<bool, wasi::store::Error>> {
        let value = self.get(bucket, key).await?;
        Ok(value.map(|value| value.is_some()))
    }

    async fn delete(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<(), wasi::store::Error>> {
        let backend = self.backend(&bucket)?;
        let delete = backend.delete(&key);
        Ok(self.stores.breaker.write(delete).await.map_err(Into::into))
    }

    /// All keys on one page.
    async fn list_keys(
        &mut self,
        bucket: Resource<Bucket>,
        _: Option<String>,
    ) -> wasmtime::Result<Result<wasi::store::KeyResponse, wasi::store::Error>> {
        let backend = self.backend(&bucket)?;
        let keys = self.stores.breaker.list(backend.list_keys()).await;
        Ok(match keys {
            Ok(keys) => Ok(wasi::store::KeyResponse { keys, cursor: None }),
            Err(error) => Err(error.into()),
        })
    }

    fn drop(&mut self, bucket: Resource<Bucket>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl wasi::atomics::HostCas for View<'_> {
    fn new(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<Resource<Cas>, wasi::store::Error>> {
        let backend = self.backend(&bucket)?;
        let current = None;
        Ok(Ok(self.table.push(Cas {
            backend,
            key,
            current,
        })?))
    }

    async fn current(
        &mut self,
        cas: Resource<Cas>,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, wasi::store::Error>> {
        let cas = self.table.get_mut(&cas)?;
        let value = cas.backend.get(&cas.key);
        Ok(match self.stores.breaker.read(value).await {
            Ok(value) => {
                cas.current = Some(value.clone());
                Ok(value)
            }
            Err(error) => Err(error.into()),
        })
    }

    fn drop(&mut self, cas: Resource<Cas>) -> wasmtime::Result<()> {
        self.table.delete(cas)?;
        Ok(())
    }
}

impl wasi::atomics::Host for View<'_> {
    async fn increment(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        delta: i64,
    ) -> wasmtime::Result<Result<i64, wasi::store::Error>> {
        let backend = self.backend(&bucket)?;
        let sum = backend.increment(&key, delta);
        Ok(self.stores.breaker.write(sum).await.map_err(Into::into))
    }

    /// Returns the outcome if it is known at once; otherwise `Ok`, and the swap goes on (see [`Writes`]).
    fn swap(
        &mut self,
        cas: Resource<Cas>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), wasi::atomics::CasError>> {
        // The handle is consumed, however this ends.
        let Cas {
            backend,
            key,
            current,
        } = self.table.delete(cas)?;
        let Some(current) = current else {
            let error = wasi::store::Error::Other("swap of a value that was not read".into());
            return Ok(Err(wasi::atomics::CasError::StoreError(error)));
        };
        let write = {
            let (backend, key) = (backend.clone(), key.clone());
            let breaker = self.stores.breaker.clone();
            async move {
                let outcome = backend.compare_and_swap(&key, current, value).await;
                breaker.observe(Access::Write, &outcome);
                outcome
            }
        };
        Ok(match self.writes.begin(&key, write) {
            None | Some(Ok(Swap::Stored)) => Ok(()),
            Some(Ok(Swap::Lost)) => {
                let current = None;
                let again = self.table.push(Cas {
                    backend,
                    key,
                    current,
                })?;
                Err(wasi::atomics::CasError::CasFailed(again))
            }
            Some(Err(error)) => Err(wasi::atomics::CasError::StoreError(error.into())),
        })
    }
}
