//! `latchkey token`: who signs in, and how nobody sees the password.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use crate::cases::Cases;
use crate::impostor::Impostor;
use crate::process::PATIENCE;
use crate::server::{Server, User};
use crate::token_command::{client, run, signed_in};

/// Runs a client on a pseudo terminal of its own.
struct Terminal {
    child: Child,
    name: String,
    seen: String,
}

impl Terminal {
    fn start(client: &Command) -> Self {
        let mut words = vec![client.get_program()];
        words.extend(client.get_args());
        // `script` takes a line of a shell; the words reach it as they are.
        let mut command = Command::new("script");
        command.args(["-qec", r#"tty; eval "exec $WORDS""#, "/dev/null"]);
        let quoted = words.iter().map(|word| format!("'{}'", word.display()));
        command.env("WORDS", quoted.collect::<Vec<_>>().join(" "));
        for (name, value) in client.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut terminal = Self {
            child: command.spawn().expect("`script` starts"),
            name: String::new(),
            seen: String::new(),
        };
        terminal.read_until("\n");
        terminal.name = terminal.seen.trim().to_owned();
        terminal
    }

    /// Reads until `text` has been seen.
    fn read_until(&mut self, text: &str) {
        let stdout = self.child.stdout.as_mut().expect("stdout is piped");
        while !self.seen.contains(text) {
            let mut byte = [0];
            let read = stdout.read(&mut byte).expect("a terminal that can be read");
            assert_eq!(read, 1, "no {text:?} in {:?}", self.seen);
            self.seen.push(char::from(byte[0]));
        }
    }

    /// Waits until what is typed is not shown.
    fn wait_for_silence(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stty = Command::new("stty").args(["-a", "-F", &self.name]).output();
            let stty = stty.expect("`stty` starts");
            if String::from_utf8_lossy(&stty.stdout).contains(" -echo ") {
                return;
            }
            assert!(Instant::now() < deadline, "what is typed is shown");
        }
    }

    fn write(&mut self, text: &str) {
        let stdin = self.child.stdin.as_mut().expect("stdin is piped");
        stdin.write_all(text.as_bytes()).expect("it is read");
    }

    /// The exit code of the client, and all that was seen.
    fn finish(mut self) -> (Option<i32>, String) {
        let mut rest = Vec::new();
        let stdout = self.child.stdout.as_mut().expect("stdout is piped");
        stdout.read_to_end(&mut rest).expect("the end");
        self.seen.push_str(&String::from_utf8_lossy(&rest));
        let status = self.child.wait().expect("`script` can be waited for");
        (status.code(), std::mem::take(&mut self.seen))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_password_is_asked_for_and_not_shown() {
    let user = Server::shared().user();
    user.issue("ci", 360);
    let command = client(&user.server.url, ["list", "--user", &user.name]);
    let mut terminal = Terminal::start(&command);
    terminal.read_until(&format!(
        "Password of {} at {}: ",
        user.name, user.server.url
    ));
    terminal.wait_for_silence();
    terminal.write(&format!("{}\n", user.password));
    let (code, seen) = terminal.finish();
    assert_eq!(code, Some(0), "{seen}");
    assert!(seen.contains("ci ") && seen.contains("Valid"), "{seen}");
    assert!(!seen.contains(&user.password), "{seen}");
}

#[test]
fn all_are_revoked_when_the_answer_is_yes() {
    let user = Server::shared().user();
    user.issue("ci", 360);
    for (answer, code, left) in [("no\n", 1, 1), ("\n", 1, 1), ("y\n", 1, 1), ("yes\n", 0, 0)] {
        let mut terminal = Terminal::start(&signed_in(&user, ["revoke", "--all"]));
        let (name, url) = (&user.name, &user.server.url);
        terminal.read_until(&format!("Revoke all tokens of {name} at {url}? [yes/no] "));
        terminal.write(answer);
        let (seen, text) = terminal.finish();
        assert_eq!(seen, Some(code), "{answer:?}: {text}");
        assert_eq!(user.ids().len(), left, "{answer:?}");
    }
}

#[test]
fn nobody_to_ask() {
    let url = &Server::shared().url;
    let mut command = Command::new("setsid");
    command.arg("--wait").arg(env!("CARGO_BIN_EXE_latchkey"));
    command.args(["token", "list", "--user", "ada", "--url", url]);
    command.env_remove("LATCHKEY_USER");
    let asked = run(command);
    assert_eq!((asked.status.code(), &*asked.stdout), (Some(3), ""));
    assert_eq!(
        asked.stderr,
        "error: cannot ask for the password of ada: there is no terminal; set LATCHKEY_USER=name:password\n"
    );

    let nobody = run(client(url, ["list"]));
    assert_eq!((nobody.status.code(), &*nobody.stdout), (Some(3), ""));
    for way in ["LATCHKEY_USER=name:password", "--user NAME", "~/.netrc"] {
        assert!(nobody.stderr.contains(way), "{nobody:?}");
    }
}

/// `.netrc` for the server's host in a home of its own.
fn netrc(home: &Path, text: &str, mode: u32) {
    let file = home.join(".netrc");
    std::fs::write(&file, text).expect("a file");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(mode)).expect("its permissions");
}

/// The user's entry, behind one of somebody else.
fn entry(user: &User<'_>, host: &str) -> String {
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    let (name, password) = (quoted(&user.name), quoted(&user.password));
    format!(
        "machine elsewhere login no password no\n{host}\n\tlogin {name}\n\tpassword {password}\n"
    )
}

#[test]
fn a_file_with_credentials() {
    let user = Server::shared().user();
    let home = tempfile::tempdir().expect("a directory");
    let other = tempfile::tempdir().expect("a directory");
    let listed = |named: bool| {
        let mut command = client(&user.server.url, ["list"]);
        command.env("HOME", home.path());
        if named {
            command.env("NETRC", other.path().join(".netrc"));
        }
        run(command)
    };
    let host = user.server.authority().split(':').next();
    let entry_for_host = entry(&user, &format!("machine {}", host.unwrap_or_default()));
    let mut cases = Cases::default();
    for text in [&entry_for_host, &entry(&user, "default")] {
        netrc(home.path(), text, 0o600);
        let read = listed(false);
        let seen = (read.status.code(), read.stderr);
        cases.check(text, seen, (Some(0), "There are no tokens.\n".to_owned()));
    }

    netrc(home.path(), &entry_for_host, 0o644);
    let read = listed(false);
    cases.check(&read, read.status.code(), Some(0));
    cases.check(&read, read.stderr.starts_with("warning: "), true);
    cases.check(&read, read.stderr.contains("chmod 600 /"), true);

    // A file that is named is the one, and has to be there.
    cases.check("missing", listed(true).status.code(), Some(3));
    netrc(other.path(), &entry_for_host, 0o600);
    netrc(home.path(), "", 0o600);
    cases.check("named", listed(true).status.code(), Some(0));
    cases.check("empty", listed(false).status.code(), Some(3));

    // What other programs write there, and what their editors put before it.
    let others = format!(
        "\u{feff}machine x login y password \"a b\" protocol https port 993 # it's \"mail\"\n{entry_for_host}\tprotocol https\n\tport 443 # \"\n"
    );
    netrc(home.path(), &others, 0o600);
    cases.check("others", listed(false).status.code(), Some(0));

    for wrong in [
        "machine 127.0.0.1 hunter2",
        "default login hunter2",
        "default password \"hunter2",
    ] {
        netrc(home.path(), wrong, 0o600);
        let refused = listed(false);
        cases.check(wrong, refused.status.code(), Some(3));
        cases.check(&refused, refused.stderr.lines().count(), 1);
        cases.check(&refused, refused.stderr.contains("hunter2"), false);
    }
}

#[test]
fn the_order_of_credentials() {
    let nothing = r#"{"message":"Tokens does not exist","code":"no_tokens"}"#;
    let server = Impostor::answering("404 Not Found", "", nothing);
    let home = tempfile::tempdir().expect("a directory");
    netrc(home.path(), "default login netrc password secret", 0o600);
    let basic = crate::client::basic;

    let start = |user: Option<&str>, args: [&str; 1]| {
        let mut command = client(&server.url, args);
        command.env("HOME", home.path());
        if let Some(user) = user {
            command.env("LATCHKEY_USER", user);
        }
        command
    };
    for (user, authorization) in [
        (Some("variable:se:cret"), basic("variable", "se:cret")),
        (None, basic("netrc", "secret")),
    ] {
        let mut command = start(user, ["list"]);
        if user.is_some() {
            command.args(["--user", "variable"]);
        }
        assert_eq!(run(command).status.code(), Some(0));
        let request = server.requests().pop().expect("a request");
        assert!(
            request.contains(&format!("authorization: {authorization}\r\n")),
            "{request}"
        );
    }

    // Set to nothing they are not set. A line end is no part of a password.
    for (user, authorization) in [
        ("", basic("netrc", "secret")),
        (" \n", basic("netrc", "secret")),
        ("variable:se cret \r\n", basic("variable", "se cret ")),
    ] {
        let finished = run(start(Some(user), ["list"]));
        assert_eq!(finished.status.code(), Some(0), "{finished:?}");
        let request = server.requests().pop().expect("a request");
        assert!(request.contains(&authorization), "{request}");
    }

    // Who is named on the command line is who signs in, and nobody else instead.
    let mut other = start(Some("variable:hunter2"), ["list"]);
    other.args(["--user", "option"]);
    let mut terminal = Terminal::start(&other);
    terminal.read_until("Password of option at ");
    terminal.wait_for_silence();
    terminal.write("typed\n");
    assert_eq!(terminal.finish().0, Some(0));
    let request = server.requests().pop().expect("a request");
    assert!(request.contains(&basic("option", "typed")), "{request}");

    // A name is one that a server can know.
    let spaced = run(start(Some("a b:secret"), ["list"]));
    assert_eq!(spaced.status.code(), Some(0), "{spaced:?}");
    let long = "a".repeat(256);
    for wrong in [
        "hunter2",
        ":hunter2",
        "a\u{7f}:hunter2",
        &format!("{long}:hunter2"),
        "ada:",
    ] {
        let refused = run(start(Some(wrong), ["list"]));
        assert_eq!(refused.status.code(), Some(2), "{wrong}: {refused:?}");
        assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
    }
    for wrong in ["", "a:b", &long] {
        let mut command = start(None, ["list"]);
        command.args(["--user", wrong]);
        let refused = run(command);
        assert_eq!(refused.status.code(), Some(2), "{wrong}: {refused:?}");
    }
}
