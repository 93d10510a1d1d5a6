//! Who may sign in, and with which password.

use sha2::{Digest, Sha256};

use super::PasswordHash;
use crate::token::Username;

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

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The user of this name.
    pub fn named(&self, name: &str) -> Option<&Username> {
        let place = self.0.binary_search_by(|(user, _)| user.as_str().cmp(name));
        place.ok().map(|place| self.name(place))
    }

    /// The place of a user among all.
    pub(super) fn find(&self, name: &Username) -> Option<usize> {
        self.0.binary_search_by(|(user, _)| user.cmp(name)).ok()
    }

    /// The user at a place.
    pub(super) fn name(&self, place: usize) -> &Username {
        &self.0[place].0
    }

    /// The hash of the password of the user at a place.
    pub(super) fn hash(&self, place: usize) -> &PasswordHash {
        &self.0[place].1
    }

    /// The hash that the password of an unknown user is verified against, for the time it takes.
    ///
    /// Chosen by the name, the same at every request: where hashes differ in cost, an unknown name looks like one of the
    /// known ones.
    pub(super) fn decoy(&self, name: &Username) -> &PasswordHash {
        let digest = Sha256::digest(name.as_str().as_bytes());
        let users = self.0.len();
        let pick = digest
            .iter()
            .fold(0, |rest, byte| ((rest << 8) | usize::from(*byte)) % users);
        self.hash(pick)
    }
}
