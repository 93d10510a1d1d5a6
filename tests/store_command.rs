//! `latchkey store`: a table for those who may not make one, and the way from one store to another.

use crate::postgres_server::Postgres;
use crate::process::{Finished, Process, Stderr, latchkey};
use crate::redis;
use crate::server::{Launch, PASSWORD, Server, host_only};
use crate::verify::verify;

fn store(arguments: &[&str]) -> Finished {
    let arguments = ["store"].iter().chain(arguments);
    Process::start(latchkey(arguments), Stderr::Kept).finish()
}

#[track_caller]
fn fails(arguments: &[&str], code: i32, says: &str) {
    let finished = store(arguments);
    assert_eq!(finished.status.code(), Some(code), "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    assert!(finished.stderr.contains(says), "{says}: {finished:?}");
    assert!(!finished.stderr.contains("hunter2"), "{finished:?}");
    assert_eq!(finished.stdout, "", "{finished:?}");
}

#[track_caller]
fn succeeds(arguments: &[&str]) -> String {
    let finished = store(arguments);
    assert!(finished.status.success(), "{finished:?}");
    finished.stdout
}

#[test]
fn everything_moves_between_any_two() {
    if !host_only("stores of its own") {
        return;
    }
    let Some(postgres) = Postgres::start(&[]) else {
        return;
    };
    let Some(redis) = redis::Redis::start() else {
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
    let (first, last) = (file("first.db"), file("last.db"));
    let secret = directory.path().join("store.txt");
    std::fs::write(&secret, format!("{}\n", redis.url())).expect("a file");
    let secret = format!("@{}", secret.display());

    let server = Server::start(Launch::new().store(&first));
    let user = server.named("user-0", PASSWORD);
    let [kept, revoked] = ["kept", "revoked"].map(|name| user.issue(name, "1 day"));
    user.delete(&revoked.id).expect(200);
    server.named("7", PASSWORD).list();
    server.kill();

    let postgres_url = postgres.url();
    let stores = [first.as_str(), &postgres_url, &secret, &last];
    let mut copied = Vec::new();
    for pair in stores.windows(2) {
        copied.push(succeeds(&["copy", pair[0], pair[1]]));
        fails(&["copy", pair[0], pair[1]], 1, "not empty");
    }
    assert!(copied[0].starts_with("Copied and verified "), "{copied:?}");
    assert!(copied.iter().all(|said| *said == copied[0]), "{copied:?}");

    let rows = |name| {
        let path = directory.path().join(name);
        let connection = rusqlite::Connection::open(path).expect("a database");
        let mut rows = connection
            .prepare("SELECT key, value FROM spin_key_value ORDER BY key")
            .expect("a statement");
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        let rows = rows.query_map([], row).expect("rows");
        rows.collect::<Result<Vec<(String, Vec<u8>)>, _>>()
            .expect("rows")
    };
    assert_eq!(rows("first.db"), rows("last.db"));

    for store in [&secret, &postgres_url, &last] {
        let server = Server::start(Launch::new().store(store));
        let user = server.named("user-0", PASSWORD);
        assert_eq!(user.ids(), [kept.id.as_str()], "{store}");
        verify(&server, &kept.token).expect(200);
        // Its counters are counters: another first token.
        server.named("user-1", PASSWORD).issue("first", 360);
    }
}

#[test]
fn what_cannot_be_copied() {
    if !host_only("stores of its own") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| format!("sqlite:{}", directory.path().join(name).display());
    let (missing, empty) = (file("missing.db"), file("empty.db"));
    fails(&["copy", &missing, &empty], 1, "there is no file");
    assert!(!directory.path().join("missing.db").exists());
    assert!(!directory.path().join("empty.db").exists());
    assert_eq!(succeeds(&["init", &empty]), "The store is ready.\n");
    fails(&["copy", &empty, &file("other.db")], 1, "empty");
    fails(&["copy", "memory:", &empty], 1, "memory");
    fails(&["init", "memory:"], 2, "memory");
    fails(
        &["copy", &empty, "postgres://u:hunter2@h?sslmode=none"],
        2,
        "sslmode",
    );
    fails(&["init", "@/nowhere/at/all"], 1, "cannot read the file");
}

#[test]
fn a_user_who_may_create_nothing_needs_init() {
    let Some(postgres) = Postgres::start(&[]) else {
        return;
    };
    postgres.sql("CREATE ROLE app LOGIN PASSWORD 'hunter2'");
    let app = postgres.url().replace("latchkey:", "app:");
    fails(&["init", &app], 1, "latchkey store init");
    for _ in 0..2 {
        succeeds(&["init", &postgres.url()]);
    }
    fails(&["init", &app], 1, "rights");
    postgres.sql("GRANT SELECT, INSERT, UPDATE, DELETE ON latchkey TO app");
    let server = Server::start(Launch::new().store(&app));
    server.user().issue("Token", 360);
}
