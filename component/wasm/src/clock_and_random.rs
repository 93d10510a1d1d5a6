//! The clock and the randomness of WASI. `component/edge` has them from here, too; each crate sleeps in its own way.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use latchkey_component::ports::{Clock, Random};
use latchkey_component::token::Timestamp;

/// The wall clock of the host.
#[derive(Clone, Copy, Debug)]
pub(super) struct SystemClock;

impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is where the clock comes from"
    )]
    fn now(&self) -> Timestamp {
        // A clock before 1970 is not set: any token would expire at once.
        Timestamp::new(
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default(),
        )
    }

    async fn sleep(&self, pause: Duration) {
        crate::sleep(pause).await;
    }
}

/// The host's cryptographically secure random numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct SecureRandom;

impl Random for SecureRandom {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is where randomness comes from"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("a host without randomness cannot run a token service");
    }
}
