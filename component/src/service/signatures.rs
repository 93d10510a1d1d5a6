//! Signatures that are costly to verify: each is verified once, and forged ones do not slow the good ones.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::jwt::{Claims, InvalidToken, KeySet};
use crate::ports::Clock;
use crate::token::Timestamp;

/// The tokens whose signature is known to be right, at most: those that are in use, in some 200 KiB. When there are so many,
/// the older half is forgotten. That a signature is right does not change; whether its token is still good is asked of the
/// store every time.
const MOST: usize = 4_096;

/// The time between two verifications, in multiples of what the last one took that failed: most of the instance's time is
/// left to tokens that are known.
const PAUSE: u32 = 4;

/// The longest that a token waits for its verification.
const MAX_WAIT: Duration = Duration::from_millis(500);

/// The signatures that an instance has verified.
#[derive(Default)]
pub(super) struct Signatures(RefCell<State>);

#[derive(Default)]
struct State {
    /// The digests of tokens: those that were verified last, and those before them.
    verified: [BTreeSet<[u8; 32]>; 2],
    /// The time between two verifications.
    interval: Duration,
    /// When the next one may begin.
    next: Option<Timestamp>,
}

impl Signatures {
    /// The claims of `token`: see [`KeySet::verify`].
    pub(super) async fn verify(
        &self,
        keys: &KeySet,
        token: &str,
        clock: &impl Clock,
    ) -> Result<Claims, InvalidToken> {
        if !keys.is_costly() {
            return keys.verify(token, clock.now());
        }
        let verify = || keys.verify(token, clock.now()).is_ok();
        match self.is_right(b"", token, clock, verify).await {
            true => keys.read(token, clock.now()),
            false => Err(InvalidToken),
        }
    }

    /// Whether `token` was found to be right by these `keys` before, or else `verify` says so: when it is its turn.
    pub(super) async fn is_right(
        &self,
        keys: &[u8],
        token: &str,
        clock: &impl Clock,
        verify: impl FnOnce() -> bool,
    ) -> bool {
        let digest = Sha256::new().chain_update(keys).chain_update(token);
        let digest = digest.finalize().into();
        if self.0.borrow().is_verified(&digest) {
            return true;
        }
        let pause = self.0.borrow_mut().pause(clock.now());
        if !pause.is_zero() {
            clock.sleep(pause).await;
        }
        let begun = clock.now();
        let is_right = verify();
        let work = clock.now().since(begun);
        self.0.borrow_mut().record(is_right.then_some(digest), work);
        is_right
    }
}

impl State {
    fn is_verified(&self, digest: &[u8; 32]) -> bool {
        self.verified.iter().any(|digests| digests.contains(digest))
    }

    /// How long the next verification has to wait, in the order in which they ask.
    fn pause(&mut self, now: Timestamp) -> Duration {
        let latest = now.plus(MAX_WAIT);
        let begin = self.next.map_or(now, |next| next.clamp(now, latest));
        self.next = Some(begin.plus(self.interval));
        begin.since(now)
    }

    fn record(&mut self, verified: Option<[u8; 32]>, work: Duration) {
        let Some(digest) = verified else {
            self.interval = work.saturating_mul(PAUSE).min(MAX_WAIT);
            return;
        };
        let [recent, before] = &mut self.verified;
        if recent.len() == MOST / 2 {
            *before = std::mem::take(recent);
        }
        recent.insert(digest);
    }
}

impl fmt::Debug for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signatures(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::new(Duration::from_millis(1_000_000 + millis))
    }

    #[test]
    fn after_a_failure_verifications_keep_their_distance() {
        let mut state = State::default();
        let pause = |state: &mut State, millis| state.pause(at(millis)).as_millis();
        assert_eq!(pause(&mut state, 0), 0);
        state.record(Some([0; 32]), Duration::from_millis(2));
        assert_eq!([pause(&mut state, 0), pause(&mut state, 0)], [0, 0]);
        state.record(None, Duration::from_millis(2));
        assert_eq!([0, 1, 2].map(|time| pause(&mut state, time)), [0, 7, 14]);
        // Time passes, and the rest of the pause with it.
        assert_eq!(pause(&mut state, 100), 0);
        // Nobody waits for ever.
        let longest = (0..1_000).map(|_| pause(&mut state, 100)).max();
        assert_eq!(longest, Some(500));
        // A clock that is set back makes nobody wait longer.
        assert_eq!(pause(&mut state, 0), 500);
    }

    #[test]
    fn the_oldest_signatures_are_forgotten() {
        let mut state = State::default();
        let digest = |number: usize| {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&number.to_le_bytes());
            digest
        };
        for number in 0..2 * MOST {
            state.record(Some(digest(number)), Duration::ZERO);
            assert!(state.is_verified(&digest(number)));
            assert!(state.is_verified(&digest(number.saturating_sub(MOST / 2))));
        }
        assert!(!state.is_verified(&digest(0)));
        assert_eq!(
            state.verified.iter().map(BTreeSet::len).sum::<usize>(),
            MOST
        );
    }
}
