//! A queue for password verifications: a flood of wrong passwords leaves an instance time for other requests, and other
//! clients their turn.
//!
//! A verification computes without a break, and its instance does nothing else meanwhile. After one that failed there is a
//! pause, in which other requests are served. Requests that wait for the same verification share its place and outcome.
//!
//! *A fair share.* Networks take turns: the first request of each comes before the second of any.
//!
//! *Users first.* A flood under random names, from the client's own network, should not keep a user waiting. So a password
//! that may be that of a user is verified ahead of its place. Only if it is right does that show: a wrong one is refused
//! when its place has come, as if it were verified only then, and as an unknown name is. Until then no other of the same
//! user and client is verified ahead: its failure is not counted yet.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::ClientNetwork;
use super::digest::{ClientDigest, PasswordDigest};
use crate::token::Timestamp;

/// The pause after a failed verification, in multiples of the time that it took: three quarters of the instance's time
/// are left to others.
const PAUSE: u32 = 3;

/// The longest pause. After costly hashes, a longer one would have others wait until their requests time out.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// The most verifications that wait. The native host runs 64 requests in an instance, and those that are refused here
/// need some of them.
const MAX_WAITING: usize = 48;

/// The most requests that wait. One that shares a place needs as much of the host as any other. Those that share what is
/// verified ahead of its place are not counted: they do not wait for long.
const MAX_TICKETS: usize = 56;

/// The longest that a request waits: well below the 30 s that hosts let a request take.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// How often the next request looks whether its turn has come. Those behind it look less often.
const POLL_PERIOD: Duration = Duration::from_millis(10);

/// When to try again where too many wait to be verified.
const RETRY_AFTER_OTHERS: Duration = Duration::from_secs(1);

pub(super) struct Queue(RefCell<State>);

struct State {
    /// In the order of their places.
    waiting: Vec<Rc<Verification>>,
    tickets: usize,
    /// Whether somebody has the turn.
    taken: bool,
    /// The end of the last verification.
    ended: Timestamp,
    /// How long the next one waits after it.
    pause: Duration,
}

/// What is to be verified, and for whom.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    pub(super) password: PasswordDigest,
    pub(super) client: ClientDigest,
    pub(super) network: Option<ClientNetwork>,
    /// Whether there is such a user.
    pub(super) known: bool,
}

struct Verification {
    candidate: Candidate,
    /// How many of its network were waiting when it came.
    round: usize,
    ahead: Cell<Ahead>,
    outcome: Cell<Option<Outcome>>,
}

/// What is to be done ahead of the place.
#[derive(Clone, Copy)]
enum Ahead {
    /// It may be verified.
    Verify,
    /// Nothing.
    Nothing,
    /// It was verified in this time, and is wrong.
    Wrong(Duration),
}

/// How a verification ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Right,
    Wrong,
    /// The password was not looked at; the client may try again after this time.
    Refused(Duration),
}

/// A request's place in the queue. Dropping it leaves the queue: a client may go away at any time.
pub(super) struct Ticket<'a> {
    queue: &'a Queue,
    verification: Rc<Verification>,
    since: Timestamp,
}

/// What a request that waits is to do.
pub(super) enum Progress<'a> {
    /// It is its turn.
    Turn(Turn<'a>),
    /// Ask again after this time.
    Wait(Duration),
    /// Nothing: another request has had the password verified, or this one was pushed out or has waited for too long.
    Ended(Outcome),
}

/// The right to verify, for one request at a time.
pub(super) struct Turn<'a> {
    queue: &'a Queue,
    verification: Rc<Verification>,
    /// Whether the place of the verification has not come yet.
    pub(super) ahead: bool,
}

impl Queue {
    pub(super) const fn new() -> Self {
        Self(RefCell::new(State {
            waiting: Vec::new(),
            tickets: 0,
            taken: false,
            ended: Timestamp::new(Duration::ZERO),
            pause: Duration::ZERO,
        }))
    }

    /// A place in the queue, or the refusal if too many wait.
    pub(super) fn join(&self, candidate: Candidate, now: Timestamp) -> Result<Ticket<'_>, Outcome> {
        let mut state = self.0.borrow_mut();
        let joined = state.join(candidate);
        let verification = joined.ok_or(Outcome::Refused(RETRY_AFTER_OTHERS))?;
        state.tickets += 1;
        Ok(Ticket {
            queue: self,
            verification,
            since: now,
        })
    }
}

impl State {
    /// The verification of this password, which may wait already. `None` if too many wait.
    fn join(&mut self, candidate: Candidate) -> Option<Rc<Verification>> {
        let same = |other: &&Rc<Verification>| other.candidate.password == candidate.password;
        if let Some(same) = self.waiting.iter().find(same) {
            let is_ahead = matches!(same.ahead.get(), Ahead::Verify);
            return (is_ahead || self.tickets < MAX_TICKETS).then(|| same.clone());
        }
        let others = self.waiting.iter();
        let round = others
            .filter(|other| other.candidate.network == candidate.network)
            .count();
        if self.waiting.len() >= MAX_WAITING {
            // The last of a network that has more than this one.
            let last = self.waiting.pop_if(|last| last.round > round)?;
            last.outcome.set(Some(Outcome::Refused(RETRY_AFTER_OTHERS)));
        }
        let new = Rc::new(Verification {
            candidate,
            round,
            ahead: Cell::new(match candidate.known {
                true => Ahead::Verify,
                false => Ahead::Nothing,
            }),
            outcome: Cell::new(None),
        });
        let place = self.waiting.partition_point(|other| other.round <= round);
        self.waiting.insert(place, new.clone());
        Some(new)
    }

    /// The place of what is to be verified next: the first user's, or else the first.
    fn next(&self) -> usize {
        let is_pending = |client| {
            self.waiting.iter().any(|other| {
                other.candidate.client == client && matches!(other.ahead.get(), Ahead::Wrong(_))
            })
        };
        let ahead = self.waiting.iter().position(|verification| {
            matches!(verification.ahead.get(), Ahead::Verify)
                && !is_pending(verification.candidate.client)
        });
        ahead.unwrap_or(0)
    }

    fn remove(&mut self, verification: &Rc<Verification>) {
        self.waiting
            .retain(|other| !Rc::ptr_eq(other, verification));
    }
}

impl<'a> Ticket<'a> {
    pub(super) fn poll(&self, now: Timestamp) -> Progress<'a> {
        if let Some(outcome) = self.verification.outcome.get() {
            return Progress::Ended(outcome);
        }
        if now.since(self.since) >= MAX_WAIT {
            return Progress::Ended(Outcome::Refused(RETRY_AFTER_OTHERS));
        }
        let mut state = self.queue.0.borrow_mut();
        // A clock that was set back must not make the pause longer than it is.
        state.ended = now.min(state.ended);
        let pause = state.pause.saturating_sub(now.since(state.ended));
        let mut waiting = state.waiting.iter();
        let place = waiting.position(|other| Rc::ptr_eq(other, &self.verification));
        // What has left the queue has an outcome.
        let place = place.unwrap_or_default();
        let next = state.next();
        if place == next && pause.is_zero() && !state.taken {
            state.taken = true;
            return Progress::Turn(Turn {
                queue: self.queue,
                verification: self.verification.clone(),
                ahead: place > 0,
            });
        }
        Progress::Wait(match place == next && !state.taken {
            true => pause,
            false => pause.max(POLL_PERIOD * (place as u32 + 1)),
        })
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.queue.0.borrow_mut().tickets -= 1;
        // The queue's own reference and this one: no other request waits for it.
        if Rc::strong_count(&self.verification) == 2 {
            self.queue.0.borrow_mut().remove(&self.verification);
        }
    }
}

impl Turn<'_> {
    /// Whether the password was found to be wrong ahead of its place.
    pub(super) fn is_wrong(&self) -> bool {
        matches!(self.verification.ahead.get(), Ahead::Wrong(_))
    }

    /// Ends the turn, to come again when the place has come: the password may not be looked at now.
    pub(super) fn put_off(self) {
        self.verification.ahead.set(Ahead::Nothing);
    }

    /// Ends the turn, to come again when the place has come: the password is wrong, and took so long to verify.
    pub(super) fn put_off_wrong(self, work: Duration) {
        self.verification.ahead.set(Ahead::Wrong(work));
    }

    /// Ends the verification, which took so long, and tells its outcome to all requests that share it.
    pub(super) fn end(self, outcome: Outcome, work: Duration, now: Timestamp) {
        self.verification.outcome.set(Some(outcome));
        let work = match self.verification.ahead.get() {
            Ahead::Wrong(work) => work,
            Ahead::Verify | Ahead::Nothing => work,
        };
        let mut state = self.queue.0.borrow_mut();
        state.ended = now;
        state.pause = match outcome {
            Outcome::Wrong => work.saturating_mul(PAUSE).min(MAX_PAUSE),
            Outcome::Right | Outcome::Refused(_) => Duration::ZERO,
        };
        state.remove(&self.verification);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.queue.0.borrow_mut().taken = false;
    }
}
