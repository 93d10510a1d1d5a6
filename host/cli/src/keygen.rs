//! Signing keys for the variable `signing_keys`: new ones, and the file that holds them.

mod file;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::ValueEnum;
use serde_json::{Map, Value, json};

use latchkey_host::secret::Secret;

pub use file::rotate;

/// What a key is for.
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

/// The system has no randomness to give.
#[derive(Debug, thiserror::Error)]
#[error("cannot make a key: {0}")]
pub struct KeygenError(#[from] getrandom::Error);

/// A JWK Set (RFC 7517, section 5), private members included.
#[derive(Clone)]
pub struct JwkSet(Vec<Value>);

impl JwkSet {
    /// The set of one new key.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<Self, KeygenError> {
        Ok(Self(vec![generate(algorithm)?]))
    }

    /// Reads what the variable may hold: a JWK Set, or an HS256 secret as it stands. `None` if it is neither.
    ///
    /// The component looks at it more closely; here, nothing of it may be lost.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if !text.starts_with(['{', '[', '-']) && !text.is_empty() {
            return Some(Self(vec![symmetric(text.as_bytes())]));
        }
        let mut set: Map<String, Value> = serde_json::from_str(text).ok()?;
        match set.remove("keys") {
            Some(Value::Array(keys)) if !keys.is_empty() => Some(Self(keys)),
            _ => None,
        }
    }

    /// Puts a new key first: of this algorithm, or else of that of the first.
    pub fn rotate(&mut self, algorithm: Option<KeyAlgorithm>) -> Result<(), KeygenError> {
        let algorithm = algorithm.unwrap_or_else(|| match self.0[0]["kty"].as_str() {
            Some("OKP") => KeyAlgorithm::EdDsa,
            Some("EC") => KeyAlgorithm::Es256,
            _ => KeyAlgorithm::Hs256,
        });
        self.0.insert(0, generate(algorithm)?);
        Ok(())
    }

    /// The text for the variable: a key a line.
    pub fn to_text(&self) -> Secret {
        let keys: Vec<_> = self.0.iter().map(Value::to_string).collect();
        format!("{{\"keys\":[\n{}\n]}}\n", keys.join(",\n")).into()
    }
}

fn generate(algorithm: KeyAlgorithm) -> Result<Value, KeygenError> {
    let mut secret = [0; 32];
    loop {
        getrandom::fill(&mut secret)?;
        let key = match algorithm {
            KeyAlgorithm::Hs256 => Some(symmetric(&secret)),
            KeyAlgorithm::EdDsa => Some(ed25519(&secret)),
            KeyAlgorithm::Es256 => p256(&secret),
        };
        if let Some(key) = key {
            return Ok(key);
        }
    }
}

fn symmetric(secret: &[u8]) -> Value {
    json!({ "kty": "oct", "use": "sig", "alg": "HS256", "k": encode(secret) })
}

fn ed25519(seed: &[u8; 32]) -> Value {
    let key = ed25519_dalek::SigningKey::from_bytes(seed);
    json!({
        "kty": "OKP",
        "use": "sig",
        "alg": "EdDSA",
        "crv": "Ed25519",
        "x": encode(key.verifying_key().as_bytes()),
        "d": encode(seed),
    })
}

/// `None` for the one number in 2^32 that is not below the order of the curve.
fn p256(d: &[u8; 32]) -> Option<Value> {
    let key = p256::ecdsa::SigningKey::from_slice(d).ok()?;
    let point = key.verifying_key().to_sec1_point(false);
    Some(json!({
        "kty": "EC",
        "use": "sig",
        "alg": "ES256",
        "crv": "P-256",
        "x": encode(point.x()?),
        "y": encode(point.y()?),
        "d": encode(d),
    }))
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use latchkey_component::jwt::KeySet;

    use super::*;

    const ALL: [KeyAlgorithm; 3] = [
        KeyAlgorithm::Hs256,
        KeyAlgorithm::EdDsa,
        KeyAlgorithm::Es256,
    ];

    fn keys(set: &JwkSet) -> Vec<Value> {
        let text = set.to_text();
        text.expose()
            .parse::<KeySet>()
            .expect("the component takes it");
        JwkSet::parse(text.expose()).expect("a JWK Set").0
    }

    #[test]
    fn the_component_takes_every_key() {
        for algorithm in ALL {
            let one = keys(&JwkSet::generate(algorithm).expect("randomness"));
            let other = keys(&JwkSet::generate(algorithm).expect("randomness"));
            assert_eq!(one.len(), 1);
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_rotation_puts_a_new_key_first() {
        for algorithm in ALL {
            let mut set = JwkSet::generate(algorithm).expect("randomness");
            let before = keys(&set);
            set.rotate(None).expect("randomness");
            let after = keys(&set);
            assert_eq!(after[1..], before);
            assert_eq!(after[0]["alg"], before[0]["alg"]);
            set.rotate(Some(KeyAlgorithm::EdDsa)).expect("randomness");
            assert_eq!(keys(&set)[0]["alg"], "EdDSA");
            assert_eq!(keys(&set)[1..], after);
        }
    }

    #[test]
    fn a_bare_secret_becomes_a_key() {
        let set = JwkSet::parse(" 0123456789abcdef0123456789abcdef\n").expect("a secret");
        assert_eq!(
            keys(&set)[0]["k"],
            "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"
        );
    }

    #[test]
    fn what_is_no_key_set_is_left_alone() {
        for text in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"keys":[]}"#,
            r#"{"keys":{}}"#,
            "-----BEGIN X",
        ] {
            assert!(JwkSet::parse(text).is_none(), "{text}");
        }
    }
}
