//! `/introspect` and `/revoke`.

use super::*;

const INTROSPECT: &str = "POST /api/v1alpha/introspect";
const REVOKE: &str = "POST /api/v1alpha/revoke";

#[tokio::test(flavor = "current_thread")]
async fn introspection_of_a_live_token_and_of_anything_else() {
    let fixture = fixture(&[("issuer", "me"), ("audience", "you")]);
    let issued = fixture.issue("bob", "alpha", "1h").await.unwrap();
    let token = issued.signed.expose();
    let ada = [("authorization", ADA)];
    let answer = fixture.send_token(INTROSPECT, &ada, token).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body,
        json!({
            "active": true,
            "username": "bob",
            "token_type": "Bearer",
            "exp": 1_662_723_735,
            "iat": 1_662_720_135,
            "sub": "bob",
            "jti": issued.token.id.to_string(),
            "iss": "me",
            "aud": "you",
        })
    );
    for token in ["x.y.z", &token[1..], &format!("{token}x")] {
        let answer = fixture.send_token(INTROSPECT, &ada, token).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, json!({"active": false}), "{token}");
    }
    for pasted in [format!("{token}%0a"), format!("%ef%bb%bf+{token}%0d%0a")] {
        let answer = fixture.send_token(INTROSPECT, &ada, &pasted).await;
        assert_eq!(answer.body["active"], true, "{pasted}");
    }
    assert_eq!(fixture.send_token(INTROSPECT, &[], token).await.status, 401);
    let bearer = format!("Bearer {token}");
    let answer = fixture
        .send_token(INTROSPECT, &[("authorization", &bearer)], token)
        .await;
    assert_eq!(answer.status, 401);
}

#[tokio::test(flavor = "current_thread")]
async fn a_token_that_retires_expires_then() {
    let fixture = fixture(&[]);
    let issued = fixture.issue("ada", "alpha", "1h").await.unwrap();
    let line = format!("POST /v1alpha/token/{}/rotate", issued.token.id);
    let headers = [("authorization", ADA), ("content-type", "application/json")];
    fixture.send(&line, &headers, r#"{"overlap":60}"#).await;
    let answer = fixture
        .send_token(INTROSPECT, &headers[..1], issued.signed.expose())
        .await;
    assert_eq!(answer.body["exp"], 1_662_720_195);
}

#[tokio::test(flavor = "current_thread")]
async fn the_bearer_may_revoke() {
    let fixture = fixture(&[]);
    let issued = fixture.issue("ada", "alpha", "1h").await.unwrap();
    fixture.issue("ada", "beta", "1h").await.unwrap();
    let token = issued.signed.expose();
    for no_token in [
        "",
        "x",
        "x.y",
        &format!("Bearer+{token}"),
        &format!("\"{token}\""),
    ] {
        let answer = fixture.send_token(REVOKE, &[], no_token).await;
        assert_eq!((answer.status, answer.code()), (400, "invalid_request"));
        let message = answer.body["message"].as_str().unwrap();
        assert!(message.contains("three parts"), "{message}");
    }
    assert_eq!(fixture.list("ada").await.unwrap(), ["beta", "alpha"]);
    for token in ["x.y.z", &format!("{token}%0a"), token] {
        let answer = fixture.send_token(REVOKE, &[], token).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, json!({"message": "Token revoked"}));
    }
    assert_eq!(fixture.list("ada").await.unwrap(), ["beta"]);
}

#[tokio::test(flavor = "current_thread")]
async fn forms_that_say_nothing() {
    let fixture = fixture(&[]);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let json = ("content-type", "application/json");
    for (headers, body, status, code) in [
        (&[form][..], "", 400, "invalid_request"),
        (&[form], "token=a&token=b", 400, "invalid_request"),
        (&[], "token=a", 415, "unsupported_media_type"),
        (&[json], "{\"token\":\"a\"}", 415, "unsupported_media_type"),
        (&[form], &"a".repeat(16_385), 413, "body_too_large"),
    ] {
        for line in [INTROSPECT, REVOKE] {
            let mut headers = headers.to_vec();
            headers.push(("authorization", ADA));
            let answer = fixture.send(line, &headers, body).await;
            assert_eq!((answer.status, answer.code()), (status, code), "{line}");
            let error = answer.body["error"].as_str();
            assert_eq!(error, (status == 400).then_some("invalid_request"));
        }
    }
    for (line, allow) in [
        ("GET /v1alpha/introspect", "POST, OPTIONS"),
        ("PUT /v1alpha/revoke", "POST, OPTIONS"),
    ] {
        let answer = fixture.send(line, &[], "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, allow));
    }
}
