//! The Rust target that the component is built for: there already, or added by rustup.

use std::env;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use crate::terminal::say;

pub(super) const TARGET: &str = "wasm32-wasip2";

/// Adds the target to the toolchain that `directory` selects, where it is missing.
pub(super) fn ensure_target(directory: &Path) -> Result<()> {
    if has_target(directory) {
        return Ok(());
    }
    say(&format!("Running `rustup target add {TARGET}`…"));
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]);
    rustup.current_dir(directory).stdin(Stdio::null());
    // What rustup says of a failure is on standard error.
    let status = rustup.stdout(io::stderr()).status();
    ensure!(
        status.is_ok_and(|status| status.success()) && has_target(directory),
        "cannot build for {TARGET}: install Rust by rustup (https://rustup.rs), run `rustup target add {TARGET}`"
    );
    Ok(())
}

fn has_target(directory: &Path) -> bool {
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--print", "target-libdir", "--target", TARGET]);
    // It names the directory of the standard library, whether that is there or not.
    rustc.current_dir(directory).output().is_ok_and(|output| {
        let libraries = String::from_utf8_lossy(&output.stdout);
        Path::new(libraries.trim_end()).is_dir()
    })
}
