//! Requests that a client may repeat without a second effect: the header `Idempotency-Key`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::lifetime::Lifetime;
use crate::token::{Audience, Description, Limits, Means, Provenance};

/// A client's name for a request that it may repeat: 1 to 128 printable ASCII characters.
///
/// Kept as a digest, as it may hold something private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(Digest);

impl IdempotencyKey {
    /// The most characters that a key may have.
    pub const MAX_CHARS: usize = 128;

    /// The digest that stands for the key.
    pub const fn digest(self) -> Digest {
        self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidIdempotencyKey;

    fn from_str(key: &str) -> Result<Self, InvalidIdempotencyKey> {
        let printable = key.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if printable && (1..=Self::MAX_CHARS).contains(&key.len()) {
            Ok(Self(Digest::of(&[key.as_bytes()])))
        } else {
            Err(InvalidIdempotencyKey)
        }
    }
}

/// The string is no [`IdempotencyKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be 1 to {} printable ASCII characters",
    IdempotencyKey::MAX_CHARS
)]
pub struct InvalidIdempotencyKey;

/// The first 128 bits of a SHA-256 digest (FIPS 180-4).
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(u128);

impl Digest {
    /// The digest of what a creation asks for.
    pub fn of_creation(
        description: &Description,
        lifetime: Lifetime,
        limits: &Limits,
        provenance: &Provenance,
    ) -> Self {
        let life = lifetime.as_secs().to_le_bytes();
        let mut parts = vec![&life[..], description.as_str().as_bytes()];
        // None of the texts has a control character. Without limits it is what it was before there were any.
        if let Some(scope) = &limits.scope {
            parts.extend([&b"\0"[..], scope.as_str().as_bytes()]);
        }
        for name in limits.audience.iter().flat_map(Audience::names) {
            parts.extend([&b"\x01"[..], name.as_bytes()]);
        }
        // Neither may who signed in otherwise, or made it for somebody else, be given the token of another.
        let Provenance { means, by } = provenance;
        match means {
            Means::Password => {}
            Means::Proxy => parts.push(b"\x02"),
            Means::Issuer(name) => parts.extend([&b"\x03"[..], name.as_bytes()]),
        }
        if let Some(by) = by {
            parts.extend([&b"\x04"[..], by.as_str().as_bytes()]);
        }
        Self::of(&parts)
    }

    fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        let first = hash.finalize().into_iter().take(16);
        Self(first.fold(0, |bits, byte| bits << 8 | u128::from(byte)))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({:032x})", self.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = std::num::ParseIntError;

    fn try_from(hex: String) -> Result<Self, Self::Error> {
        u128::from_str_radix(&hex, 16).map(Self)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        format!("{:032x}", digest.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        let longest = "k".repeat(128);
        for good in [" ", "~", "a b", "9c0b-…".trim_end_matches('…'), &longest] {
            assert!(good.parse::<IdempotencyKey>().is_ok(), "{good:?}");
        }
        for bad in ["", "\t", "ü", "a\u{7f}", &(longest + "k")] {
            assert_eq!(
                bad.parse::<IdempotencyKey>(),
                Err(InvalidIdempotencyKey),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn digests_are_those_of_sha256() {
        // echo -n abc | sha256sum
        let digest = "abc".parse::<IdempotencyKey>().unwrap().digest();
        assert_eq!(String::from(digest), "ba7816bf8f01cfea414140de5dae2223");
        assert_eq!(Digest::try_from(String::from(digest)), Ok(digest));
    }
}
