//! How `latchkey up` builds a component, where the manifest is another than the repository's.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{PATIENCE, Process, Stderr, latchkey};
use crate::server::{HASH, Server, host_only};

/// An application whose build copies the component of the repository, and does something else first.
struct Application {
    directory: tempfile::TempDir,
}

impl Application {
    fn new(command: &str, build: &str) -> Self {
        // Which builds the component.
        Server::shared();
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("sub")).expect("a directory");
        let component = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../target/wasm32-wasip2/release/latchkey_wasm.wasm"
        );
        let text = format!(
            r#"spin_manifest_version = 2
[application]
name = "built"
[variables]
users = {{ default = "" }}
[[trigger.http]]
route = "/..."
component = "latchkey"
[component.latchkey]
source = "made.wasm"
key_value_stores = ["default"]
variables = {{ users = "{{{{ users }}}}" }}
[component.latchkey.build]
command = '''{command}; cp "{component}" "{}"'''
{build}
"#,
            directory.path().join("made.wasm").display()
        );
        let application = Self { directory };
        fs::write(application.path("spin.toml"), text).expect("a manifest");
        application
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn up(&self) -> Command {
        let manifest = self.path("spin.toml");
        let mut command = latchkey(["up", "--listen", "127.0.0.1:0", "--store", "memory:"]);
        command.args(["--user", "ada:password", "--manifest"]);
        command.arg(manifest);
        command
    }

    /// Starts it, and waits until it serves.
    fn serves(&self, command: Command, stderr: Stderr) -> Process {
        let mut process = Process::start(command, stderr);
        let line = process.line(PATIENCE).unwrap_or_default();
        assert!(line.starts_with("Listening on http://"), "{line}");
        process
    }
}

#[test]
fn a_change_below_the_working_directory_is_seen() {
    if !host_only("a manifest of its own") {
        return;
    }
    let application = Application::new("echo run >> ../log", "workdir = 'sub'\nwatch = ['input']");
    for (text, runs) in [("one", 1), ("one", 1), ("another", 2)] {
        if fs::read_to_string(application.path("sub/input"))
            .ok()
            .as_deref()
            != Some(text)
        {
            fs::write(application.path("sub/input"), text).expect("a file");
        }
        drop(application.serves(application.up(), Stderr::Kept));
        let log = fs::read_to_string(application.path("log")).expect("a log");
        assert_eq!(log.lines().count(), runs, "{text}");
    }
}

#[test]
fn the_build_inherits_nothing_of_the_server() {
    if !host_only("an environment of its own") {
        return;
    }
    let application = Application::new("env > env", "");
    let mut command = application.up();
    command.env("LATCHKEY_STORE", "memory:");
    command.env("SPIN_VARIABLE_USERS", format!("hunter2:{HASH}"));
    command.env("RUSTFLAGS", "--cfg hunter2");
    command.env("KEPT", "yes");
    drop(application.serves(command, Stderr::Kept));
    let environment = fs::read_to_string(application.path("env")).expect("an environment");
    assert!(environment.contains("KEPT=yes"), "{environment}");
    for withheld in ["LATCHKEY_", "SPIN_VARIABLE_", "hunter2", "CARGO_MANIFEST"] {
        assert!(!environment.contains(withheld), "{environment}");
    }
}

#[test]
fn it_serves_where_nobody_reads_standard_error() {
    if !host_only("a standard error of its own") {
        return;
    }
    // What is said: a warning, that the component is built, and a password.
    let application = Application::new("true", "");
    let mut command = application.up();
    command.env("RUST_LOG", "=");
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    drop(application.serves(command, Stderr::To(writer)));
}

#[test]
fn a_target_that_cannot_be_had_is_one_line() {
    if !host_only("a manifest of its own") {
        return;
    }
    let application = Application::new(": --target wasm32-wasip2", "");
    let bin = application.path("bin");
    fs::create_dir(&bin).expect("a directory");
    // Neither has the target.
    program(&bin.join("rustc"), "echo /nowhere");
    program(&bin.join("rustup"), "echo no network >&2; exit 1");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = application.up();
    command.env("PATH", format!("{}:{path}", bin.display()));
    command.env_remove("RUSTC");
    let finished = Process::start(command, Stderr::Kept).finish();
    assert_eq!(finished.status.code(), Some(1), "{finished:?}");
    assert_eq!(
        finished.stderr,
        "Running `rustup target add wasm32-wasip2`…\nno network\nerror: cannot build for wasm32-wasip2: install Rust \
         by rustup (https://rustup.rs), run `rustup target add wasm32-wasip2`\n"
    );
}

fn program(path: &Path, line: &str) {
    fs::write(path, format!("#!/bin/sh\n{line}\n")).expect("a script");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("a mode");
}
