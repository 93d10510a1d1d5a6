//! A Redis of the test's own, and of the benchmark's.

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

pub struct Server {
    /// A shell, which ends the server when its standard input is closed: also if this process is killed.
    keeper: Child,
    pub url: String,
    /// Where it writes: a replica keeps a copy of what it was sent.
    _directory: TempDir,
}

impl Server {
    /// With its data below `parent`; it takes a moment until it answers. `None`, and a line on standard error, where Redis is not
    /// installed. In CI it always is.
    pub fn start(parent: &Path, settings: &[&str]) -> Option<Self> {
        let version = Command::new("redis-server").arg("--version").output();
        if version.is_err() {
            assert!(std::env::var_os("CI").is_none(), "there is no redis-server");
            // Past the capture of `eprintln!`, which would swallow it.
            let _ = writeln!(std::io::stderr(), "SKIPPED: there is no redis-server");
            return None;
        }
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port().to_string();
        drop(free);
        let directory = tempfile::tempdir_in(parent).unwrap();
        let keep = r#""$@" & read -r _; kill -9 $!"#;
        let keeper = Command::new("sh")
            .current_dir(directory.path())
            .args(["-c", keep, "sh", "redis-server"])
            .args(["--bind", "127.0.0.1", "--port", &port, "--save", ""])
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Some(Self {
            keeper,
            url: format!("redis://127.0.0.1:{port}"),
            _directory: directory,
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}
