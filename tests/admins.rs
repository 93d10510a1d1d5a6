//! Administrators: who has tokens, and what becomes of them.

use serde_json::{Value, json};

use crate::browser::signed_in;
use crate::response::Response;
use crate::server::{HASH, Launch, PASSWORD, Server, TOKENS, User, host_only};
use crate::verify::verify;

/// The name of a user, in a path.
const ZOE: &str = "/users/zo%C3%AB%40example.org/token";

fn launch(users: &[&str]) -> Launch {
    let users: Vec<_> = users.iter().map(|name| format!("{name}:{HASH}")).collect();
    Launch::new()
        .users(Some(&users.join("\n")))
        .variable("admins", "root")
}

fn ask(user: &User<'_>, method: &str, path: &str) -> Response {
    user.request(method, &format!("/api/v1alpha{path}")).send()
}

fn make(user: &User<'_>, path: &str, description: &str) -> Response {
    let body = json!({"jwt_token_description": description, "jwt_token_life": "1 hour"});
    let request = user.request("POST", &format!("/api/v1alpha{path}"));
    request.json(body.to_string()).send()
}

#[test]
fn an_administrator_sees_makes_and_ends_the_tokens_of_others() {
    if !host_only("an administrator") {
        return;
    }
    let launch = launch(&["root", "zo\u{eb}@example.org", "bob"]);
    let server = Server::start(launch.env("RUST_LOG", "warn,latchkey::audit=info"));
    let (root, zoe) = (
        server.named("root", PASSWORD),
        server.named("zo\u{eb}@example.org", PASSWORD),
    );
    let own = zoe.issue("own", 3_600);
    verify(&server, &own.token).expect(200);
    let made = make(&root, ZOE, "by root").expect(201).json();
    let id = made["jwt_token_id"].as_str().expect("an id");
    let token = made["jwt_token"].as_str().expect("a token");
    let answer = verify(&server, token).expect(200);
    assert_eq!(answer.header("x-latchkey-user"), "zo%C3%AB@example.org");
    // The user sees it, and who made it; the rest is as ever.
    assert_eq!(zoe.ids(), [id, own.id.as_str()]);
    let details = ask(&zoe, "GET", "/token?details=true").expect(200).json();
    assert_eq!(details["jwt_tokens"][id]["jwt_token_by"], "root");
    assert_eq!(details["jwt_tokens"][&own.id].get("jwt_token_by"), None);
    let plain = ask(&zoe, "GET", "/token").expect(200).json();
    assert_eq!(plain["jwt_tokens"][id].get("jwt_token_by"), None);
    make(&root, ZOE, "by root").refused(400, "description_taken");

    let seen = ask(&root, "GET", &format!("{ZOE}?details=true"))
        .expect(200)
        .json();
    assert_eq!(seen["jwt_tokens"].as_object().map(|all| all.len()), Some(2));
    let shown = ask(&root, "GET", &format!("{ZOE}/{id}")).expect(200).json();
    assert_eq!(shown["jwt_token_description"], "by root");
    ask(&root, "GET", &format!("{ZOE}/{id}x")).refused(404, "no_such_token");
    ask(&root, "DELETE", &format!("{ZOE}/{}", own.id)).expect(200);
    verify(&server, &own.token).expect(401);
    let deleted = ask(&root, "DELETE", &format!("{ZOE}?all=true")).expect(200);
    assert_eq!(deleted.json()["jwt_tokens_deleted"], 1);
    verify(&server, token).expect(401);
    ask(&root, "GET", ZOE).refused(404, "no_tokens");
    ask(&root, "DELETE", ZOE).refused(405, "method_not_allowed");

    let line = || {
        let line: Value = serde_json::from_str(&server.stderr_line()).expect("an audit line");
        assert_eq!(line["user"], "zo\u{eb}@example.org", "{line}");
        (line["audit"].clone(), line.get("by").cloned())
    };
    let lines = [line(), line(), line(), line()];
    let by_root = Some(json!("root"));
    assert_eq!(
        lines,
        [
            (json!("token_issued"), None),
            (json!("token_issued"), by_root.clone()),
            (json!("token_revoked"), by_root.clone()),
            (json!("all_tokens_revoked"), by_root),
        ]
    );
}

#[test]
fn all_users_are_found_also_those_who_left() {
    if !host_only("an administrator") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let store = format!("sqlite:{}", directory.path().join("store.db").display());
    let server = Server::start(launch(&["root", "ann", "bob"]).store(&store));
    let token = server.named("bob", PASSWORD).issue("Token", 3_600).token;
    verify(&server, &token).expect(200);
    server.kill();
    let server = Server::start(launch(&["root", "ann"]).store(&store));
    let root = server.named("root", PASSWORD);
    let users = ask(&root, "GET", "/users").expect(200).json();
    let users = users["users"].as_object().expect("users");
    let users: Vec<_> = users
        .iter()
        .map(|(name, user)| {
            let member = |name: &str| user[name].clone();
            (
                name.as_str(),
                member("configured"),
                member("admin"),
                member("jwt_tokens"),
            )
        })
        .collect();
    assert_eq!(
        users,
        [
            ("ann", json!(true), json!(false), json!(0)),
            ("bob", json!(false), json!(false), json!(1)),
            ("root", json!(true), json!(true), json!(0)),
        ]
    );
    // The tokens of who left are dead; they can be ended for good.
    verify(&server, &token).expect(401);
    ask(&root, "DELETE", "/users/bob/token?all=true").expect(200);
    let after = ask(&root, "GET", "/users?after=bob").expect(200).json();
    assert_eq!(after["users"].as_object().map(|users| users.len()), Some(1));
    ask(&root, "GET", "/users?before=bob").refused(400, "invalid_request");
}

#[test]
fn the_page_shows_administrators_the_tokens_of_others() {
    if !host_only("an administrator") {
        return;
    }
    let server = Server::start(launch(&["root", "zo\u{eb}@example.org"]));
    let zoe = server.named("zo\u{eb}@example.org", PASSWORD);
    zoe.issue("own", 3_600);
    let Some(browser) = signed_in(&server.named("root", PASSWORD), &server.url) else {
        return;
    };
    browser.says("#people", "zo\u{eb}@example.org");
    browser.says("#people", "1 token");
    browser.click("#people li:last-child button");
    browser.says("#list-title", "zo\u{eb}@example.org");
    browser.says("#rows", "own");
    browser.fill("#name", "by root");
    browser.click("#create .main");
    browser.says(".fresh", "by root");
    let token = browser.text(".fresh .token");
    assert_eq!(
        verify(&server, &token).header("x-latchkey-user"),
        "zo%C3%AB@example.org"
    );
    browser.click(".fresh .dismiss");
    browser.says("#rows", "by root");
    assert!(!browser.shows("#rows .rotate"));
    browser.click("#rows li:first-child .revoke");
    browser.click("#revoke-yes");
    browser.says("#said", "is revoked");
    verify(&server, &token).expect(401);
    assert_eq!(zoe.ids().len(), 1);
    browser.click("#own");
    browser.says("#list", "No tokens yet");
    assert_eq!(browser.complaints(TOKENS), [] as [Value; 0]);

    // There is one browser at a time.
    drop(browser);
    // Others do not see that there is anything.
    let Some(browser) = signed_in(&zoe, &server.url) else {
        return;
    };
    browser.says("#rows", "own");
    assert!(!browser.shows("#users"));
    assert_eq!(browser.complaints(TOKENS), [] as [Value; 0]);
}
