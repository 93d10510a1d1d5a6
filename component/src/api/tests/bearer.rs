//! `/verify`, as a reverse proxy asks it.

use super::*;

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
        (&["Bearer"], 400, "invalid_request", malformed),
        (&["Bearer a b"], 400, "invalid_request", malformed),
        (&[&good, &good], 400, "invalid_request", malformed),
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
