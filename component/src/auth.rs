//! Who is asking: HTTP Basic authentication (RFC 7617) against the configured users.

mod credentials;
mod password;
mod remembered;

use std::cell::RefCell;

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

/// The users and the hashes of their passwords, by name. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Users(Vec<(Username, PasswordHash)>);

impl Users {
    /// These users; the configuration sees to it that there are any, and none twice.
    pub(crate) fn new(mut users: Vec<(Username, PasswordHash)>) -> Self {
        debug_assert!(!users.is_empty());
        users.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Self(users)
    }

    /// The user of this name.
    pub fn named(&self, name: &str) -> Option<&Username> {
        self.find(name).map(|place| &self.0[place].0)
    }

    /// The place of a user among all.
    fn find(&self, name: &str) -> Option<usize> {
        self.0
            .binary_search_by(|(user, _)| user.as_str().cmp(name))
            .ok()
    }

    /// The hash that the password of an unknown user is verified against, for the time it takes.
    ///
    /// Chosen by the name, the same at every request: where hashes differ in cost, an unknown name looks like one of the
    /// known ones.
    fn decoy(&self, name: &str) -> &PasswordHash {
        let digest = Sha256::digest(name.as_bytes());
        let users = self.0.len();
        let pick = digest
            .iter()
            .fold(0, |rest, byte| ((rest << 8) | usize::from(*byte)) % users);
        &self.0[pick].1
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
        let remembered = RefCell::new(Remembered::new(users.0.len(), random));
        Self { users, remembered }
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
        let Some(place) = self.users.find(name) else {
            self.users.decoy(name).verify(password);
            return Authentication::Failed;
        };
        let (user, hash) = &self.users.0[place];
        let mut remembered = self.remembered.borrow_mut();
        let digest = remembered.digest(user, password, hash);
        if remembered.contains(place, &digest, now) {
            Authentication::Valid(user.clone())
        } else if hash.verify(password) {
            remembered.insert(place, digest, now);
            Authentication::Valid(user.clone())
        } else {
            Authentication::Failed
        }
    }
}

#[cfg(test)]
mod tests;
