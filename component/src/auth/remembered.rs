//! Passwords that were verified lately, so that their costly hashes need not be computed at every request.
//!
//! What is kept is not the password but a keyed digest of user, password and stored hash (HMAC-SHA-256, RFC 2104), under
//! a key that the instance draws for itself and that never leaves it. A changed hash makes another digest.

use std::fmt;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::{Password, PasswordHash};
use crate::ports::Random;
use crate::token::{Timestamp, Username};

/// How long a verified password is remembered.
const REMEMBER_FOR: Duration = Duration::from_secs(5 * 60);

pub(super) type PasswordDigest = [u8; 32];

/// The digests of verified passwords: as many as there are users, at most.
pub(super) struct Remembered {
    key: Hmac<Sha256>,
    /// What was verified, and when, by the place of the user.
    verified: Vec<Option<(PasswordDigest, Timestamp)>>,
}

impl Remembered {
    pub(super) fn new(users: usize, random: &impl Random) -> Self {
        let mut key = [0; 32];
        random.fill(&mut key);
        let key = Hmac::new_from_slice(&key).expect("HMAC takes keys of any length");
        Self {
            key,
            verified: vec![None; users],
        }
    }

    /// The digest of a password that would be, or was, verified against `hash`.
    pub(super) fn digest(
        &self,
        user: &Username,
        password: &Password,
        hash: &PasswordHash,
    ) -> PasswordDigest {
        let mut mac = self.key.clone();
        for part in [
            user.as_str().as_bytes(),
            password.as_bytes(),
            hash.as_bytes(),
        ] {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    pub(super) fn contains(&self, place: usize, digest: &PasswordDigest, now: Timestamp) -> bool {
        self.verified[place].is_some_and(|(verified, at)| {
            now.since(at) < REMEMBER_FOR && bool::from(verified.ct_eq(digest))
        })
    }

    pub(super) fn insert(&mut self, place: usize, digest: PasswordDigest, now: Timestamp) {
        self.verified[place] = Some((digest, now));
    }
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remembered(..)")
    }
}
