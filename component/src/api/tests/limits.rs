//! Tokens that can do less, and what is told of them.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::*;

const CREATE: &str = "POST /v1alpha/token";
const HEADERS: [(&str, &str); 2] = [("authorization", ADA), ("content-type", "application/json")];

fn body(limits: &str) -> String {
    format!(r#"{{"jwt_token_description":"alpha","jwt_token_life":3600{limits}}}"#)
}

/// The claims of the token in `created`, as they are written.
fn claims(created: &Answer) -> String {
    let token = created.body["jwt_token"].as_str().unwrap();
    let claims = token.split('.').nth(1).unwrap();
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

#[tokio::test(flavor = "current_thread")]
async fn fields_become_claims() {
    let configured = [("issuer", "me"), ("audience", "you")];
    for (variables, limits, end) in [
        (&[][..], "", r#""iat":1662720135}"#),
        (
            &[],
            r#","jwt_token_scope":"b a b""#,
            r#""iat":1662720135,"scope":"b a"}"#,
        ),
        (
            &[],
            r#","jwt_token_audience":"git","jwt_token_scope":"a""#,
            r#""iat":1662720135,"aud":"git","scope":"a"}"#,
        ),
        (
            &[],
            r#","jwt_token_audience":["git","pip","git"]"#,
            r#""iat":1662720135,"aud":["git","pip"]}"#,
        ),
        (
            &[],
            r#","jwt_token_audience":["git"]"#,
            r#""iat":1662720135,"aud":"git"}"#,
        ),
        (&configured, "", r#","aud":"you"}"#),
        (
            &configured,
            r#","jwt_token_audience":"git""#,
            r#","aud":"git"}"#,
        ),
    ] {
        let fixture = fixture(variables);
        let created = fixture.send(CREATE, &HEADERS, &body(limits)).await;
        assert_eq!(created.status, 201, "{created:?}");
        let old = claims(&created);
        assert!(old.ends_with(end), "{old}");
        // A rotation keeps them.
        let id = created.body["jwt_token_id"].as_str().unwrap();
        let line = format!("POST /v1alpha/token/{id}/rotate");
        let rotated = fixture.send(&line, &HEADERS, "").await;
        let new = claims(&rotated);
        assert!(new.ends_with(end), "{new}");
        for audited in [&created.audit, &rotated.audit] {
            let scope = audited.get("jwt_token_scope").is_some();
            assert_eq!(scope, limits.contains("scope"), "{audited}");
            let audience = audited.get("jwt_token_audience").is_some();
            assert_eq!(audience, limits.contains("audience"), "{audited}");
        }
        // What the service says is what is signed.
        let token = rotated.body["jwt_token"].as_str().unwrap();
        let told = fixture
            .send_token("POST /v1alpha/introspect", &HEADERS[..1], token)
            .await;
        let signed: Value = serde_json::from_str(&new).unwrap();
        for claim in ["aud", "scope"] {
            assert_eq!(told.body.get(claim), signed.get(claim), "{claim}");
        }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn fields_that_are_refused() {
    let fixture = fixture(&[]);
    let audiences = serde_json::to_string(&vec!["a"; 17]).unwrap();
    for (limits, code) in [
        (r#","jwt_token_scope":"""#, "invalid_field"),
        (r#","jwt_token_scope":" a""#, "invalid_field"),
        (r#","jwt_token_scope":"a  b""#, "invalid_field"),
        (r#","jwt_token_scope":"é""#, "invalid_field"),
        (r#","jwt_token_scope":null"#, "invalid_field"),
        (r#","jwt_token_scope":["a"]"#, "invalid_field"),
        (r#","jwt_token_audience":"""#, "invalid_field"),
        (r#","jwt_token_audience":[]"#, "invalid_field"),
        (r#","jwt_token_audience":["a",1]"#, "invalid_field"),
        (r#","jwt_token_audience":{}"#, "invalid_field"),
        (r#","jwt_token_audience":null"#, "invalid_field"),
        (r#","jwt_token_scopes":"a""#, "unknown_field"),
        (r#","scope":"a""#, "unknown_field"),
        (r#","overlap":1"#, "unknown_field"),
    ] {
        let answer = fixture.send(CREATE, &HEADERS, &body(limits)).await;
        assert_eq!((answer.status, answer.code()), (400, code), "{limits}");
    }
    // Repeats do not count.
    let limits = format!(r#","jwt_token_audience":{audiences}"#);
    let answer = fixture.send(CREATE, &HEADERS, &body(&limits)).await;
    assert_eq!(answer.status, 201);
    let line = "POST /v1alpha/token/x/rotate";
    let answer = fixture.send(line, &HEADERS, r#"{"overlaps":1}"#).await;
    assert_eq!((answer.status, answer.code()), (400, "unknown_field"));
}

#[tokio::test(flavor = "current_thread")]
async fn an_idempotency_key_stands_for_the_limits_too() {
    let fixture = fixture(&[]);
    let headers = [HEADERS[0], HEADERS[1], ("idempotency-key", "k")];
    let limits = r#","jwt_token_scope":"a","jwt_token_audience":"b""#;
    let first = fixture.send(CREATE, &headers, &body(limits)).await;
    let id = first.body["jwt_token_id"].as_str().unwrap();
    for other in [
        "",
        r#","jwt_token_scope":"a""#,
        r#","jwt_token_audience":"b""#,
        r#","jwt_token_scope":"a","jwt_token_audience":["b","c"]"#,
        r#","jwt_token_scope":"b","jwt_token_audience":"a""#,
    ] {
        let answer = fixture.send(CREATE, &headers, &body(other)).await;
        assert_eq!(answer.code(), "idempotency_key_reused", "{other}");
    }
    let again = fixture.send(CREATE, &headers, &body(limits)).await;
    assert_eq!(again.body, first.body);
    let line = format!("DELETE /v1alpha/token/{id}");
    fixture.send(&line, &HEADERS[..1], "").await;
    let again = fixture.send(CREATE, &headers, &body(limits)).await;
    assert_eq!(again.body, first.body);
}

#[tokio::test(flavor = "current_thread")]
async fn details_are_added_where_they_are_asked_for() {
    let fixture = fixture(&[]);
    let limits = r#","jwt_token_scope":"a","jwt_token_audience":["b","c"]"#;
    let created = fixture.send(CREATE, &HEADERS, &body(limits)).await;
    let id = created.body["jwt_token_id"].as_str().unwrap();
    let show = format!("GET /v1alpha/token/{id}");
    let ask = async |line: &str| fixture.send(line, &HEADERS[..1], "").await.body;
    let details = async |used: Value| {
        let expected = json!({
            "jwt_token_scope": "a",
            "jwt_token_audience": ["b", "c"],
            "jwt_token_issued_at": "2022-09-09T10:42:15Z",
            "jwt_token_expires_at": "2022-09-09T11:42:15Z",
            "jwt_token_last_used": used,
        });
        let (list, token) = (ask("GET /v1alpha/token").await, ask(&show).await);
        for (with, without) in [
            (
                &ask("GET /v1alpha/token?details=true").await["jwt_tokens"][id],
                &list["jwt_tokens"][id],
            ),
            (&ask(&format!("{show}?details=true")).await, &token),
        ] {
            let mut all = without.as_object().unwrap().clone();
            assert!(!all.contains_key("jwt_token_last_used"));
            all.extend(expected.as_object().unwrap().clone());
            assert_eq!(with, &Value::from(all));
        }
    };
    details(Value::Null).await;
    let bearer = format!("Bearer {}", created.body["jwt_token"].as_str().unwrap());
    let verify = async || {
        let line = "GET /v1alpha/verify?scope=a";
        let request = request(line, &[("authorization", &bearer)], "");
        let handled = handle(Ok(&fixture.service), request).await;
        assert_eq!(handled.response.status(), 200);
        handled.notes_use
    };
    assert!(verify().await);
    // Not before the answer.
    details(Value::Null).await;
    fixture.service.write_uses().await;
    details(json!("2022-09-09T10:40:00Z")).await;
    // Within the step there is nothing more to write.
    assert!(!verify().await);
    fixture.clock.advance(Duration::from_secs(8 * 60));
    assert!(verify().await);
    fixture.service.write_uses().await;
    let used = &ask(&format!("{show}?details=true")).await["jwt_token_last_used"];
    assert_eq!(used, "2022-09-09T10:50:00Z");
    // What is refused is no use.
    fixture.clock.advance(Duration::from_secs(10 * 60));
    let line = "GET /v1alpha/verify?scope=x";
    let refused = request(line, &[("authorization", &bearer)], "");
    assert!(!handle(Ok(&fixture.service), refused).await.notes_use);
}
