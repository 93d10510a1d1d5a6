//! The variable `signing_keys`: a JWK Set, or a secret.

use latchkey_component::jwt::KeySet;

use super::jwt;

/// Keys that were read sign what they verify, and publish nothing private. A refusal does not show them.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let keys = match text.parse::<KeySet>() {
        Ok(keys) => keys,
        Err(error) => {
            let shown = format!("{error} {error:?}");
            // Longer than any name of a member, so none of ours.
            let secret = text
                .split('"')
                .find(|part| part.len() > 30 && shown.contains(part));
            assert_eq!(secret, None);
            return;
        }
    };
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
