//! Copies everything in one store to another.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use latchkey_component::store::is_counter;

use super::store_url::StoreUrl;
use super::{Backend, BackendError, StoreError, Swap};

/// Keys under way at a time.
const AT_A_TIME: usize = 16;

/// Why a store was not copied, or not as a whole.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// `memory:`, or a file that is not there.
    #[error("there is nothing to copy: {0}")]
    Nothing(String),
    /// It holds keys already.
    #[error("the target is not empty: it has {0} keys")]
    NotEmpty(usize),
    /// One of the two cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// One of the two failed.
    #[error("{0} failed at {1}: {2}")]
    Failed(&'static str, String, BackendError),
    /// A counter that is none.
    #[error("the value of {0} is not a counter")]
    NotACounter(String),
    /// Somebody else writes.
    #[error(
        "{0} was changed meanwhile: stop all servers on both stores, and begin with an empty target"
    )]
    Changed(String),
}

struct Side {
    backend: Arc<dyn Backend>,
    name: &'static str,
    /// Whether counters are decimal numbers here, as in Redis, or 8 bytes.
    is_decimal: bool,
}

impl Side {
    async fn open(url: &StoreUrl, name: &'static str) -> Result<Self, CopyError> {
        match url {
            StoreUrl::Memory => {
                let reason = "a store in memory is that of one process alone";
                return Err(CopyError::Nothing(reason.to_owned()));
            }
            StoreUrl::Sqlite(path) if name == SOURCE && !path.exists() => {
                let reason = format!("there is no file {}", path.display());
                return Err(CopyError::Nothing(reason));
            }
            _ => {}
        }
        Ok(Self {
            backend: url.open().await?,
            name,
            is_decimal: matches!(url, StoreUrl::Redis(_)),
        })
    }

    fn failed(&self, key: &str) -> impl FnOnce(BackendError) -> CopyError {
        let (name, key) = (self.name, key.to_owned());
        move |error| CopyError::Failed(name, key, error)
    }

    async fn keys(&self) -> Result<BTreeSet<String>, CopyError> {
        let keys = self.backend.list_keys().await;
        Ok(keys
            .map_err(self.failed("the list of keys"))?
            .into_iter()
            .collect())
    }

    /// The value of `key`, as the store `like` would hold it.
    async fn get(&self, key: &str, like: &Self) -> Result<Option<Vec<u8>>, CopyError> {
        let value = self.backend.get(key).await.map_err(self.failed(key))?;
        match value {
            Some(value) if is_counter(key) && self.is_decimal != like.is_decimal => {
                let converted = convert(&value, like.is_decimal);
                let converted = converted.ok_or_else(|| CopyError::NotACounter(key.to_owned()));
                converted.map(Some)
            }
            value => Ok(value),
        }
    }
}

const SOURCE: &str = "the source";
const TARGET: &str = "the target";

fn convert(counter: &[u8], to_decimal: bool) -> Option<Vec<u8>> {
    if to_decimal {
        let counter = i64::from_le_bytes(counter.try_into().ok()?);
        Some(counter.to_string().into_bytes())
    } else {
        let counter: i64 = std::str::from_utf8(counter).ok()?.parse().ok()?;
        Some(counter.to_le_bytes().to_vec())
    }
}

/// Copies all keys, reads both stores again, compares, and returns how many keys there are. Fails if the target is not empty.
/// What was copied until an error stays in the target.
pub async fn copy(from: &StoreUrl, to: &StoreUrl) -> Result<usize, CopyError> {
    // The target last: it is made where there is none.
    let source = Side::open(from, SOURCE).await?;
    let keys = source.keys().await?;
    if keys.is_empty() {
        return Err(CopyError::Nothing("the source is empty".to_owned()));
    }
    let target = Side::open(to, TARGET).await?;
    match target.keys().await?.len() {
        0 => {}
        count => return Err(CopyError::NotEmpty(count)),
    }
    let changed = |key: &str| CopyError::Changed(key.to_owned());
    let (source, target) = (&source, &target);
    each(&keys, async |key| {
        let value = source.get(key, target).await?;
        let value = value.ok_or_else(|| changed(key))?;
        let swap = target.backend.compare_and_swap(key, None, value).await;
        match swap.map_err(target.failed(key))? {
            Swap::Stored => Ok(()),
            Swap::Lost => Err(changed(key)),
        }
    })
    .await?;
    for side in [source, target] {
        let now = side.keys().await?;
        if let Some(key) = now.symmetric_difference(&keys).next() {
            return Err(changed(key));
        }
    }
    each(&keys, async |key| {
        match source.get(key, target).await? == target.get(key, target).await? {
            true => Ok(()),
            false => Err(changed(key)),
        }
    })
    .await?;
    Ok(keys.len())
}

async fn each<'a>(
    keys: &'a BTreeSet<String>,
    step: impl AsyncFn(&'a str) -> Result<(), CopyError>,
) -> Result<(), CopyError> {
    stream::iter(keys)
        .map(|key| step(key))
        .buffer_unordered(AT_A_TIME)
        .try_collect()
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_converted() {
        for (decimal, bytes) in [
            ("0", [0; 8]),
            ("258", [2, 1, 0, 0, 0, 0, 0, 0]),
            ("-1", [255; 8]),
        ] {
            let converted = convert(decimal.as_bytes(), false);
            assert_eq!(converted.as_deref(), Some(&bytes[..]), "{decimal}");
            let converted = convert(&bytes, true);
            assert_eq!(converted.as_deref(), Some(decimal.as_bytes()), "{decimal}");
        }
        assert_eq!(
            convert(b"12345678", false),
            Some(12_345_678_i64.to_le_bytes().to_vec())
        );
        assert_eq!(convert(b"x", false), None);
        assert_eq!(convert(b"1", true), None);
    }
}
