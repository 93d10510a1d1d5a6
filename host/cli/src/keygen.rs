//! Signing keys for the variable `signing_keys`: new ones, and the file that holds them.

pub mod file;

use clap::ValueEnum;
use latchkey_component::jwt::{self, KeySet, KeySetError, PrivateJwk};
use latchkey_component::ports::Random;
use latchkey_component::secret::Secret;
use latchkey_component::text;
use serde::Deserialize;
use serde_json::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeyAlgorithm {
    /// HMAC with SHA-256: who verifies can also sign
    #[value(name = "HS256")]
    Hs256,
    /// Ed25519: the server publishes the key that verifies
    #[value(name = "EdDSA", alias = "Ed25519")]
    EdDsa,
    /// ECDSA with P-256 and SHA-256, for verifiers that know no Ed25519
    #[value(name = "ES256")]
    Es256,
}

impl From<KeyAlgorithm> for jwt::KeyAlgorithm {
    fn from(algorithm: KeyAlgorithm) -> Self {
        match algorithm {
            KeyAlgorithm::Hs256 => Self::Hs256,
            KeyAlgorithm::EdDsa => Self::EdDsa,
            KeyAlgorithm::Es256 => Self::Es256,
        }
    }
}

/// The randomness of the system.
pub struct SystemRandom;

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the system has randomness");
    }
}

/// A JWK Set (RFC 7517, section 5), private members included.
#[derive(Clone, Deserialize)]
pub struct JwkSet {
    keys: Vec<Value>,
}

impl JwkSet {
    /// The set of one new key.
    pub fn generate(algorithm: KeyAlgorithm) -> Self {
        Self {
            keys: vec![generate(algorithm.into())],
        }
    }

    /// Reads what the server takes as `signing_keys`, a JWK Set or an HS256 secret, and puts a new key first: for this
    /// algorithm, or else for that of the present first key.
    pub fn rotated(text: &str, algorithm: Option<KeyAlgorithm>) -> Result<Self, KeySetError> {
        let text = text::trim(text);
        let present = text.parse::<KeySet>()?.algorithm();
        let mut set: Self = serde_json::from_str(text).unwrap_or_else(|_| Self {
            keys: vec![PrivateJwk::from_secret(text.as_bytes()).expose()],
        });
        let algorithm = algorithm.map_or(present, Into::into);
        set.keys.insert(0, generate(algorithm));
        Ok(set)
    }

    /// The text for the variable: a key a line.
    pub fn to_text(&self) -> Secret {
        let keys: Vec<_> = self.keys.iter().map(Value::to_string).collect();
        format!("{{\"keys\":[\n{}\n]}}\n", keys.join(",\n")).into()
    }
}

fn generate(algorithm: jwt::KeyAlgorithm) -> Value {
    PrivateJwk::generate(algorithm, &SystemRandom).expose()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [KeyAlgorithm; 3] = [
        KeyAlgorithm::Hs256,
        KeyAlgorithm::EdDsa,
        KeyAlgorithm::Es256,
    ];

    /// The keys of a set that the server takes.
    fn keys(set: &JwkSet) -> Vec<Value> {
        let text = set.to_text();
        text.expose().parse::<KeySet>().expect("a key set");
        let set: JwkSet = serde_json::from_str(text.expose()).expect("a JWK Set");
        set.keys
    }

    #[test]
    fn the_component_takes_every_key() {
        for algorithm in ALL {
            let one = keys(&JwkSet::generate(algorithm));
            let other = keys(&JwkSet::generate(algorithm));
            assert_eq!(one.len(), 1);
            let kid = one[0]["kid"].as_str().expect("an id");
            assert!(kid.starts_with("latchkey-"), "{kid}");
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_rotation_puts_a_new_key_first() {
        for algorithm in ALL {
            let set = JwkSet::generate(algorithm);
            let before = keys(&set);
            let text = format!("\u{feff}{}", set.to_text().expose());
            let set = JwkSet::rotated(&text, None).expect("rotated");
            let after = keys(&set);
            assert_eq!(after[1..], before);
            assert_eq!(after[0]["alg"], before[0]["alg"]);
            let set = JwkSet::rotated(set.to_text().expose(), Some(KeyAlgorithm::EdDsa));
            let last = keys(&set.expect("rotated"));
            assert_eq!(last[0]["alg"], "EdDSA");
            assert_eq!(last[1..], after);
        }
    }

    #[test]
    fn a_bare_secret_becomes_a_key() {
        for (secret, k) in [
            (
                " 0123456789abcdef0123456789abcdef\n",
                "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY",
            ),
            (
                "\u{feff}0123456789abcdef0123456789abcdef\r\n",
                "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY",
            ),
            (
                "-0123456789abcdef0123456789abcde",
                "LTAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZGU",
            ),
            (
                "\"0123456789abcdef0123456789abcd\"",
                "IjAxMjM0NTY3ODlhYmNkZWYwMTIzNDU2Nzg5YWJjZCI",
            ),
        ] {
            let set = JwkSet::rotated(secret, None).expect("a secret");
            assert_eq!(keys(&set)[1]["k"], k, "{secret}");
        }
    }

    #[test]
    fn what_the_server_refuses_is_left_alone() {
        for text in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"keys":[]}"#,
            r#"{"keys":{}}"#,
            r#"{"keys":[{"kty":"oct","k":"c2hvcnQ"}]}"#,
            "short",
            "-----BEGIN PRIVATE KEY-----0123456789abcdef0123456789abcdef",
        ] {
            assert!(text.parse::<KeySet>().is_err(), "{text}");
            assert!(JwkSet::rotated(text, None).is_err(), "{text}");
        }
    }
}
