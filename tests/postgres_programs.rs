//! The programs of PostgreSQL. This file is of the suite and, by its path, of the host's unit tests and benchmark.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// `nobody`: the programs refuse to run as root.
const NOBODY: u32 = 65_534;

/// Where Debian keeps the programs, which is not on the path; or where the path has them.
pub fn programs() -> Option<PathBuf> {
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

/// A directory below `parent` of the user that servers run as.
pub fn own_directory(parent: &Path) -> TempDir {
    let directory = tempfile::tempdir_in(parent).expect("a directory");
    if is_root(directory.path()) {
        chown(directory.path(), Some(NOBODY), Some(NOBODY)).expect("root may");
    }
    directory
}

/// A program and its arguments in this directory, as a user that is not root.
pub fn unprivileged(line: &[&Path], directory: &Path) -> Command {
    let probe = tempfile::NamedTempFile::new().expect("a file");
    let mut command = match is_root(probe.path()) {
        true => {
            let nobody = NOBODY.to_string();
            let mut command = Command::new("setpriv");
            command.args(["--clear-groups", "--reuid", &nobody, "--regid", &nobody]);
            command.args(line);
            command
        }
        false => {
            let mut command = Command::new(line[0]);
            command.args(&line[1..]);
            command
        }
    };
    command.current_dir(directory);
    command
}

/// Whether the owner of a file that was just made is root.
fn is_root(made: &Path) -> bool {
    made.metadata().expect("a file").uid() == 0
}

/// What makes a server listen on this port of the loopback interface alone.
pub fn settings(port: u16, more: &[impl AsRef<str>]) -> Vec<String> {
    let mut settings = vec!["-D".to_owned(), "data".to_owned()];
    settings.extend(["-p".to_owned(), port.to_string()]);
    let own = ["listen_addresses=127.0.0.1", "unix_socket_directories="];
    for setting in own.into_iter().chain(more.iter().map(AsRef::as_ref)) {
        settings.extend(["-c".to_owned(), setting.to_owned()]);
    }
    settings
}

/// Runs a statement as a user who waits for no standby.
pub fn ask(programs: &Path, url: &str, statement: &str) -> Result<String, String> {
    let asked = Command::new(programs.join("psql"))
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
        .args(["-c", statement])
        .arg(url)
        .env("PGOPTIONS", "-c synchronous_commit=local")
        .output()
        .expect("psql runs");
    match asked.status.success() {
        true => Ok(String::from_utf8_lossy(&asked.stdout).trim().to_owned()),
        false => Err(String::from_utf8_lossy(&asked.stderr).into_owned()),
    }
}

pub fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
    free.local_addr().expect("an address").port()
}
