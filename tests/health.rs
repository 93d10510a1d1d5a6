//! Health, for orchestrators: ready is a host that can issue tokens.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::response::Response;
use crate::server::{Launch, PASSWORD, Server, host_only};

const NAME: &str = "user-0";

/// What the host says at `path`.
pub fn health(server: &Server, path: &str) -> Response {
    server
        .request("GET", &format!("/api/healthz/{path}"))
        .send()
}

/// The answer at `path` once it has this status, which takes a moment: each instance remembers what its last write has shown.
#[track_caller]
fn wait_for(server: &Server, path: &str, status: u16) -> Response {
    for _ in 0..400 {
        let answer = health(server, path);
        if answer.status == status {
            return answer;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("never {status}: {:?}", health(server, path));
}

/// Fails unless the host is alive and reads, but gets unready and issues no token.
#[track_caller]
pub fn cannot_write(server: &Server) {
    for path in ["readyness", "readiness"] {
        let answer = wait_for(server, path, 503);
        assert!(!answer.body.contains("hunter2"), "{answer:?}");
        answer.refused(503, "storage_unavailable");
    }
    health(server, "liveness").expect(200);
    let user = server.named(NAME, PASSWORD);
    user.create("never there", 360)
        .refused(503, "storage_unavailable");
}

/// Waits until the host is ready; then it issues tokens.
#[track_caller]
pub fn can_write_again(server: &Server) {
    wait_for(server, "readiness", 200);
    let user = server.named(NAME, PASSWORD);
    let issued = user.issue("written again", 360);
    assert_eq!(user.ids()[0], issued.id);
    user.delete(&issued.id).expect(200);
}

/// A host with a store in a file, and one token.
struct OnDisk {
    server: Server,
    file: PathBuf,
    id: String,
    directory: TempDir,
}

impl OnDisk {
    fn start(launch: Launch) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("store.db");
        let server = Server::start(launch.store(&url(&file)));
        let id = server.named(NAME, PASSWORD).issue("kept", "1 day").id;
        health(&server, "readiness").expect(200);
        Self {
            server,
            file,
            id,
            directory,
        }
    }

    /// Fails unless the token is there, and nothing else, now and after a restart.
    #[track_caller]
    fn keeps_the_token(self) {
        assert_eq!(self.server.named(NAME, PASSWORD).ids(), [self.id.as_str()]);
        self.server.kill();
        let again = Server::start(Launch::new().store(&url(&self.file)));
        assert_eq!(again.named(NAME, PASSWORD).ids(), [self.id]);
    }
}

fn url(file: &Path) -> String {
    format!("sqlite:{}", file.display())
}

#[test]
fn alive_and_ready() {
    let server = Server::shared();
    for (path, message) in [
        ("liveness", "i am alive"),
        ("readyness", "i am ready"),
        ("readiness", "i am ready"),
    ] {
        let answer = health(server, path).expect(200);
        assert_eq!(answer.body, format!(r#"{{"message":"{message}"}}"#));
    }
}

#[test]
fn not_ready_while_the_disk_is_full() {
    if !host_only("a file system of its own") {
        return;
    }
    let host = OnDisk::start(Launch::new().files_at_most(600));
    let server = &host.server;
    // The log of the database grows with each write, until it may not.
    let user = server.named(NAME, PASSWORD);
    let is_full = |_| {
        let created = user.create("until it is full", 360);
        created.status == 503 || user.delete(&created.text("jwt_token_id")).status == 503
    };
    assert!((0..1_000).any(is_full), "it is never full");
    cannot_write(server);
    assert!(user.ids().contains(&host.id));
    if !server.make_room() {
        eprintln!("SKIPPED: `prlimit` is needed to make room for a process that runs");
        return;
    }
    can_write_again(server);
    // Where its deletion found no room.
    for id in user.ids() {
        if id != host.id {
            user.delete(&id).expect(200);
        }
    }
    drop(user);
    host.keeps_the_token();
}

#[test]
fn not_ready_while_the_file_of_the_store_is_elsewhere() {
    if !host_only("a file that it may move") {
        return;
    }
    let host = OnDisk::start(Launch::new());
    let aside = host.directory.path().join("aside.db");
    fs::rename(&host.file, &aside).expect("a move");
    cannot_write(&host.server);
    // Another one in its place is not the one that is open.
    fs::copy(&aside, &host.file).expect("a copy");
    cannot_write(&host.server);
    fs::rename(&aside, &host.file).expect("a move");
    can_write_again(&host.server);
    host.keeps_the_token();
}

#[test]
fn not_ready_once_the_file_of_the_store_is_deleted() {
    if !host_only("a file that it may delete") {
        return;
    }
    let host = OnDisk::start(Launch::new());
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        fs::remove_file(host.directory.path().join(name)).expect("a file");
    }
    cannot_write(&host.server);
}

#[test]
fn not_ready_while_the_file_of_the_store_is_read_only() {
    if !host_only("a file of its own") {
        return;
    }
    let host = OnDisk::start(Launch::new());
    let mode = |mode| {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(&host.file, permissions).expect("an own file");
    };
    mode(0o400);
    cannot_write(&host.server);
    mode(0o600);
    can_write_again(&host.server);
    host.keeps_the_token();
}

#[test]
fn a_write_that_fails_is_the_error_in_the_log() {
    if !host_only("a file that it may delete") {
        return;
    }
    let host = OnDisk::start(Launch::new());
    fs::remove_file(&host.file).expect("a file");
    let user = host.server.named(NAME, PASSWORD);
    user.create("never there", 360)
        .refused(503, "storage_unavailable");
    let log = host.server.kill();
    assert!(log.contains("store.db was deleted"), "{log}");
    assert!(!log.contains("had no effect"), "{log}");
}
