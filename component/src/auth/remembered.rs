//! Passwords that were verified lately, so that their costly hashes need not be computed at every request.
//!
//! What is kept is not the password but its keyed digest.

use std::time::Duration;

use subtle::ConstantTimeEq;

use super::digest::PasswordDigest;
use crate::token::Timestamp;

/// How long a verified password is remembered without being used.
///
/// Use renews it: otherwise a client at work would have to be verified again and again, and while others guess at its user
/// it would be refused.
const REMEMBER_FOR: Duration = Duration::from_secs(5 * 60);

/// The digests of verified passwords: as many as there are users, at most.
pub(super) struct Remembered {
    /// What was verified, and when it was last used, by the place of the user.
    verified: Vec<Option<(PasswordDigest, Timestamp)>>,
}

impl Remembered {
    pub(super) fn new(users: usize) -> Self {
        Self {
            verified: vec![None; users],
        }
    }

    /// Whether the password of this digest was verified lately. Then it is remembered for longer.
    pub(super) fn recognizes(
        &mut self,
        place: usize,
        digest: &PasswordDigest,
        now: Timestamp,
    ) -> bool {
        match &mut self.verified[place] {
            Some((verified, used))
                if now.since(*used) < REMEMBER_FOR && bool::from(verified.ct_eq(digest)) =>
            {
                *used = now;
                true
            }
            _ => false,
        }
    }

    pub(super) fn insert(&mut self, place: usize, digest: PasswordDigest, now: Timestamp) {
        self.verified[place] = Some((digest, now));
    }
}
