//! A PostgreSQL of the test's own, and of the benchmark's.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use programs::{ask, free_port, own_directory, settings, unprivileged};

#[path = "../../../../../tests/postgres_programs.rs"]
mod programs;

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
    pub fn start(parent: &Path, more: &[&str]) -> Option<Self> {
        let Some(programs) = programs::programs() else {
            assert!(std::env::var_os("CI").is_none(), "there is no PostgreSQL");
            // Past the capture of `eprintln!`, which would swallow it.
            let _ = writeln!(std::io::stderr(), "SKIPPED: there is no PostgreSQL");
            return None;
        };
        let directory = own_directory(parent);
        let made = unprivileged(&[&programs.join("initdb")], directory.path())
            .args("--username latchkey --auth trust --no-sync --encoding UTF8".split(' '))
            .args("--locale C --pgdata data".split(' '))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let port = free_port();
        // At once, but not so that its shared memory stays behind.
        let keep = r#""$@" & read -r _; kill -QUIT $!; wait"#;
        let line = ["sh", "-c", keep, "sh"].map(Path::new);
        let postgres = programs.join("postgres");
        let keeper = unprivileged(&[&line[..], &[&postgres]].concat(), directory.path())
            .args(settings(port, more))
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
        ask(&self.programs, &self.url("latchkey", database), statement)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
