//! A queue for password verifications: a flood of wrong passwords leaves an instance time for other requests.
//!
//! A verification computes without a break, and its instance does nothing else meanwhile. After one that failed there is a
//! pause, in which other requests are served. Requests that wait for the same verification share its position and outcome.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::digest::PasswordDigest;
use crate::token::Timestamp;

/// The pause after a failed verification, in multiples of the time that it took: three quarters of the instance's time
/// are left to others.
const PAUSE: u32 = 3;

/// The longest pause. After costly hashes, a longer one would have others wait until their requests time out.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The most verifications that wait. A host runs a bounded number of requests in an instance (Spin's default is 16), and
/// requests that wait for no verification need some of them.
const MAX_WAITING: usize = 8;

/// The longest that a request waits: well below the 30 s that hosts let a request take.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// How often a request asks that waits for others.
const POLL_PERIOD: Duration = Duration::from_millis(10);

pub(super) struct Queue(RefCell<State>);

struct State {
    /// The next one first.
    waiting: Vec<Rc<Verification>>,
    /// The end of the last verification.
    ended: Timestamp,
    /// How long the next one waits after it.
    pause: Duration,
}

struct Verification {
    password: PasswordDigest,
    /// Whether the password was right, once known.
    outcome: Cell<Option<bool>>,
}

/// A request's position in the queue. Dropping it leaves the queue: a client may go away at any time.
pub(super) struct Ticket<'a> {
    queue: &'a Queue,
    verification: Rc<Verification>,
    since: Timestamp,
}

/// Whether a request may verify its password.
pub(super) enum Admission {
    /// Verify now, and await nothing before [`Queue::ended`].
    Granted,
    /// Ask again after this time.
    Wait(Duration),
    /// Too many wait already, or this request has waited for too long.
    Refused,
}

impl Queue {
    pub(super) const fn new() -> Self {
        Self(RefCell::new(State {
            waiting: Vec::new(),
            ended: Timestamp::new(Duration::ZERO),
            pause: Duration::ZERO,
        }))
    }

    /// Whether a request may verify `password` now. If it has to wait, `ticket` holds its position from now on.
    pub(super) fn admit<'a>(
        &'a self,
        ticket: &mut Option<Ticket<'a>>,
        password: &PasswordDigest,
        now: Timestamp,
    ) -> Admission {
        let mut state = self.0.borrow_mut();
        // A clock that was set back must not make the pause longer than it is.
        state.ended = now.min(state.ended);
        let pause = state.pause.saturating_sub(now.since(state.ended));
        let next = match ticket {
            None => state.waiting.is_empty(),
            Some(ticket) => {
                let first = state.waiting.first();
                first.is_some_and(|first| Rc::ptr_eq(first, &ticket.verification))
            }
        };
        if next && pause.is_zero() {
            return Admission::Granted;
        }
        match ticket {
            Some(ticket) if now.since(ticket.since) >= MAX_WAIT => return Admission::Refused,
            Some(_) => {}
            None => {
                let Some(verification) = state.join(password) else {
                    return Admission::Refused;
                };
                *ticket = Some(Ticket {
                    queue: self,
                    verification,
                    since: now,
                });
            }
        }
        Admission::Wait(match next {
            true => pause,
            false => pause.max(POLL_PERIOD),
        })
    }

    /// Ends the verification that began at `begun`, and tells its outcome to all requests that share it.
    pub(super) fn ended(
        &self,
        ticket: Option<&Ticket<'_>>,
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
        if let Some(ticket) = ticket {
            ticket.verification.outcome.set(Some(right));
            state.remove(&ticket.verification);
        }
    }
}

impl State {
    /// The verification of this password, which may wait already. `None` if too many wait.
    fn join(&mut self, password: &PasswordDigest) -> Option<Rc<Verification>> {
        let same = self
            .waiting
            .iter()
            .find(|other| other.password == *password);
        if let Some(same) = same {
            return Some(same.clone());
        }
        if self.waiting.len() == MAX_WAITING {
            return None;
        }
        let new = Rc::new(Verification {
            password: *password,
            outcome: Cell::new(None),
        });
        self.waiting.push(new.clone());
        Some(new)
    }

    fn remove(&mut self, verification: &Rc<Verification>) {
        self.waiting
            .retain(|other| !Rc::ptr_eq(other, verification));
    }
}

impl Ticket<'_> {
    /// Whether the password was right, if another request has had it verified.
    pub(super) fn outcome(&self) -> Option<bool> {
        self.verification.outcome.get()
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        // The queue's own reference and this one: no other request waits for it.
        if Rc::strong_count(&self.verification) == 2 {
            self.queue.0.borrow_mut().remove(&self.verification);
        }
    }
}

#[cfg(test)]
mod tests;
