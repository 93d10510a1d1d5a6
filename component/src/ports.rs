//! The clock and the randomness, as arguments: nothing else in this crate reads a clock or draws a random number.
//!
//! The real ones are in `component/wasm` and `component/edge`; tests and the native benchmark bring their own.

use std::time::Duration;

use crate::token::Timestamp;

/// The wall clock.
#[allow(
    async_fn_in_trait,
    reason = "an instance is single-threaded: its futures need not be Send"
)]
pub trait Clock {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Returns after `pause`. Other requests of the instance run meanwhile.
    async fn sleep(&self, pause: Duration);
}

/// A cryptographically secure source of random bytes.
pub trait Random {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);

    /// A random number, uniform over all 64 bits.
    fn next_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}
