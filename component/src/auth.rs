//! Who is asking: HTTP Basic authentication (RFC 7617) against the configured users; or else on the word of a login
//! proxy, or by an ID token of a trusted issuer.
//!
//! There are two kinds of passwords. [Generated](generated) ones are 256 random bits: they need nothing slow, and nobody
//! can guess at them. For what people choose, guessing is slow, and harmless to others: [failures] are counted in the
//! store, verifications are [queued](queue), and clients that have signed in [stay signed in](remembered). None of it tells
//! whether a user exists.

mod authority;
mod credentials;
mod digest;
mod failures;
mod generated;
mod issuers;
mod network;
mod password;
mod proxy;
mod queue;
mod remembered;
mod spelling;
mod users;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use crate::ports::Clock;
use crate::secret::Secret;
use crate::store::{Ports as _, Store, StoreError};
use crate::token::{Timestamp, Username};

pub use authority::{Authority, Bounds, SignedIn};
pub use credentials::{Credentials, PresentedToken};
pub use digest::DigestKey;
use digest::PasswordDigest;
pub use generated::GeneratedPassword;
pub use issuers::{IdTokenError, TrustedIssuers};
pub use network::ClientNetwork;
#[cfg(test)]
pub(crate) use password::VERIFICATIONS;
pub use password::{PasswordHash, PasswordHashError};
pub(crate) use proxy::vouched;
pub use proxy::{LoginProxy, MIN_PROXY_SECRET_BYTES, PROXY_SECRET_HEADER};
use queue::{Candidate, Outcome, Progress, Queue};
use remembered::Remembered;
pub use spelling::prepare;
pub(crate) use users::User;
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
    /// What may be an ID token.
    Bearer(Secret),
    /// The word of the login proxy that this user is asking.
    Proxy(Username),
}

impl SignIn {
    /// Reads the values of all `Authorization` headers of a request.
    pub fn parse<'a>(mut headers: impl Iterator<Item = &'a [u8]>) -> Self {
        match (headers.next(), headers.next()) {
            (None, _) => Self::Absent,
            (Some(header), None) => match bearer(header) {
                Some(token) => Self::Bearer(token.into()),
                None => Credentials::parse(header).map_or(Self::Malformed, Self::Credentials),
            },
            // Which of two would count?
            (Some(_), Some(_)) => Self::Malformed,
        }
    }
}

/// The token of an `Authorization` header of the scheme `Bearer` (RFC 6750, section 2.1).
fn bearer(header: &[u8]) -> Option<&str> {
    let (scheme, token) = std::str::from_utf8(header).ok()?.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then_some(token.trim_matches(' '))
}

/// What a request proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// It brought nothing to sign in with.
    Absent,
    /// This user is asking.
    Valid(SignedIn),
    /// Nothing: malformed, an unknown user, or a wrong password of this user.
    Failed(Option<Username>),
    /// Nothing: the ID token is not good.
    IdTokenRefused(IdTokenError),
    /// The password was not verified: too many failed for this user, known or not, or too many wait to be verified.
    Throttled {
        /// The user, if there is such a user.
        user: Option<Username>,
        /// When to try again.
        retry_after: Duration,
    },
}

/// Authenticates requests; lives as long as the instance.
pub struct Authenticator {
    users: Users,
    /// Of digests that stay in this instance.
    key: DigestKey,
    remembered: RefCell<Remembered>,
    queue: Rc<Queue>,
}

/// What can be told of a request at once.
pub enum Recognition {
    /// All there is to tell.
    Known(Authentication),
    /// The password has to be verified.
    Unknown(Attempt),
}

/// A password that somebody gave as that of a user, known or not.
pub struct Attempt {
    /// The index of the user, if there is such a user.
    user: Option<usize>,
    name: Username,
    /// What the password may be, as it was given.
    passwords: Vec<Secret>,
    password_digest: PasswordDigest,
}

impl Authenticator {
    /// Authenticates `users`, remembering verified passwords by digests with this key.
    pub fn new(users: Users, key: DigestKey) -> Self {
        Self {
            key,
            remembered: RefCell::new(Remembered::new(users.count())),
            queue: Rc::new(Queue::new()),
            users,
        }
    }

    /// The authenticator of other users, in its place: passwords of users whose entry is the same stay remembered, and one
    /// queue is for both.
    pub fn with_users(&self, users: Users) -> Self {
        let same = |index| {
            let former = self.users.find(users.name(index))?;
            (self.users.hash(former) == users.hash(index)).then_some(former)
        };
        let remembered = self.remembered.borrow().rearranged(users.count(), same);
        Self {
            key: self.key.clone(),
            remembered: RefCell::new(remembered),
            queue: self.queue.clone(),
            users,
        }
    }

    /// Tells what `sign_in` proves, if that takes no verification of a password that somebody chose.
    ///
    /// A password that was verified lately is recognized before failures are looked at: failing in a user's name locks out
    /// no client that has signed in. The price is that guesses at the password of such a user are as fast as requests.
    pub fn recognize(&self, sign_in: SignIn, now: Timestamp) -> Recognition {
        let credentials = match sign_in {
            SignIn::Absent => return Recognition::Known(Authentication::Absent),
            SignIn::Malformed | SignIn::Bearer(_) | SignIn::Proxy(_) => {
                return Recognition::Known(Authentication::Failed(None));
            }
            SignIn::Credentials(credentials) => credentials,
        };
        let attempt = self.attempt(credentials);
        if let Some(password) = attempt.passwords.iter().find_map(GeneratedPassword::parse) {
            // Whoever chose a password of this form cannot sign in with it: else its refusal would tell who is a user.
            let right = attempt
                .user
                .is_some_and(|user| self.users.hash(user).is_of(&password));
            return Recognition::Known(self.proof(&attempt, right));
        }
        let remembered = attempt.user.is_some_and(|user| {
            let mut remembered = self.remembered.borrow_mut();
            remembered.recognizes(user, &attempt.password_digest, now)
        });
        // Without anything to verify against, nobody's verification takes longer than this.
        match remembered || !self.users.any_chosen() {
            true => Recognition::Known(self.proof(&attempt, remembered)),
            false => Recognition::Unknown(attempt),
        }
    }

    fn attempt(&self, credentials: Credentials) -> Attempt {
        let decoded = credentials.form_decoded();
        let mut passwords = spelling::of(&credentials.password);
        let mut name = credentials.name;
        let mut user = self.users.find(&name);
        if let Some(decoded) = decoded {
            passwords.extend(spelling::of(&decoded.password));
            if user.is_none() {
                user = self.users.find(&decoded.name);
                name = decoded.name;
            }
        }
        let hash = user.map(|user| self.users.hash(user));
        Attempt {
            password_digest: self.key.password(&name, &passwords[0], hash),
            user,
            name,
            passwords,
        }
    }

    fn proof(&self, attempt: &Attempt, right: bool) -> Authentication {
        match self.user(attempt) {
            Some(user) if right => Authentication::Valid(user.into()),
            user => Authentication::Failed(user),
        }
    }

    fn user(&self, attempt: &Attempt) -> Option<Username> {
        attempt.user.map(|index| self.users.name(index).clone())
    }

    /// Verifies a password that could not be recognized. `secret` is for digests that are the same on all hosts and after
    /// a restart.
    ///
    /// Takes the same time for known and unknown users: one verification and the wait for it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if failures cannot be read or counted: then nobody is told whether the password is right.
    pub async fn verify<S: Store>(
        &self,
        attempt: &Attempt,
        network: Option<ClientNetwork>,
        secret: &[u8; 32],
        store: &S,
    ) -> Result<Authentication, StoreError> {
        let outcome = self.outcome(attempt, network, secret, store).await?;
        Ok(match outcome {
            Outcome::Right => self.proof(attempt, true),
            Outcome::Wrong => self.proof(attempt, false),
            Outcome::Refused(retry_after) => Authentication::Throttled {
                user: self.user(attempt),
                retry_after,
            },
        })
    }

    async fn outcome<S: Store>(
        &self,
        attempt: &Attempt,
        network: Option<ClientNetwork>,
        secret: &[u8; 32],
        store: &S,
    ) -> Result<Outcome, StoreError> {
        let clock = store.ports().clock();
        let key = DigestKey::new(secret);
        let (slot, client) = (key.slot(&attempt.name), key.client(&attempt.name, network));
        // Known and unknown names do the same work. The password behind a decoy is no password of this user.
        let decoy = self.users.decoy(|count| key.decoy(&attempt.name, count));
        let hash = attempt
            .user
            .map(|user| self.users.hash(user))
            .filter(|hash| hash.is_chosen());
        // Who is refused anyway takes no place from others.
        let mut failures = failures::load(store, slot).await?;
        let mut is_fresh = true;
        if let Some(delay) = failures.delay(client, clock.now()) {
            return Ok(Outcome::Refused(delay));
        }
        let candidate = Candidate {
            password: attempt.password_digest,
            client,
            network,
            known: hash.is_some(),
        };
        let ticket = match self.queue.join(candidate, clock.now()) {
            Ok(ticket) => ticket,
            Err(refused) => return Ok(refused),
        };
        loop {
            let turn = match ticket.poll(clock.now()) {
                Progress::Turn(turn) => turn,
                Progress::Wait(pause) => {
                    is_fresh = false;
                    clock.sleep(pause).await;
                    continue;
                }
                Progress::Ended(outcome) => return Ok(outcome),
            };
            // Others may have failed meanwhile, here or on another host.
            if !is_fresh {
                failures = failures::load(store, slot).await?;
            }
            if let Some(delay) = failures.delay(client, clock.now()) {
                if turn.ahead {
                    turn.put_off();
                    continue;
                }
                let refused = Outcome::Refused(delay);
                turn.end(refused, Duration::ZERO, clock.now());
                return Ok(refused);
            }
            let begun = clock.now();
            let right = !turn.is_wrong() && {
                let verified = hash.unwrap_or(decoy).verify_any(&attempt.passwords);
                verified && hash.is_some()
            };
            let work = clock.now().since(begun);
            let outcome = if right {
                if let Some(user) = attempt.user {
                    let mut remembered = self.remembered.borrow_mut();
                    remembered.insert(user, attempt.password_digest, clock.now());
                }
                if failures.are_of(client) {
                    failures::forget(store, slot, client).await;
                }
                Outcome::Right
            } else if turn.ahead {
                turn.put_off_wrong(work);
                continue;
            } else {
                // A guess that others have made one too many is not answered.
                match failures::count(store, slot, client).await? {
                    Some(delay) => Outcome::Refused(delay),
                    None => Outcome::Wrong,
                }
            };
            turn.end(outcome, work, clock.now());
            return Ok(outcome);
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
