//! Builds the component with the manifest's own commands, where it is not as they would make it.

mod environment;
mod stamp;
mod toolchain;

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use latchkey_host::manifest::Build;

use crate::terminal::say;
use stamp::Stamp;

/// Makes sure that `source` is built from what the build's `watch` matches now. Paths are relative to `root`.
///
/// Returns within milliseconds where it is. Any number of processes may call it at once: one builds, the others wait.
/// An error is one line for a person.
pub fn ensure_built(root: &Path, source: &Path, build: &Build) -> Result<()> {
    let root = std::path::absolute(root).context("cannot find the working directory")?;
    let directory = root.join(&build.workdir);
    let made = root.join(source);
    let mut name = source.file_name().unwrap_or_default().to_owned();
    name.push(".stamp");
    // The manifest expects the result there, even if cargo is configured to put it elsewhere.
    let target = source.ancestors().find(|path| path.ends_with("target"));
    let target = target.map(|target| root.join(target));
    let stamps = target.clone().unwrap_or_else(|| root.join("target"));
    let stamp_file = stamps.join("component-build").join(name);

    let now = || Stamp::of(build, &directory, &made);
    let is_fresh = || now().map(|stamp| stamp.is_fresh(Stamp::read(&stamp_file)));
    if is_fresh()? {
        return Ok(());
    }
    let cannot_write = || format!("cannot write {}", stamp_file.display());
    let _lock = lock(&stamp_file).with_context(cannot_write)?;
    // The process that held the lock may have built it.
    if is_fresh()? {
        return Ok(());
    }

    // Read before the build, so that a file that is saved while the build runs counts as changed after it.
    let inputs = now()?.inputs;
    let commands = &build.commands;
    if commands.iter().any(|line| line.contains(toolchain::TARGET)) {
        toolchain::ensure_target(&directory)?;
    }
    say(if made.exists() {
        "Building the component again, as something it is made from has changed…"
    } else {
        "Building the component (the first time takes a few minutes)…"
    });
    for line in commands {
        run(line, &directory, target.as_deref())?;
    }
    let file = made.display();
    ensure!(made.is_file(), "the build succeeded but made no {file}");
    let mut stamp = now()?;
    stamp.inputs = inputs;
    stamp.write(&stamp_file).with_context(cannot_write)
}

/// Waits until no other process builds. The lock lasts as long as the file that is returned.
fn lock(path: &Path) -> io::Result<File> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    let file = File::options().append(true).create(true).open(path)?;
    if file.try_lock().is_err() {
        say("Waiting for another process that builds the component…");
        file.lock()?;
    }
    Ok(file)
}

fn run(line: &str, directory: &Path, cargo_target: Option<&Path>) -> Result<()> {
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(directory);
    // Our own standard output belongs to `Listening on …`.
    command.stdin(Stdio::null()).stdout(io::stderr());
    environment::clean(&mut command);
    command.envs(cargo_target.map(|target| ("CARGO_TARGET_DIR", target)));
    let status = command.status();
    let status = status.with_context(|| format!("cannot run `{line}`"))?;
    ensure!(
        status.success(),
        "the build command `{line}` failed ({status})"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(command: &str, workdir: &str, watch: &str) -> Build {
        Build {
            commands: vec![command.to_owned()],
            workdir: workdir.into(),
            watch: vec![watch.to_owned()],
        }
    }

    fn made(root: &Path, build: &Build) -> Result<()> {
        ensure_built(root, Path::new("made.wasm"), build)
    }

    fn runs(root: &Path) -> usize {
        let log = fs::read_to_string(root.join("log")).unwrap();
        log.lines().count()
    }

    #[test]
    fn builds_once_and_again_only_after_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::write(root.join("input"), "one").unwrap();
        let copy = build("echo run >> log; cp input made.wasm", "", "input");

        made(root, &copy).unwrap();
        made(root, &copy).unwrap();
        assert_eq!(runs(root), 1);

        fs::write(root.join("input"), "another").unwrap();
        made(root, &copy).unwrap();
        let result = fs::read_to_string(root.join("made.wasm")).unwrap();
        assert_eq!(result, "another");
        assert_eq!(runs(root), 2);

        let copy = build("echo run >> log; : ; cp input made.wasm", "", "input");
        made(root, &copy).unwrap();
        assert_eq!(runs(root), 3, "a changed command counts");
    }

    #[test]
    fn relative_patterns_are_relative_to_the_directory_of_the_command() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir(root.join("sub")).unwrap();
        let absolute = root.join("input").to_string_lossy().into_owned();
        for (file, pattern) in [
            ("sub/input", "input"),
            ("sub/input", "*put"),
            ("input", "../input"),
            ("input", absolute.as_str()),
        ] {
            let copy = format!("cp {} made.wasm", root.join(file).display());
            let copy = build(&format!("{copy}; cp made.wasm .."), "sub", pattern);
            for text in ["one", "another"] {
                fs::write(root.join(file), text).unwrap();
                made(root, &copy).unwrap();
                let result = fs::read_to_string(root.join("made.wasm")).unwrap();
                assert_eq!(result, text, "{pattern}");
            }
        }
    }

    #[test]
    fn cargo_writes_where_the_manifest_expects_the_result() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir(root.join("sub")).unwrap();
        for (source, target) in [
            ("target/release/a.wasm", "target"),
            ("sub/target/release/a.wasm", "sub/target"),
            ("sub/a.wasm", ""),
        ] {
            let source = root.join(source);
            let made = source.display();
            let line =
                format!(r#"mkdir -p "$(dirname {made})"; printf %s "$CARGO_TARGET_DIR" > {made}"#);
            ensure_built(root, &source, &build(&line, "sub", "")).unwrap();
            let target = match target {
                "" => String::new(),
                target => root.join(target).display().to_string(),
            };
            assert_eq!(fs::read_to_string(&source).unwrap(), target);
        }
    }

    #[test]
    fn several_commands_have_a_shell_each_and_stop_at_the_first_that_fails() {
        let dir = tempfile::tempdir().unwrap();
        let mut several = build("mkdir -p sub; cd sub; touch made.wasm", "", "");
        several.commands.push("cp sub/made.wasm .".to_owned());
        made(dir.path(), &several).unwrap();
        several.commands.insert(1, "false".to_owned());
        several.commands.push("touch after".to_owned());
        let error = made(dir.path(), &several).unwrap_err().to_string();
        assert_eq!(error, "the build command `false` failed (exit status: 1)");
        assert!(!dir.path().join("after").exists());
    }

    #[test]
    fn two_at_once_build_once() {
        let dir = tempfile::tempdir().unwrap();
        let slow = build("echo run >> log; sleep 0.2; touch made.wasm", "", "");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| made(dir.path(), &slow).unwrap());
            }
        });
        assert_eq!(runs(dir.path()), 1);
    }

    #[test]
    fn failures_are_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let error = |command, watch| {
            let result = made(dir.path(), &build(command, "", watch));
            format!("{:#}", result.unwrap_err())
        };
        assert_eq!(
            error("exit 3", ""),
            "the build command `exit 3` failed (exit status: 3)"
        );
        assert_eq!(
            error("true", ""),
            format!(
                "the build succeeded but made no {}",
                dir.path().join("made.wasm").display()
            )
        );
        let malformed = error("true", "a[");
        assert!(
            malformed.starts_with("the manifest's watch pattern `a[` is malformed: "),
            "{malformed}"
        );
    }
}
