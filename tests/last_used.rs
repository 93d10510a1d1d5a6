//! When a token was last used, and what else a list tells if it is asked.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::PATIENCE;
use crate::server::{Launch, PASSWORD, Server, TOKENS, User, host_only};
use crate::token_command::{run, signed_in};
use crate::verify::verify;

fn last_used(user: &User<'_>, id: &str) -> Value {
    let path = format!("{TOKENS}/{id}?details=true");
    let shown = user.request("GET", &path).send().expect(200).json();
    let issued = shown["jwt_token_issued_at"].as_str();
    assert!(issued.is_some_and(|time| time.ends_with('Z')), "{shown}");
    shown["jwt_token_last_used"].clone()
}

/// The answer does not wait for it.
fn soon_used(user: &User<'_>, id: &str) -> String {
    let begin = Instant::now();
    loop {
        if let Value::String(time) = last_used(user, id) {
            return time;
        }
        assert!(begin.elapsed() < PATIENCE, "no use is noted");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn only_a_good_answer_is_a_use() {
    let user = Server::shared().user();
    let (used, unused) = (user.issue("used", 360), user.issue("unused", 360));
    // What is refused is none, and neither is an introspection.
    let path = "/api/v1alpha/verify?scope=a&challenge=basic";
    let refused = user.server.request("GET", path);
    refused.header("x-api-key", "x.y.z").send().expect(401);
    let form = "application/x-www-form-urlencoded";
    for token in [&used, &unused] {
        user.request("POST", "/api/v1alpha/introspect")
            .header("content-type", form)
            .body(format!("token={}", token.token))
            .send()
            .expect(200);
    }
    assert_eq!(last_used(&user, &used.id), Value::Null);
    verify(user.server, &used.token).expect(200);
    let time = soon_used(&user, &used.id);
    // In steps of ten minutes.
    assert!(time.ends_with("0:00Z"), "{time}");
    assert_eq!(last_used(&user, &unused.id), Value::Null);
    let listed = user.request("GET", &format!("{TOKENS}?details=true"));
    let listed = listed.send().expect(200).json();
    let tokens = &listed["jwt_tokens"];
    assert_eq!(tokens[&used.id]["jwt_token_last_used"], time);
    assert_eq!(tokens[&unused.id]["jwt_token_last_used"], Value::Null);
    // Nothing is added where nothing is asked for.
    let plain = user.show(&used.id).body + &user.list().body;
    assert!(!plain.contains("jwt_token_last_used"), "{plain}");
    assert!(!plain.contains("issued_at"), "{plain}");

    let list = run(signed_in(&user, ["list"]));
    assert_eq!(list.status.code(), Some(0), "{list:?}");
    let ends = |name: &str, end: &str| {
        let mut lines = list.stdout.lines();
        lines.any(|line| line.starts_with(name) && line.ends_with(end))
    };
    assert!(ends("used ", &time) && ends("unused ", "-"), "{list:?}");
}

#[test]
fn it_survives_a_restart_and_a_store_that_fails_for_it_fails_nothing() {
    if !host_only("stores of its own") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("store.db");
    let store = format!("sqlite:{}", file.display());
    let server = Server::start(Launch::new().store(&store));
    let user = server.named("user-0", PASSWORD);
    let issued = user.issue("Token", 3_600);
    verify(&server, &issued.token).expect(200);
    let time = soon_used(&user, &issued.id);
    let other = user.issue("other", 3_600);
    server.signal("TERM");
    assert!(server.finish().status.success());

    // From now on the store fails for this key, and for no other.
    let connection = rusqlite::Connection::open(&file).expect("the store");
    for operation in ["INSERT", "UPDATE"] {
        let trigger = format!(
            "CREATE TRIGGER no_{operation} BEFORE {operation} ON spin_key_value
             WHEN NEW.key LIKE 'latchkey-used-%' BEGIN SELECT RAISE(ABORT, 'no'); END"
        );
        connection.execute_batch(&trigger).expect("a trigger");
    }
    let server = Server::start(Launch::new().store(&store));
    let user = server.named("user-0", PASSWORD);
    for _ in 0..10 {
        verify(&server, &other.token).expect(200);
    }
    // Everything else goes on.
    user.issue("another", 360);
    assert_eq!(last_used(&user, &issued.id), time.as_str());
    assert_eq!(last_used(&user, &other.id), Value::Null);
}

#[test]
fn what_ends_soon_is_listed_for_cron() {
    let user = Server::shared().user();
    user.issue("soon", "1h");
    user.issue("later", "30 days");
    let found = run(signed_in(&user, ["list", "--expiring", "7 days"]));
    assert_eq!(found.status.code(), Some(6), "{found:?}");
    let names: Vec<_> = (found.stdout.lines())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(names, ["NAME", "soon"]);
    assert_eq!(found.stderr, "error: 1 token ends within 7days\n");
    let nothing = run(signed_in(&user, ["list", "--expiring", "10 minutes"]));
    assert_eq!(nothing.status.code(), Some(0), "{nothing:?}");
    assert_eq!(nothing.stdout, "");
    let wrong = run(signed_in(&user, ["list", "--expiring", "soon"]));
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
}

#[test]
fn the_client_makes_and_shows_limits() {
    let user = Server::shared().user();
    let args = ["create", "ci", "--life", "1h", "--scope", "read write"];
    let mut command = signed_in(&user, args);
    command.args(["--audience", "git", "--audience", "pip"]);
    let created = run(command);
    assert_eq!(created.status.code(), Some(0), "{created:?}");
    let answer = verify(user.server, created.stdout.trim_end()).expect(200);
    assert_eq!(answer.header("x-latchkey-scope"), "read write");
    let shown = run(signed_in(&user, ["show", "ci"]));
    for row in ["Scope:      read write", "Audience:   git, pip"] {
        assert!(shown.stdout.lines().any(|line| line == row), "{shown:?}");
    }
    let wrong = run(signed_in(
        &user,
        ["create", "x", "--life", "1h", "--scope", "é"],
    ));
    assert_eq!(wrong.status.code(), Some(1), "{wrong:?}");
}
