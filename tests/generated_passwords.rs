//! Generated passwords: made by the command line, good at once, and out of reach of those who guess.

use crate::process::{Process, Stderr, latchkey};
use crate::server::{HASH, Launch, PASSWORD, Server, host_only};

/// An entry of `users`, and its password.
fn generate(name: &str) -> (String, String) {
    let command = latchkey(["hash-password", name, "--generate"]);
    let made = Process::start(command, Stderr::Kept).finish();
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let entry = made.stdout.trim_end().to_owned();
    let password = made.stderr.trim_end().to_owned();
    assert!(entry.starts_with(&format!("{name}:$sha256$")), "{entry}");
    assert!(password.starts_with("lkp_") && password.len() == 53);
    assert!(!entry.contains(&password[4..]), "{entry}");
    (entry, password)
}

#[test]
fn they_sign_in_and_cannot_be_guessed_or_locked_out() {
    if !host_only("users of its own") {
        return;
    }
    let (ci, password) = generate("ci");
    let (_, other) = generate("ci");
    let users = format!("{ci}\nada:{HASH}");
    let server = Server::start(Launch::new().users(Some(&users)));
    for _ in 0..30 {
        server
            .named("ci", &other)
            .list()
            .refused(401, "unauthorized");
    }
    for guess in 0..10 {
        let refused = server.named("ci", &format!("guess {guess}")).list();
        assert!(matches!(refused.status, 401 | 429), "{refused:?}");
    }
    assert!(server.named("ci", &password).signs_in());
    // It is no password of anybody else, and nobody else's password is one of `ci`.
    for name in ["ada", "eve"] {
        assert!(!server.named(name, &password).signs_in(), "{name}");
    }
    assert!(server.named("ada", PASSWORD).signs_in());
}

#[test]
fn a_user_of_one_run_gets_one() {
    if !host_only("servers of its own") {
        return;
    }
    let server = Server::start(Launch::new().users(None).arg("--user").arg("ci"));
    let said = server.stderr_line();
    let password = said.split_whitespace().next_back().expect("a password");
    assert!(said.contains("the user ci with password lkp_"), "{said}");
    assert!(server.named("ci", password).signs_in());
}
