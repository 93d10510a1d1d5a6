//! The variable `trusted_issuers`, and ID tokens of the issuers that it names.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use latchkey_component::auth::TrustedIssuers;
use serde_json::{Map, Value, json};

use super::jwt::NOW;

/// The value of a member that is private, which must not be shown.
const SECRET: &str = "s3cr3t-never-shown";

/// A refusal shows no private part of a key, and a set with one is refused. What is read signs in those whom it should, with the
/// prefix, and nobody by a token of ours, for somebody else, or too late.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Err(error) =
        TrustedIssuers::parse(&text.replace("\"x\":\"", &format!("\"d\":\"{SECRET}")))
    {
        assert!(!error.contains(SECRET), "{error}");
    }
    let Ok(issuers) = TrustedIssuers::parse(text) else {
        return;
    };
    let members: Vec<Map<String, Value>> = serde_json::from_str(text).expect("an array of objects");
    assert_eq!(issuers.is_empty(), members.is_empty());
    for issuer in &members {
        let keys = issuer["jwks"]["keys"].as_array().expect("keys");
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(
                keys.iter().all(|key| key.get(private).is_none()),
                "{private}"
            );
        }
        sign_in(&issuers, issuer);
    }
}

fn sign_in(issuers: &TrustedIssuers, issuer: &Map<String, Value>) {
    let text = |name| issuer.get(name).and_then(Value::as_str).unwrap_or_default();
    assert!(issuers.include(text("issuer")));
    let mut claims = issuer.get("require").cloned().unwrap_or_else(|| json!({}));
    claims[text("user_claim")] = "ada".into();
    claims["iss"] = text("issuer").into();
    claims["aud"] = text("audience").into();
    claims["exp"] = (NOW.as_secs() + 1).into();
    let read = |claims: &Value| {
        let token = format!("e30.{}.AAAA", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let (signed_in, keys) = issuers.read(&token, NOW).ok()?;
        // Nobody has signed it.
        assert!(!keys.have_signed(&token));
        Some(signed_in)
    };
    let Some(signed_in) = read(&claims) else {
        return;
    };
    let means = &signed_in.authority.provenance.means;
    assert_eq!(means.issuer(), Some(text("issuer")));
    assert!(signed_in.user.as_str().starts_with(text("user_prefix")));
    let granted = issuer.contains_key("scope");
    assert_eq!(signed_in.authority.bounds.allow(None), !granted);
    for (name, value) in [
        ("jwt_token_id", json!(null)),
        ("iss", json!([text("issuer")])),
        ("aud", json!([text("audience"), 1])),
        ("aud", json!("")),
        ("exp", json!(0)),
        ("nbf", json!(NOW.as_secs() + 3_600)),
    ] {
        let mut wrong = claims.clone();
        wrong[name] = value;
        assert_eq!(read(&wrong), None, "{name}");
    }
}
