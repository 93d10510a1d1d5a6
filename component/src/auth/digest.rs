//! Keyed digests (HMAC-SHA-256, RFC 2104), which an instance keeps instead of names and passwords.
//!
//! The key is random for each instance and never leaves it: nobody can prepare names that share a digest, and digests
//! tell nothing without the key.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::PasswordHash;
use crate::ports::Random;
use crate::secret::Secret;
use crate::token::Username;

/// Stands for a user, a password and the stored hash to verify the password against.
pub(super) type PasswordDigest = [u8; 32];

/// Stands for a user, known or not. Nobody can find two names that share one.
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

    /// Another `hash` of the user gives another digest.
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
