//! The store: load a ledger, change it so that nothing is lost.
//!
//! [`Store`] is what the service needs of it. [`Documents`] keeps each ledger as one document, in a key-value store that
//! has atomic operations ([`AtomicKeyValue`]); [`Records`] keeps each token by itself, where there are none
//! ([`ListableKeyValue`]).

mod confirmed;
mod documents;
mod gate;
mod records;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ledger::{DocumentError, Ledger};
use crate::ports::{Clock, Random};
use crate::text::unescape;
use crate::token::{Means, Token, TokenId, Username};

pub use documents::Documents;
pub use gate::is_counter;
pub use records::Records;

/// Maps the present value of a key to the new one, or to `None` to leave it.
pub type Change<'a> = dyn FnMut(Option<&[u8]>) -> Option<Vec<u8>> + 'a;

/// What every key-value store can do.
///
/// Keys consist of `a-z`, `0-9`, `-` and `_`, and are at most 1,023 bytes long.
#[allow(
    async_fn_in_trait,
    reason = "an instance is single-threaded: its futures need not be Send"
)]
pub trait KeyValue {
    /// The value of `key`.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, KeyValueError>;

    /// Writes the value of `key` unconditionally.
    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), KeyValueError>;
}

/// A key-value store with atomic operations.
#[allow(
    async_fn_in_trait,
    reason = "an instance is single-threaded: its futures need not be Send"
)]
pub trait AtomicKeyValue: KeyValue {
    /// Reads the value of `key`, asks `change` for the new one, and writes that if the value is still the same. If
    /// `change` returns `None`, nothing is written.
    ///
    /// The result does not tell whether the write took place: some stores deny a write that they committed, others
    /// confirm one that they did not. Read to find out.
    async fn compare_and_swap(
        &self,
        key: &str,
        change: &mut Change<'_>,
    ) -> Result<(), KeyValueError>;

    /// Adds `delta` to the counter at `key`, atomically, and returns the sum. Counters begin at 0.
    async fn increment(&self, key: &str, delta: i64) -> Result<i64, KeyValueError>;
}

/// A key-value store that can tell which keys it has.
#[allow(
    async_fn_in_trait,
    reason = "an instance is single-threaded: its futures need not be Send"
)]
pub trait ListableKeyValue: KeyValue {
    /// All keys, in no order. Some may be somebody else's.
    async fn list_keys(&self) -> Result<Vec<String>, KeyValueError>;

    /// Removes `key`, if it is there.
    async fn delete(&self, key: &str) -> Result<(), KeyValueError>;
}

/// The store failed. The text is for the log: it may name hosts and files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyValueError(pub String);

/// Why a ledger could not be read or changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The backend failed, again and again.
    #[error("the key-value store failed: {0}")]
    KeyValue(#[from] KeyValueError),
    /// The stored document is not ours to change.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// Another value is not ours to change.
    #[error("the value of `{0}` is malformed")]
    Value(String),
    /// The store cannot make a signing key, and none is configured.
    #[error("no signing key is configured")]
    NoSigningKey,
    /// The signing key in the store is none.
    #[error("the signing key in the store is malformed")]
    SigningKey,
    /// Others changed the document for as long as we tried.
    #[error("the document stayed contended")]
    Contended,
    /// The change may have been made, and others have made too many since to tell.
    #[error("the document has forgotten whether the change was made")]
    OutcomeUnknown,
}

/// What the service needs from outside. A tuple of the three implements it.
#[allow(missing_docs, reason = "the names say it")]
pub trait Ports {
    type KeyValue: KeyValue;
    type Clock: Clock;
    type Random: Random;

    fn key_values(&self) -> &Self::KeyValue;
    fn clock(&self) -> &Self::Clock;
    fn random(&self) -> &Self::Random;
}

impl<K: KeyValue, C: Clock, R: Random> Ports for (K, C, R) {
    type KeyValue = K;
    type Clock = C;
    type Random = R;

    fn key_values(&self) -> &K {
        &self.0
    }

    fn clock(&self) -> &C {
        &self.1
    }

    fn random(&self) -> &R {
        &self.2
    }
}

/// The ledgers of all users, as the service needs them.
#[allow(
    async_fn_in_trait,
    reason = "an instance is single-threaded: its futures need not be Send"
)]
pub trait Store {
    /// See [`Self::ports`].
    type Ports: Ports;

    /// What it is made of.
    fn ports(&self) -> &Self::Ports;

    /// The ledger of `user`: empty if there is none.
    async fn load(&self, user: &Username) -> Result<Ledger, StoreError>;

    /// One token of `user`.
    async fn find(&self, user: &Username, id: TokenId) -> Result<Option<Token>, StoreError>;

    /// Changes the ledger of `user` by `apply`: durably when this returns.
    ///
    /// `apply` may be called several times, for different versions of the ledger, so it must have no other effect. An
    /// error of it leaves the ledger as it is. Returns its result for the version that was written.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store fails or stays contended. The change may have been made nevertheless.
    async fn change<T, E>(
        &self,
        user: &Username,
        apply: impl FnMut(&mut Ledger) -> Result<T, E>,
    ) -> Result<Result<T, E>, StoreError>;

    /// The value of `key`, in JSON: the default if there is none.
    async fn value<T: DeserializeOwned + Default>(&self, key: &str) -> Result<T, StoreError> {
        read_value(key, self.ports().key_values().get(key).await?.as_deref())
    }

    /// Changes the value of `key` by `apply`, and returns its result for the version that was written. `apply` returns `None`
    /// if the value needs no change, as when this one has been made already: it may be called several times.
    ///
    /// For values where a change that is lost does little harm: without atomic operations, one of two that cross may be.
    async fn change_value<T: DeserializeOwned + Serialize + Default, R>(
        &self,
        key: &str,
        apply: impl FnMut(&mut T) -> Option<R>,
    ) -> Result<Option<R>, StoreError>;

    /// Notes that there is this user, who signs in by these means; unless others are noted that `keeps` wants to keep. Where
    /// there is no room, the user is not noted. For a new user this returns a few of the others, who may be
    /// [forgotten](Self::forget_users).
    ///
    /// # Errors
    ///
    /// [`StoreError`], after which the user may be noted.
    async fn note_user(
        &self,
        user: &Username,
        means: &Means,
        keeps: impl Fn(&Means) -> bool,
    ) -> Result<Vec<Username>, StoreError>;

    /// Notes no longer that there are these users.
    ///
    /// # Errors
    ///
    /// [`StoreError`], after which some may be forgotten.
    async fn forget_users(&self, users: &[Username]) -> Result<(), StoreError>;

    /// How this user signs in, if the user is noted.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn noted_means(&self, user: &Username) -> Result<Option<Means>, StoreError>;

    /// All users that are noted.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    async fn noted_users(&self) -> Result<BTreeSet<Username>, StoreError>;

    /// The signing key of this store, if it has been made.
    async fn present_signing_key(&self) -> Result<Option<Vec<u8>>, StoreError>;

    /// The signing key of this store: made at random the first time, the same for all ever after.
    async fn signing_key(&self) -> Result<Vec<u8>, StoreError>;

    /// Tests whether the store takes writes. Writes the time: a store might skip a write that changes nothing.
    async fn try_write(&self) -> Result<(), KeyValueError> {
        let now = self.ports().clock().now().as_secs().to_string();
        self.ports().key_values().set(READY, now.into_bytes()).await
    }
}

/// The key of what [`Store::try_write`] writes.
const READY: &str = "latchkey-ready";

/// The bytes of a signing key made by us: 256 bits, as HS256 asks for (RFC 7518, section 3.2).
pub const SIGNING_KEY_BYTES: usize = 32;

fn read_value<T: DeserializeOwned + Default>(
    key: &str,
    value: Option<&[u8]>,
) -> Result<T, StoreError> {
    let value = value.map(serde_json::from_slice).transpose();
    value
        .map(Option::unwrap_or_default)
        .map_err(|_| StoreError::Value(key.to_owned()))
}

fn write_value<T: Serialize>(key: &str, value: &T) -> Result<Vec<u8>, StoreError> {
    serde_json::to_vec(value).map_err(|_| StoreError::Value(key.to_owned()))
}

/// Sleeps for a random time that grows with every attempt, so that writers that collided do not collide again.
async fn back_off(ports: &impl Ports, attempt: u32) {
    let longest = Duration::from_millis(2 << attempt.min(6)).as_nanos() as u64;
    let pause = Duration::from_nanos(ports.random().next_u64() % longest);
    ports.clock().sleep(pause).await;
}

/// The key under which is noted when a user's tokens were last used.
pub(crate) fn uses_key(user: &Username) -> String {
    format!("latchkey-used-{}", encode(user))
}

/// The key under which is noted when a user last signed in without a password.
pub(crate) fn signed_in_key(user: &Username) -> String {
    format!("latchkey-signed-in-{}", encode(user))
}

/// A user's name as a part of a key.
///
/// Unambiguous, and safe wherever a backend splices keys into a query, folds their case or forbids some characters: lower
/// case letters and digits stand for themselves, every other byte is `_` and two hexadecimal digits. It has no `-`, so
/// `latchkey-token-<name>-` is no beginning of another user's keys. (Keys begin with `latchkey-` because some backends share
/// one namespace among all stores.)
fn encode(user: &Username) -> String {
    let mut encoded = String::new();
    for byte in user.as_str().bytes() {
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("_{byte:02x}"));
        }
    }
    encoded
}

/// The user whose name [`encode`] made this of.
fn decode(encoded: &str) -> Option<Username> {
    let user: Username = unescape(encoded, b'_')?.parse().ok()?;
    // Somebody else's key is none.
    (encode(&user) == encoded).then_some(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_keys_are_read_back() {
        for name in ["ada", "user-0", "Zo\u{eb} @ x_y", "_", "a/b"] {
            let user: Username = name.parse().unwrap();
            assert_eq!(decode(&encode(&user)), Some(user));
        }
        for key in ["", "A", "_", "_4", "_zz", "_+1", "_61", "_3a", "_ff"] {
            assert_eq!(decode(key), None, "{key}");
        }
    }
}
