//! `latchkey user`: the file of users, edited safely.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use tempfile::TempDir;

use crate::process::{Finished, Process, Stderr, latchkey};
use crate::server::{HASH, Launch, PASSWORD, Server, host_only};

/// A file of users.
struct Users {
    directory: TempDir,
    path: PathBuf,
}

impl Users {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("users.htpasswd");
        fs::write(&path, text).expect("a file");
        Self { directory, path }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).expect("the file")
    }

    /// Runs `latchkey user` on it.
    fn run(&self, args: &[&str]) -> Finished {
        user(&self.path, args)
    }

    #[track_caller]
    fn done(&self, args: &[&str]) -> Finished {
        let finished = self.run(args);
        assert_eq!(finished.status.code(), Some(0), "{finished:?}");
        finished
    }

    /// Fails with a line that says `reason`, and leaves the file alone.
    #[track_caller]
    fn refused(&self, args: &[&str], reason: &str) {
        let before = self.text();
        let finished = self.run(args);
        assert_eq!(finished.status.code(), Some(1), "{finished:?}");
        assert!(finished.stderr.contains(reason), "{finished:?}");
        assert!(!finished.stderr.contains("hunter2"), "{finished:?}");
        assert_eq!(finished.stdout, "");
        assert_eq!(self.text(), before);
    }
}

/// Runs `latchkey user` with the password `new password`.
pub fn user(file: &Path, args: &[&str]) -> Finished {
    let mut command: Command = latchkey(["user"].iter().chain(args));
    command.arg("--file").arg(file);
    Process::start_with_input(command, Stderr::Kept, "new password\n").finish()
}

#[test]
fn comments_blank_lines_and_order_stay() {
    let text = format!(
        "\u{feff}# ours\r\n\r\nada:{HASH} bob:{HASH}  # since May\n\n  # cy:{HASH}\ncy:{HASH}\n# end\ndan:{HASH}"
    );
    let users = Users::new(&text);
    users.done(&["remove", "bob"]);
    let expected = text.replace(&format!(" bob:{HASH}"), "");
    assert_eq!(users.text(), expected);
    users.done(&["remove", "cy"]);
    let expected = expected.replace(&format!("\ncy:{HASH}\n"), "\n");
    assert_eq!(users.text(), expected);
    users.done(&["add", "zoë"]);
    let added = users.text();
    let entry = added.strip_prefix(&format!("{expected}\n")).expect(&added);
    assert!(
        entry.starts_with("zoë:$argon2id$") && entry.contains(":since="),
        "{entry}"
    );
    // Another password for the same user, who keeps the name since then, in the same place.
    users.done(&["add", "eve", "--generate"]);
    users.done(&["add", "zoë", "--replace"]);
    let replaced = users.text();
    let (_, since) = entry.trim_end().rsplit_once(':').expect("an entry");
    let place = replaced.find("zoë:").expect("the entry");
    let line = replaced[place..].lines().next().expect("a line");
    assert!(line.ends_with(since), "{line}");
    assert_ne!(line, entry.trim_end());
    assert!(replaced[place..].contains("eve:$sha256$"), "{replaced}");
    users.done(&["add", "ada", "--replace"]);
    assert!(!users.text().contains("ada:$argon2id$v=19$m=256"));
    assert!(
        users
            .text()
            .starts_with("\u{feff}# ours\r\n\r\nada:$argon2id$")
    );

    let listed = users.done(&["list"]).stdout;
    let rows: Vec<_> = listed
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>())
        .collect();
    let names: Vec<_> = rows.iter().map(|row| row[..2].join(" ")).collect();
    assert_eq!(
        names,
        [
            "ada argon2id",
            "dan argon2id",
            "zoë argon2id",
            "eve generated"
        ]
    );
    assert_eq!(rows[1][2], "-");
    assert!(
        rows[2][2].starts_with("20") && rows[2][2].ends_with('Z'),
        "{rows:?}"
    );
}

#[test]
fn what_servers_would_not_take_is_refused() {
    let users = Users::new(&format!("ada:{HASH}\n# bob:{HASH}\n"));
    users.refused(&["add", "ada"], "has the user `ada` already");
    users.refused(&["add", "bob", "--replace"], "has no user `bob`");
    users.refused(&["remove", "bob"], "has no user `bob`");
    users.refused(&["remove", "ada"], "the last user");
    for name in ["a b", "a:b", "#a", ""] {
        assert_eq!(users.run(&["add", name]).status.code(), Some(2), "{name}");
    }
    fs::write(&users.path, format!("ada:{HASH} bob:hunter2")).expect("a file");
    users.refused(&["add", "cy"], "entry 2 (`bob`)");
    users.refused(&["list"], "entry 2 (`bob`)");
    // What is wrong can be removed.
    users.done(&["remove", "bob"]);
    assert_eq!(users.text(), format!("ada:{HASH}"));

    let missing = users.directory.path().join("missing");
    assert_eq!(user(&missing, &["remove", "ada"]).status.code(), Some(1));
    assert_eq!(user(&missing, &["list"]).status.code(), Some(1));
    assert!(!missing.exists());
}

#[test]
fn mode_and_links_stay_and_a_new_file_is_private() {
    let users = Users::new(&format!("ada:{HASH}\n"));
    let link = users.directory.path().join("link");
    symlink("users.htpasswd", &link).expect("a link");
    let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    for (name, permissions) in [("bob", 0o640), ("cy", 0o600)] {
        fs::set_permissions(&users.path, Permissions::from_mode(permissions)).expect("a mode");
        let finished = user(&link, &["add", name]);
        assert!(finished.status.success(), "{finished:?}");
        assert_eq!(mode(&users.path), permissions);
        assert!(users.text().contains(&format!("\n{name}:")));
    }
    assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
    let new = users.directory.path().join("new");
    assert!(user(&new, &["add", "ada"]).status.success());
    assert_eq!(mode(&new), 0o600);
    let files = fs::read_dir(users.directory.path()).expect("a directory");
    assert_eq!(files.count(), 3);
}

#[test]
fn nobody_is_lost_where_many_edit_at_once() {
    let users = Users::new(&format!("ada:{HASH}\nold:{HASH}\n"));
    thread::scope(|scope| {
        for number in 0..6 {
            let users = &users;
            scope.spawn(move || users.done(&["add", &format!("user-{number}"), "--generate"]));
        }
        scope.spawn(|| users.done(&["remove", "old"]));
    });
    assert_eq!(users.text().lines().count(), 7, "{}", users.text());
}

#[test]
fn who_can_only_read_the_file_holds_up_nobody() {
    let users = Users::new(&format!("ada:{HASH}\n"));
    let file = fs::File::open(&users.path).expect("the file");
    file.lock().expect("a lock of a reader");
    users.done(&["add", "bob", "--generate"]);
    let lock = users.directory.path().join(".users.htpasswd.lock");
    // What a process that was killed has left is used again, and then gone.
    fs::write(&lock, "").expect("a file");
    users.done(&["remove", "ada"]);
    assert!(!lock.exists());
    // Who may write it has it locked, and is named after a while.
    let file = fs::File::create(&lock).expect("a file");
    file.lock().expect("a lock");
    users.refused(&["remove", "bob"], ".users.htpasswd.lock locked for");
    drop(file);
    users.done(&["add", "cy", "--generate"]);
}

#[test]
fn a_server_takes_what_it_writes() {
    if !host_only("users of its own") {
        return;
    }
    let users = Users::new(&format!("ada:{HASH}\n"));
    users.done(&["add", "bob"]);
    let generated = users.done(&["add", "ci", "--generate"]).stdout;
    let launch = Launch::new().users(Some(&format!("@{}", users.path.display())));
    let server = Server::start(launch);
    for (name, password) in [
        ("ada", PASSWORD),
        ("bob", "new password"),
        ("ci", generated.trim_end()),
    ] {
        let user = server.named(name, password);
        let token = user.issue("Token", 360).token;
        crate::verify::verify(&server, &token).expect(200);
    }
}

#[test]
fn who_begins_in_the_future_is_told_so() {
    if !host_only("users of its own") {
        return;
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let since = now.expect("a time").as_secs() + 3_600;
    let users = format!(
        "ada:{HASH}:since={since}\nbob:{HASH}:since={}",
        since - 7_200
    );
    let server = Server::start(Launch::new().users(Some(&users)));
    server.named("bob", PASSWORD).issue("Token", 360);
    let refused = server.named("ada", PASSWORD).create("t", 360);
    let refused = refused.refused(409, "user_begins_later");
    let seconds: u64 = refused.header("retry-after").parse().expect("seconds");
    assert!((1..=3_600).contains(&seconds), "{seconds}");
    let line = server.stderr_line();
    assert!(line.contains("a token was not made"), "{line}");
}
