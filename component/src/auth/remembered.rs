//! Keyed digests of passwords that were verified lately: their costly hashes need not be computed at every request.

use std::time::Duration;

use subtle::ConstantTimeEq;

use super::digest::PasswordDigest;
use crate::token::Timestamp;

/// How long a verified password is remembered without being used.
///
/// Use renews it: otherwise a client would have to be verified again and again, and would be refused while others guess
/// at its user's password.
const REMEMBER_FOR: Duration = Duration::from_secs(5 * 60);

/// At most one digest for each user.
pub(super) struct Remembered {
    /// The digest and the time of its last use, by the index of the user.
    verified: Vec<Option<(PasswordDigest, Timestamp)>>,
}

impl Remembered {
    pub(super) fn new(users: usize) -> Self {
        Self {
            verified: vec![None; users],
        }
    }

    /// The same for `users` users; `from` tells which of the former ones each is.
    pub(super) fn rearranged(&self, users: usize, from: impl Fn(usize) -> Option<usize>) -> Self {
        let verified = (0..users).map(|user| from(user).and_then(|former| self.verified[former]));
        Self {
            verified: verified.collect(),
        }
    }

    /// Whether the password of this digest was verified lately. If so, remembers it for longer.
    pub(super) fn recognizes(
        &mut self,
        user: usize,
        digest: &PasswordDigest,
        now: Timestamp,
    ) -> bool {
        match &mut self.verified[user] {
            Some((verified, used))
                if now.since(*used) < REMEMBER_FOR && bool::from(verified.ct_eq(digest)) =>
            {
                *used = now;
                true
            }
            _ => false,
        }
    }

    pub(super) fn insert(&mut self, user: usize, digest: PasswordDigest, now: Timestamp) {
        self.verified[user] = Some((digest, now));
    }
}
