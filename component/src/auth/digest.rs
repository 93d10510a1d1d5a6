//! Keyed digests (BLAKE2b, RFC 7693), which are kept instead of names and passwords.
//!
//! Nobody can prepare names that share a digest, and digests tell nothing without the key. Passwords are digested with a
//! random key, which never leaves its instance. What is in the store, or has to be the same after a restart, is digested
//! with a key that is derived from the signing key.
//!
//! Every request with a password computes one. WebAssembly has instructions for 64 bits and none for hashing: HMAC-SHA-256 takes
//! twice as long there, if both are compiled for speed.

use blake2::Blake2bMac;
use blake2::digest::consts::U32;
use blake2::digest::{KeyInit, Mac};
use serde::{Deserialize, Serialize};

use super::{ClientNetwork, PasswordHash};
use crate::ports::Random;
use crate::secret::Secret;
use crate::token::Username;

/// Stands for a user, a password and the stored hash to verify the password against.
pub(super) type PasswordDigest = [u8; 32];

/// Stands for the clients in one network that sign in by one name, known or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ClientDigest(u64);

/// Where the failures of a name are counted, known or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot(pub(super) u16);

/// How many slots there are: guessing names cannot fill the store.
const SLOTS: u64 = 4_096;

/// A key of digests.
#[derive(Clone)]
pub struct DigestKey(Blake2bMac<U32>);

impl DigestKey {
    /// A key that no other instance has.
    pub fn random(random: &impl Random) -> Self {
        let mut key = [0; 32];
        random.fill(&mut key);
        Self::new(&key)
    }

    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(Blake2bMac::new_from_slice(key).expect("BLAKE2b takes keys of up to 64 bytes"))
    }

    /// Another `hash` of the user gives another digest; a user without one has none.
    pub(super) fn password(
        &self,
        user: &Username,
        password: &Secret,
        hash: Option<&PasswordHash>,
    ) -> PasswordDigest {
        self.digest(&[
            user.as_str().as_bytes(),
            password.expose().as_bytes(),
            hash.map_or(&[], PasswordHash::as_bytes),
        ])
    }

    pub(super) fn slot(&self, name: &Username) -> Slot {
        let number = self.number(&[b"slot", name.as_str().as_bytes()]);
        Slot((number % SLOTS) as u16)
    }

    /// A client whose network is not known is taken for one with all others like it.
    pub(super) fn client(&self, name: &Username, network: Option<ClientNetwork>) -> ClientDigest {
        let network = network.map(ClientNetwork::octets);
        let network = network.as_ref().map_or(&[][..], |octets| octets);
        ClientDigest(self.number(&[b"client", name.as_str().as_bytes(), network]))
    }

    /// Chooses one of `count` decoys for a name that no user has: always the same.
    pub(super) fn decoy(&self, name: &Username, count: usize) -> usize {
        let number = self.number(&[b"decoy", name.as_str().as_bytes()]);
        (number % count as u64) as usize
    }

    fn number(&self, parts: &[&[u8]]) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.digest(parts);
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// Other parts give another digest, also where they are the same when joined.
    pub fn digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}
