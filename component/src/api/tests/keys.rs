//! `/.well-known/jwks.json`.

use super::*;

const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"new"},{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]}"#;

#[tokio::test(flavor = "current_thread")]
async fn the_public_keys_may_be_cached() {
    let fixture = fixture(&[("signing_keys", KEYS)]);
    let first = fixture.send("GET /.well-known/jwks.json", &[], "").await;
    assert_eq!(first.status, 200);
    assert_eq!(
        first.body,
        json!({"keys": [{
            "kty": "OKP",
            "use": "sig",
            "alg": "EdDSA",
            "kid": "new",
            "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }]})
    );
    assert_eq!(first.header("cache-control"), "public, max-age=300");
    let tag = first.header("etag");
    for (seen, status) in [
        (tag, 304),
        (&format!("W/{tag}, \"x\"")[..], 304),
        ("*", 304),
        ("\"x\"", 200),
    ] {
        let line = "GET /.well-known/jwks.json";
        let again = fixture.send(line, &[("if-none-match", seen)], "").await;
        assert_eq!(again.status, status, "{seen}");
        assert_eq!(again.header("etag"), tag);
        assert_eq!(again.body.is_null(), status == 304);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn nothing_symmetric_is_published() {
    for variables in [
        &[][..],
        &[("signing_keys", "0123456789abcdef0123456789abcdef")],
    ] {
        let fixture = fixture(variables);
        fixture.issue("ada", "alpha", "1h").await.unwrap();
        let answer = fixture.send("GET /.well-known/jwks.json", &[], "").await;
        assert_eq!(answer.body, json!({"keys": []}));
    }
}
