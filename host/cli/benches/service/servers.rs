//! The servers that are compared: the host, its twin, a peer.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Process, Stderr, latchkey};
use crate::twin;
use crate::users::{self, Users};

/// The first start may have to build the component.
const PATIENCE: Duration = Duration::from_secs(1800);

/// A server that answers. What we started dies with this value.
pub struct Server {
    /// What the table calls it.
    pub name: &'static str,
    /// Without a path.
    pub url: String,
    /// Whose tokens are made and deleted.
    pub users: Users,
    /// For what wrk does not send.
    pub agent: ureq::Agent,
    process: Option<Process>,
}

impl Server {
    /// `latchkey up`, as people start it, with its store in `directory` and the compiled component kept in `cache`.
    pub fn host(directory: &Path, cache: &Path, users: Users) -> Self {
        Self::host_with(directory, cache, users, &[], None)
    }

    /// Likewise, with more arguments, and with signing keys if there are any.
    pub fn host_with(
        directory: &Path,
        cache: &Path,
        users: Users,
        arguments: &[&str],
        signing_keys: Option<&str>,
    ) -> Self {
        let store = format!("sqlite:{}", directory.join("host.db").display());
        let mut command = latchkey(["up", "--listen", "127.0.0.1:0", "--store", &store]);
        command.args(arguments).env("XDG_CACHE_HOME", cache);
        command.envs(signing_keys.map(|keys| (twin::SIGNING_KEYS, keys)));
        // The twin writes no line for each request either, unless one is asked for.
        if std::env::var_os("RUST_LOG").is_none() {
            command.env("RUST_LOG", "warn");
        }
        match &users {
            Users::Ours(_) => command.env(twin::USERS, users::variable()),
            Users::Given(user) => command.args(["--user", &user.credentials()]),
        };
        Self::start("host", command, users)
    }

    /// The native twin, with its store in `directory`, and with signing keys if there are any.
    pub fn twin(directory: &Path, signing_keys: Option<&str>) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg(twin::COMMAND).arg(directory.join("twin.db"));
        command.env(twin::USERS, users::variable());
        command.envs(signing_keys.map(|keys| (twin::SIGNING_KEYS, keys)));
        Self::start("twin", command, Users::ours())
    }

    /// A server that runs already.
    pub fn peer(url: &str, users: Users) -> Self {
        Self::new("peer", url.trim_end_matches('/').to_owned(), users, None)
    }

    fn start(name: &'static str, command: Command, users: Users) -> Self {
        let mut process = Process::start(command, Stderr::Through);
        let line = process.line(PATIENCE);
        let url = line
            .as_deref()
            .and_then(|line| line.trim().strip_prefix("Listening on "));
        let url = url.unwrap_or_else(|| panic!("{name} did not start: {line:?}"));
        Self::new(name, url.to_owned(), users, Some(process))
    }

    fn new(name: &'static str, url: String, users: Users, process: Option<Process>) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        Self {
            name,
            url,
            users,
            agent,
            process,
        }
    }

    /// A line of `/proc/PID/status` that is in kB, in MiB.
    pub fn memory(&self, field: &str) -> f64 {
        let process = self.process.as_ref().expect("a process of ours");
        let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
        let value = status
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let kib = value
            .and_then(|value| value.trim().strip_suffix(" kB"))
            .expect(field);
        kib.parse::<f64>().unwrap() / 1024.0
    }
}

/// A place for files below `target/`: where temporary files are in memory, a commit would cost nothing.
pub fn scratch() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

/// An empty directory there.
pub fn directory() -> TempDir {
    tempfile::tempdir_in(scratch()).unwrap()
}
