//! The credentials that were accepted: requests with them need no sign-in worker.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use arc_swap::ArcSwap;
use latchkey_component::auth::Credentials;
use latchkey_component::token::Username;

/// The most users whose credentials are known at a time. When there are more, all sign in anew.
const MAX_USERS: usize = 16 << 10;

/// A keyed digest of the credentials of each user who has signed in.
///
/// One for each user, however many spellings of the password the component accepts. Every request reads the map, and few
/// change it: it is replaced as a whole, so that no reader waits.
#[derive(Default)]
pub(super) struct KnownCredentials {
    /// Its key is random: nobody can choose a password whose digest is that of another.
    hasher: RandomState,
    digests: ArcSwap<HashMap<Username, u64>>,
}

impl KnownCredentials {
    pub(super) fn contains(&self, credentials: &Credentials) -> bool {
        let digest = self.digest(credentials);
        self.digests.load().get(&credentials.name) == Some(&digest)
    }

    pub(super) fn admit(&self, credentials: &Credentials) {
        let digest = self.digest(credentials);
        self.digests.rcu(|digests| {
            let mut digests = match digests.len() < MAX_USERS {
                true => HashMap::clone(digests),
                false => HashMap::new(),
            };
            digests.insert(credentials.name.clone(), digest);
            digests
        });
    }

    /// Others of the same user stay known.
    pub(super) fn forget(&self, credentials: &Credentials) {
        let digest = self.digest(credentials);
        self.digests.rcu(|digests| {
            let mut digests = HashMap::clone(digests);
            if digests.get(&credentials.name) == Some(&digest) {
                digests.remove(&credentials.name);
            }
            digests
        });
    }

    fn digest(&self, credentials: &Credentials) -> u64 {
        self.hasher.hash_one(credentials.password.expose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(name: &str, password: &str) -> Credentials {
        Credentials {
            name: name.parse().expect("a user name"),
            password: password.into(),
        }
    }

    #[test]
    fn known_are_those_that_were_accepted_last() {
        let known = KnownCredentials::default();
        let (one, other) = (credentials("ada", "one"), credentials("ada", "other"));
        assert!(!known.contains(&one));
        known.admit(&one);
        assert!(known.contains(&one));
        assert!(!known.contains(&other));
        assert!(!known.contains(&credentials("bob", "one")));
        known.admit(&other);
        assert!(known.contains(&other));
        assert!(!known.contains(&one));
    }

    #[test]
    fn who_guesses_makes_nobody_forgotten() {
        let known = KnownCredentials::default();
        let right = credentials("ada", "right");
        known.admit(&right);
        known.forget(&credentials("ada", "wrong"));
        known.forget(&credentials("bob", "right"));
        assert!(known.contains(&right));
        known.forget(&right);
        assert!(!known.contains(&right));
    }

    #[test]
    fn their_number_is_bounded() {
        let known = KnownCredentials::default();
        let full = (0..MAX_USERS).map(|number| (format!("{number}").parse().expect("a name"), 0));
        known.digests.store(std::sync::Arc::new(full.collect()));
        known.admit(&credentials("ada", "one"));
        assert_eq!(known.digests.load().len(), 1);
        assert!(known.contains(&credentials("ada", "one")));
    }
}
