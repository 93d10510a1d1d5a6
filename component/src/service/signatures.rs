//! Signatures: each is verified once, and forged ones do not slow the good ones.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::auth::DigestKey;
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
pub(super) struct Signatures {
    digest_key: DigestKey,
    state: RefCell<State>,
}

type Digest = [u8; 32];

#[derive(Default)]
struct State {
    /// The digests of tokens: those that were verified last, and those before them.
    verified: [BTreeSet<Digest>; 2],
    /// The time between two verifications.
    interval: Duration,
    /// When the next one may begin.
    next: Option<Timestamp>,
}

/// What a verification costs.
pub(super) enum Cost {
    Low,
    /// Forged tokens could slow others.
    High,
}

impl Signatures {
    pub(super) fn new(digest_key: DigestKey) -> Self {
        Self {
            digest_key,
            state: RefCell::default(),
        }
    }

    /// The same without what was verified.
    pub(super) fn emptied(&self) -> Self {
        Self::new(self.digest_key.clone())
    }

    /// The claims of `token`: see [`KeySet::verify`].
    pub(super) async fn verify(
        &self,
        keys: &KeySet,
        token: &str,
        clock: &impl Clock,
    ) -> Result<Claims, InvalidToken> {
        let verify = || keys.verify(token, clock.now()).is_ok();
        let cost = match keys.is_costly() {
            true => Cost::High,
            false => Cost::Low,
        };
        match self.is_right(b"", token, cost, clock, verify).await {
            true => keys.read(token, clock.now()),
            false => Err(InvalidToken),
        }
    }

    /// Whether `token` was found to be right by these `keys` before, or else `verify` says so: if that costs much, when it is its
    /// turn.
    pub(super) async fn is_right(
        &self,
        keys: &[u8],
        token: &str,
        cost: Cost,
        clock: &impl Clock,
        verify: impl FnOnce() -> bool,
    ) -> bool {
        let digest = self.digest_key.digest(&[keys, token.as_bytes()]);
        if self.state.borrow().is_verified(&digest) {
            return true;
        }
        let is_right = match cost {
            Cost::Low => verify(),
            Cost::High => self.in_turn(clock, verify).await,
        };
        if is_right {
            self.state.borrow_mut().remember(digest);
        }
        is_right
    }

    async fn in_turn(&self, clock: &impl Clock, verify: impl FnOnce() -> bool) -> bool {
        let pause = self.state.borrow_mut().pause(clock.now());
        if !pause.is_zero() {
            clock.sleep(pause).await;
        }
        let begun = clock.now();
        let is_right = verify();
        if !is_right {
            let work = clock.now().since(begun);
            self.state.borrow_mut().keep_distance(work);
        }
        is_right
    }
}

impl State {
    fn is_verified(&self, digest: &Digest) -> bool {
        self.verified.iter().any(|digests| digests.contains(digest))
    }

    /// How long the next verification has to wait, in the order in which they ask.
    fn pause(&mut self, now: Timestamp) -> Duration {
        let latest = now.plus(MAX_WAIT);
        let begin = self.next.map_or(now, |next| next.clamp(now, latest));
        self.next = Some(begin.plus(self.interval));
        begin.since(now)
    }

    /// After a verification that failed and took so long.
    fn keep_distance(&mut self, work: Duration) {
        self.interval = work.saturating_mul(PAUSE).min(MAX_WAIT);
    }

    fn remember(&mut self, digest: Digest) {
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
    use crate::testing::{FakeClock, FakeRandom};

    fn at(millis: u64) -> Timestamp {
        Timestamp::new(Duration::from_millis(1_000_000 + millis))
    }

    #[test]
    fn after_a_failure_verifications_keep_their_distance() {
        let mut state = State::default();
        let pause = |state: &mut State, millis| state.pause(at(millis)).as_millis();
        assert_eq!(pause(&mut state, 0), 0);
        state.remember([0; 32]);
        assert_eq!([pause(&mut state, 0), pause(&mut state, 0)], [0, 0]);
        state.keep_distance(Duration::from_millis(2));
        assert_eq!([0, 1, 2].map(|time| pause(&mut state, time)), [0, 7, 14]);
        // Time passes, and the rest of the pause with it.
        assert_eq!(pause(&mut state, 100), 0);
        // Nobody waits for ever.
        let longest = (0..1_000).map(|_| pause(&mut state, 100)).max();
        assert_eq!(longest, Some(500));
        // A clock that is set back makes nobody wait longer.
        assert_eq!(pause(&mut state, 0), 500);
    }

    #[tokio::test]
    async fn a_right_signature_is_verified_once() {
        let clock = FakeClock::default();
        let signatures = Signatures::new(DigestKey::random(&FakeRandom::default()));
        let verified = std::cell::Cell::new(0);
        let ask = async |keys: &[u8], token, is_right: bool| {
            let verify = || {
                verified.set(verified.get() + 1);
                is_right
            };
            let known = signatures.is_right(keys, token, Cost::Low, &clock, verify);
            (known.await, verified.get())
        };
        assert_eq!(ask(b"keys", "token", true).await, (true, 1));
        assert_eq!(ask(b"keys", "token", false).await, (true, 1));
        // Neither another token nor another key.
        assert_eq!(ask(b"keys", "tokem", false).await, (false, 2));
        assert_eq!(ask(b"keys", "tokem", false).await, (false, 3));
        assert_eq!(ask(b"key", "token", false).await, (false, 4));
        assert_eq!(ask(b"key", "stoken", false).await, (false, 5));
        // Whatever fails costs little: nobody has waited.
        assert_eq!(clock.now(), FakeClock::default().now());
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
            state.remember(digest(number));
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
