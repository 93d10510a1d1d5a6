//! The variable `signing_keys`: a JWK Set, or a secret.

use latchkey_component::jwt::KeySet;

use super::jwt;

/// Stands in front of every string, and must not be shown.
const SECRET: &str = "s3cr3t-never-shown";

/// Keys that were read sign what they verify, and publish nothing private. A refusal does not show them.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    for text in [
        text.to_owned(),
        text.replace(":\"", &format!(":\"{SECRET}")),
    ] {
        match text.parse::<KeySet>() {
            Ok(keys) => sign(&keys),
            Err(error) => assert!(!format!("{error} {error:?}").contains(SECRET)),
        }
    }
}

fn sign(keys: &KeySet) {
    let claims = jwt::claims();
    let token = keys.sign(&claims);
    assert_eq!(keys.verify(token.expose(), jwt::NOW), Ok(claims));

    let public = serde_json::to_value(keys.public()).expect("JSON");
    for key in public["keys"].as_array().expect("a set") {
        for private in ["k", "d", "p", "q", "dp", "dq", "qi", "oth"] {
            assert!(key.get(private).is_none(), "{private}");
        }
    }
    // None of them can sign.
    assert!(public.to_string().parse::<KeySet>().is_err());
}
