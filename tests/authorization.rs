//! Every route asks for credentials, or is one of those that need none: a route without a line here fails.

use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, Engine};
use latchkey_component::api::route::routes;

use crate::cases::Cases;
use crate::client::basic;
use crate::raw::{Raw, head};
use crate::response::Response;
use crate::server::{Launch, PASSWORD, Server, User, host_only};
use crate::show::UNKNOWN;

/// Every route, and the body that would make a request to it succeed.
const LINES: &[(&str, &str, &str)] = &[
    ("GET", "/api/v1alpha/token", ""),
    (
        "POST",
        "/api/v1alpha/token",
        r#"{"jwt_token_description":"made by an intruder","jwt_token_life":360}"#,
    ),
    ("GET", "/api/v1alpha/token/{jwt_token_id}", ""),
    (
        "POST",
        "/api/v1alpha/token/{jwt_token_id}/rotate",
        r#"{"overlap":60}"#,
    ),
    ("POST", "/api/v1alpha/introspect", "token=x.y.z"),
    ("DELETE", "/api/v1alpha/token/{jwt_token_id}", ""),
    ("DELETE", "/api/v1alpha/token?all=true", ""),
];

/// The routes for administrators.
const ADMIN: &[(&str, &str, &str)] = &[
    ("GET", "/api/v1alpha/users", ""),
    ("GET", "/api/v1alpha/users/{user}/token", ""),
    (
        "POST",
        "/api/v1alpha/users/{user}/token",
        r#"{"jwt_token_description":"made for somebody","jwt_token_life":360}"#,
    ),
    ("GET", "/api/v1alpha/users/{user}/token/{jwt_token_id}", ""),
    (
        "DELETE",
        "/api/v1alpha/users/{user}/token/{jwt_token_id}",
        "",
    ),
    ("DELETE", "/api/v1alpha/users/{user}/token?all=true", ""),
];

/// The routes without credentials. What they tell or change of a token takes the token itself.
const OPEN: &[(&str, &str)] = &[
    ("GET", "/"),
    ("GET", "/openapi.json"),
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/.well-known/oauth-authorization-server"),
    ("GET", "/.well-known/openid-configuration"),
    ("GET", "/api/healthz/liveness"),
    ("GET", "/api/healthz/readiness"),
    ("GET", "/api/healthz/readyness"),
    ("GET", "/api/v1alpha/verify"),
    ("POST", "/api/v1alpha/revoke"),
];

#[test]
fn every_route_has_a_line() {
    let mut routes: Vec<_> = routes().collect();
    let mut lines: Vec<_> = LINES
        .iter()
        .chain(ADMIN)
        .map(|(method, path, _)| (*method, (*path).to_owned()))
        .chain(
            OPEN.iter()
                .map(|(method, path)| (*method, (*path).to_owned())),
        )
        .collect();
    routes.sort_unstable();
    lines.sort_unstable();
    assert_eq!(
        routes, lines,
        "a route without a line, or a line without a route"
    );
}

#[test]
fn every_route_refuses_whoever_is_not_the_user() {
    let mut cases = Cases::default();
    for (method, path, body) in LINES {
        for path in [path, path.strip_prefix("/api").expect("the base path")] {
            // A user of its own: after a few failures a user is refused unseen.
            let user = Server::shared().user();
            let issued = user.issue("Token", 360);
            let line =
                |method: &str, id: &str| format!("{method} {}", path.replace("{jwt_token_id}", id));
            for headers in intruders(&user, &issued.token) {
                let line = line(method, &issued.id);
                let response = request(&user, &line, &headers, body);
                cases.check(
                    (&line, headers),
                    response.refusal(),
                    (401, "unauthorized".to_owned()),
                );
            }
            if *method == "GET" {
                let line = line("HEAD", &issued.id);
                cases.check(&line, request(&user, &line, &[], body).status, 401);
            }
            // Whether a token exists is nobody's business.
            for id in [UNKNOWN, "abc"] {
                let line = line(method, id);
                cases.check(
                    &line,
                    request(&user, &line, &[], body).outcome(),
                    (401, "unauthorized".to_owned()),
                );
            }
            assert_eq!(
                user.ids(),
                [issued.id.as_str()],
                "a refused request has changed something"
            );

            // The same request, with the credentials: it succeeds.
            let line = line(method, &issued.id);
            let response = request(&user, &line, &[user.authorization()], body);
            assert!(matches!(response.status, 200 | 201), "{response:?}");
        }
    }
}

/// What another user, who has no tokens, gets at the routes of [`LINES`] for somebody's token. An administrator gets no more
/// there.
fn of_another(method: &str, path: &str) -> (u16, &'static str) {
    match (method, path) {
        ("GET", "/api/v1alpha/token") => (404, "no_tokens"),
        ("POST", "/api/v1alpha/token") => (201, ""),
        // Services ask about the tokens of others.
        ("POST", "/api/v1alpha/introspect") | ("DELETE", "/api/v1alpha/token?all=true") => {
            (200, "")
        }
        _ => (404, "no_such_token"),
    }
}

/// Every route, for the owner of a token, another user, an administrator and nobody.
#[test]
fn owner_other_administrator_nobody() {
    if !host_only("an administrator") {
        return;
    }
    let server = Server::start(Launch::new().variable("admins", "user-90 root"));
    let mut cases = Cases::default();
    let refused = |status: u16, code: &str| (status, code.to_owned());
    for (method, path, body) in LINES.iter().chain(ADMIN) {
        let is_for_admins = path.contains("/users");
        let owner = server.user();
        let issued = owner.issue("Token", 360);
        let ask = |user: Option<&User<'_>>, name: &str, id: &str| {
            let path = path.replace("{jwt_token_id}", id).replace("{user}", name);
            let headers: Vec<_> = user.iter().map(|user| user.authorization()).collect();
            request(&owner, &format!("{method} {path}"), &headers, body).outcome()
        };
        let case = |who| (*method, *path, who);
        cases.check(
            case("nobody"),
            ask(None, &owner.name, &issued.id),
            refused(401, "unauthorized"),
        );
        let other = server.user();
        let admin = server.named("user-90", PASSWORD);
        // Whether there is such a user, or such a token, is nobody's business.
        for (name, id) in [
            (&*owner.name, &*issued.id),
            ("nobody-9", UNKNOWN),
            ("%", "x"),
        ] {
            for (who, user) in [("other", &other), ("owner", &owner)] {
                if is_for_admins {
                    let seen = ask(Some(user), name, id);
                    cases.check(case(who), seen, refused(403, "not_an_admin"));
                }
            }
        }
        if !is_for_admins {
            let (status, code) = of_another(method, path);
            for (who, user) in [("other", &other), ("administrator", &admin)] {
                let seen = ask(Some(user), "", &issued.id);
                cases.check(case(who), seen, refused(status, code));
                user.delete_all();
            }
        } else if path.contains("{user}") {
            for name in ["nobody-9", "%", "%FF"] {
                let seen = ask(Some(&admin), name, &issued.id);
                cases.check(case(name), seen, refused(404, "no_such_user"));
            }
            // Their own tokens are no more than those of others.
            let own = admin.issue("of the administrator", 360);
            if path.contains("{jwt_token_id}") {
                let seen = ask(Some(&admin), &owner.name, &own.id);
                cases.check(case("another's token"), seen, refused(404, "no_such_token"));
            }
            admin.delete(&own.id).expect(200);
        }
        assert_eq!(
            owner.ids(),
            [issued.id.as_str()],
            "{method} {path} changed something"
        );
        let (who, user) = match is_for_admins {
            true => ("administrator", &admin),
            false => ("owner", &owner),
        };
        let (status, _) = ask(Some(user), &owner.name, &issued.id);
        cases.check(case(who), matches!(status, 200 | 201), true);
    }
}

/// Header lines that must not let anybody in.
fn intruders(user: &User<'_>, token: &str) -> Vec<Vec<String>> {
    let good = basic(&user.name, &user.password);
    let credentials = good.strip_prefix("Basic ").expect("the scheme");
    let encode = |bytes: &[u8]| format!("Basic {}", BASE64_STANDARD.encode(bytes));
    let name = user.name.as_bytes();
    let single = [
        basic(&user.name, "wrong"),
        basic(&user.name, ""),
        basic(&format!("no {}", user.name), &user.password),
        basic("", &user.password),
        // A token can neither make nor delete tokens, however it is presented.
        format!("Bearer {token}"),
        format!("Basic {token}"),
        format!("JWT {token}"),
        token.to_owned(),
        basic(&user.name, token),
        basic(token, ""),
        basic(token, "x-oauth-basic"),
        basic("", token),
        // Not the header that RFC 7617 describes.
        String::new(),
        "Basic".to_owned(),
        "Basic ".to_owned(),
        "Basic =".to_owned(),
        "Basic !!!!".to_owned(),
        "Basic ====".to_owned(),
        format!("Basic{credentials}"),
        format!("Basic:{credentials}"),
        format!("Basic,{credentials}"),
        format!("Basic {credentials} {credentials}"),
        format!("Basic {credentials},Basic {credentials}"),
        format!("Basic {credentials}!"),
        format!("Basic {credentials}=="),
        format!("Basic \"{credentials}\""),
        format!("Basic {}:{}", user.name, user.password),
        format!("Digest {credentials}"),
        format!("Bearer {credentials}"),
        format!("Basic realm=\"latchkey\", {credentials}"),
        credentials.to_owned(),
        encode(name),
        encode(b""),
        encode(b":"),
        encode(&[name, b":\xFF\xFE"].concat()),
        encode(&[b"\xFF\xFE:", user.password.as_bytes()].concat()),
        encode(format!("{}\0:{}", user.name, user.password).as_bytes()),
        format!(
            "Basic {}",
            BASE64_STANDARD_NO_PAD.encode([name, b":wrong"].concat())
        ),
    ];
    let mut headers: Vec<_> = single
        .iter()
        .map(|value| vec![format!("Authorization: {value}")])
        .collect();
    headers.push(Vec::new());
    headers.push(vec![format!("Proxy-Authorization: {good}")]);
    headers.push(vec![format!("X-Authorization: {good}")]);
    headers.push(vec![format!("Cookie: token={token}")]);
    // Which of two would count is anybody's guess, and two proxies guess differently.
    let wrong = basic(&user.name, "wrong");
    headers.push(vec![
        format!("Authorization: {good}"),
        format!("Authorization: {wrong}"),
    ]);
    headers.push(vec![
        format!("Authorization: {wrong}"),
        format!("Authorization: {good}"),
    ]);
    headers
}

fn request(user: &User<'_>, line: &str, headers: &[String], body: &str) -> Response {
    let mut lines: Vec<&str> = headers.iter().map(String::as_str).collect();
    let length = format!("Content-Length: {}", body.len());
    if !body.is_empty() {
        let media_type = match body.starts_with('{') {
            true => "Content-Type: application/json",
            false => "Content-Type: application/x-www-form-urlencoded",
        };
        lines.extend([media_type, length.as_str()]);
    }
    let mut raw = Raw::connect(user.server);
    raw.send(head(user.server, line, &lines) + body);
    raw.response(line)
}
