//! The store: Spin key-value for reads, `wasi:keyvalue` for compare-and-swap and counters.

use std::cell::RefCell;
use std::rc::Rc;

use spin_sdk::key_value::Store;

use super::bindings::wasi::keyvalue::atomics::{self, Cas, CasError};
use super::bindings::wasi::keyvalue::store::{self as wasi_store, Bucket};
use latchkey_component::store::{AtomicKeyValue, Change, KeyValue, KeyValueError};

/// The label of the store, which the manifest has to grant.
const LABEL: &str = "default";

/// The key-value store `default`, opened once for each instance and interface.
///
/// After an operation failed, its handle is dropped, and the next operation opens another.
#[derive(Default)]
pub(super) struct KeyValueStore {
    store: RefCell<Option<Rc<Store>>>,
    bucket: RefCell<Option<Rc<Bucket>>>,
}

impl KeyValueStore {
    async fn store(&self) -> Result<Rc<Store>, KeyValueError> {
        if let Some(store) = self.store.borrow().clone() {
            return Ok(store);
        }
        let store = Rc::new(Store::open(LABEL).await.map_err(failed)?);
        *self.store.borrow_mut() = Some(store.clone());
        Ok(store)
    }

    fn bucket(&self) -> Result<Rc<Bucket>, KeyValueError> {
        let mut bucket = self.bucket.borrow_mut();
        match &*bucket {
            Some(bucket) => Ok(bucket.clone()),
            None => Ok(bucket
                .insert(Rc::new(wasi_store::open(LABEL).map_err(failed)?))
                .clone()),
        }
    }

    fn compare_and_swap_now(
        &self,
        key: &str,
        change: &mut Change<'_>,
    ) -> Result<(), KeyValueError> {
        let bucket = self.bucket()?;
        let cas = Cas::new(&bucket, key).map_err(failed)?;
        let current = cas.current().map_err(failed)?;
        let Some(value) = change(current.as_deref()) else {
            return Ok(());
        };
        match atomics::swap(cas, &value) {
            // Either may be wrong: only reading tells.
            Ok(()) | Err(CasError::CasFailed(_)) => Ok(()),
            Err(CasError::StoreError(error)) => Err(failed(error)),
        }
    }
}

impl KeyValue for KeyValueStore {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        let result = self.store().await?.get(key).await.map_err(failed);
        if result.is_err() {
            *self.store.borrow_mut() = None;
        }
        result
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), KeyValueError> {
        let result = self.store().await?.set(key, value).await.map_err(failed);
        if result.is_err() {
            *self.store.borrow_mut() = None;
        }
        result
    }
}

impl AtomicKeyValue for KeyValueStore {
    async fn compare_and_swap(
        &self,
        key: &str,
        change: &mut Change<'_>,
    ) -> Result<(), KeyValueError> {
        let result = self.compare_and_swap_now(key, change);
        if result.is_err() {
            *self.bucket.borrow_mut() = None;
        }
        result
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, KeyValueError> {
        let result = self
            .bucket()
            .and_then(|bucket| atomics::increment(&bucket, key, delta).map_err(failed));
        if result.is_err() {
            *self.bucket.borrow_mut() = None;
        }
        result
    }
}

/// The host's error, for the log.
fn failed(error: impl Into<Failure>) -> KeyValueError {
    let Failure(text) = error.into();
    KeyValueError(text)
}

struct Failure(String);

impl From<spin_sdk::key_value::Error> for Failure {
    fn from(error: spin_sdk::key_value::Error) -> Self {
        use spin_sdk::key_value::Error;
        Self(match error {
            Error::StoreTableFull => "too many stores are open".to_owned(),
            Error::NoSuchStore => NO_SUCH_STORE.to_owned(),
            Error::AccessDenied => ACCESS_DENIED.to_owned(),
            Error::Other(text) => text,
        })
    }
}

impl From<wasi_store::Error> for Failure {
    fn from(error: wasi_store::Error) -> Self {
        Self(match error {
            wasi_store::Error::NoSuchStore => NO_SUCH_STORE.to_owned(),
            wasi_store::Error::AccessDenied => ACCESS_DENIED.to_owned(),
            wasi_store::Error::Other(text) => text,
        })
    }
}

const NO_SUCH_STORE: &str = "the host has no store `default`";
const ACCESS_DENIED: &str = "the manifest does not grant the store `default`";
