//! `latchkey keygen`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::cases::Cases;
use crate::process::{Finished, Process, Stderr, latchkey};
use crate::server::host_only;

fn run(args: &[&str]) -> Finished {
    Process::start(latchkey(["keygen"].iter().chain(args)), Stderr::Kept).finish()
}

fn algorithms(text: &str) -> Vec<String> {
    let set: Value = serde_json::from_str(text).expect("JSON");
    let keys = set["keys"].as_array().expect("keys").iter();
    keys.map(|key| key["alg"].as_str().expect("an algorithm").to_owned())
        .collect()
}

#[test]
fn a_new_key_at_every_call() {
    if !host_only("the binary") {
        return;
    }
    let mut cases = Cases::default();
    for (args, algorithm) in [
        (&[][..], "HS256"),
        (&["--alg", "HS256"], "HS256"),
        (&["--alg", "eddsa"], "EdDSA"),
        (&["--alg=ES256"], "ES256"),
    ] {
        let [one, other] = [run(args), run(args)];
        cases.check(args, one.status.code(), Some(0));
        cases.check(args, one.stderr.as_str(), "");
        cases.check(args, one.stdout.contains(r#""kid":"latchkey-"#), true);
        cases.check(args, algorithms(&one.stdout), vec![algorithm.to_owned()]);
        cases.check(args, one.stdout == other.stdout, false);
    }
}

#[test]
fn a_file_is_rotated_in_place() {
    if !host_only("the binary") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("keys.json");
    let name = file.to_str().expect("UTF-8");
    let marked = format!("\u{feff}{}", run(&["--alg", "EdDSA"]).stdout);
    fs::write(&file, marked).expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a mode");
    // What a run that was killed left.
    fs::write(directory.path().join("keys.json.new"), "{").expect("a file");
    let before = fs::read_to_string(&file).expect("the file");
    for (args, expected) in [
        (&["--rotate", name][..], &["EdDSA", "EdDSA"][..]),
        (
            &["--rotate", name, "--alg", "ES256"],
            &["ES256", "EdDSA", "EdDSA"],
        ),
    ] {
        let finished = run(args);
        assert_eq!(finished.status.code(), Some(0), "{finished:?}");
        assert_eq!(finished.stdout + &finished.stderr, "");
        let after = fs::read_to_string(&file).expect("the file");
        assert_eq!(algorithms(&after), expected);
        let old = before.lines().nth(1).expect("the old key");
        assert!(after.contains(old), "{after}");
    }
    let mode = fs::metadata(&file).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        fs::read_dir(directory.path()).expect("a directory").count(),
        2
    );
}

#[test]
fn what_cannot_be_done_is_one_line() {
    if !host_only("the binary") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    fs::write(path("none.json"), r#"{"keys":"hunter2"}"#).expect("a file");
    let texts = [
        (
            "pem",
            "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----\n",
        ),
        ("notes", "milk, eggs, bread,\nbutter, cheese, apples\n"),
        ("script", "export PATH=~/bin:$PATH\nexport EDITOR=vi\n"),
        (
            "users",
            "ada:$2y$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e\n",
        ),
    ];
    for (name, text) in texts {
        fs::write(path(name), text).expect("a file");
    }
    for (args, code, says) in [
        (&["--rotate", &path("pem")][..], 1, "a PEM"),
        (&["--rotate", &path("notes")], 1, "the text of a file"),
        (&["--rotate", &path("script")], 1, "the text of a file"),
        (&["--rotate", &path("users")], 1, "a password hash"),
        (&["--alg", "RS256"], 2, "RS256"),
        (&["--rotate", &path("missing")], 1, "cannot read"),
        (&["--rotate", &path("none.json")], 1, "is not a JWK Set"),
    ] {
        let finished = run(args);
        assert_eq!(finished.status.code(), Some(code), "{finished:?}");
        assert_eq!(finished.stdout, "");
        assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
        assert!(finished.stderr.contains(says), "{finished:?}");
        assert!(!finished.stderr.contains("hunter2"), "{finished:?}");
    }
    for (name, text) in texts {
        assert_eq!(fs::read_to_string(path(name)).expect("a file"), text);
    }
}
