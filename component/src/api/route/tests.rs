use super::*;

const TOKENS: Option<(&str, Option<&str>)> = Some(("/api/v1alpha/token", None));

const fn token(id: &str) -> Option<(&str, Option<&str>)> {
    Some(("/api/v1alpha/token/{jwt_token_id}", Some(id)))
}

const fn rotation(id: &str) -> Option<(&str, Option<&str>)> {
    Some(("/api/v1alpha/token/{jwt_token_id}/rotate", Some(id)))
}

const fn plain(template: &str) -> Option<(&str, Option<&str>)> {
    Some((template, None))
}

#[test]
fn paths() {
    for (path, route) in [
        ("/api/v1alpha/token", TOKENS),
        ("/api/v1alpha/token/", TOKENS),
        ("/v1alpha/token", TOKENS),
        ("/v1alpha/token/", TOKENS),
        ("/api/v1alpha/token/x", token("x")),
        ("/v1alpha/token/x/", token("x")),
        ("/v1alpha/token/%20", token("%20")),
        ("/api/v1alpha/token/x/rotate", rotation("x")),
        ("/v1alpha/token/x/rotate/", rotation("x")),
        ("/v1alpha/token/rotate", token("rotate")),
        ("/v1alpha/token//rotate", None),
        ("/v1alpha/token/../rotate", None),
        ("/v1alpha/token/x/y/rotate", None),
        ("/v1alpha/token/x/rotate/y", None),
        ("/", plain("/")),
        ("/openapi.json", plain("/openapi.json")),
        ("/openapi.json/", plain("/openapi.json")),
        ("/api/openapi.json", None),
        ("/.well-known/jwks.json", plain("/.well-known/jwks.json")),
        ("/.well-known/jwks.json/", plain("/.well-known/jwks.json")),
        ("/.well-known/jwks.json//", None),
        ("/api/.well-known/jwks.json", None),
        ("/api/healthz/liveness", plain("/api/healthz/liveness")),
        ("/api/healthz/readyness", plain("/api/healthz/readiness")),
        ("/api/healthz/readiness/", plain("/api/healthz/readiness")),
        ("/healthz/liveness", None),
        ("/api/v1alpha/introspect", plain("/api/v1alpha/introspect")),
        ("/v1alpha/revoke/", plain("/api/v1alpha/revoke")),
        ("/api/v1alpha/revoke/x", None),
        ("/api/v1alpha/verify", plain("/api/v1alpha/verify")),
        ("/v1alpha/verify/", plain("/api/v1alpha/verify")),
        (
            "/api/v1alpha/verify//a/../%2F",
            plain("/api/v1alpha/verify"),
        ),
        ("/api/v1alpha/verifying", None),
        ("/api/v1alpha/verify%2Fx", None),
        ("", None),
        ("//", None),
        ("/index.html", None),
        ("/api", None),
        ("/api/v1alpha", None),
        ("/api/v1alpha/", None),
        ("/api/v1alpha/tokens", None),
        ("/api/v1alpha/Token", None),
        ("/api/api/v1alpha/token", None),
        ("//api/v1alpha/token", None),
        ("/api//v1alpha/token", None),
        ("/api/v1alpha//token", None),
        ("/api/v1alpha/token//", None),
        ("/api/v1alpha/token//x", None),
        ("/api/v1alpha/token/x//", None),
        ("/api/v1alpha/token/x/y", None),
        ("/api/v1alpha/token/..", None),
        ("/api/v1alpha/token/.", None),
        ("/api/v1alpha/token/../token", None),
        ("/api/v1alpha/token/%2e%2E", None),
        ("/api/v1alpha/token%2Fx", None),
        ("/api/v1alpha/token/x%2fy", None),
        ("/api%2Fv1alpha/token", None),
    ] {
        let parsed = Route::parse(path, None).map(|route| (route.template(), route.token_id()));
        assert_eq!(parsed, route, "{path}");
    }
}

#[test]
fn paths_of_users() {
    let tokens = "/api/v1alpha/users/{user}/token";
    let token = "/api/v1alpha/users/{user}/token/{jwt_token_id}";
    for (path, route) in [
        (
            "/api/v1alpha/users",
            Some(("/api/v1alpha/users", None, None)),
        ),
        ("/v1alpha/users/", Some(("/api/v1alpha/users", None, None))),
        (
            "/v1alpha/users/ada/token",
            Some((tokens, Some("ada"), None)),
        ),
        (
            "/v1alpha/users/a%20b/token/",
            Some((tokens, Some("a%20b"), None)),
        ),
        (
            "/v1alpha/users/token/token/token",
            Some((token, Some("token"), Some("token"))),
        ),
        ("/v1alpha/users/ada", None),
        ("/v1alpha/users//token", None),
        ("/v1alpha/users/../token", None),
        ("/v1alpha/users/%2e%2e/token", None),
        ("/v1alpha/users/.%2e/token", None),
        (
            "/v1alpha/users/octo%2Frepo/token",
            Some((tokens, Some("octo%2Frepo"), None)),
        ),
        (
            "/v1alpha/users/a%5cb.%2ec/token/x",
            Some((token, Some("a%5cb.%2ec"), Some("x"))),
        ),
        (
            "/v1alpha/users/a%252F../token",
            Some((tokens, Some("a%252F.."), None)),
        ),
        // A proxy that decodes these may make another user of them.
        ("/v1alpha/users/%2Fa/token", None),
        ("/v1alpha/users/a%2F/token", None),
        ("/v1alpha/users/a%2F%2Fb/token", None),
        ("/v1alpha/users/a%2F..%2Fb/token", None),
        ("/v1alpha/users/a%5C.%2E%2fb/token", None),
        ("/v1alpha/users/a\\..\\b/token", None),
        // As it is when one has decoded it.
        ("/v1alpha/users/a/b/token", None),
        ("/v1alpha/users/a/b/token/x", None),
        ("/v1alpha/users/ada/token/x/rotate", None),
        ("/v1alpha/users/ada/tokens", None),
        ("/v1alpha/usersada/token", None),
    ] {
        let parsed = Route::parse(path, None);
        let seen = parsed.map(|route| (route.template(), route.user(), route.token_id()));
        assert_eq!(seen, route, "{path}");
        assert!(parsed.is_none_or(Route::is_for_admins));
    }
    let own = Route::parse("/v1alpha/token/users", None);
    assert!(own.is_some_and(|route| !route.is_for_admins() && route.user().is_none()));
}

#[test]
fn queries() {
    for (query, all) in [
        ("all=true", true),
        ("x=y&all=true&z", true),
        ("", false),
        ("all", false),
        ("all=1", false),
        ("all=True", false),
        ("all=true&all=false", false),
        ("all=true&all", false),
        ("overall=true", false),
        ("al%6c=true", false),
    ] {
        let route = Route::parse("/api/v1alpha/token", Some(query)).unwrap();
        let deletes_all = route.action(&Method::DELETE) == Some(Managed(DeleteAll));
        assert_eq!(deletes_all, all, "{query}");
        let query = query.replace("all", "details");
        let route = Route::parse("/api/v1alpha/token", Some(&query)).unwrap();
        assert_eq!(route.wants_details(), all, "{query}");
    }
}

#[test]
fn methods() {
    for (path, query, allow) in [
        ("/", None, "GET, HEAD, OPTIONS"),
        ("/api/v1alpha/token", None, "GET, HEAD, POST, OPTIONS"),
        (
            "/api/v1alpha/token",
            Some("all=true"),
            "GET, HEAD, POST, DELETE, OPTIONS",
        ),
        ("/v1alpha/token/x", None, "GET, HEAD, DELETE, OPTIONS"),
        ("/v1alpha/token/x/rotate", None, "POST, OPTIONS"),
        ("/v1alpha/revoke", None, "POST, OPTIONS"),
    ] {
        let route = Route::parse(path, query).unwrap();
        assert_eq!(route.allow(), allow, "{path}");
        for method in [
            "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "X",
        ] {
            let listed = allow.split(", ").any(|allowed| allowed == method);
            let answered = route.action(&method.parse().unwrap()).is_some();
            assert_eq!(answered, listed && method != "OPTIONS", "{method} {path}");
        }
    }
    let verification = Route::parse("/api/v1alpha/verify/x", None).unwrap();
    for method in ["GET", "POST", "OPTIONS", "BREW"] {
        let action = verification.action(&method.parse().unwrap());
        assert_eq!(action, Some(Open(Verify)));
    }
}

#[test]
fn every_route_is_found_by_its_path() {
    for (method, uri) in routes() {
        let (path, query) = uri.split_once('?').unzip();
        let route = Route::parse(path.unwrap_or(&uri), query).unwrap();
        let action = route.action(&method.parse().unwrap());
        assert_eq!(
            action.map(Action::reads_body),
            Some(method == "POST"),
            "{uri}"
        );
    }
    assert_eq!(routes().count(), 23);
}
