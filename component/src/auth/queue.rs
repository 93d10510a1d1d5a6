//! Password verifications take turns, so that a flood of wrong passwords leaves an instance room for other requests.
//!
//! A verification computes without a break, and its instance does nothing else meanwhile. After one that failed there is a
//! pause, in which other requests are served. Requests that wait for the same verification share its place in the line,
//! and its outcome.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::digest::PasswordDigest;
use crate::token::Timestamp;

/// The pause after a failed verification, in multiples of the time that it took: three quarters of the instance's time
/// are left to others.
const PAUSE: u32 = 3;

/// The longest pause, for hashes so costly that a few of them would keep those in line for longer than requests live.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The most verifications that are waited for. The requests that wait for them are bounded by what the host lets into an
/// instance at a time, 16 by Spin's default; others need room among them.
const MAX_LINE: usize = 8;

/// The longest that a request waits for its turn: well below the 30 s that hosts let a request take.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// How soon those look again who wait for others to take their turn.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The line of verifications.
pub(super) struct Queue(RefCell<State>);

struct State {
    /// What is waited for, the next one first.
    line: Vec<Rc<Verification>>,
    /// The end of the last verification.
    ended: Timestamp,
    /// How long the next one has to wait after it.
    pause: Duration,
}

struct Verification {
    password: PasswordDigest,
    /// Whether the password was right, once that is known.
    outcome: Cell<Option<bool>>,
}

/// The place of one request in the line, given up when it is dropped: a client may go away at any time.
pub(super) struct Place<'a> {
    queue: &'a Queue,
    verification: Rc<Verification>,
    since: Timestamp,
}

/// Whose turn it is.
pub(super) enum Turn {
    /// One's own: verify now, without awaiting anything before [`Queue::ended`].
    Now,
    /// Somebody else's: look again after this time.
    Later(Duration),
    /// Too many wait already, or this request has waited for too long.
    Never,
}

impl Queue {
    pub(super) const fn new() -> Self {
        Self(RefCell::new(State {
            line: Vec::new(),
            ended: Timestamp::new(Duration::ZERO),
            pause: Duration::ZERO,
        }))
    }

    /// Whether it is the turn of a request that wants `password` verified. If not, `place` is its place in the line from
    /// now on.
    pub(super) fn turn<'a>(
        &'a self,
        place: &mut Option<Place<'a>>,
        password: &PasswordDigest,
        now: Timestamp,
    ) -> Turn {
        let mut state = self.0.borrow_mut();
        // A clock that was set back must not make the pause longer than it is.
        state.ended = now.min(state.ended);
        let pause = state.pause.saturating_sub(now.since(state.ended));
        let next = match place {
            None => state.line.is_empty(),
            Some(place) => {
                let first = state.line.first();
                first.is_some_and(|first| Rc::ptr_eq(first, &place.verification))
            }
        };
        if next && pause.is_zero() {
            return Turn::Now;
        }
        match place {
            Some(place) if now.since(place.since) >= MAX_WAIT => return Turn::Never,
            Some(_) => {}
            None => {
                let Some(verification) = state.join(password) else {
                    return Turn::Never;
                };
                *place = Some(Place {
                    queue: self,
                    verification,
                    since: now,
                });
            }
        }
        Turn::Later(match next {
            true => pause,
            false => pause.max(LOOK_AGAIN),
        })
    }

    /// Tells all who wait for the verification that began at `begun` and ended now how it ended.
    pub(super) fn ended(
        &self,
        place: Option<&Place<'_>>,
        right: bool,
        begun: Timestamp,
        now: Timestamp,
    ) {
        let mut state = self.0.borrow_mut();
        state.ended = now;
        state.pause = match right {
            true => Duration::ZERO,
            false => now.since(begun).saturating_mul(PAUSE).min(MAX_PAUSE),
        };
        if let Some(place) = place {
            place.verification.outcome.set(Some(right));
            state.remove(&place.verification);
        }
    }
}

impl State {
    /// A place in the line, shared with those who want the same password verified.
    fn join(&mut self, password: &PasswordDigest) -> Option<Rc<Verification>> {
        let same = self.line.iter().find(|other| other.password == *password);
        if let Some(same) = same {
            return Some(same.clone());
        }
        if self.line.len() == MAX_LINE {
            return None;
        }
        let new = Rc::new(Verification {
            password: *password,
            outcome: Cell::new(None),
        });
        self.line.push(new.clone());
        Some(new)
    }

    fn remove(&mut self, verification: &Rc<Verification>) {
        self.line.retain(|other| !Rc::ptr_eq(other, verification));
    }
}

impl Place<'_> {
    /// Whether the password was right, if another request has had it verified.
    pub(super) fn outcome(&self) -> Option<bool> {
        self.verification.outcome.get()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // The line's own and this one: nobody else waits for it.
        if Rc::strong_count(&self.verification) == 2 {
            self.queue.0.borrow_mut().remove(&self.verification);
        }
    }
}

#[cfg(test)]
mod tests;
