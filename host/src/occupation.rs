//! What keeps an instance from taking on another request.
//!
//! An instance runs one thing at a time. While it computes, or waits in a call that it made synchronously, all its other
//! requests stand still, so a new one is better off elsewhere. From outside the two look like any other waiting.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a request takes that does not verify a password, and more.
const A_WHILE: Duration = Duration::from_millis(1);

/// What one instance is occupied with.
#[derive(Clone, Default)]
pub struct Occupation(Arc<Flags>);

#[derive(Default)]
struct Flags {
    waits: AtomicBool,
    computes: AtomicBool,
    /// Since when it has gone on.
    resumed: Mutex<Option<Instant>>,
}

impl Occupation {
    /// It waits in a synchronous call, until the guard is dropped. There is one such call at a time.
    #[expect(dead_code, reason = "goes with the server's rewrite")]
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

    /// It is interrupted while it computes. Tells whether it has computed for a while: the clock that interrupts it ticks
    /// whether or not it has anything to do.
    pub fn interrupted(&self) -> bool {
        let resumed = *self
            .0
            .resumed
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let computes = resumed.is_some_and(|resumed| resumed.elapsed() >= A_WHILE);
        self.0.computes.store(computes, Ordering::Relaxed);
        computes
    }

    /// It goes on.
    pub fn resumed(&self) {
        self.0.computes.store(false, Ordering::Relaxed);
        let now = Some(Instant::now());
        *self
            .0
            .resumed
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Whether it can do nothing else for now.
    pub fn is_occupied(&self) -> bool {
        self.0.waits.load(Ordering::Relaxed) || self.0.computes.load(Ordering::Relaxed)
    }
}
