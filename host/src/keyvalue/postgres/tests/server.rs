//! A PostgreSQL of the test's own, and of the benchmark's.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

/// `nobody`: the programs refuse to run as root.
const NOBODY: u32 = 65_534;

pub struct Server {
    /// A shell, which ends the server when its standard input is closed: also if this process is killed.
    keeper: Child,
    port: u16,
    programs: PathBuf,
    _directory: TempDir,
}

impl Server {
    /// With its data below `parent`, to which everybody must have a way. `None`, and a line on standard error, where PostgreSQL is
    /// not installed. In CI it always is.
    pub fn start(parent: &Path, settings: &[&str]) -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(std::env::var_os("CI").is_none(), "there is no PostgreSQL");
            // Past the capture of `eprintln!`, which would swallow it.
            let _ = writeln!(std::io::stderr(), "SKIPPED: there is no PostgreSQL");
            return None;
        };
        let directory = tempfile::tempdir_in(parent).unwrap();
        if is_root() {
            chown(directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let line = unprivileged(&programs.join("initdb"));
        let made = Command::new(&line[0])
            .args(&line[1..])
            .args(
                "--username latchkey --auth trust --no-sync --encoding UTF8 --locale C".split(' '),
            )
            .args(["--pgdata", "data"])
            .current_dir(directory.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let keeper = Command::new("sh")
            // At once, but not so that its shared memory stays behind.
            .args(["-c", r#""$@" & read -r _; kill -QUIT $!; wait"#, "sh"])
            .args(unprivileged(&programs.join("postgres")))
            .args(["-D", "data", "-p", &port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories="])
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .current_dir(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            keeper,
            port,
            programs,
            _directory: directory,
        };
        for _ in 0..1_000 {
            if server.ask("postgres", "SELECT 1").is_ok() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("PostgreSQL does not start");
    }

    /// The URL of a database for a user.
    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs a statement as the superuser, who waits for no standby.
    #[allow(dead_code, reason = "the benchmark runs none")]
    pub fn sql(&self, database: &str, statement: &str) -> String {
        self.ask(database, statement).unwrap()
    }

    fn ask(&self, database: &str, statement: &str) -> Result<String, String> {
        let asked = Command::new(self.programs.join("psql"))
            .args([
                "-X",
                "-q",
                "-A",
                "-t",
                "-v",
                "ON_ERROR_STOP=1",
                "-c",
                statement,
            ])
            .arg(self.url("latchkey", database))
            .env("PGOPTIONS", "-c synchronous_commit=local")
            .output()
            .unwrap();
        match asked.status.success() {
            true => Ok(String::from_utf8(asked.stdout).unwrap().trim().to_owned()),
            false => Err(String::from_utf8_lossy(&asked.stderr).into_owned()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Where Debian keeps the programs, which is not on the path; or where the path has them.
fn programs() -> Option<PathBuf> {
    let debian = fs::read_dir("/usr/lib/postgresql").ok();
    let versions = debian.into_iter().flatten().flatten();
    let newest = versions.map(|version| version.path().join("bin")).max();
    let configured = || {
        let output = Command::new("pg_config").arg("--bindir").output().ok()?;
        let path = String::from_utf8(output.stdout).ok()?;
        Some(PathBuf::from(path.trim()))
    };
    newest
        .or_else(configured)
        .filter(|programs| programs.join("initdb").exists())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A program and its arguments, as a user that is not root.
fn unprivileged(program: &Path) -> Vec<String> {
    let nobody = NOBODY.to_string();
    let mut line = Vec::new();
    if is_root() {
        line.extend([
            "setpriv",
            "--clear-groups",
            "--reuid",
            &nobody,
            "--regid",
            &nobody,
        ]);
    }
    let mut line: Vec<_> = line.into_iter().map(str::to_owned).collect();
    line.push(program.to_str().unwrap().to_owned());
    line
}
