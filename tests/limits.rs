//! Tokens that can do less than their user.

use serde_json::{Value, json};

use crate::cases::Cases;
use crate::response::Response;
use crate::server::{Server, TOKENS, User};
use crate::verify::VERIFY;

/// Creates a token with these fields besides the two.
fn create(user: &User<'_>, limits: &Value) -> Response {
    let mut body = json!({"jwt_token_description": "Token", "jwt_token_life": 360});
    for (name, value) in limits.as_object().expect("fields") {
        body[name] = value.clone();
    }
    user.post(body.to_string())
}

fn verify(server: &Server, query: &str, token: &str) -> Response {
    server
        .request("GET", &format!("{VERIFY}{query}"))
        .header("authorization", &format!("Bearer {token}"))
        .send()
}

#[test]
fn what_is_demanded_is_compared_with_what_the_token_has() {
    let user = Server::shared().user();
    let limits = json!({
        "jwt_token_scope": "write read write",
        "jwt_token_audience": ["https://git.example", "pip"],
    });
    let created = create(&user, &limits).expect(201);
    let (id, token) = (created.text("jwt_token_id"), created.text("jwt_token"));
    let path = format!("{TOKENS}/{id}/rotate");
    let rotated = user.request("POST", &path).json(r#"{"overlap":60}"#).send();
    let successor = rotated.expect(201).text("jwt_token");
    let mut cases = Cases::default();
    for (query, status, code) in [
        ("", 200, ""),
        ("?", 200, ""),
        ("?scope=read", 200, ""),
        ("?scope=read%20write&audience=pip", 200, ""),
        ("/?audience=https%3A%2F%2Fgit.example", 200, ""),
        ("?scope=read+admin", 403, "insufficient_scope"),
        ("?scope=rea", 403, "insufficient_scope"),
        ("?audience=git", 403, "wrong_audience"),
        ("?scope=read&audience=PIP", 403, "wrong_audience"),
        ("?scop=read", 400, "invalid_request"),
        ("?scope", 400, "invalid_request"),
        ("?scope=", 400, "invalid_request"),
        ("?scope=read&scope=write", 400, "invalid_request"),
        ("?scope=%22", 400, "invalid_request"),
        ("?audience=pip&audience=pip", 400, "invalid_request"),
        ("?challenge=bearer", 400, "invalid_request"),
        ("?token=x", 400, "invalid_request"),
        // A demand counts wherever it stands; the rest may be the query of the proxy's client.
        ("/index.html?x=y", 200, ""),
        ("/index.html?x=y&scope=admin", 403, "insufficient_scope"),
    ] {
        for token in [&token, &successor] {
            let answer = verify(user.server, query, token);
            cases.check(query, answer.outcome(), (status, code.to_owned()));
            let scope = answer.headers.get("x-latchkey-scope");
            let scope = scope.map(|value| value.to_str().expect("text"));
            cases.check(query, scope, (status == 200).then_some("write read"));
        }
    }
    drop(cases);
    let refused = verify(user.server, "?scope=read+admin", &token);
    assert_eq!(
        refused.header("www-authenticate"),
        r#"Bearer realm="latchkey", error="insufficient_scope", scope="read admin""#
    );
    // Without a token the query is wrong all the same.
    let request = user.server.request("GET", &format!("{VERIFY}?scop=read"));
    request.send().refused(400, "invalid_request");

    let form = format!("token={successor}");
    let told = (user.request("POST", "/api/v1alpha/introspect"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    let told = told.send().expect(200).json();
    assert_eq!(told["scope"], "write read");
    assert_eq!(told["aud"], json!(["https://git.example", "pip"]));
}

#[test]
fn a_token_without_limits_can_do_all() {
    let user = Server::shared().user();
    let token = user.issue("Token", 360).token;
    let answer = verify(user.server, "?scope=admin&audience=git", &token).expect(200);
    assert!(!answer.headers.contains_key("x-latchkey-scope"));
    let expires = answer.header("x-latchkey-expires").parse::<u64>();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("after 1970").as_secs();
    assert!((now..=now + 360).contains(&expires.expect("a number")));
}

#[test]
fn limits_that_are_refused() {
    let user = Server::shared().user();
    let many: Vec<_> = (0..17).map(|number| number.to_string()).collect();
    let mut cases = Cases::default();
    for limits in [
        json!({"jwt_token_scope": ""}),
        json!({"jwt_token_scope": "a  b"}),
        json!({"jwt_token_scope": "a\"b"}),
        json!({"jwt_token_scope": "\u{e9}"}),
        json!({"jwt_token_scope": ["a"]}),
        json!({"jwt_token_scope": null}),
        json!({"jwt_token_scope": "x".repeat(1_025)}),
        json!({"jwt_token_audience": ""}),
        json!({"jwt_token_audience": []}),
        json!({"jwt_token_audience": many}),
        json!({"jwt_token_audience": ["a", 1]}),
        json!({"jwt_token_audience": {"a": "b"}}),
    ] {
        let refused = create(&user, &limits);
        cases.check(
            &limits,
            refused.outcome(),
            (400, "invalid_field".to_owned()),
        );
        let field = limits.as_object().expect("fields").keys().next();
        let named = refused.message().starts_with(field.expect("one").as_str());
        cases.check(&limits, named, true);
    }
    drop(cases);
    user.list().refused(404, "no_tokens");
}
