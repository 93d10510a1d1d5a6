//! Who is asking: HTTP Basic authentication (RFC 7617) against the configured users.
//!
//! Guessing is slow, and harmless to others: failures are [throttled](throttle) by user, verifications [take
//! turns](queue), and whoever has signed in [stays signed in](remembered) meanwhile. None of it tells whether a user exists.

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
use queue::{Place, Queue, Turn};
use remembered::Remembered;
use throttle::Throttle;
pub use users::Users;

/// What a request brings to sign in with.
#[derive(Debug)]
pub enum SignIn {
    /// Nothing.
    Absent,
    /// What nobody can sign in with: another scheme, or what is not well-formed.
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
    /// The place of the user, if there is such a user.
    user: Option<usize>,
    /// What to verify the password against; of an unknown user, a decoy.
    hash: &'a PasswordHash,
    password: &'a Secret,
    name_digest: NameDigest,
    password_digest: PasswordDigest,
}

/// What there is to say of an attempt.
enum Finding {
    /// Whether the password is right.
    Verified(bool),
    /// The password was not verified; it may be tried again after this time.
    Refused(Duration),
    /// Nothing yet; look again after this time.
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
    /// Takes as long as one password verification and the wait for its turn, whoever asks, unless this password of this
    /// user was verified lately or it is not verified at all.
    pub async fn authenticate(&self, sign_in: SignIn, clock: &impl Clock) -> Authentication {
        match sign_in {
            SignIn::Absent => Authentication::Absent,
            SignIn::Malformed => Authentication::Failed(None),
            SignIn::Credentials(credentials) => {
                self.check(&self.attempt(&credentials), clock).await
            }
        }
    }

    /// The work is the same whether the user is known or not: a refusal is answered so fast that a difference would show.
    fn attempt<'a>(&'a self, credentials: &'a Credentials) -> Attempt<'a> {
        let Credentials { name, password } = credentials;
        let user = self.users.find(name);
        let decoy = self.users.decoy(name);
        let hash = user.map_or(decoy, |place| self.users.hash(place));
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
        let mut place = None;
        loop {
            match self.look(attempt, &mut place, clock) {
                Finding::Verified(right) => {
                    return match user {
                        Some(user) if right => Authentication::Valid(user),
                        user => Authentication::Failed(user),
                    };
                }
                Finding::Refused(retry_after) => {
                    return Authentication::Throttled { user, retry_after };
                }
                Finding::Waiting(pause) => clock.sleep(pause).await,
            }
        }
    }

    /// Looks at an attempt, and verifies it if it is its turn. Awaits nothing: what it finds holds until it returns.
    fn look<'a>(
        &'a self,
        attempt: &Attempt<'_>,
        place: &mut Option<Place<'a>>,
        clock: &impl Clock,
    ) -> Finding {
        if let Some(right) = place.as_ref().and_then(Place::outcome) {
            return Finding::Verified(right);
        }
        let now = clock.now();
        // Before the throttle: nobody locks out a client at work by failing in its user's name. The price is that guesses
        // at the password of such a user are as fast as requests. Nor does it end the user's failures: otherwise a client
        // at work would do that for whoever guesses.
        if self.remembers(attempt, now) {
            return Finding::Verified(true);
        }
        let delay = self.throttle.borrow_mut().delay(attempt.name_digest, now);
        if let Some(retry_after) = delay {
            return Finding::Refused(retry_after);
        }
        match self.queue.turn(place, &attempt.password_digest, now) {
            Turn::Now => {
                // Whoever guesses the password behind a decoy has guessed nobody's.
                let right = attempt.hash.verify(attempt.password) && attempt.user.is_some();
                let ended = clock.now();
                self.record(attempt, right, ended);
                self.queue.ended(place.as_ref(), right, now, ended);
                Finding::Verified(right)
            }
            Turn::Later(pause) => Finding::Waiting(pause),
            Turn::Never => Finding::Refused(RETRY_AFTER_OTHERS),
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
