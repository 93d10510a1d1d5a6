//! What holds on every route. That every response is JSON with a message and so on, every test checks:
//! `Response::checked`.

use crate::cases::Cases;
use crate::raw::{Raw, ask, head};
use crate::server::{Server, TOKENS};
use crate::show::UNKNOWN;

const COLLECTION: &str = "GET, HEAD, POST, OPTIONS";
const ITEM: &str = "GET, HEAD, DELETE, OPTIONS";

#[test]
fn aliases_and_trailing_slashes_are_the_same_resource() {
    let user = Server::shared().user();
    let issued = user.issue("Token", 360);
    let list = user.list().snapshot();
    let show = user.show(&issued.id).snapshot();
    let mut cases = Cases::default();
    for base in ["/api/v1alpha", "/v1alpha"] {
        for end in ["", "/", "?", "/?", "?a=b&c=%2F%2F", "/?/../"] {
            for (path, expected) in [
                ("/token".to_owned(), &list),
                (format!("/token/{}", issued.id), &show),
            ] {
                let line = format!("GET {base}{path}{end}");
                cases.check(
                    &line,
                    &ask(user.server, &line, &[&user.authorization()]).snapshot(),
                    expected,
                );
            }
        }
    }
    drop(cases);

    for path in ["/api/v1alpha/token/", "/v1alpha/token", "/v1alpha/token/"] {
        let body = format!(r#"{{"jwt_token_description":"{path}","jwt_token_life":360}}"#);
        let created = user.request("POST", path).json(body).send().expect(201);
        let id = created.text("jwt_token_id");
        user.request("DELETE", &format!("{path}/{id}/").replace("//", "/"))
            .send()
            .expect(200);
    }
    assert_eq!(user.ids(), [issued.id]);
}

#[test]
fn unknown_paths() {
    let user = Server::shared().user();
    let issued = user.issue("Token", 360);
    let id = &issued.id;
    let paths = [
        "/api".to_owned(),
        "/api/".to_owned(),
        "/api/v1alpha".to_owned(),
        "/api/v1alpha/".to_owned(),
        "/v1alpha".to_owned(),
        "/token".to_owned(),
        format!("/token/{id}"),
        "/api/v1/token".to_owned(),
        "/api/v1alpha1/token".to_owned(),
        "/api/v1alpha/tokens".to_owned(),
        "/api/v1alpha/toke".to_owned(),
        "/api/v1alpha/token.json".to_owned(),
        "/api/v1alpha/token;v=1".to_owned(),
        "/api/v1alpha/Token".to_owned(),
        "/API/v1alpha/token".to_owned(),
        "/api/V1ALPHA/token".to_owned(),
        "/api/api/v1alpha/token".to_owned(),
        "/x/api/v1alpha/token".to_owned(),
        "/v1alpha/api/token".to_owned(),
        "/api/v1alpha/user".to_owned(),
        format!("{TOKENS}/{id}/x"),
        format!("{TOKENS}/{id}/{id}"),
        format!("{TOKENS}/x/{id}"),
        "/favicon.ico".to_owned(),
        "/robots.txt".to_owned(),
        // Empty segments.
        "//".to_owned(),
        format!("/{TOKENS}"),
        "/api//v1alpha/token".to_owned(),
        "/api/v1alpha//token".to_owned(),
        format!("{TOKENS}//"),
        format!("{TOKENS}//{id}"),
        format!("{TOKENS}/{id}//"),
        // Dot segments.
        format!("{TOKENS}/.."),
        format!("{TOKENS}/../"),
        format!("{TOKENS}/../token"),
        format!("{TOKENS}/{id}/.."),
        format!("{TOKENS}/x/../{id}"),
        "/../api/v1alpha/token".to_owned(),
        "/api/v1alpha/x/../token".to_owned(),
        "/api/v1alpha/%2e%2e/v1alpha/token".to_owned(),
        "/api/v1alpha/x/%2E%2E/token".to_owned(),
        // Encoded slashes.
        "/api%2Fv1alpha/token".to_owned(),
        "/api/v1alpha%2ftoken".to_owned(),
        format!("{TOKENS}%2F"),
        format!("{TOKENS}%2F{id}"),
        format!("{TOKENS}/%2F"),
        format!("{TOKENS}/{id}%2F"),
        format!("{TOKENS}/{id}%2fx"),
        format!("{TOKENS}/%5C..%2f{id}"),
    ];
    let mut cases = Cases::default();
    for path in &paths {
        for method in ["GET", "POST", "DELETE", "PUT", "OPTIONS"] {
            let line = format!("{method} {path}");
            // With credentials or without: the route is looked at first.
            let seen = ask(user.server, &line, &[]);
            cases.check(&line, seen.outcome(), (404, "not_found".to_owned()));
            let seen_by_user = ask(user.server, &line, &[&user.authorization()]);
            cases.check(&line, seen_by_user.snapshot(), seen.snapshot());
        }
    }
    drop(cases);
    assert_eq!(user.ids(), [issued.id]);
}

#[test]
fn head_answers_as_get_without_a_body() {
    let user = Server::shared().user();
    let issued = user.issue("Token", 360);
    let mut cases = Cases::default();
    for (path, authorized) in [
        (TOKENS.to_owned(), true),
        (format!("{TOKENS}/{}", issued.id), true),
        (format!("{TOKENS}/{UNKNOWN}"), true),
        (format!("{TOKENS}/abc"), true),
        (TOKENS.to_owned(), false),
        ("/nowhere".to_owned(), false),
        (format!("{TOKENS}//"), false),
    ] {
        let authorization = user.authorization();
        let headers: &[&str] = if authorized { &[&authorization] } else { &[] };
        // On one connection: a body would be taken for the next response.
        let mut raw = Raw::connect(user.server);
        let mut both = ["HEAD", "GET"].map(|method| {
            let line = format!("{method} {path}");
            raw.send(head(user.server, &line, headers));
            raw.response(&line)
        });
        // Remaining lives need not be equally long to the last digit.
        let varies = both[1].body.contains("remaining");
        for response in &mut both {
            response.headers.remove("date");
            response.headers.remove("x-request-id");
            if varies {
                response.headers.remove("content-length");
            }
        }
        let [without, with] = &both;
        cases.check((&path, authorized), without.status, with.status);
        cases.check((&path, authorized), &without.headers, &with.headers);
    }
}

#[test]
fn head_of_no_tokens() {
    let user = Server::shared().user();
    let get = user.list();
    let head = user.request("HEAD", TOKENS).send().expect(404);
    assert_eq!(head.header("content-length"), get.header("content-length"));
    assert_eq!(head.header("content-type"), get.header("content-type"));
}

#[test]
fn options() {
    let user = Server::shared().user();
    let issued = user.issue("Token", 360);
    let mut cases = Cases::default();
    for (path, allow) in [
        (TOKENS.to_owned(), COLLECTION),
        ("/v1alpha/token/".to_owned(), COLLECTION),
        (format!("{TOKENS}/{}", issued.id), ITEM),
        (format!("/v1alpha/token/{}/", issued.id), ITEM),
        // Whether it exists is nobody's business.
        (format!("{TOKENS}/{UNKNOWN}"), ITEM),
        (format!("{TOKENS}/abc"), ITEM),
    ] {
        let line = format!("OPTIONS {path}");
        for headers in [
            &[][..],
            &[user.authorization().as_str()],
            &["Authorization: Basic x"],
        ] {
            let response = ask(user.server, &line, headers);
            cases.check(
                (&line, headers),
                (response.status, response.header("allow")),
                (204, allow),
            );
        }
    }
}

#[test]
fn other_methods() {
    let user = Server::shared().user();
    let issued = user.issue("Token", 360);
    let item = format!("{TOKENS}/{}", issued.id);
    let unknown = format!("{TOKENS}/{UNKNOWN}");
    let mut cases = Cases::default();
    for (path, allow, methods) in [
        (
            TOKENS,
            COLLECTION,
            ["PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get", "LIST"],
        ),
        (
            &item,
            ITEM,
            [
                "PUT", "PATCH", "POST", "TRACE", "PROPFIND", "delete", "REVOKE",
            ],
        ),
        (
            &unknown,
            ITEM,
            [
                "PUT", "PATCH", "POST", "TRACE", "PROPFIND", "delete", "REVOKE",
            ],
        ),
    ] {
        for method in methods {
            let line = format!("{method} {path}");
            // With credentials or without: the method is looked at first.
            for headers in [
                &[][..],
                &[user.authorization().as_str()],
                &["Content-Type: text/plain"],
            ] {
                let response = ask(user.server, &line, headers);
                cases.check(
                    (&line, headers),
                    response.outcome(),
                    (405, "method_not_allowed".to_owned()),
                );
                cases.check((&line, headers), response.header("allow"), allow);
            }
        }
    }
    drop(cases);
    assert_eq!(user.ids(), [issued.id]);
}

/// Route, method, authentication, media type, size, JSON, fields, state: each request is wrong in one respect and in all
/// that come after it.
#[test]
fn the_order_of_checks() {
    let user = Server::shared().user();
    user.issue("taken", 360);
    let authorization = user.authorization();
    let authorized: &[&str] = &[&authorization];
    let json: &[&str] = &[&authorization, "Content-Type: application/json"];
    let large = "{".repeat(16 * 1024 + 1);
    let nowhere = "/api/v1alpha/nowhere";
    let mut cases = Cases::default();
    for (check, method, path, headers, body, expected) in [
        (
            "route",
            "PUT",
            nowhere,
            &[][..],
            large.as_str(),
            (404, "not_found"),
        ),
        (
            "method",
            "PUT",
            TOKENS,
            &[],
            &large,
            (405, "method_not_allowed"),
        ),
        (
            "authentication",
            "POST",
            TOKENS,
            &[],
            &large,
            (401, "unauthorized"),
        ),
        (
            "media type",
            "POST",
            TOKENS,
            authorized,
            &large,
            (415, "unsupported_media_type"),
        ),
        (
            "size",
            "POST",
            TOKENS,
            json,
            &large,
            (413, "body_too_large"),
        ),
        (
            "JSON",
            "POST",
            TOKENS,
            json,
            r#"{"jwt_token_description":"taken""#,
            (400, "malformed_json"),
        ),
        (
            "field types before values",
            "POST",
            TOKENS,
            json,
            r#"{"jwt_token_description":"taken","jwt_token_life":null}"#,
            (400, "invalid_field"),
        ),
        (
            "values before state",
            "POST",
            TOKENS,
            json,
            r#"{"jwt_token_description":"taken","jwt_token_life":0}"#,
            (400, "invalid_lifetime"),
        ),
        (
            "state",
            "POST",
            TOKENS,
            json,
            r#"{"jwt_token_description":"taken","jwt_token_life":360}"#,
            (400, "description_taken"),
        ),
    ] {
        let line = format!("{method} {path}");
        let length = format!("Content-Length: {}", body.len());
        let mut raw = Raw::connect(user.server);
        raw.send(head(
            user.server,
            &line,
            &[headers, &[length.as_str()]].concat(),
        ));
        if body.len() < 1024 {
            raw.send(body);
        }
        let seen = raw.response(&line).outcome();
        cases.check(check, (seen.0, seen.1.as_str()), expected);
    }
}
