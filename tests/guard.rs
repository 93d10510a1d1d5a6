//! The guard, over the host: its configuration.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use crate::cases::Cases;
use crate::guarded::{CHAINED, Guarded, example, exchange, get, issue};
use crate::process::Finished;
use crate::raw::head;
use crate::server::host_only;

/// More than it takes to see that a file has changed.
const TOO_LONG: Duration = Duration::from_secs(20);

#[test]
fn the_example() {
    if !host_only("an application of its own") {
        return;
    }
    let server = example();
    let user = server.user();
    let notes = issue(server, &user.name, "notes", "notes");
    let admin = issue(server, &user.name, "admin", "admin notes");
    let notes = format!("Authorization: Bearer {notes}");
    let admin = format!("X-Api-Key: {admin}");
    let mut cases = Cases::default();
    for (path, header, status) in [
        ("/notes/1", "", 401),
        ("/notes/1", &*notes, 200),
        ("/notes/1", &*admin, 200),
        ("/admin/1", &*notes, 403),
        ("/admin/1", &*admin, 200),
        ("/notes/about", "", 200),
        ("/notes/static/a.css", "", 200),
        ("/notes/static/../1", "", 401),
        ("/api/healthz/liveness", "", 200),
    ] {
        let headers = [header];
        let headers = if header.is_empty() { &[][..] } else { &headers };
        cases.check((path, header), get(server, path, headers).status, status);
    }
    drop(cases);
    let seen = get(server, "/notes/1?a=b", &[&notes]);
    assert!(seen.body.starts_with("GET /notes/1?a=b\n"), "{}", seen.body);
    // As under Spin.
    let host = format!("host: {}", server.authority());
    assert!(seen.body.lines().any(|line| line == host), "{}", seen.body);
    let identity = seen.identity();
    assert_eq!(identity[0], format!("x-latchkey-user: {}", user.name));
    assert!(identity[1].starts_with("x-latchkey-token-id: "));
    assert_eq!(identity[2..], ["x-latchkey-scope: notes"]);
    assert!(
        !seen.body.to_lowercase().contains("authorization"),
        "{}",
        seen.body
    );
    let refused = get(server, "/admin/1", &[&notes]);
    assert_eq!(
        refused.header("www-authenticate"),
        Some(r#"Bearer realm="latchkey", error="insufficient_scope", scope="admin""#)
    );
    assert!(refused.body.contains(r#""code":"insufficient_scope""#));
    // A revoked token is dead at once.
    user.delete_all();
    assert_eq!(get(server, "/notes/1", &[&notes]).status, 401);
}

#[test]
fn variables_are_followed() {
    if !host_only("an application of its own") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("scope");
    fs::write(&file, "notes").expect("a file");
    let given = format!("@{}", file.display());
    let guarded = Guarded::with(
        r#"latchkey_scope = "{{ scope }}""#,
        CHAINED,
        &[("scope", &given)],
    );
    let server = &guarded.server;
    let user = server.user();
    let notes = issue(server, &user.name, "notes", "notes");
    let notes = format!("Authorization: Bearer {notes}");
    let status = || get(server, "/app/x", &[&notes]).status;
    assert_eq!(status(), 200);
    for (scope, expected) in [("admin", 403), ("a\"b", 503), ("notes", 200)] {
        fs::write(&file, scope).expect("a file");
        let deadline = Instant::now() + TOO_LONG;
        while status() != expected {
            assert!(Instant::now() < deadline, "{scope}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn public_paths_and_preflights() {
    if !host_only("an application of its own") {
        return;
    }
    let guarded = Guarded::new(
        r#"latchkey_scope = "", latchkey_public = "/app/about /app/static/...", latchkey_preflight = "true""#,
        CHAINED,
    );
    let server = &guarded.server;
    let mut cases = Cases::default();
    for (path, status) in [
        ("/app/about", 200),
        ("/app/about?x=/app/secret", 200),
        ("/app/static/a", 200),
        ("/app/About", 401),
        ("/app/about/", 401),
        ("/app/about/secret", 401),
        ("/app/aboutsecret", 401),
        ("/app/static/../secret", 401),
        ("/app/static/..;/secret", 401),
        ("/app/static//secret", 401),
        ("/app/static/%2e%2e/secret", 401),
        ("/app/static/..%2fsecret", 401),
        ("/app/static/%5c..%5csecret", 401),
        ("/app/static/.%2e/secret", 401),
    ] {
        cases.check(path, get(server, path, &[]).status, status);
    }
    for (header, status) in [
        ("X-Original-URL: /app/secret", 401),
        ("X_Rewrite_Url: /app/secret", 401),
        ("X-Override-URL: /app/secret", 401),
        ("X-Original-Path: /app/secret", 401),
        ("X-Envoy-Original-Path: /app/secret", 401),
        ("X-HTTP-Method-Override: DELETE", 401),
        ("Authorization: Bearer nonsense", 200),
    ] {
        cases.check(header, get(server, "/app/about", &[header]).status, status);
    }
    let seen = get(server, "/app/about", &["Authorization: Bearer secret"]);
    cases.check("no token", seen.body.contains("secret"), false);
    let (origin, method) = (
        "Origin: https://a.example",
        "Access-Control-Request-Method: PUT",
    );
    for (line, headers, status) in [
        (
            "OPTIONS /app/x",
            &[origin, method, "Connection: close"][..],
            200,
        ),
        ("OPTIONS /app/x", &[method, "Connection: close"], 401),
        ("OPTIONS /app/x", &["Connection: close"], 401),
        ("GET /app/x", &[origin, method, "Connection: close"], 401),
    ] {
        let seen = exchange(server, head(server, line, headers));
        cases.check((line, headers), seen.status, status);
    }
}

#[test]
fn a_configuration_that_cannot_work_refuses_everything() {
    if !host_only("an application of its own") {
        return;
    }
    for (variables, problem) in [
        (
            r#"latchkey_scope = "", latchkey_cache = "soon""#,
            "latchkey_cache",
        ),
        (r#"latchkey_audience = "a""#, "latchkey_scope"),
    ] {
        let guarded = Guarded::new(variables, CHAINED);
        let server = &guarded.server;
        let user = server.user();
        let bearer = format!("Authorization: Bearer {}", user.issue("Token", 360).token);
        for _ in 0..2 {
            let seen = get(server, "/app/x", &[&bearer]);
            assert_eq!((seen.status, seen.reached()), (503, false));
            assert!(
                seen.body.contains(r#""code":"misconfigured""#),
                "{}",
                seen.body
            );
            assert!(!seen.body.contains(problem), "{}", seen.body);
        }
        let Finished { stderr, .. } = {
            server.signal("TERM");
            server.finish()
        };
        assert!(
            stderr.contains(&format!("latchkey-guard: the variable `{problem}`")),
            "{stderr}"
        );
    }
}
