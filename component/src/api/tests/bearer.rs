//! `/verify`, as a reverse proxy asks it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;

use super::*;
use crate::auth::VERIFICATIONS;
use crate::token::{Audience, Limits};

#[tokio::test(flavor = "current_thread")]
async fn a_good_token_by_any_method_at_any_path() {
    let fixture = fixture(&[("users", "ada Gr\u{e4}fin")]);
    let issued = fixture.issue("Gr\u{e4}fin", "alpha", "1h").await.unwrap();
    let (id, token) = (issued.token.id.to_string(), issued.signed);
    for method in ["GET", "HEAD", "POST", "DELETE", "OPTIONS", "PURGE"] {
        for path in [
            "/api/v1alpha/verify",
            "/v1alpha/verify/",
            "/api/v1alpha/verify//a/../%2f?token=x",
        ] {
            for scheme in ["Bearer", "bearer", "BEARER  "] {
                let authorization = format!("{scheme} {}", token.expose());
                let answer = fixture
                    .send(
                        &format!("{method} {path}"),
                        &[("authorization", &authorization)],
                        "",
                    )
                    .await;
                assert_eq!(answer.status, 200, "{method} {path}");
                assert_eq!(
                    answer.body,
                    json!({
                        "message": "Token is valid",
                        "username": "Gr\u{e4}fin",
                        "jwt_token_id": id,
                        "jwt_token_description": "alpha",
                        "jwt_token_life_remaining": 3599.75,
                    })
                );
                assert_eq!(answer.header("x-latchkey-user"), "Gr%C3%A4fin");
                assert_eq!(answer.header("x-latchkey-token-id"), id);
                assert_eq!(answer.header("cache-control"), "no-store");
            }
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn challenges() {
    let fixture = fixture(&[]);
    let issued = fixture.issue("ada", "alpha", "1h").await.unwrap();
    let good = format!("Bearer {}", issued.signed.expose());
    let none = r#"Bearer realm="latchkey""#;
    let malformed = r#"Bearer realm="latchkey", error="invalid_request""#;
    let invalid = r#"Bearer realm="latchkey", error="invalid_token", error_description="The token is invalid or has expired""#;
    for (authorization, status, code, challenge) in [
        (&[][..], 401, "unauthorized", none),
        (&[ADA], 401, "unauthorized", none),
        (&["Digest x"], 401, "unauthorized", none),
        (&["Bearer"], 401, "invalid_request", malformed),
        (&["Bearer a b"], 401, "invalid_request", malformed),
        (&[&good, &good], 401, "invalid_request", malformed),
        (&["Bearer x"], 401, "invalid_token", invalid),
        (&["Bearer ..."], 401, "invalid_token", invalid),
        (&["Bearer \"a\""], 401, "invalid_token", invalid),
        (&[&good[..good.len() - 1]], 401, "invalid_token", invalid),
    ] {
        let headers: Vec<_> = authorization
            .iter()
            .map(|value| ("authorization", *value))
            .collect();
        let answer = fixture.send("GET /v1alpha/verify", &headers, "").await;
        let seen = (
            answer.status,
            answer.code(),
            answer.header("www-authenticate"),
        );
        assert_eq!(seen, (status, code, challenge), "{authorization:?}");
        assert!(answer.body["message"].is_string());
        assert_eq!(answer.header("x-latchkey-user"), "");
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_revoked_token_is_dead_at_the_next_request() {
    let fixture = fixture(&[]);
    let issued = fixture.issue("ada", "alpha", "1h").await.unwrap();
    let bearer = format!("Bearer {}", issued.signed.expose());
    let verify = async || {
        fixture
            .send("GET /v1alpha/verify", &[("authorization", &bearer)], "")
            .await
            .status
    };
    assert_eq!(verify().await, 200);
    let path = format!("DELETE /v1alpha/token/{}", issued.token.id);
    fixture.send(&path, &[("authorization", ADA)], "").await;
    assert_eq!(verify().await, 401);

    fixture.memory.broken.set(true);
    assert_eq!(verify().await, 503);
}

#[tokio::test(flavor = "current_thread")]
async fn each_carrier_carries_and_no_password_is_looked_at() {
    let fixture = fixture(&[]);
    let issued = fixture.issue("ada", "alpha", "1h").await.unwrap();
    let token = issued.signed.expose();
    let basic = |name: &str, password: &str| {
        let text = format!("{name}:{password}");
        format!("Basic {}", BASE64_STANDARD.encode(text))
    };
    let bearer = format!("Bearer {token}");
    let hashes = VERIFICATIONS.get();
    let (bad, none) = ((401, "invalid_token"), (401, "unauthorized"));
    let malformed = (401, "invalid_request");
    for (headers, expected) in [
        (vec![("x-api-key", token.to_owned())], (200, "")),
        (vec![("authorization", basic("ada", token))], (200, "")),
        (vec![("authorization", basic("token", token))], (200, "")),
        (vec![("authorization", basic("", token))], (200, "")),
        (vec![("authorization", basic("bob", token))], bad),
        (vec![("authorization", basic("Ada", token))], bad),
        (vec![("authorization", basic("ada", "x.y.z"))], bad),
        (vec![("x-api-key", "x.y.z".to_owned())], bad),
        (vec![("x-api-key", "hunter2".to_owned())], bad),
        (vec![("authorization", basic("ada", "hunter2"))], none),
        (vec![("authorization", basic("ada", "wrong"))], none),
        (vec![("authorization", basic(token, ""))], none),
        (
            vec![
                ("authorization", bearer.clone()),
                ("x-api-key", token.to_owned()),
            ],
            malformed,
        ),
        (
            vec![
                ("authorization", basic("ada", token)),
                ("x-api-key", token.to_owned()),
            ],
            malformed,
        ),
        (vec![("x-api-key", String::new())], malformed),
    ] {
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, &value[..]))
            .collect();
        for (query, challenges) in [("", 1), ("?challenge=basic", 2)] {
            let line = format!("GET /v1alpha/verify{query}");
            let answer = fixture.send(&line, &headers, "").await;
            assert_eq!((answer.status, answer.code()), expected, "{headers:?}");
            let asked: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
            let expected = if answer.status == 200 { 0 } else { challenges };
            assert_eq!(asked.len(), expected, "{headers:?}");
            if asked.len() == 2 {
                assert_eq!(asked[0], r#"Basic realm="latchkey""#);
            }
        }
    }
    assert_eq!(VERIFICATIONS.get(), hashes);
}

#[tokio::test(flavor = "current_thread")]
async fn what_is_demanded_and_lacking() {
    let fixture = fixture(&[]);
    let limits = Limits {
        scope: Some("read write".parse().unwrap()),
        audience: Some(Audience::configured("https://git.example")),
    };
    let token = fixture.issue_limited("ada", "alpha", limits).await;
    let plain = fixture.issue("ada", "beta", "1h").await.unwrap();
    let scope = |scope: &str| {
        format!(r#"Bearer realm="latchkey", error="insufficient_scope", scope="{scope}""#)
    };
    for (query, status, code, challenge) in [
        ("", 200, "", String::new()),
        ("?scope=write", 200, "", String::new()),
        (
            "?scope=write%20read&audience=https://git.example",
            200,
            "",
            String::new(),
        ),
        (
            "?scope=read+admin",
            403,
            "insufficient_scope",
            scope("read admin"),
        ),
        (
            "?scope=READ&challenge=basic",
            403,
            "insufficient_scope",
            scope("READ"),
        ),
        (
            "?audience=https://git.example/",
            403,
            "wrong_audience",
            String::new(),
        ),
        ("?scop=read", 400, "invalid_request", String::new()),
        (
            "?scope=read&scope=read",
            400,
            "invalid_request",
            String::new(),
        ),
        (
            "/index.html?x=y&scope=admin",
            403,
            "insufficient_scope",
            scope("admin"),
        ),
    ] {
        let line = format!("GET /v1alpha/verify{query}");
        let send = |token: &str| {
            let bearer = format!("Bearer {token}");
            let line = line.clone();
            let fixture = &fixture;
            async move { fixture.send(&line, &[("authorization", &bearer)], "").await }
        };
        let answer = send(token.signed.expose()).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{query}");
        assert_eq!(answer.header("www-authenticate"), challenge, "{query}");
        if status == 200 {
            assert_eq!(answer.header("x-latchkey-scope"), "read write");
            assert_eq!(answer.header("x-latchkey-expires"), "1662723735");
        }
        // It can do all that its user can.
        let answer = send(plain.signed.expose()).await;
        assert_eq!(
            answer.status,
            if status == 400 { 400 } else { 200 },
            "{query}"
        );
        assert!(!answer.headers.contains_key("x-latchkey-scope"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// Against the rule in one line.
    #[test]
    fn no_token_passes_a_demand_that_it_lacks(
        scope in proptest::option::of(proptest::collection::vec("[a-c]", 1..4)),
        audience in proptest::option::of(proptest::collection::vec("[a-c]", 1..4)),
        wanted in proptest::option::of(proptest::collection::vec("[a-d]", 1..4)),
        service in proptest::option::of("[a-d]"),
    ) {
        let has = |list: &Option<Vec<String>>, one: &String| list.as_ref().is_none_or(|list| list.contains(one));
        let expected = wanted.iter().flatten().all(|one| has(&scope, one)) && service.iter().all(|one| has(&audience, one));

        let limits = Limits {
            scope: scope.as_ref().map(|list| list.join(" ").parse().unwrap()),
            audience: audience.clone().map(|list| Audience::new(list).unwrap()),
        };
        let parameters = [("scope", wanted.map(|list| list.join("%20"))), ("audience", service)];
        let query: Vec<_> = parameters.iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?))).collect();
        let line = format!("GET /v1alpha/verify?{}", query.join("&"));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let passed = runtime.block_on(async {
            let fixture = fixture(&[("signing_keys", "0123456789abcdef0123456789abcdef")]);
            let token = fixture.issue_limited("ada", "alpha", limits).await;
            let bearer = format!("Bearer {}", token.signed.expose());
            let headers = [("authorization", &bearer[..])];
            let request = request(&line, &headers, "");
            handle(Ok(&fixture.service), request).await.response.status().as_u16()
        });
        prop_assert_eq!(passed, if expected { 200 } else { 403 }, "{}", line);
    }
}
