//! The handles that a component has of its store.

use std::sync::Arc;

use super::Backend;

/// An open store: `store` in Spin's interface, `bucket` in that of WASI.
pub struct Bucket {
    pub(super) backend: Arc<dyn Backend>,
}

/// One compare-and-swap of one key.
pub struct Cas {
    pub(super) backend: Arc<dyn Backend>,
    pub(super) key: String,
    /// The value when `current` was called, if it was: `swap` compares with it.
    pub(super) current: Option<Option<Vec<u8>>>,
}
