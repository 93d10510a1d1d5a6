//! `latchkey token`: what it does for a user.

use std::io::pipe;
use std::process::Command;

use regex::Regex;
use serde_json::Value;

use crate::cases::Cases;
use crate::client::Issued;
use crate::process::{Finished, Process, Stderr, latchkey};
use crate::server::{Server, User};

/// `latchkey token` with nothing from the surroundings: no credentials, no proxy.
pub fn client<const N: usize>(url: &str, args: [&str; N]) -> Command {
    let mut command = latchkey(["token"]);
    command.args(args).env("LATCHKEY_URL", url);
    command.env("HOME", "/nonexistent").env_remove("NETRC");
    for (name, _) in std::env::vars_os() {
        let upper = name.to_string_lossy().to_uppercase();
        if upper.ends_with("_PROXY") || upper.starts_with("SSL_CERT_") {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs it to its end.
pub fn run(command: Command) -> Finished {
    Process::start(command, Stderr::Kept).finish()
}

/// The same for a user who is signed in.
pub fn signed_in<const N: usize>(user: &User<'_>, args: [&str; N]) -> Command {
    let mut command = client(&user.server.url, args);
    command.env("LATCHKEY_USER", format!("{}:{}", user.name, user.password));
    command
}

impl User<'_> {
    fn runs<const N: usize>(&self, args: [&str; N]) -> Finished {
        run(signed_in(self, args))
    }
}

impl Finished {
    /// Exit code and standard output.
    fn outcome(&self) -> (Option<i32>, &str) {
        (self.status.code(), &self.stdout)
    }

    #[track_caller]
    fn succeeded(self) -> Self {
        assert_eq!(self.status.code(), Some(0), "{self:?}");
        self
    }
}

/// The id of the user to whom a token that is good belongs.
fn bearer(server: &Server, token: &str) -> Option<String> {
    let authorization = format!("Bearer {token}");
    let verified = server
        .request("GET", "/api/v1alpha/verify")
        .header("authorization", &authorization)
        .send();
    (verified.status == 200).then(|| verified.text("username"))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("not JSON ({error}): {text}"))
}

fn hide_ids(text: &str) -> String {
    let id = Regex::new("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").expect("a valid pattern");
    id.replace_all(text, "<id>").into_owned()
}

fn hide_times(text: &str) -> String {
    let time = Regex::new("20[0-9-]{8}T[0-9:]{8}Z").expect("a valid pattern");
    time.replace_all(text, "<time>").into_owned()
}

#[test]
fn a_token_for_a_script() {
    let user = Server::shared().user();
    let script = r#"TOKEN=$("$LATCHKEY" token create ci --life "30 days"); printf '<%s>' "$TOKEN""#;
    let mut command = Command::new("sh");
    command.args(["-ec", script]);
    for (name, value) in signed_in(&user, []).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.env("LATCHKEY", env!("CARGO_BIN_EXE_latchkey"));
    let finished = run(command).succeeded();

    let token = finished.stdout.strip_prefix('<');
    let token = token.and_then(|rest| rest.strip_suffix('>'));
    let token = token.unwrap_or_else(|| panic!("{finished:?}"));
    assert_eq!(bearer(user.server, token).as_ref(), Some(&user.name));
    let said = Regex::new(
        r"^ci: <id>, lives 30days, expires at 20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z\n$",
    );
    let said = said.expect("a valid pattern");
    assert!(said.is_match(&hide_ids(&finished.stderr)), "{finished:?}");
    assert!(finished.stderr.contains(&user.ids()[0]), "{finished:?}");
}

#[test]
fn a_list_for_people() {
    let user = Server::shared().user();
    let empty = user.runs(["list"]).succeeded();
    assert_eq!(
        (&*empty.stdout, &*empty.stderr),
        ("", "There are no tokens.\n")
    );

    for name in [
        "ci",
        "日本語",
        "e\u{301}",
        "code\u{202e}exe",
        "Token specter",
    ] {
        user.issue(name, "30 days");
    }
    let list = user.runs(["list"]).succeeded();
    let expected = "\
NAME             ID                                    LIFE    REMAINING   STATUS  LAST USED
Token specter    <id>  30days  29days 23h  Valid   -
code\\u{202e}exe  <id>  30days  29days 23h  Valid   -
e\u{301}                <id>  30days  29days 23h  Valid   -
日本語           <id>  30days  29days 23h  Valid   -
ci               <id>  30days  29days 23h  Valid   -
";
    assert_eq!(hide_ids(&list.stdout), expected);
    assert_eq!(list.stderr, "");
}

#[test]
fn json_for_programs() {
    let user = Server::shared().user();
    let empty = user.runs(["list", "--json"]).succeeded();
    let nothing = "{\"message\":\"Tokens does not exist\",\"jwt_tokens\":{}}\n";
    assert_eq!((&*empty.stdout, &*empty.stderr), (nothing, ""));

    let created = user.runs(["create", "a\u{202e}b", "--life", "1h", "--json"]);
    let created = created.succeeded();
    assert_eq!(created.stderr, "");
    let answer = json(&created.stdout);
    let token = answer["jwt_token"].as_str().expect("a token");
    assert_eq!(bearer(user.server, token).as_ref(), Some(&user.name));
    assert_eq!(answer["jwt_token_description"], "a\u{202e}b");
    assert_eq!(answer["jwt_token_life"], 3600);

    let second = user.issue("second", 360);
    let list = user.runs(["list", "--json"]).succeeded();
    assert!(!list.stdout.contains('\u{202e}'), "{list:?}");
    assert_eq!(list.stdout.lines().count(), 1);
    let tokens = json(&list.stdout)["jwt_tokens"].clone();
    assert_eq!(tokens.as_object().map(|tokens| tokens.len()), Some(2));
    assert_eq!(tokens[&second.id]["jwt_token_description"], "second");
    let places = user.ids().into_iter().map(|id| list.stdout.find(&id));
    assert!(places.is_sorted(), "newest first: {list:?}");

    let shown = user.runs(["show", "second", "--json"]).succeeded();
    let shown = json(&shown.stdout);
    assert_eq!(shown["jwt_token_life"], 360);
    assert_eq!(shown["expiry_status"], "Valid");

    let rotated = user.runs(["rotate", "second", "--life", "2h", "--json"]);
    let rotated = json(&rotated.succeeded().stdout);
    assert_eq!(rotated["jwt_token_life"], 7200);
}

#[test]
fn a_token_by_id_by_name_and_by_the_beginning_of_its_id() {
    let user = Server::shared().user();
    let Issued { id, .. } = user.issue("wörk laptop", "30 days");
    let expected = "\
Name:       wörk laptop
Id:         <id>
Life:       30days
Remaining:  29days 23h
Status:     Valid
Issued:     <time>
Ends:       <time>
";
    let mut cases = Cases::default();
    for token in [&id, &id.to_uppercase(), "wörk laptop", &id[..4], &id[..20]] {
        let shown = user.runs(["show", token]);
        let seen = (shown.status.code(), hide_times(&hide_ids(&shown.stdout)));
        cases.check(token, seen, (Some(0), expected.to_owned()));
    }
    for token in [&id[..3], "", "wörk", "WÖRK LAPTOP", "zzzz", "../token"] {
        cases.check(token, user.runs(["show", token]).outcome(), (Some(4), ""));
    }
    drop(cases);

    let revoked = user.runs(["revoke", "wörk laptop"]).succeeded();
    assert_eq!(revoked.stderr, format!("Revoked wörk laptop: {id}\n"));
    assert_eq!(user.ids(), [""; 0]);
    assert_eq!(user.runs(["revoke", &id]).outcome(), (Some(4), ""));
}

#[test]
fn what_could_be_two_tokens_is_neither() {
    let user = Server::shared().user();
    let old = user.issue("ci", "1h");
    let new = user.runs(["rotate", "ci", "--overlap", "10 minutes"]);
    let new = new.succeeded();
    assert!(bearer(user.server, &old.token).is_some());

    for args in [["revoke", "ci"], ["show", "ci"], ["rotate", "ci"]] {
        let refused = user.runs(args);
        assert_eq!(refused.outcome(), (Some(4), ""));
        for id in user.ids() {
            assert!(refused.stderr.contains(&id), "{refused:?}");
        }
    }
    assert_eq!(user.ids().len(), 2);
    assert!(bearer(user.server, new.stdout.trim_end()).is_some());
}

#[test]
fn a_name_that_is_the_id_of_another() {
    let user = Server::shared().user();
    let meant = user.issue("meant", "1h");
    let named = user.issue(&meant.id, "1h");
    for args in [
        ["revoke", &meant.id],
        ["show", &meant.id],
        ["rotate", &meant.id],
    ] {
        let refused = user.runs(args);
        assert_eq!(refused.outcome(), (Some(4), ""));
        for word in [&meant.id, &named.id, "--id"] {
            assert!(refused.stderr.contains(word), "{refused:?}");
        }
    }
    assert_eq!(user.ids().len(), 2);
    let pasted = format!(" {}\n", meant.id);
    user.runs(["revoke", "--id", &pasted]).succeeded();
    assert_eq!(user.ids(), [named.id.as_str()]);
    // Now it is a name and nothing else, and it is said which token that was.
    let revoked = user.runs(["revoke", &meant.id]).succeeded();
    assert_eq!(
        revoked.stderr,
        format!("Revoked {}: {}\n", meant.id, named.id)
    );
    assert_eq!(
        user.runs(["show", "--id", "meant"]).outcome(),
        (Some(2), "")
    );
}

#[test]
fn rotation_replaces() {
    let user = Server::shared().user();
    let old = user.issue("ci", "1h");
    let rotated = user.runs(["rotate", "ci", "--life", "2 hours"]).succeeded();
    let token = rotated.stdout.trim_end();
    assert_eq!(rotated.stdout, format!("{token}\n"));
    assert_eq!(bearer(user.server, token).as_ref(), Some(&user.name));
    assert_eq!(bearer(user.server, &old.token), None);
    let [new] = &user.ids()[..] else {
        panic!("not one token")
    };
    let said = format!("ci: {new}, lives 2h, expires at ");
    assert!(rotated.stderr.starts_with(&said), "{rotated:?}");
    assert_eq!(user.show(new).expect(200).json()["jwt_token_life"], 7200);
}

#[test]
fn all_are_revoked_only_on_purpose() {
    let user = Server::shared().user();
    user.issue("one", 360);
    user.issue("two", 360);
    // No terminal to ask on.
    let refused = user.runs(["revoke", "--all"]);
    assert_eq!(refused.outcome(), (Some(2), ""));
    assert_eq!(user.ids().len(), 2);

    let revoked = user.runs(["revoke", "--all", "--yes"]).succeeded();
    assert_eq!(revoked.outcome(), (Some(0), ""));
    assert_eq!(revoked.stderr, "Revoked 2 tokens.\n");
    assert_eq!(user.ids(), [""; 0]);
}

#[test]
fn addresses_of_one_server() {
    let user = Server::shared().user();
    user.issue("ci", 360);
    let mut cases = Cases::default();
    for tail in ["", "/", "/api/v1alpha", "/api/v1alpha/"] {
        let url = user.server.url.clone() + tail;
        let mut command = signed_in(&user, ["list", "--url", &url]);
        command.env("LATCHKEY_URL", "http://127.0.0.1:1");
        cases.check(tail, run(command).status.code(), Some(0));
    }
    // Set to nothing it is not set: it is the usual address, where no server is or one that knows nobody of this name.
    let mut command = signed_in(&user, ["list"]);
    command
        .env("LATCHKEY_URL", "")
        .env("LATCHKEY_USER", "nobody-of-that-name:x");
    let usual = run(command);
    let code = usual.status.code();
    cases.check(&usual, matches!(code, Some(3 | 5)), true);
    cases.check(&usual, usual.stderr.contains("is not a URL"), false);
}

#[test]
fn a_reader_that_is_gone() {
    let user = Server::shared().user();
    user.issue("one", 360);
    let into_nothing = |args: [&str; 4]| {
        let (reader, writer) = pipe().expect("a pipe");
        drop(reader);
        let args = args.into_iter().filter(|arg| !arg.is_empty());
        let mut command = signed_in(&user, []);
        let output = command.args(args).stdout(writer).output();
        output.expect("the client starts")
    };
    // Nobody wants to know.
    let listed = into_nothing(["list", "", "", ""]);
    assert_eq!(listed.status.code(), Some(0), "{listed:?}");
    assert_eq!(String::from_utf8_lossy(&listed.stderr), "");

    // A token that nobody got is good for nothing.
    let created = into_nothing(["create", "two", "--life", "1h"]);
    assert_eq!(created.status.code(), Some(1), "{created:?}");
    let said = String::from_utf8_lossy(&created.stderr);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains(&user.ids()[0]), "{said}");
}
