//! The token itself: a JWT (RFC 7519) in JWS compact serialisation (RFC 7515).

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::cases::Cases;
use crate::server::{Launch, Server, host_only};

/// The header of the source document's example token.
const HEADER: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9";

const KEY: &str = "a secret of more than 32 bytes, for HS256";
const OTHER_KEY: &str = "another secret of more than 32 bytes, for HS256";

/// Whether the token's signature is that of this key (HMAC with SHA-256, RFC 7518, section 3.2).
pub fn verifies(token: &str, key: &[u8]) -> bool {
    let (signed, signature) = token.rsplit_once('.').expect("a signature");
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(signed.as_bytes());
    mac.verify_slice(&signature).is_ok()
}

/// A segment of the token as text.
pub fn segment(token: &str, number: usize) -> String {
    let segments: Vec<_> = token.split('.').collect();
    assert_eq!(segments.len(), 3, "{token}");
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(segments[number])
        .expect("base64url without padding");
    String::from_utf8(bytes).expect("UTF-8")
}

fn integer(claims: &Value, name: &str) -> u64 {
    claims[name]
        .as_u64()
        .unwrap_or_else(|| panic!("{name} is no integer: {claims}"))
}

#[test]
fn the_header_of_the_source_document() {
    let user = Server::shared().user();
    let issued = user.issue("Token specter", "6 hours");
    assert_eq!(issued.token.split('.').next(), Some(HEADER));
    assert_eq!(segment(&issued.token, 0), r#"{"typ":"JWT","alg":"HS256"}"#);
}

#[test]
fn the_claims_of_the_source_document_in_their_order() {
    let user = Server::shared().user();
    let mut cases = Cases::default();
    for (description, life) in [
        ("Token specter", 21_600),
        ("quotes \" and \\", 1),
        ("one year", 31_536_000),
    ] {
        let issued = user.issue(description, life);
        let payload = segment(&issued.token, 1);
        let claims: Value = serde_json::from_str(&payload).expect("JSON");
        let (exp, iat) = (integer(&claims, "exp"), integer(&claims, "iat"));
        cases.check(description, exp - iat, life);
        let [name, id, description] =
            [user.name.as_str(), &issued.id, description].map(|text| json!(text).to_string());
        let expected = format!(
            r#"{{"username":{name},"jwt_token_id":{id},"jwt_token_description":{description},"exp":{exp},"iat":{iat}}}"#
        );
        cases.check(description, payload, expected);
    }
}

#[test]
fn issued_now() {
    use std::time::{SystemTime, UNIX_EPOCH};
    let now = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970")
            .as_secs()
    };
    let user = Server::shared().user();
    // A given server may run on another machine, whose clock is a little off.
    let given = std::env::var_os("LATCHKEY_URL").is_some();
    let tolerance = if given { 300 } else { 0 };
    let before = now();
    let issued = user.issue("Token", 360);
    let after = now();
    let claims: Value = serde_json::from_str(&segment(&issued.token, 1)).expect("JSON");
    let iat = integer(&claims, "iat");
    assert!(
        (before - tolerance..=after + tolerance).contains(&iat),
        "{before} {iat} {after}"
    );
}

#[test]
fn expiry_and_remaining_life_are_the_same_time() {
    let user = Server::shared().user();
    let issued = user.issue("Token", 360);
    let claims: Value = serde_json::from_str(&segment(&issued.token, 1)).expect("JSON");
    let shown = user.show(&issued.id).expect(200).json();
    let remaining = shown["jwt_token_life_remaining"]
        .as_f64()
        .expect("a number");
    // The clock is the server's: its life ends with the claim `exp`, so less than `life` remains of the second `iat`.
    assert!(
        remaining <= (integer(&claims, "exp") - integer(&claims, "iat")) as f64,
        "{shown} {claims}"
    );
}

#[test]
fn signed_with_the_configured_secret() {
    if !host_only("a signing key of its own") {
        return;
    }
    let server = Server::start(Launch::new().variable("signing_keys", KEY));
    let user = server.user();
    let [first, second] = ["first", "second"].map(|description| user.issue(description, 360).token);
    assert!(verifies(&first, KEY.as_bytes()));
    assert!(verifies(&second, KEY.as_bytes()));
    assert!(!verifies(&first, OTHER_KEY.as_bytes()));
    assert_eq!(first.split('.').next(), Some(HEADER));
}

#[test]
fn a_key_of_its_own_where_none_is_configured() {
    if !host_only("two servers") {
        return;
    }
    // No default secret, such as an empty one, that everybody knows; and no two installations share one.
    let token = Server::shared().user().issue("Token", 360).token;
    for known in [
        "",
        "secret",
        "changeme",
        "latchkey",
        "\0".repeat(32).as_str(),
    ] {
        assert!(!verifies(&token, known.as_bytes()), "{known:?}");
    }
}

#[test]
fn a_key_set_of_one_key_needs_no_key_id() {
    if !host_only("signing keys of its own") {
        return;
    }
    let keys = json!({ "keys": [jwk("only", KEY)] }).to_string();
    let server = Server::start(Launch::new().variable("signing_keys", &keys));
    let token = server.user().issue("Token", 360).token;
    assert!(verifies(&token, KEY.as_bytes()));
    assert_eq!(segment(&token, 0), r#"{"typ":"JWT","alg":"HS256"}"#);
}

#[test]
fn the_first_key_of_a_set_signs() {
    if !host_only("signing keys of its own") {
        return;
    }
    let mut cases = Cases::default();
    for (first, second, kid) in [(KEY, OTHER_KEY, "2026"), (OTHER_KEY, KEY, "ключ \"2027\"")] {
        let keys = json!({ "keys": [jwk(kid, first), jwk("older", second)] }).to_string();
        let server = Server::start(Launch::new().variable("signing_keys", &keys));
        let token = server.user().issue("Token", 360).token;
        cases.check(kid, verifies(&token, first.as_bytes()), true);
        cases.check(kid, verifies(&token, second.as_bytes()), false);
        let header: Value = serde_json::from_str(&segment(&token, 0)).expect("JSON");
        cases.check(
            kid,
            header,
            json!({ "typ": "JWT", "alg": "HS256", "kid": kid }),
        );
    }
}

#[test]
fn registered_claims_after_the_five() {
    if !host_only("an issuer of its own") {
        return;
    }
    let issuer = "https://latchkey.example";
    let mut cases = Cases::default();
    for (audience, end) in [(None, ""), (Some("tools"), r#","aud":"tools""#)] {
        let mut launch = Launch::new().variable("issuer", issuer);
        if let Some(audience) = audience {
            launch = launch.variable("audience", audience);
        }
        let server = Server::start(launch);
        let user = server.user();
        let issued = user.issue("Token", 360);
        let payload = segment(&issued.token, 1);
        let claims: Value = serde_json::from_str(&payload).expect("JSON");
        let expected = format!(
            r#"{{"username":"{name}","jwt_token_id":"{id}","jwt_token_description":"Token","exp":{exp},"iat":{iat},"iss":"{issuer}","sub":"{name}","jti":"{id}"{end}}}"#,
            name = user.name,
            id = issued.id,
            exp = integer(&claims, "exp"),
            iat = integer(&claims, "iat"),
        );
        cases.check(audience, payload, expected);
    }
}

/// An HS256 key as a JWK (RFC 7518, section 6.4).
pub fn jwk(kid: &str, secret: &str) -> Value {
    json!({ "kty": "oct", "alg": "HS256", "use": "sig", "kid": kid, "k": BASE64_URL_SAFE_NO_PAD.encode(secret) })
}
