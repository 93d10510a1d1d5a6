//! The key-value interfaces of the component, over a [`Backend`].
//!
//! Both interfaces see the same store. A label that the manifest does not grant is `access-denied` in both, and one that
//! it grants but that this host does not back is `no-such-store`.

use std::collections::BTreeSet;
use std::sync::Arc;

use wasmtime::component::{Accessor, HasData, Resource, ResourceTable};

use super::writes::Writes;
use super::{Backend, BackendError, DEFAULT_LABEL};
use crate::bindings::{spin::key_value::key_value as spin, wasi::keyvalue as wasi};

/// An open store: `store` in Spin's interface, `bucket` in that of WASI.
pub struct Bucket {
    backend: Arc<dyn Backend>,
}

/// One compare-and-swap of one key.
pub struct Cas {
    backend: Arc<dyn Backend>,
    key: String,
    /// What `swap` compares with: the value when `current` was called.
    seen: Seen,
}

enum Seen {
    /// It was not called.
    Nothing,
    /// This.
    Value(Option<Vec<u8>>),
}

/// What a component may open.
#[derive(Clone)]
pub struct Stores {
    backend: Arc<dyn Backend>,
    granted: Arc<BTreeSet<String>>,
}

impl Stores {
    /// `granted` are the labels of the manifest's `key_value_stores`.
    pub fn new(backend: Arc<dyn Backend>, granted: impl IntoIterator<Item = String>) -> Self {
        Self {
            backend,
            granted: Arc::new(granted.into_iter().collect()),
        }
    }

    fn open(&self, label: &str) -> Result<Bucket, Unopened> {
        if !self.granted.contains(label) {
            Err(Unopened::AccessDenied)
        } else if label != DEFAULT_LABEL {
            Err(Unopened::NoSuchStore)
        } else {
            Ok(Bucket {
                backend: self.backend.clone(),
            })
        }
    }
}

/// Why a label was not opened, in the words that both interfaces have.
enum Unopened {
    AccessDenied,
    NoSuchStore,
}

/// Marks the part of the store's data that these interfaces need, see [`View`].
pub struct KeyValue;

/// A view of an instance's stores and handles.
pub struct View<'a> {
    /// What it may open.
    pub stores: &'a Stores,
    /// Its handles.
    pub table: &'a mut ResourceTable,
    /// The swaps that it has begun.
    pub writes: &'a Writes,
}

impl HasData for KeyValue {
    type Data<'a> = View<'a>;
}

impl View<'_> {
    fn backend(&self, bucket: &Resource<Bucket>) -> wasmtime::Result<Arc<dyn Backend>> {
        Ok(self.table.get(bucket)?.backend.clone())
    }
}

impl From<BackendError> for spin::Error {
    fn from(error: BackendError) -> Self {
        tracing::warn!("key-value: {error}");
        Self::Other(error.to_string())
    }
}

impl From<BackendError> for wasi::store::Error {
    fn from(error: BackendError) -> Self {
        tracing::warn!("key-value: {error}");
        Self::Other(error.to_string())
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
                Err(Unopened::AccessDenied) => Err(spin::Error::AccessDenied),
                Err(Unopened::NoSuchStore) => Err(spin::Error::NoSuchStore),
            })
        })
    }

    async fn get(
        accessor: &Accessor<T, Self>,
        store: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, spin::Error>> {
        let (backend, writes) = accessor.with(|mut access| {
            let view = access.get();
            wasmtime::error::Ok((view.backend(&store)?, view.writes.clone()))
        })?;
        writes.settled(&key).await;
        // Not `?`: an error of the backend is the component's to handle, one of ours would end the instance.
        Ok(backend.get(&key).await.map_err(Into::into))
    }

    async fn set(
        accessor: &Accessor<T, Self>,
        store: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), spin::Error>> {
        let backend = accessor.with(|mut access| access.get().backend(&store))?;
        Ok(backend.set(&key, value).await.map_err(Into::into))
    }
}

/// The answer to what the interface has and Latchkey never asks for, so that no backend need have it.
fn not_offered() -> wasi::store::Error {
    wasi::store::Error::Other("this host does not offer it".into())
}

impl wasi::store::Host for View<'_> {
    fn open(
        &mut self,
        label: String,
    ) -> wasmtime::Result<Result<Resource<Bucket>, wasi::store::Error>> {
        Ok(match self.stores.open(&label) {
            Ok(bucket) => Ok(self.table.push(bucket)?),
            Err(Unopened::AccessDenied) => Err(wasi::store::Error::AccessDenied),
            Err(Unopened::NoSuchStore) => Err(wasi::store::Error::NoSuchStore),
        })
    }
}

impl wasi::store::HostBucket for View<'_> {
    async fn get(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, wasi::store::Error>> {
        let backend = self.backend(&bucket)?;
        Ok(backend.get(&key).await.map_err(Into::into))
    }

    async fn set(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), wasi::store::Error>> {
        let backend = self.backend(&bucket)?;
        Ok(backend.set(&key, value).await.map_err(Into::into))
    }

    async fn exists(
        &mut self,
        bucket: Resource<Bucket>,
        key: String,
    ) -> wasmtime::Result<Result<bool, wasi::store::Error>> {
        let value = self.get(bucket, key).await?;
        Ok(value.map(|value| value.is_some()))
    }

    fn delete(
        &mut self,
        _: Resource<Bucket>,
        _: String,
    ) -> wasmtime::Result<Result<(), wasi::store::Error>> {
        Ok(Err(not_offered()))
    }

    fn list_keys(
        &mut self,
        _: Resource<Bucket>,
        _: Option<String>,
    ) -> wasmtime::Result<Result<wasi::store::KeyResponse, wasi::store::Error>> {
        Ok(Err(not_offered()))
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
        // What is there is read by `current`, which comes next.
        let seen = Seen::Nothing;
        Ok(Ok(self.table.push(Cas { backend, key, seen })?))
    }

    async fn current(
        &mut self,
        cas: Resource<Cas>,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, wasi::store::Error>> {
        let cas = self.table.get_mut(&cas)?;
        Ok(match cas.backend.get(&cas.key).await {
            Ok(value) => {
                cas.seen = Seen::Value(value.clone());
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
        Ok(backend.increment(&key, delta).await.map_err(Into::into))
    }

    /// Begins the swap, see [`Writes`]. That it has begun is all that the answer says.
    fn swap(
        &mut self,
        cas: Resource<Cas>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), wasi::atomics::CasError>> {
        // The handle is consumed: out of the table it goes, however this ends.
        let Cas { backend, key, seen } = self.table.delete(cas)?;
        let Seen::Value(seen) = seen else {
            let error = wasi::store::Error::Other("swap of a value that was not read".into());
            return Ok(Err(wasi::atomics::CasError::StoreError(error)));
        };
        self.writes.begin(key.clone(), async move {
            if let Err(error) = backend.compare_and_swap(&key, seen, value).await {
                tracing::warn!("key-value: {error}");
            }
        });
        Ok(Ok(()))
    }
}
