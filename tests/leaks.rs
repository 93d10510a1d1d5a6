//! Tokens that are found where they should not be: by a scanner, and revoked by who found them.

use latchkey_component::auth::GeneratedPassword;
use latchkey_component::ports::Random;
use regex::Regex;

use crate::keys::keygen;
use crate::process::{Finished, Process, Stderr, latchkey};
use crate::server::{Launch, Server, host_only};
use crate::token_command::client;
use crate::verify::verify;

/// The regular expressions of the rules in `docs/leaks.md`, by their ids.
fn rule(id: &str) -> Regex {
    let text = include_str!("../docs/leaks.md");
    let (_, rest) = text
        .split_once(&format!("id = \"{id}\"\n"))
        .expect("the rule");
    let (_, rest) = rest.split_once("regex = '''").expect("its expression");
    let (expression, _) = rest.split_once("'''").expect("its end");
    Regex::new(expression).expect("a valid expression")
}

#[test]
fn the_rule_finds_tokens_of_every_algorithm_and_no_others() {
    if !host_only("signing keys of its own") {
        return;
    }
    let tokens = rule("latchkey-token");
    let mut configurations = vec![Launch::new()];
    for algorithm in ["HS256", "EdDSA", "ES256"] {
        let keys = keygen(&["--alg", algorithm]);
        configurations.push(Launch::new().variable("signing_keys", &keys));
    }
    for launch in configurations {
        let server = Server::start(launch.variable("issuer", "https://id.example"));
        // User names of every length there is modulo three: base64 has them in other places.
        for user in [
            server.user(),
            server.named("user-10", "password"),
            server.named("user-100", "password"),
        ] {
            let token = user.issue("Token", 360).token;
            let text = format!("export TOKEN=\"{token}\"; curl");
            let found = tokens.find(&text).expect("found");
            assert_eq!(found.as_str(), token);
        }
    }
    // Those of others: that of jwt.io, and one with the same header.
    for other in [
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJ1c2VybmFtZSI6ImFkYSIsImlkIjoiYjU2OTI5ZjMtNTRmMS00ZGMyLTk5ODQtOWJiYTYxNWUyNmU2IiwiZXhwIjoxNjYyNzQxNzM1LCJpYXQiOjE2NjI3MjAxMzV9.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
    ] {
        assert!(!tokens.is_match(other), "{other}");
    }
}

/// No randomness: the form is what counts.
struct Same;

impl Random for Same {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0xa5);
    }
}

#[test]
fn the_rule_finds_generated_passwords() {
    if !host_only("the binary") {
        return;
    }
    let password = GeneratedPassword::new(&Same);
    let entry = format!("ann:{}", password.hash());
    let server = Server::start(Launch::new().users(Some(&entry)));
    let password = password.secret().expose();
    assert!(server.named("ann", password).signs_in());
    let passwords = rule("latchkey-password");
    let text = format!("LATCHKEY_USER=ann:{password}\n");
    let found = passwords.find(&text).expect("found");
    assert_eq!(found.as_str(), password);
    assert!(!passwords.is_match("lkp_short, or lkp-something-of-another-kind"));
}

fn revoke(url: &str, input: &str) -> Finished {
    let mut command = client(url, ["revoke", "--stdin"]);
    command.env("LATCHKEY_USER", "");
    Process::start_with_input(command, Stderr::Kept, input).finish()
}

#[test]
fn who_finds_tokens_ends_them() {
    let server = Server::shared();
    let user = server.user();
    let tokens: Vec<_> = (0..5)
        .map(|number| user.issue(&format!("Token {number}"), 360).token)
        .collect();
    let [one, two, three, four, kept] = &tokens[..] else {
        panic!("five tokens")
    };
    let done = revoke(&server.url, &format!("\u{feff}{one}\r\n\n  {two}\t{three}"));
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert_eq!((&*done.stdout, &*done.stderr), ("", "Revoked 3 tokens.\n"));
    // What is no token is not repeated, and keeps nobody from ending the others.
    let done = revoke(&server.url, &format!("hunter2\n{four}\n"));
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    assert!(
        done.stderr.contains("line 1") && !done.stderr.contains("hunter2"),
        "{done:?}"
    );
    for token in [one, two, three, four] {
        verify(server, token).refused(401, "invalid_token");
        assert!(!done.stderr.contains(token.as_str()));
    }
    verify(server, kept).expect(200);
    assert_eq!(user.ids().len(), 1);
    let nothing = revoke(&server.url, " \n");
    assert_eq!(nothing.status.code(), Some(1), "{nothing:?}");
    let nowhere = revoke("http://127.0.0.1:1", kept);
    assert_eq!(nowhere.status.code(), Some(5), "{nowhere:?}");
    let both = Process::start(latchkey(["token", "revoke", "--stdin", "x"]), Stderr::Kept).finish();
    assert_eq!(both.status.code(), Some(2), "{both:?}");
}
