//! Keyed digests of names and passwords (HMAC-SHA-256, RFC 2104): what an instance keeps instead of them.
//!
//! The key is drawn at random for each instance and never leaves it: nobody can prepare names that share a digest, and
//! what is kept tells nothing without the key.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::PasswordHash;
use crate::ports::Random;
use crate::secret::Secret;
use crate::token::Username;

/// Stands for a user, a password and the stored hash that the password would be, or was, verified against.
pub(super) type PasswordDigest = [u8; 32];

/// Stands for a user, known or not. No two names that anybody comes across share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NameDigest(u64);

/// The key of all digests of an instance.
pub(super) struct DigestKey(Hmac<Sha256>);

impl DigestKey {
    pub(super) fn new(random: &impl Random) -> Self {
        let mut key = [0; 32];
        random.fill(&mut key);
        Self(Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"))
    }

    /// The digest of `password` as that of `user`. A changed hash makes another one.
    pub(super) fn password(
        &self,
        user: &Username,
        password: &Secret,
        hash: &PasswordHash,
    ) -> PasswordDigest {
        self.digest(&[
            user.as_str().as_bytes(),
            password.expose().as_bytes(),
            hash.as_bytes(),
        ])
    }

    /// The digest of a name.
    pub(super) fn name(&self, user: &Username) -> NameDigest {
        let [a, b, c, d, e, f, g, h, ..] = self.digest(&[user.as_str().as_bytes()]);
        NameDigest(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }

    fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}
