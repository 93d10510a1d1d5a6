//! Administrators: who has tokens, and what becomes of them.

use serde_json::{Value, json};
use ureq::http;

use crate::browser::signed_in;
use crate::client::basic;
use crate::login_proxy;
use crate::nginx;
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

/// Names with slashes are those of repositories, and what else a login proxy says.
#[test]
fn a_name_with_a_slash_has_a_path() {
    if !host_only("an administrator") {
        return;
    }
    let launch = login_proxy::launch().users(Some(&format!("root:{HASH}")));
    let server = Server::start(launch.variable("admins", "root"));
    let root = server.named("root", PASSWORD);
    for (name, segment) in [
        ("octo/repo", "octo%2Frepo"),
        ("octo/repo", "octo%2frepo"),
        ("a\\b.c", "a%5Cb%2ec"),
        ("x/token", "x%2Ftoken"),
        ("50%2F", "50%252F"),
        // They look like others, and are none of them.
        ("octo\u{2215}repo", "octo%E2%88%95repo"),
        ("r\u{43e}\u{43e}t", "r%D0%BE%D0%BEt"),
    ] {
        let own = login_proxy::create(&server, name, segment).expect(201);
        let path = format!("/users/{segment}/token");
        let made = make(&root, &path, &format!("by root, {segment}")).expect(201);
        let id = made.text("jwt_token_id");
        assert_eq!(made.header("location"), format!("/api/v1alpha{path}/{id}"));
        let verified = verify(&server, &made.text("jwt_token")).expect(200);
        assert_eq!(verified.text("username"), name);
        let listed = ask(&root, "GET", &path).expect(200).json();
        let own_id = own.text("jwt_token_id");
        assert!(!listed["jwt_tokens"][&own_id].is_null(), "{listed}");
        ask(&root, "GET", &format!("{path}/{own_id}")).expect(200);
        ask(&root, "DELETE", &format!("{path}/{own_id}")).expect(200);
        verify(&server, &own.text("jwt_token")).expect(401);
        ask(&root, "DELETE", &format!("{path}?all=true")).expect(200);
        verify(&server, &made.text("jwt_token")).expect(401);
    }
    // What somebody in between might take for a way to another user.
    login_proxy::create(&server, "b", "kept").expect(201);
    let own = root.issue("own", 360);
    for segment in [
        "..",
        ".",
        "%2e%2e",
        ".%2E",
        "%2e",
        "a%2F..%2Fb",
        "a%5C..%5Cb",
        "%2Fb",
        "b%2F",
        "a%2F%2Fb",
        "..%2F..%2Ftoken",
        "octo/repo",
        "",
        "%",
    ] {
        for (method, query) in [("GET", ""), ("POST", ""), ("DELETE", "?all=true")] {
            let answer = match method {
                "POST" => make(&root, &format!("/users/{segment}/token"), "misled"),
                method => ask(&root, method, &format!("/users/{segment}/token{query}")),
            };
            assert_eq!(answer.status, 404, "{method} {segment}: {answer:?}");
        }
    }
    assert_eq!(root.ids(), [own.id]);
    let kept = ask(&root, "GET", "/users/b/token").expect(200).json();
    assert_eq!(kept["jwt_tokens"].as_object().map(|all| all.len()), Some(1));

    // nginx hands on the path as it came, or decodes it where `proxy_pass` has a path: then it leads nowhere.
    login_proxy::create(&server, "octo/repo", "kept").expect(201);
    login_proxy::create(&server, "b/token", "kept").expect(201);
    for (target, found) in [("", 200), ("/", 404)] {
        let target = format!("{}{target}", server.url);
        let Some((url, _process, _directory)) = nginx::in_front(&server, &target) else {
            return;
        };
        // Not held against the description: decoded, this is another path.
        let status = |method: &str, path: &str| {
            let request = http::Request::builder()
                .method(method)
                .uri(format!("{url}/api/v1alpha{path}"))
                .header("authorization", basic("root", PASSWORD));
            let answer = server.agent.run(request.body(()).expect("a request"));
            answer.expect("an answer").status().as_u16()
        };
        for segment in ["octo%2Frepo", "b%2Ftoken"] {
            let path = format!("/users/{segment}/token");
            assert_eq!(status("GET", &path), found, "{segment} {target}");
            if found == 404 {
                let deleted = status("DELETE", &format!("{path}?all=true"));
                assert_eq!(deleted, 404, "{segment} {target}");
            }
        }
        let kept = ask(&root, "GET", "/users/b/token").expect(200).json();
        assert_eq!(kept["jwt_tokens"].as_object().map(|all| all.len()), Some(1));
    }
}

#[test]
fn no_token_is_made_for_who_has_left() {
    if !host_only("an administrator") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let store = format!("sqlite:{}", directory.path().join("store.db").display());
    let server = Server::start(launch(&["root", "ann", "bob"]).store(&store));
    for name in ["ann", "bob"] {
        server.named(name, PASSWORD).issue("Token", 3_600);
    }
    server.kill();
    let server = Server::start(launch(&["root", "ann"]).store(&store));
    let root = server.named("root", PASSWORD);
    let refused = make(&root, "/users/bob/token", "by root");
    refused.refused(409, "user_inactive");
    make(&root, "/users/nobody/token", "by root").refused(404, "no_such_user");
    let made = make(&root, "/users/ann/token", "by root").expect(201);
    verify(&server, &made.text("jwt_token")).expect(200);
    // What the user has is still seen, and ended.
    let seen = ask(&root, "GET", "/users/bob/token").expect(200).json();
    assert_eq!(seen["jwt_tokens"].as_object().map(|all| all.len()), Some(1));
    ask(&root, "DELETE", "/users/bob/token?all=true").expect(200);
    // Then nobody needs the name, and the next list is the last with it.
    let names = || {
        let users = ask(&root, "GET", "/users").expect(200).json();
        let users = users["users"].as_object().expect("users").clone();
        users.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(names(), ["ann", "bob", "root"]);
    assert_eq!(names(), ["ann", "root"]);
    ask(&root, "GET", "/users/bob/token").refused(404, "no_such_user");
}

#[test]
fn the_page_reaches_a_name_with_a_slash_and_none_that_leads_elsewhere() {
    if !host_only("an administrator") {
        return;
    }
    let launch = login_proxy::launch().users(Some(&format!("root:{HASH}")));
    let server = Server::start(launch.variable("admins", "root"));
    let root = server.named("root", PASSWORD);
    root.issue("of root", 3_600);
    for name in ["..", "octo/repo"] {
        login_proxy::create(&server, name, &format!("of {name}")).expect(201);
    }
    let Some(browser) = signed_in(&root, &server.url) else {
        return;
    };
    browser.says("#people li:first-child", "out of reach");
    let disabled =
        browser.run("return document.querySelector('#people li:first-child button').disabled");
    assert_eq!(disabled, true);
    browser.says("#people li:nth-child(2)", "octo/repo");
    browser.click("#people li:nth-child(2) button");
    browser.says("#list-title", "octo/repo");
    browser.says("#rows", "of octo/repo");
    browser.fill("#name", "by root");
    browser.click("#create .main");
    browser.says(".fresh", "by root");
    let token = browser.text(".fresh .token");
    let verified = verify(&server, &token).expect(200);
    assert_eq!(verified.text("username"), "octo/repo");
    assert_eq!(root.ids().len(), 1);
}
