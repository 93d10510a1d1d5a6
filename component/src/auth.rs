//! Who is asking: HTTP Basic authentication (RFC 7617) against the configured users.

mod credentials;
mod password;
mod remembered;

use std::cell::RefCell;
use std::collections::BTreeMap;

use http::HeaderMap;
use sha2::{Digest, Sha256};

use crate::ports::Random;
use crate::token::{Timestamp, Username};

pub use credentials::{Credentials, Password};
pub use password::{PasswordHash, PasswordHashError};
use remembered::Remembered;

/// What the `Authorization` header of a request proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// There is no such header.
    Absent,
    /// It proves that this user is asking.
    Valid(Username),
    /// It proves nothing: another scheme, malformed, an unknown user or a wrong password.
    Failed,
}

/// The users and the hashes of their passwords. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Users(BTreeMap<Username, PasswordHash>);

impl Users {
    /// These users; [`crate::config`] sees to it that there are any.
    pub(crate) fn new(users: BTreeMap<Username, PasswordHash>) -> Self {
        debug_assert!(!users.is_empty());
        Self(users)
    }

    fn find(&self, name: &str) -> Option<(&Username, &PasswordHash)> {
        self.0.get_key_value(name)
    }

    /// The hash that the password of an unknown user is verified against, for the time it takes.
    ///
    /// Chosen by the name, the same at every request: where hashes differ in cost, an unknown name looks like one of the
    /// known ones.
    fn decoy(&self, name: &str) -> Option<&PasswordHash> {
        let digest = Sha256::digest(name.as_bytes());
        let pick = digest.iter().fold(0, |rest, byte| {
            ((rest << 8) | usize::from(*byte)) % self.0.len()
        });
        self.0.values().nth(pick)
    }
}

/// Authenticates requests; lives as long as the instance.
#[derive(Debug)]
pub struct Authenticator {
    users: Users,
    remembered: RefCell<Remembered>,
}

impl Authenticator {
    /// Authenticates `users`, remembering verified passwords under a key drawn from `random`.
    pub fn new(users: Users, random: &impl Random) -> Self {
        Self {
            users,
            remembered: RefCell::new(Remembered::new(random)),
        }
    }

    /// Tells what the `Authorization` header of `headers` proves at the time `now`.
    ///
    /// Takes as long as one password verification, whoever asks, unless this password of this user was verified lately.
    pub fn authenticate(&self, headers: &HeaderMap, now: Timestamp) -> Authentication {
        let mut values = headers.get_all(http::header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return match headers.contains_key(http::header::AUTHORIZATION) {
                true => Authentication::Failed,
                false => Authentication::Absent,
            };
        };
        match Credentials::parse(value.as_bytes()) {
            Some(credentials) => self.verify(&credentials, now),
            None => Authentication::Failed,
        }
    }

    fn verify(&self, credentials: &Credentials, now: Timestamp) -> Authentication {
        let Credentials { name, password } = credentials;
        let Some((user, hash)) = self.users.find(name) else {
            self.users.decoy(name).map(|hash| hash.verify(password));
            return Authentication::Failed;
        };
        let mut remembered = self.remembered.borrow_mut();
        let digest = remembered.digest(user, password, hash);
        if remembered.contains(user, &digest, now) {
            Authentication::Valid(user.clone())
        } else if hash.verify(password) {
            remembered.insert(user, digest, now);
            Authentication::Valid(user.clone())
        } else {
            Authentication::Failed
        }
    }
}

#[cfg(test)]
mod tests;
