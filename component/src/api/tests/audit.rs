//! What is written down of requests.

use super::*;

const JSON: (&str, &str) = ("content-type", "application/json");
const AUTH: (&str, &str) = ("authorization", ADA);

#[tokio::test(flavor = "current_thread")]
async fn changes_are_written_down_and_nothing_else() {
    let fixture = fixture(&[]);
    let create = r#"{"jwt_token_description":"alpha","jwt_token_life":"6 hours"}"#;
    let key = ("idempotency-key", "k");
    let issued = fixture
        .send("POST /api/v1alpha/token", &[AUTH, JSON, key], create)
        .await;
    let id = issued.body["jwt_token_id"].clone();
    let told = json!({
        "audit": "token_issued",
        "time": "2022-09-09T10:42:15Z",
        "user": "ada",
        "jwt_token_id": id,
        "jwt_token_description": "alpha",
        "jwt_token_life": 21600,
    });
    assert_eq!(issued.audit, told);
    let again = fixture
        .send("POST /api/v1alpha/token", &[AUTH, JSON, key], create)
        .await;
    assert_eq!(again.audit["audit"], "token_issue_repeated");
    assert_eq!(again.audit["jwt_token_id"], id);

    let path = format!("/api/v1alpha/token/{}", id.as_str().unwrap());
    let rotated = fixture
        .send(&format!("POST {path}/rotate"), &[AUTH], "")
        .await;
    assert_eq!(rotated.audit["audit"], "token_rotated");
    assert_eq!(rotated.audit["replaces"], id);
    assert_eq!(rotated.audit["jwt_token_id"], rotated.body["jwt_token_id"]);
    let token = rotated.body["jwt_token"].as_str().unwrap().to_owned();
    assert!(!rotated.audit.to_string().contains(&token));

    for (line, headers, body) in [
        ("GET /api/v1alpha/token".to_owned(), &[AUTH][..], ""),
        (format!("GET {path}"), &[AUTH], ""),
        (format!("DELETE {path}"), &[AUTH], ""),
        ("POST /api/v1alpha/token".to_owned(), &[AUTH, JSON], "{}"),
        ("GET /api/v1alpha/token".to_owned(), &[], ""),
        ("GET /".to_owned(), &[], ""),
        ("GET /nowhere".to_owned(), &[AUTH], ""),
    ] {
        let answer = fixture.send(&line, headers, body).await;
        assert_eq!(answer.audit, Value::Null, "{line}");
    }

    let revoke = async || {
        fixture
            .send_token("POST /v1alpha/revoke", &[], &token)
            .await
    };
    assert_eq!(revoke().await.audit["audit"], "token_revoked_by_bearer");
    assert_eq!(revoke().await.audit, Value::Null);

    let issued = fixture.issue("ada", "beta", "1h").await.unwrap();
    fixture.issue("ada", "gamma", "1h").await.unwrap();
    let line = format!("DELETE /v1alpha/token/{}", issued.token.id);
    let revoked = fixture.send(&line, &[AUTH], "").await;
    assert_eq!(revoked.audit["audit"], "token_revoked");
    assert_eq!(revoked.audit["jwt_token_id"], issued.token.id.to_string());
    let line = "DELETE /v1alpha/token?all=true";
    let all = fixture.send(line, &[AUTH], "").await;
    assert_eq!(all.audit["audit"], "all_tokens_revoked");
    assert_eq!(all.audit["jwt_tokens_deleted"], 1);
    assert_eq!(fixture.send(line, &[AUTH], "").await.audit, Value::Null);
}

#[tokio::test(flavor = "current_thread")]
async fn failures_to_sign_in_are_written_down_without_what_was_typed() {
    let fixture = fixture(&[]);
    // ada:wrong, hunter2:x
    let (wrong, nobody) = ("Basic YWRhOndyb25n", "Basic aHVudGVyMjp4");
    for (credentials, user) in [
        (wrong, json!("ada")),
        (nobody, Value::Null),
        ("Bearer x", Value::Null),
        ("Basic !", Value::Null),
    ] {
        let headers = [("authorization", credentials)];
        let answer = fixture.send("GET /v1alpha/token", &headers, "").await;
        assert_eq!(answer.status, 401);
        assert_eq!(answer.audit["audit"], "sign_in_failed", "{credentials}");
        assert_eq!(answer.audit["user"], user);
        assert!(!answer.audit.to_string().contains("hunter2"));
    }
    for _ in 0..5 {
        let headers = [
            ("authorization", wrong),
            ("spin-client-addr", "192.0.2.1:4710"),
        ];
        fixture.send("GET /v1alpha/token", &headers, "").await;
    }
    let headers = [
        ("authorization", ADA),
        ("x-request-id", "7f"),
        ("spin-client-addr", "192.0.2.1:4711"),
    ];
    let answer = fixture.send("GET /v1alpha/token", &headers, "").await;
    assert_eq!(answer.status, 429);
    let retry_after: u64 = answer.header("retry-after").parse().unwrap();
    let idempotency: u64 = headers::IDEMPOTENCY_RETRY_AFTER.parse().unwrap();
    assert!(retry_after < idempotency);
    assert_eq!(answer.audit["audit"], "sign_in_throttled");
    assert_eq!(answer.audit["user"], "ada");
    assert_eq!(answer.audit["client"], "192.0.2.1:4711");
    assert_eq!(answer.audit["request_id"], "7f");
}

#[tokio::test(flavor = "current_thread")]
async fn the_client_is_where_the_trusted_proxy_says_and_nowhere_else() {
    for (trusted, forwarded, expected) in [
        ("", "10.9.9.9", "192.0.2.1:4711"),
        ("X-Forwarded-For", "10.9.9.9", "10.9.9.9"),
        // The client itself may have written what is in front.
        ("X-Forwarded-For", "10.1.1.1, 10.9.9.9", "10.9.9.9"),
        ("X-Forwarded-For", "2001:db8::1", "2001:db8::1"),
        ("X-Forwarded-For", "unknown", "192.0.2.1:4711"),
        ("True-Client-IP", "10.9.9.9", "192.0.2.1:4711"),
    ] {
        let fixture = fixture(&[("client_address_header", trusted)]);
        let headers = [
            ("authorization", "Basic YWRhOndyb25n"),
            ("x-forwarded-for", forwarded),
            ("spin-client-addr", "192.0.2.1:4711"),
        ];
        let answer = fixture.send("GET /v1alpha/token", &headers, "").await;
        assert_eq!(answer.audit["client"], expected, "{trusted} {forwarded}");
    }
}
