//! Tokens: nobody who lacks the keys makes one, nor another spelling of one.

use std::slice;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use latchkey_component::jwt::{Claims, KeyAlgorithm, KeySet, PrivateJwk};
use latchkey_component::token::Timestamp;
use serde_json::json;
use sha2::Sha256;

use super::ports::Counter;

/// When all of it happens.
pub const NOW: Timestamp = Timestamp::new(Duration::from_millis(1_662_720_135_250));

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// The claims of the source document's example.
pub fn claims() -> Claims {
    Claims {
        username: "admin".to_owned(),
        jwt_token_id: "b56929f3-54f1-4dc2-9984-9bba615e26e6"
            .parse()
            .expect("an id"),
        jwt_token_description: "Token specter".to_owned(),
        exp: 1_662_741_735,
        iat: 1_662_720_135,
        iss: None,
        sub: None,
        jti: None,
        aud: None,
        scope: None,
    }
}

/// A set of each kind: a secret, one key of each algorithm, and several keys. With each a token that it signed.
struct Sets(Vec<(KeySet, String)>);

thread_local! {
    static SETS: Sets = Sets::new();
}

impl Sets {
    fn new() -> Self {
        let [hmac, eddsa, es256] = [
            KeyAlgorithm::Hs256,
            KeyAlgorithm::EdDsa,
            KeyAlgorithm::Es256,
        ]
        .map(|algorithm| PrivateJwk::generate(algorithm, &Counter::default()).expose());
        let set = |keys: &[_]| {
            json!({ "keys": keys })
                .to_string()
                .parse::<KeySet>()
                .expect("keys")
        };
        let sets = vec![
            KeySet::from_secret(SECRET).expect("a secret"),
            set(slice::from_ref(&eddsa)),
            set(slice::from_ref(&es256)),
            set(&[hmac, eddsa, es256]),
        ];
        let sign = |keys: KeySet| {
            let token = keys.sign(&claims()).expose().to_owned();
            (keys, token)
        };
        Self(sets.into_iter().map(sign).collect())
    }

    /// Whether any set verifies `token`. What it verifies is what one of them signed.
    fn accept(&self, token: &str) -> bool {
        let verified = self
            .0
            .iter()
            .find_map(|(keys, _)| keys.verify(token, NOW).ok());
        let Some(claims) = verified else { return false };
        assert!(claims.exp > NOW.as_secs());
        let again = |(keys, _): &(KeySet, _)| keys.sign(&claims).expose() == token;
        assert!(self.0.iter().any(again), "another spelling: {token}");
        true
    }
}

/// The input is a token, what a key signs as header and claims, and changes of a token that was signed.
pub fn check(input: &[u8]) {
    SETS.with(|sets| {
        if let Ok(text) = std::str::from_utf8(input) {
            sets.accept(text);
        }
        signed_by_hand(&sets.0[0].0, input);
        changed(sets, input);
    });
}

/// Signs anything: the header before the first newline, and the claims behind it.
fn signed_by_hand(keys: &KeySet, input: &[u8]) {
    let split = input.iter().position(|byte| *byte == b'\n');
    let Some((header, claims)) = split.map(|at| (&input[..at], &input[at + 1..])) else {
        return;
    };
    let message = [header, claims]
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .join(".");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).expect("any length");
    mac.update(message.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    let token = format!("{message}.{signature}");
    if let Ok(read) = keys.verify(&token, NOW) {
        assert!(read.exp > NOW.as_secs());
        let header: serde_json::Value = serde_json::from_slice(header).expect("JSON");
        assert_eq!(
            (&header["typ"], &header["alg"]),
            (&json!("JWT"), &json!("HS256"))
        );
        // Nothing was left out of the claims.
        let given: serde_json::Value = serde_json::from_slice(claims).expect("JSON");
        assert_eq!(serde_json::to_value(&read).expect("JSON"), given);
        assert_eq!(keys.verify(keys.sign(&read).expose(), NOW), Ok(read));
    }
}

/// Changes a token: each three bytes are a place and a character.
fn changed(sets: &Sets, input: &[u8]) {
    let Some((which, changes)) = input.split_first() else {
        return;
    };
    let (_, good) = &sets.0[usize::from(*which) % sets.0.len()];
    let mut token = good.clone().into_bytes();
    for change in changes.chunks_exact(3) {
        let place = usize::from(u16::from_le_bytes([change[0], change[1]])) % token.len();
        token[place] = change[2] & 0x7f;
    }
    let token = String::from_utf8(token).expect("ASCII");
    assert_eq!(sets.accept(&token), token == *good, "{token}");
}
