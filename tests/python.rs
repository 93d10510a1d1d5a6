//! Environments of Python, for tests by tools that others have written.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A Python with these packages, in an environment that is made once; `None`, and a line on stderr, where it cannot be made.
/// In CI it always can.
pub fn with(name: &str, packages: &[&str]) -> Option<PathBuf> {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let python = environment.join("bin/python");
    // Other tests use it, too: one makes it, and they wait.
    let lock = environment.with_extension("lock");
    let lock = File::create(lock).expect("a lock");
    lock.lock().expect("a lock");
    let run = |command: &mut Command| command.output().is_ok_and(|done| done.status.success());
    let pip = |more: &[&str]| {
        let install = ["-m", "pip", "install", "--quiet"];
        run(Command::new(&python).args([&install, more, packages].concat()))
    };
    // Where nothing is missing, there is nothing to look for.
    if pip(&["--no-index"])
        || run(Command::new("python3")
            .args(["-m", "venv"])
            .arg(&environment))
            && pip(&[])
    {
        return Some(python);
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "{packages:?} cannot be installed"
    );
    // Past the capture of `eprintln!`.
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED: {packages:?} cannot be installed"
    );
    None
}
