//! Forged tokens, by a forger who has a live token and all public keys, and for some of them even the secret. The unit tests
//! of the component have the long lists.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::cases::Cases;
use crate::server::{Launch, Server, host_only};
use crate::verify::verify;

const SECRET: &[u8] = b"a secret of more than 32 bytes, for HS256";

/// RFC 8037, appendix A.1.
const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const D: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";

fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn sign(secret: &[u8], header: &str, payload: &str) -> String {
    let message = format!("{}.{}", encode(header), encode(payload));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length");
    mac.update(message.as_bytes());
    format!("{message}.{}", encode(mac.finalize().into_bytes()))
}

/// The signing keys, and the same without what is private to who signs with the second.
pub fn keys() -> (String, String) {
    let keys = |d: Value| {
        let mut keys = json!({"keys": [
            {"kty": "oct", "kid": "old", "k": encode(SECRET)},
            {"kty": "OKP", "kid": "new", "crv": "Ed25519", "x": X},
        ]});
        if d.is_string() {
            keys["keys"][1]["d"] = d;
        }
        keys.to_string()
    };
    (keys(D.into()), keys(Value::Null))
}

#[test]
fn forged_tokens_are_refused() {
    if !host_only("signing keys of its own") {
        return;
    }
    let server = Server::start(Launch::new().variable("signing_keys", &keys().0));
    let (user, other) = (server.user(), server.user());
    let token = user.issue("Token", 360).token;
    let (forged, by_the_secret) = forge(&server, &token, &user.name, &other.name);
    let mut cases = Cases::default();
    for token in forged.iter().chain(&by_the_secret) {
        cases.check(
            token,
            verify(&server, token).outcome(),
            (401, "invalid_token".to_owned()),
        );
    }
    drop(cases);
    verify(&server, &token).expect(200);
}

/// Forged tokens in the manner of `token`, which is one of `user`. Those of the second list are signed by the right key, as
/// the forger has it, but claim what no token was issued for.
pub fn forge(server: &Server, token: &str, user: &str, other: &str) -> (Vec<String>, Vec<String>) {
    let parts: Vec<&str> = token.split('.').collect();
    let text = |part: &str| {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64url");
        String::from_utf8(bytes).expect("UTF-8")
    };
    let (header, payload) = (text(parts[0]), text(parts[1]));
    assert_eq!(sign(SECRET, &header, &payload), token, "the tool works");

    let (mut forged, mut by_the_secret) = (Vec::new(), Vec::new());
    // No algorithm, and other algorithms.
    for alg in [
        "none", "None", "NONE", "nOnE", "", "HS512", "RS256", "EdDSA", "ES256",
    ] {
        let header = header.replace("HS256", alg);
        forged.push(sign(SECRET, &header, &payload));
        forged.push(format!("{}.{}.", encode(&header), parts[1]));
        forged.push(format!("{}.{}.{}", encode(&header), parts[1], parts[2]));
    }
    // The public key as a secret.
    let x = BASE64_URL_SAFE_NO_PAD.decode(X).expect("base64url");
    let set = server.request("GET", "/.well-known/jwks.json").send().body;
    for secret in [&x[..], X.as_bytes(), set.as_bytes()] {
        for kid in ["old", "new"] {
            forged.push(sign(secret, &header.replace("old", kid), &payload));
        }
    }
    // Other keys, and more in the header.
    for members in [
        r#""kid":"unknown""#,
        r#""kid":"../../../../dev/null""#,
        r#""kid":"old' OR '1'='1""#,
        r#""kid":"old","kid":"old""#,
        r#""kid":"new","kid":"old""#,
        r#""kid":null"#,
        r#""kid":["old"]"#,
        r#""kid":"old","jku":"https://attacker.example/""#,
        r#""kid":"old","x5u":"https://attacker.example/""#,
        r#""kid":"old","jwk":{"kty":"oct","k":"AA"}"#,
        r#""kid":"old","crit":["exp"]"#,
        r#""kid":"old","crit":[]"#,
    ] {
        let header = format!(r#"{{"typ":"JWT","alg":"HS256",{members}}}"#);
        forged.push(sign(SECRET, &header, &payload));
    }
    // Other claims.
    let claims: Value = serde_json::from_str(&payload).expect("JSON");
    let exp = format!(r#""exp":{}"#, claims["exp"]);
    let number = claims["exp"].as_u64().expect("a number");
    for other_exp in [
        format!(r#""{number}""#),
        format!("{number}.0"),
        format!("{}", number + 1),
        "-1".to_owned(),
        "18446744073709551615".to_owned(),
        "1e300".to_owned(),
        "null".to_owned(),
        format!("{number},{exp}"),
    ] {
        let payload = payload.replace(&exp, &format!(r#""exp":{other_exp}"#));
        by_the_secret.push(sign(SECRET, &header, &payload));
    }
    let name = format!(r#""username":"{user}""#);
    for other_name in [
        other.to_owned(),
        user.to_uppercase(),
        format!("{user} "),
        format!("{user}\\u200b"),
        format!("{user}\\u0000"),
        user.replace('u', "\u{ff55}"),
    ] {
        let payload = payload.replace(&name, &format!(r#""username":"{other_name}""#));
        by_the_secret.push(sign(SECRET, &header, &payload));
    }
    for (old, new) in [
        (format!(",{exp}"), String::new()),
        (format!("{name},"), String::new()),
        (exp.clone(), format!(r#"{exp},"admin":true"#)),
        (exp.clone(), format!(r#"{exp},"iss":"me""#)),
        ("Token".to_owned(), "Other".to_owned()),
    ] {
        assert!(payload.contains(&old), "{payload}");
        by_the_secret.push(sign(SECRET, &header, &payload.replacen(&old, &new, 1)));
    }
    for payload in [
        "",
        "null",
        "[]",
        "\"x\"",
        "{",
        "{}",
        &format!("[{payload}]"),
    ] {
        by_the_secret.push(sign(SECRET, &header, payload));
    }
    // The segments.
    forged.extend([
        parts[0].to_owned(),
        parts[..2].join("."),
        format!("..{}", parts[2]),
        format!("{}..{}", parts[0], parts[2]),
        format!("{token}="),
        format!("{token}."),
        format!("{token}.{}", parts[2]),
        token.replacen('.', "=.", 1),
    ]);
    (forged, by_the_secret)
}
