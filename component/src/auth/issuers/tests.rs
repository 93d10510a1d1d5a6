use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::*;

const NOW: u64 = 1_662_720_135;

/// The public key of RFC 8037, appendix A.2.
const ED25519: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

fn issuer() -> Value {
    json!([{
        "issuer": "https://id.example",
        "jwks": { "keys": [serde_json::from_str::<Value>(ED25519).unwrap()] },
        "audience": "https://latchkey.example",
        "user_claim": "sub",
        "user_prefix": "ci-",
        "require": { "env": "prod", "/deep/a~1b": [1, true] },
        "max_token_life": "1 hour",
        "scope": "read write",
    }])
}

fn claims() -> Value {
    json!({
        "iss": "https://id.example", "aud": "https://latchkey.example", "sub": "job",
        "exp": NOW + 60, "nbf": NOW, "iat": NOW, "env": "prod", "deep": { "a/b": [1, true] },
        "more": null,
    })
}

fn read(claims: &Value) -> Result<SignedIn, IdTokenError> {
    let trusted = TrustedIssuers::parse(&issuer().to_string()).unwrap();
    let now = Timestamp::new(Duration::from_millis(NOW * 1_000 + 500));
    let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
    let read = trusted.read(&format!("e30.{claims}.x"), now);
    read.map(|(signed_in, _)| signed_in)
}

#[test]
fn who_is_asking_and_what_may_be_made() {
    let signed_in = read(&claims()).unwrap();
    assert_eq!(signed_in.user.as_str(), "ci-job");
    let Authority { provenance, bounds } = signed_in.authority;
    let means = Means::Issuer("https://id.example".to_owned());
    assert_eq!(provenance, Provenance { means, by: None });
    assert_eq!(bounds.max_token_life.map(Lifetime::as_secs), Some(3_600));
    for (scope, allowed) in [
        (None, false),
        (Some("read"), true),
        (Some("write read"), true),
        (Some("read admin"), false),
    ] {
        let scope = scope.map(|scope| scope.parse().unwrap());
        assert_eq!(bounds.allow(scope.as_ref()), allowed, "{scope:?}");
    }
}

#[test]
fn each_claim_wrong_once() {
    let missing = Value::from("missing");
    use IdTokenError::{Audience, Issuer, OfLatchkey, Required, Time, User};
    for (name, value, expected) in [
        ("iss", json!("https://id.example/"), Err(Issuer)),
        ("iss", json!("HTTPS://id.example"), Err(Issuer)),
        ("iss", json!(["https://id.example"]), Err(Issuer)),
        ("iss", missing.clone(), Err(Issuer)),
        ("aud", json!("https://latchkey.example/"), Err(Audience)),
        ("aud", json!(["x", "https://latchkey.example"]), Ok(())),
        ("aud", json!(["x"]), Err(Audience)),
        ("aud", json!([]), Err(Audience)),
        ("aud", json!([1, "https://latchkey.example"]), Err(Audience)),
        (
            "aud",
            json!({ "https://latchkey.example": 1 }),
            Err(Audience),
        ),
        ("aud", missing.clone(), Err(Audience)),
        ("exp", json!(NOW - 59), Ok(())),
        ("exp", json!(NOW as f64 - 59.5), Ok(())),
        ("exp", json!(NOW - 60), Err(Time)),
        ("exp", json!(0), Err(Time)),
        ("exp", json!(-1), Err(Time)),
        ("exp", json!(null), Err(Time)),
        ("exp", json!((NOW + 60).to_string()), Err(Time)),
        ("exp", missing.clone(), Err(Time)),
        ("nbf", json!(NOW + 60), Ok(())),
        ("nbf", json!(NOW + 61), Err(Time)),
        ("nbf", json!("0"), Err(Time)),
        ("nbf", missing.clone(), Ok(())),
        ("iat", json!(NOW + 60), Ok(())),
        ("iat", json!(NOW + 61), Err(Time)),
        ("iat", json!(true), Err(Time)),
        ("iat", missing.clone(), Ok(())),
        ("env", json!("Prod"), Err(Required)),
        ("env", json!(["prod"]), Err(Required)),
        ("env", missing.clone(), Err(Required)),
        ("deep", json!({ "a/b": [true, 1] }), Err(Required)),
        ("deep", json!({ "a/b": [1.0, true] }), Err(Required)),
        ("deep", json!([]), Err(Required)),
        ("deep", missing.clone(), Err(Required)),
        ("sub", json!(""), Err(User)),
        ("sub", json!("a:b"), Err(User)),
        ("sub", json!("j\u{2060}ob"), Err(User)),
        ("sub", json!("\u{202e}boj"), Err(User)),
        ("sub", json!("a\u{200d}da"), Err(User)),
        ("sub", json!("ada\u{3164}"), Err(User)),
        ("sub", json!("a\nb"), Err(User)),
        ("sub", json!("x".repeat(253)), Err(User)),
        ("sub", json!("x".repeat(252)), Ok(())),
        ("sub", json!(7), Err(User)),
        ("sub", missing.clone(), Err(User)),
        ("jwt_token_id", json!("x"), Err(OfLatchkey)),
        ("other", json!("x"), Ok(())),
    ] {
        let mut claims = claims();
        match value == missing {
            true => drop(claims.as_object_mut().unwrap().remove(name)),
            false => claims[name] = value.clone(),
        }
        assert_eq!(read(&claims).map(drop), expected, "{name} {value}");
    }
}

#[test]
fn what_is_no_token() {
    let trusted = TrustedIssuers::parse(&issuer().to_string()).unwrap();
    let now = Timestamp::new(Duration::from_secs(NOW));
    for token in [
        "",
        "x",
        "..",
        "e30.e30",
        "e30.e30.x.y",
        "e30.W10.x",
        "e30.e30=.x",
    ] {
        let read = trusted.read(token, now).map(drop);
        assert_eq!(read, Err(IdTokenError::Malformed), "{token}");
    }
    assert_eq!(
        trusted.read("e30.e30.x", now).map(drop),
        Err(IdTokenError::Issuer)
    );
}

#[test]
fn what_is_misconfigured_is_refused_and_named() {
    let parse = |change: &dyn Fn(&mut Value)| {
        let mut issuers = issuer();
        change(&mut issuers);
        TrustedIssuers::parse(&issuers.to_string()).map(drop)
    };
    let with = |name: &str, value: Value| parse(&|issuers| issuers[0][name] = value.clone());
    assert_eq!(parse(&|_| {}), Ok(()));
    for (name, value, problem) in [
        ("issuer", json!(1), "issuer 1: `issuer` must be a string"),
        ("issuer", json!(""), "issuer 1: `issuer` must not be empty"),
        (
            "audience",
            json!(["a"]),
            "issuer 1: `audience` must be a string",
        ),
        (
            "user_claim",
            json!(null),
            "issuer 1: `user_claim` must be a string",
        ),
        (
            "user_prefix",
            json!("a\u{200b}"),
            "issuer 1: `user_prefix` has a character that cannot be seen",
        ),
        (
            "require",
            json!([]),
            "issuer 1: `require` must be an object",
        ),
        (
            "max_token_life",
            json!("soon"),
            "issuer 1: `max_token_life`: a number must come before 'soon'",
        ),
        (
            "max_token_live",
            json!("1h"),
            "issuer 1: there is no member \"max_token_live\"",
        ),
        (
            "jwks",
            json!({}),
            "issuer 1: `jwks`: is not a JWK Set (RFC 7517, section 5)",
        ),
        (
            "jwks",
            json!({ "keys": [] }),
            "issuer 1: `jwks`: the JWK Set has no keys",
        ),
        (
            "jwks",
            json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0" }] }),
            "issuer 1: `jwks`: key 1: has private members: only public keys belong here",
        ),
        (
            "jwks",
            json!({ "keys": [{ "kty": "RSA", "n": "x", "e": "AQAB", "d": "x" }] }),
            "issuer 1: `jwks`: key 1: has private members: only public keys belong here",
        ),
    ] {
        let refused = with(name, value.clone()).unwrap_err();
        assert_eq!(refused, problem, "{name} {value}");
    }
    for name in ["issuer", "jwks", "audience", "user_claim"] {
        let refused = parse(&|issuers| drop(issuers[0].as_object_mut().unwrap().remove(name)));
        assert_eq!(
            refused.unwrap_err(),
            format!("issuer 1: `{name}` is missing")
        );
    }
    for name in ["user_prefix", "require", "max_token_life", "scope"] {
        let taken = parse(&|issuers| drop(issuers[0].as_object_mut().unwrap().remove(name)));
        assert_eq!(taken, Ok(()), "{name}");
    }
    let twice = parse(&|issuers| {
        let again = issuers[0].clone();
        issuers.as_array_mut().unwrap().push(again);
    });
    assert_eq!(
        twice.unwrap_err(),
        "issuer 2: the same `issuer` as an earlier one"
    );
    for text in ["{}", "[", "[1]", "null", "[[]]"] {
        assert!(TrustedIssuers::parse(text).is_err(), "{text}");
    }
    assert!(TrustedIssuers::parse("[]").unwrap().is_empty());
}

/// The first and the last block of JSON in a page: the variable, and the claims of a token.
#[cfg(feature = "rs256")]
#[test]
fn the_examples_work_with_the_claims_that_are_documented() {
    for (page, user) in [
        (
            include_str!("../../../../deploy/github-action.md"),
            "github-octo-org/octo-repo",
        ),
        (
            include_str!("../../../../deploy/kubernetes-service-account.md"),
            "k8s-ci-deployer",
        ),
    ] {
        let blocks: Vec<_> = page.split("```json\n").skip(1).collect();
        let blocks: Vec<_> = (blocks.iter())
            .map(|block| block.split("```").next().unwrap())
            .collect();
        let [variable, claims] = blocks[..] else {
            panic!("two blocks")
        };
        let trusted = TrustedIssuers::parse(variable).unwrap();
        let mut claims: Value = serde_json::from_str(claims).unwrap();
        let now = Timestamp::new(Duration::from_secs(claims["iat"].as_u64().unwrap()));
        let read = |claims: &Value| {
            let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
            let read = trusted.read(&format!("e30.{claims}.x"), now);
            read.map(|(signed_in, _)| signed_in.user)
        };
        assert_eq!(read(&claims).unwrap().as_str(), user);
        claims["repository_id"] = "75".into();
        claims["kubernetes.io"]["namespace"] = "default".into();
        assert_eq!(read(&claims), Err(IdTokenError::Required));
    }
}
