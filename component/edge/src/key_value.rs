//! The store: `wasi:keyvalue/store`, and nothing else of `wasi:keyvalue`. Platforms of the edge have no `atomics`, and
//! `batch` does not work with Redis in Spin.

use std::cell::RefCell;
use std::rc::Rc;

use latchkey_component::store::{KeyValue, KeyValueError, ListableKeyValue};

use super::bindings::wasi::keyvalue::store::{self, Bucket, Error};

/// The label of the store, which the manifest has to grant.
const LABEL: &str = "default";

/// The key-value store `default`, opened when it is first needed.
#[derive(Default)]
pub(super) struct KeyValueStore {
    bucket: RefCell<Option<Rc<Bucket>>>,
}

impl KeyValueStore {
    fn bucket(&self) -> Result<Rc<Bucket>, KeyValueError> {
        let mut bucket = self.bucket.borrow_mut();
        match &*bucket {
            Some(bucket) => Ok(bucket.clone()),
            None => Ok(bucket
                .insert(Rc::new(store::open(LABEL).map_err(failed)?))
                .clone()),
        }
    }
}

impl KeyValue for KeyValueStore {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError> {
        self.bucket()?.get(key).map_err(failed)
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), KeyValueError> {
        self.bucket()?.set(key, &value).map_err(failed)
    }
}

impl ListableKeyValue for KeyValueStore {
    async fn list_keys(&self) -> Result<Vec<String>, KeyValueError> {
        let bucket = self.bucket()?;
        let mut page = bucket.list_keys(None).map_err(failed)?;
        let mut keys = page.keys;
        while let Some(cursor) = page.cursor {
            page = bucket.list_keys(Some(&cursor)).map_err(failed)?;
            // A page that is the same again would never end.
            if page.cursor.as_ref() == Some(&cursor) {
                return Err(KeyValueError("the pages of keys do not end".to_owned()));
            }
            keys.append(&mut page.keys);
        }
        Ok(keys)
    }

    async fn delete(&self, key: &str) -> Result<(), KeyValueError> {
        self.bucket()?.delete(key).map_err(failed)
    }
}

/// The host's error, for the log.
fn failed(error: Error) -> KeyValueError {
    KeyValueError(match error {
        Error::NoSuchStore => "the host has no store `default`".to_owned(),
        Error::AccessDenied => "the manifest does not grant the store `default`".to_owned(),
        Error::Other(text) => text,
    })
}
