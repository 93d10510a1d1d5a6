//! Users who have signed in without a password.

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

const ZOE: [(&str, &str); 3] = [
    ("x-forwarded-user", "zoe q"),
    ("x-latchkey-proxy-secret", SECRET),
    ("sec-fetch-site", "same-origin"),
];

#[tokio::test(flavor = "current_thread")]
async fn what_is_said_of_their_tokens() {
    let fixture = fixture(&[
        ("proxy_user_header", "X-Forwarded-User"),
        ("proxy_secret", SECRET),
    ]);
    let none = fixture.send("GET /api/v1alpha/token", &ZOE, "").await;
    assert_eq!((none.status, none.code()), (404, "no_tokens"));
    assert_eq!(none.header("x-latchkey-user"), "zoe%20q");

    let json = [&ZOE[..], &[("content-type", "application/json")]].concat();
    let body = r#"{"jwt_token_description":"t","jwt_token_life":"1h"}"#;
    let created = fixture.send("POST /api/v1alpha/token", &json, body).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.audit["means"], "proxy");
    assert_eq!(created.audit["user"], "zoe q");
    let id = created.body["jwt_token_id"].as_str().unwrap();

    let signed_in = "2022-09-09T10:42:15Z";
    let line = format!("GET /api/v1alpha/token/{id}?details=true");
    let shown = fixture.send(&line, &ZOE, "").await.body;
    assert_eq!(shown["jwt_token_means"], "proxy");
    assert_eq!(shown["jwt_user_last_sign_in"], signed_in);
    let listed = fixture
        .send("GET /api/v1alpha/token?details=true", &ZOE, "")
        .await;
    assert_eq!(listed.body["jwt_tokens"][id]["jwt_token_means"], "proxy");
    let plain = fixture.send("GET /api/v1alpha/token", &ZOE, "").await.body;
    assert!(plain["jwt_tokens"][id].get("jwt_token_means").is_none());

    let token = created.body["jwt_token"].as_str().unwrap();
    let told = fixture
        .send_token(
            "POST /api/v1alpha/introspect",
            &[("authorization", ADA)],
            token,
        )
        .await;
    assert_eq!(told.body["means"], "proxy");
    assert_eq!(told.body["last_sign_in"], 1_662_720_135);

    // What was made with a password has nothing of it.
    let issued = fixture.issue("ada", "t", "1h").await.unwrap();
    let told = fixture
        .send_token(
            "POST /api/v1alpha/introspect",
            &[("authorization", ADA)],
            issued.signed.expose(),
        )
        .await;
    assert!(told.body.get("means").is_none() && told.body.get("last_sign_in").is_none());
}

#[tokio::test(flavor = "current_thread")]
async fn the_page_is_told_whom_the_proxy_names() {
    let fixture = fixture(&[
        ("proxy_user_header", "X-Forwarded-User"),
        ("proxy_secret", SECRET),
    ]);
    for (line, headers, user, cache) in [
        ("HEAD /", &ZOE[..], "zoe%20q", "no-store"),
        ("GET /", &ZOE, "", "no-cache"),
        ("HEAD /", &ZOE[..1], "", "no-cache"),
        ("HEAD /", &[], "", "no-cache"),
    ] {
        let request = {
            let (method, path) = line.split_once(' ').unwrap();
            let mut request = Request::builder().method(method).uri(path);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            request.body(Bytes::new()).unwrap()
        };
        let response = handle(Ok(&fixture.service), request).await.response;
        let header = |name| {
            let value = response.headers().get(name);
            value.map_or("", |value| value.to_str().unwrap())
        };
        assert_eq!(header("x-latchkey-user"), user, "{line}");
        assert_eq!(header("cache-control"), cache, "{line}");
    }
}
