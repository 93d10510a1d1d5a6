//! Tokens of others.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::keys::{ED25519, ED25519_PUBLIC, P256, set};
use super::*;

/// The key and the token of RFC 7515, appendix A.2.
const N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const RS256: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

fn rsa() -> serde_json::Value {
    json!({ "kty": "RSA", "n": N, "e": "AQAB" })
}

fn public(jwk: &str) -> serde_json::Value {
    let mut jwk: serde_json::Value = serde_json::from_str(jwk).unwrap();
    jwk.as_object_mut().unwrap().remove("d");
    jwk
}

fn keys(keys: &[serde_json::Value]) -> TrustedKeys {
    TrustedKeys::parse(&json!({ "keys": keys })).unwrap()
}

/// A token of this header, signed by the first key of a set of this one.
fn signed(jwk: &str, header: &str) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(r#"{"iss":"x"}"#)
    );
    let signature = set(&[jwk]).signature(message.as_bytes());
    format!("{message}.{signature}")
}

#[test]
fn the_three_algorithms_and_the_key_of_the_kid() {
    let all = keys(&[
        json!({ "kty": "RSA", "n": N, "e": "AQAB", "kid": "r", "use": "sig", "alg": "RS256", "x5t": "-" }),
        public(ED25519),
        public(P256),
    ]);
    assert!(keys(&[rsa()]).have_signed(RS256));
    // Without a name there must be no choice.
    assert!(!all.have_signed(RS256));
    let ed25519 = keys(&[public(ED25519)]);
    for (header, good) in [
        (r#"{"alg":"EdDSA"}"#, true),
        (
            r#"{"alg":"EdDSA","typ":"jwt","x5t":"-","jku":"https://evil.example"}"#,
            true,
        ),
        (r#"{"alg":"EdDSA","kid":"other"}"#, false),
        (r#"{"alg":"EdDSA","kid":null}"#, false),
        (r#"{"alg":"EdDSA","kid":["1"]}"#, false),
        (r#"{"alg":"EdDSA","typ":"at+jwt"}"#, false),
        (r#"{"alg":"EdDSA","crit":["exp"],"exp":1}"#, false),
        (r#"{"alg":"EdDSA","crit":[]}"#, false),
        (r#"{"alg":"EdDSA","crit":null}"#, false),
        (r#"{"alg":"eddsa"}"#, false),
        (r#"{"alg":"none"}"#, false),
        (r#"{"alg":"HS256"}"#, false),
        (r#"{"alg":"RS256"}"#, false),
        (r#"{"alg":"ES256"}"#, false),
        (r#"{"alg":"EdDSA","alg":"EdDSA"}"#, false),
        (r#"{}"#, false),
        (r#"[]"#, false),
    ] {
        assert_eq!(
            ed25519.have_signed(&signed(ED25519, header)),
            good,
            "{header}"
        );
    }
    let kid = public(P256)["kid"].as_str().unwrap().to_owned();
    let header = format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#);
    assert!(all.have_signed(&signed(P256, &header)));
    assert!(!all.have_signed(&signed(ED25519, &header)));
}

#[test]
fn either_half_of_the_signatures_of_others() {
    let token = signed(P256, r#"{"alg":"ES256"}"#);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let signature = p256::ecdsa::Signature::from_slice(&signature).unwrap();
    let high = p256::ecdsa::Signature::from_scalars(signature.r(), -*signature.s()).unwrap();
    let high = format!("{message}.{}", URL_SAFE_NO_PAD.encode(high.to_bytes()));
    let keys = keys(&[public(P256)]);
    assert_ne!(token, high);
    assert!(keys.have_signed(&token) && keys.have_signed(&high));
}

#[test]
fn ten_thousand_mutations() {
    let ed25519 = signed(ED25519, r#"{"alg":"EdDSA"}"#);
    let es256 = signed(P256, r#"{"alg":"ES256"}"#);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for (token, key, rounds) in [
        (RS256, rsa(), 2_000),
        (&ed25519, public(ED25519_PUBLIC), 4_000),
        (&es256, public(P256), 4_000),
    ] {
        let keys = keys(&[key]);
        assert!(keys.have_signed(token));
        for _ in 0..rounds {
            let mut bytes = token.as_bytes().to_vec();
            let place = draw(bytes.len());
            match draw(4) {
                0 => bytes[place] ^= 1 << draw(7),
                1 => drop(bytes.remove(place)),
                2 => bytes.insert(place, b"-_.=Aaz09"[draw(9)]),
                _ => {
                    let other = draw(bytes.len());
                    bytes.swap(place, other);
                }
            }
            let mutated = String::from_utf8(bytes).unwrap();
            assert!(
                mutated == *token || !keys.have_signed(&mutated),
                "{mutated}"
            );
        }
    }
}

#[test]
fn keys_that_cannot_be_trusted() {
    let short = "x".repeat(172);
    let long = "x".repeat(1_368);
    for (key, problem) in [
        (json!({ "kty": "oct", "k": "x" }), KeyError::NotPublic),
        (serde_json::from_str(ED25519).unwrap(), KeyError::NotPublic),
        (
            json!({ "kty": "RSA", "n": N, "e": "AQAB", "qi": "x" }),
            KeyError::NotPublic,
        ),
        (json!({ "kty": "oct" }), KeyError::PublicType),
        (json!({ "kty": "RSA", "n": N }), KeyError::Missing("e")),
        (
            json!({ "kty": "RSA", "n": N, "e": "AQAB=" }),
            KeyError::Encoding("e"),
        ),
        (
            json!({ "kty": "RSA", "n": short, "e": "AQAB" }),
            KeyError::RsaKey,
        ),
        (
            json!({ "kty": "RSA", "n": long, "e": "AQAB" }),
            KeyError::RsaKey,
        ),
        (json!({ "kty": "RSA", "n": N, "e": "AQ" }), KeyError::RsaKey),
        (json!({ "kty": "RSA", "n": N, "e": N }), KeyError::RsaKey),
        (json!({ "kty": "RSA", "n": "", "e": "" }), KeyError::RsaKey),
        (
            json!({ "kty": "RSA", "n": N, "e": "AQAB", "alg": "PS256" }),
            KeyError::Algorithm("RS256"),
        ),
        (
            json!({ "kty": "RSA", "n": N, "e": "AQAB", "use": "x" }),
            KeyError::Use,
        ),
        (
            json!({ "kty": "RSA", "n": N, "e": "AQAB", "key_ops": "verify" }),
            KeyError::Operations("verify"),
        ),
        (rsa(), KeyError::DuplicateId),
    ] {
        let set = json!({ "keys": [rsa(), key] });
        let refused = TrustedKeys::parse(&set).map(drop);
        assert_eq!(refused, Err(KeySetError::Key(2, problem)), "{key}");
    }
    // Issuers publish keys for encryption beside the others.
    let mut encrypts = rsa();
    encrypts["use"] = "enc".into();
    encrypts["alg"] = "RSA-OAEP".into();
    assert!(keys(&[encrypts.clone(), rsa()]).have_signed(RS256));
    let alone = TrustedKeys::parse(&json!({ "keys": [encrypts] })).map(drop);
    assert_eq!(alone, Err(KeySetError::Empty));
}
