//! Who is asking: HTTP Basic authentication (RFC 7617) against the configured users.
//!
//! Guessing is slow, and harmless to others: failures are [throttled](throttle) by user, verifications are
//! [queued](queue), and clients that have signed in [stay signed in](remembered). None of it tells whether a user exists.

mod credentials;
mod digest;
mod password;
mod queue;
mod remembered;
mod throttle;
mod users;

use std::cell::RefCell;
use std::fmt;
use std::time::Duration;

use crate::ports::{Clock, Random};
use crate::secret::Secret;
use crate::token::{Timestamp, Username};

pub use credentials::Credentials;
use digest::{DigestKey, NameDigest, PasswordDigest};
pub use password::{PasswordHash, PasswordHashError};
use queue::{Admission, Queue, Ticket};
use remembered::Remembered;
use throttle::Throttle;
pub use users::Users;

/// What a request brings to sign in with.
#[derive(Debug)]
pub enum SignIn {
    /// Nothing.
    Absent,
    /// Another scheme, or not well-formed.
    Malformed,
    /// A name and a password.
    Credentials(Credentials),
}

impl SignIn {
    /// Reads the values of all `Authorization` headers of a request.
    pub fn parse<'a>(mut headers: impl Iterator<Item = &'a [u8]>) -> Self {
        match (headers.next(), headers.next()) {
            (None, _) => Self::Absent,
            (Some(header), None) => {
                Credentials::parse(header).map_or(Self::Malformed, Self::Credentials)
            }
            // Which of two would count?
            (Some(_), Some(_)) => Self::Malformed,
        }
    }
}

/// What a request proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// It brought nothing to sign in with.
    Absent,
    /// This user is asking.
    Valid(Username),
    /// Nothing: malformed, an unknown user, or a wrong password of this user.
    Failed(Option<Username>),
    /// The password was not verified: too many failed for this user, known or not, or too many wait to be verified.
    Throttled {
        /// The user, if there is such a user.
        user: Option<Username>,
        /// When to try again.
        retry_after: Duration,
    },
}

/// When to try again where too many wait to be verified.
const RETRY_AFTER_OTHERS: Duration = Duration::from_secs(1);

/// Authenticates requests; lives as long as the instance.
pub struct Authenticator {
    users: Users,
    key: DigestKey,
    remembered: RefCell<Remembered>,
    throttle: RefCell<Throttle>,
    queue: Queue,
}

/// A password that somebody gave as that of a user, known or not.
struct Attempt<'a> {
    /// The index of the user, if there is such a user.
    user: Option<usize>,
    /// What to verify the password against; a decoy if the user is unknown.
    hash: &'a PasswordHash,
    password: &'a Secret,
    name_digest: NameDigest,
    password_digest: PasswordDigest,
}

/// How far an attempt has come.
enum Progress {
    /// Whether the password is right.
    Verified(bool),
    /// The password was not verified; the client may try again after this time.
    Refused(Duration),
    /// Poll again after this time.
    Waiting(Duration),
}

impl Authenticator {
    /// Authenticates `users`, remembering verified passwords under a key drawn from `random`.
    pub fn new(users: Users, random: &impl Random) -> Self {
        Self {
            key: DigestKey::new(random),
            remembered: RefCell::new(Remembered::new(users.count())),
            throttle: RefCell::default(),
            queue: Queue::new(),
            users,
        }
    }

    /// Tells what `sign_in` proves.
    ///
    /// Takes the same time for known and unknown users: one password verification and the wait for it. It is faster if
    /// this password of this user was verified lately, or is not verified at all.
    pub async fn authenticate(&self, sign_in: SignIn, clock: &impl Clock) -> Authentication {
        match sign_in {
            SignIn::Absent => Authentication::Absent,
            SignIn::Malformed => Authentication::Failed(None),
            SignIn::Credentials(credentials) => {
                self.check(&self.attempt(&credentials), clock).await
            }
        }
    }

    /// Does the same work for known and unknown users: a refusal is so fast that a difference would show.
    fn attempt<'a>(&'a self, credentials: &'a Credentials) -> Attempt<'a> {
        let Credentials { name, password } = credentials;
        let user = self.users.find(name);
        let decoy = self.users.decoy(name);
        let hash = user.map_or(decoy, |index| self.users.hash(index));
        Attempt {
            user,
            hash,
            password,
            name_digest: self.key.name(name),
            password_digest: self.key.password(name, password, hash),
        }
    }

    async fn check(&self, attempt: &Attempt<'_>, clock: &impl Clock) -> Authentication {
        let user = attempt.user.map(|index| self.users.name(index).clone());
        let mut ticket = None;
        loop {
            match self.poll(attempt, &mut ticket, clock) {
                Progress::Verified(right) => {
                    return match user {
                        Some(user) if right => Authentication::Valid(user),
                        user => Authentication::Failed(user),
                    };
                }
                Progress::Refused(retry_after) => {
                    return Authentication::Throttled { user, retry_after };
                }
                Progress::Waiting(pause) => clock.sleep(pause).await,
            }
        }
    }

    /// Verifies the attempt if it may be verified now. Awaits nothing: what it reads holds until it returns.
    fn poll<'a>(
        &'a self,
        attempt: &Attempt<'_>,
        ticket: &mut Option<Ticket<'a>>,
        clock: &impl Clock,
    ) -> Progress {
        if let Some(right) = ticket.as_ref().and_then(Ticket::outcome) {
            return Progress::Verified(right);
        }
        let now = clock.now();
        // Before the throttle: failing in a user's name locks out no client that has signed in. The price is that guesses
        // at the password of such a user are as fast as requests. It does not reset the failures: otherwise every request
        // of such a client would grant a guesser new tries.
        if self.remembers(attempt, now) {
            return Progress::Verified(true);
        }
        let delay = self.throttle.borrow_mut().delay(attempt.name_digest, now);
        if let Some(retry_after) = delay {
            return Progress::Refused(retry_after);
        }
        match self.queue.admit(ticket, &attempt.password_digest, now) {
            Admission::Granted => {
                // The password behind a decoy is no password of this user.
                let right = attempt.hash.verify(attempt.password) && attempt.user.is_some();
                let ended = clock.now();
                self.record(attempt, right, ended);
                self.queue.ended(ticket.as_ref(), right, now, ended);
                Progress::Verified(right)
            }
            Admission::Wait(pause) => Progress::Waiting(pause),
            Admission::Refused => Progress::Refused(RETRY_AFTER_OTHERS),
        }
    }

    fn remembers(&self, attempt: &Attempt<'_>, now: Timestamp) -> bool {
        attempt.user.is_some_and(|user| {
            let mut remembered = self.remembered.borrow_mut();
            remembered.recognizes(user, &attempt.password_digest, now)
        })
    }

    /// Keeps what the next attempts need to know of this one.
    fn record(&self, attempt: &Attempt<'_>, right: bool, now: Timestamp) {
        let mut throttle = self.throttle.borrow_mut();
        match attempt.user {
            Some(user) if right => {
                let mut remembered = self.remembered.borrow_mut();
                remembered.insert(user, attempt.password_digest, now);
                throttle.succeeded(attempt.name_digest, now);
            }
            _ => throttle.failed(attempt.name_digest, now),
        }
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authenticator(..)")
    }
}

#[cfg(test)]
mod tests;
