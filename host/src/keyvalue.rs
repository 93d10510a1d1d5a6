//! Key-value stores: the port, and the backends that fill it.
//!
//! A backend knows no HTTP and no WIT; [`wit`] turns it into the two key-value interfaces that the component imports.

use async_trait::async_trait;

mod circuit_breaker;
#[cfg(test)]
mod conformance;
pub mod copy;
mod doubts;
pub(crate) mod handles;
pub(crate) mod measured;
pub mod memory;
mod outages;
mod postgres;
mod redis;
pub mod sqlite;
pub mod store_url;
pub(crate) mod wit;
pub(crate) mod writes;

/// The one store label that this host backs; Spin gives it to an application by default, too.
const DEFAULT_LABEL: &str = "default";

/// A key-value store: durable once a write has returned, and atomic per call for everyone who shares it.
///
/// None of the operations has a default implementation: an atomic one made of two others would be a race.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// The value of `key`, if there is one.
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackendError>;

    /// Writes `value`.
    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), BackendError>;

    /// Writes `value` if `key` still holds `expected`, where `None` means that there is no value.
    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
    ) -> Result<Swap, BackendError>;

    /// Adds `delta` to the counter `key`, which begins at 0, and returns the sum.
    ///
    /// A counter is stored as Spin stores it in the same backend: 8 bytes, little endian, or in Redis a decimal number.
    async fn increment(&self, key: &str, delta: i64) -> Result<i64, BackendError>;

    /// Removes `key`, if it is there.
    async fn delete(&self, key: &str) -> Result<(), BackendError>;

    /// All keys, in no order. A key that is no UTF-8 is nobody's here, and left out.
    async fn list_keys(&self) -> Result<Vec<String>, BackendError>;
}

/// What became of a compare-and-swap. A lost race is an outcome, not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The new value is stored.
    Stored,
    /// The value was another; nothing was written.
    Lost,
}

/// Why a store did not do what it was asked. The texts go to the component, so they hold no value and no credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// Other writers held the store for longer than this host waits.
    #[error("the store is busy")]
    Busy,
    /// `increment` of a value that is no counter.
    #[error("the value is not a counter")]
    NotACounter,
    /// `increment` beyond the range of a 64-bit integer.
    #[error("the counter overflows")]
    CounterOverflow,
    /// Of a swap that went on after it had returned: told to the next read of its key.
    #[error("{0}")]
    EarlierSwap(Box<Self>),
    /// Anything else.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// The sum that `increment` is to store. Not for Redis, which adds by itself.
fn incremented(value: Option<&[u8]>, delta: i64) -> Result<i64, BackendError> {
    let counter = value.unwrap_or(&[0; 8]).try_into();
    let counter = i64::from_le_bytes(counter.map_err(|_| BackendError::NotACounter)?);
    let sum = counter.checked_add(delta);
    sum.ok_or(BackendError::CounterOverflow)
}

/// Why a store cannot be used from the start. No text holds the URL of a server: it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Not a URL of a known form.
    #[error("{0}")]
    Url(&'static str),
    /// The file, and what is wrong with it.
    #[error("cannot use the store {0}: {1}")]
    Sqlite(String, String),
    /// What is wrong with the connection.
    #[error("cannot use the Redis store: {0}")]
    Redis(String),
    /// What is wrong with the servers, the connection or the table.
    #[error("cannot use the PostgreSQL store: {0}")]
    Postgres(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters() {
        assert_eq!(incremented(None, 5), Ok(5));
        assert_eq!(incremented(Some(&[255; 8]), 1), Ok(0));
        assert_eq!(incremented(Some(b"7"), 1), Err(BackendError::NotACounter));
        assert_eq!(
            incremented(Some(&i64::MAX.to_le_bytes()), 1),
            Err(BackendError::CounterOverflow)
        );
    }
}
