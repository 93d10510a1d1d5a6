//! What keeps an instance from taking on another request.
//!
//! An instance runs one thing at a time. While it computes, or waits in a call that it made synchronously, all its other
//! requests stand still, so a new one is better off elsewhere. From outside the two look like any other waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What one instance is occupied with.
#[derive(Clone, Default)]
pub struct Occupation(Arc<Flags>);

#[derive(Default)]
struct Flags {
    waits: AtomicBool,
    computes: AtomicBool,
}

impl Occupation {
    /// It waits in a synchronous call, until the guard is dropped. There is one such call at a time.
    pub fn wait(&self) -> impl Drop + Send + use<> {
        struct Waiting(Occupation);
        impl Drop for Waiting {
            fn drop(&mut self) {
                self.0.0.waits.store(false, Ordering::Relaxed);
            }
        }
        self.0.waits.store(true, Ordering::Relaxed);
        Waiting(self.clone())
    }

    /// It was interrupted while it computed.
    pub fn interrupted(&self) {
        self.0.computes.store(true, Ordering::Relaxed);
    }

    /// It goes on.
    pub fn resumed(&self) {
        self.0.computes.store(false, Ordering::Relaxed);
    }

    /// Whether it can do nothing else for now.
    pub fn is_occupied(&self) -> bool {
        self.0.waits.load(Ordering::Relaxed) || self.0.computes.load(Ordering::Relaxed)
    }
}
