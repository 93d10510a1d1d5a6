//! `/.well-known/oauth-authorization-server` and `/.well-known/openid-configuration`.

use super::*;

const PATHS: [&str; 2] = [
    "GET /.well-known/oauth-authorization-server",
    "GET /.well-known/openid-configuration",
];

const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"new"},{"kty":"oct","k":"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"}]}"#;

#[tokio::test(flavor = "current_thread")]
async fn addresses_begin_with_the_issuer() {
    for (issuer, keys, algorithms) in [
        ("https://tokens.example.org", None, json!(["HS256"])),
        (
            "https://example.org/tokens/",
            Some(KEYS),
            json!(["EdDSA", "HS256"]),
        ),
    ] {
        let mut variables = vec![("issuer", issuer)];
        variables.extend(keys.map(|keys| ("signing_keys", keys)));
        let fixture = fixture(&variables);
        let base = issuer.trim_end_matches('/');
        for line in PATHS {
            let answer = fixture.send(line, &[], "").await;
            assert_eq!(answer.status, 200, "{line}");
            assert_eq!(answer.header("cache-control"), "public, max-age=300");
            assert_eq!(answer.body["issuer"], issuer);
            for (member, path) in [
                ("jwks_uri", "/.well-known/jwks.json"),
                ("introspection_endpoint", "/api/v1alpha/introspect"),
                ("revocation_endpoint", "/api/v1alpha/revoke"),
            ] {
                assert_eq!(answer.body[member], format!("{base}{path}"));
            }
            let named = &answer.body["id_token_signing_alg_values_supported"];
            assert_eq!(named, &algorithms);
            let tag = [("if-none-match", answer.header("etag"))];
            assert_eq!(fixture.send(line, &tag, "").await.status, 304);
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn without_an_issuer_there_is_nothing() {
    let fixture = fixture(&[]);
    for line in PATHS {
        let answer = fixture.send(line, &[], "").await;
        assert_eq!((answer.status, answer.code()), (404, "not_found"), "{line}");
    }
}
