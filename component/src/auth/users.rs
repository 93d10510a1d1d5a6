//! Who may sign in, and with which password.

use super::PasswordHash;
use crate::token::Username;

/// The users, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Users(Vec<User>);

/// An entry of the variable `users`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) name: Username,
    pub(crate) hash: PasswordHash,
    /// When the name was given to its user, in seconds since the Unix epoch; 0 if the entry does not say it.
    pub(crate) since: u64,
}

impl Users {
    /// These users; the configuration sees to it that none is there twice.
    pub(crate) fn new(mut users: Vec<User>) -> Self {
        users.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        Self(users)
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &Username> {
        self.0.iter().map(|user| &user.name)
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The user of this name.
    pub fn named(&self, name: &str) -> Option<&Username> {
        let index = self.0.binary_search_by(|user| user.name.as_str().cmp(name));
        index.ok().map(|index| self.name(index))
    }

    /// When the name was given to its user, in seconds since the Unix epoch: a token that is older was that of another user
    /// of the name. 0 if it is not known.
    pub fn since(&self, name: &Username) -> u64 {
        self.find(name).map_or(0, |index| self.0[index].since)
    }

    /// The index of a user.
    pub(super) fn find(&self, name: &Username) -> Option<usize> {
        self.0.binary_search_by(|user| user.name.cmp(name)).ok()
    }

    pub(super) fn name(&self, index: usize) -> &Username {
        &self.0[index].name
    }

    pub(super) fn hash(&self, index: usize) -> &PasswordHash {
        &self.0[index].hash
    }

    /// Whether any user has a password that somebody chose.
    pub(super) fn any_chosen(&self) -> bool {
        self.chosen().next().is_some()
    }

    /// The hash that the password of an unknown user is verified against, for the time it takes: one of the hashes of
    /// chosen passwords, of which there is at least one.
    ///
    /// `choose` returns a number below the one that it is given, for each name always the same: where hashes differ in
    /// cost, an unknown name costs the same at every request, as a known one does. Nobody outside can predict it.
    pub(super) fn decoy(&self, choose: impl Fn(usize) -> usize) -> &PasswordHash {
        let pick = choose(self.chosen().count());
        self.chosen().nth(pick).unwrap_or_else(|| self.hash(0))
    }

    fn chosen(&self) -> impl Iterator<Item = &PasswordHash> {
        self.0
            .iter()
            .map(|user| &user.hash)
            .filter(|hash| hash.is_chosen())
    }
}
