//! A ledger as one document, changed by compare-and-swap only.
//!
//! There are two kinds of documents, a ledger for each user and one signing key, beside what [`gate`](super::gate) needs to
//! create each of them once. All changes go through [`confirmed`](super::confirmed).

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::confirmed::Step;
use super::{
    AtomicKeyValue, KeyValue, Ports, SIGNING_KEY_BYTES, Store, StoreError, encode, read_value,
    write_value,
};
use crate::ledger::{self, Ledger, WriteId};
use crate::ports::Random;
use crate::token::{Token, TokenId, Username};

/// The key of the document that holds the signing key made by [`Store::signing_key`].
const SIGNING_KEY: &str = "latchkey-signing-key";

/// The documents in a key-value store.
#[derive(Debug)]
pub struct Documents<P> {
    pub(super) ports: P,
}

impl<P> Documents<P> {
    /// The documents in the store of `ports`.
    pub const fn new(ports: P) -> Self {
        Self { ports }
    }
}

impl<P: Ports<KeyValue: AtomicKeyValue>> Store for Documents<P> {
    type Ports = P;

    fn ports(&self) -> &P {
        &self.ports
    }

    async fn load(&self, user: &Username) -> Result<Ledger, StoreError> {
        read_ledger(
            self.ports
                .key_values()
                .get(&ledger_key(user))
                .await?
                .as_deref(),
        )
    }

    async fn find(&self, user: &Username, id: TokenId) -> Result<Option<Token>, StoreError> {
        let document = self.ports.key_values().get(&ledger_key(user)).await?;
        match document {
            Some(document) => Ok(ledger::find_token(&document, id)?),
            None => Ok(None),
        }
    }

    /// As one atomic step, and once.
    async fn change<T, E>(
        &self,
        user: &Username,
        mut apply: impl FnMut(&mut Ledger) -> Result<T, E>,
    ) -> Result<Result<T, E>, StoreError> {
        let write = WriteId::from_random(self.ports.random().next_u64());
        let mut outcome = None;
        self.change_document(&ledger_key(user), &mut |current| {
            let mut ledger = read_ledger(current)?;
            if ledger.contains(write) {
                return Ok(Step::Done);
            }
            let result = apply(&mut ledger);
            let step = match result {
                Ok(_) => {
                    ledger.record(write);
                    Step::Write(ledger.to_document())
                }
                Err(_) => Step::Done,
            };
            outcome = Some(result);
            Ok(step)
        })
        .await?;
        Ok(
            outcome
                .expect("only `apply` puts our write id into a ledger, and it leaves an outcome"),
        )
    }

    async fn change_value<T: DeserializeOwned + Serialize + Default, R>(
        &self,
        key: &str,
        mut apply: impl FnMut(&mut T) -> Option<R>,
    ) -> Result<Option<R>, StoreError> {
        let mut result = None;
        self.change_document(key, &mut |current| {
            let mut value = read_value(key, current)?;
            let Some(applied) = apply(&mut value) else {
                return Ok(Step::Done);
            };
            result = Some(applied);
            Ok(Step::Write(write_value(key, &value)?))
        })
        .await?;
        Ok(result)
    }

    async fn present_signing_key(&self) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.ports.key_values().get(SIGNING_KEY).await?)
    }

    async fn signing_key(&self) -> Result<Vec<u8>, StoreError> {
        let mut new = vec![0; SIGNING_KEY_BYTES];
        self.ports.random().fill(&mut new);
        let mut key = None;
        self.change_document(SIGNING_KEY, &mut |current| {
            key = Some(current.map_or_else(|| new.clone(), <[u8]>::to_vec));
            Ok(match current {
                Some(_) => Step::Done,
                None => Step::Write(new.clone()),
            })
        })
        .await?;
        Ok(key.expect("a change asks at least once what to do"))
    }
}

/// The key of a user's ledger.
fn ledger_key(user: &Username) -> String {
    format!("latchkey-ledger-{}", encode(user))
}

fn read_ledger(document: Option<&[u8]>) -> Result<Ledger, StoreError> {
    Ok(document
        .map(Ledger::from_document)
        .transpose()?
        .unwrap_or_default())
}
