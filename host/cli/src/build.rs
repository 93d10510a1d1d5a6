//! Finds the component, or builds it with the manifest's own command.
//!
//! | module | its one job |
//! |---|---|
//! | `stamp` | is the file that is there the one that the build would make? |
//! | `toolchain` | a Rust toolchain that can make `wasm32-wasip2`, whatever the machine has |
//! | `debian` | such a toolchain out of Debian's archive, without touching the system |
//! | `environment` | what the build command must not hear of a cargo that runs around it |
//! | `process` | child processes with a time limit and a readable reason when they fail |

mod debian;
mod environment;
mod process;
mod stamp;
mod toolchain;

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use stamp::{Inputs, Stamp};
use toolchain::{TARGET, Toolchain};

/// What the manifest says about building one component.
#[derive(Debug, Clone, Copy)]
pub struct BuildRequest<'a> {
    /// The directory of the manifest.
    pub root: &'a Path,
    /// The build command, as Spin would run it.
    pub command: &'a str,
    /// Where the command runs, relative to `root`; without it, in `root`.
    pub workdir: Option<&'a Path>,
    /// The Wasm file that the command makes, absolute or relative to `root`.
    pub source: &'a Path,
    /// Globs, relative to `root`, of the files that the component is made of.
    pub watch: &'a [String],
}

/// Why there is no component to serve.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file or a process of the build itself.
    #[error("cannot {action}: {error}")]
    Io {
        /// What was tried, to be read after "cannot".
        action: String,
        /// What the system said.
        error: io::Error,
    },
    /// A pattern in the manifest's `watch`.
    #[error("the manifest's watch pattern `{pattern}` is malformed: {error}")]
    Watch {
        /// The pattern as it stands in the manifest.
        pattern: String,
        /// Where it goes wrong.
        error: glob::PatternError,
    },
    /// The build command ran and failed; what it printed says why.
    #[error("the build command `{command}` failed ({status})")]
    Command {
        /// The command as it stands in the manifest.
        command: String,
        /// How it ended.
        status: ExitStatus,
    },
    /// The build command succeeded and made something else.
    #[error("the build command `{command}` succeeded but made no {}", .file.display())]
    NoResult {
        /// The command as it stands in the manifest.
        command: String,
        /// The file that the manifest expects of it.
        file: PathBuf,
    },
    /// No Rust toolchain on this machine makes `wasm32-wasip2`, and none could be had.
    #[error(
        "cannot build for {TARGET}: {}; to install it: rustup target add {TARGET}",
        .reasons.join("; ")
    )]
    Toolchain {
        /// Why each attempt failed.
        reasons: Vec<String>,
    },
}

/// Gives an [`io::Error`] its "cannot …".
fn cannot(action: impl Into<String>) -> impl FnOnce(io::Error) -> BuildError {
    let action = action.into();
    move |error| BuildError::Io { action, error }
}

/// Makes sure that `request.source` is built from what `request.watch` matches now.
///
/// Returns within milliseconds where it is. Otherwise it runs the build command, with a toolchain that it finds or
/// fetches, and says so on standard error. Any number of processes may call it at once: one builds, the others wait.
///
/// # Errors
///
/// [`BuildError`]; each is one line to show to a person.
pub fn ensure_built(request: &BuildRequest<'_>) -> Result<(), BuildError> {
    let build = Build::of(request)?;
    if build.is_fresh()? {
        return Ok(());
    }
    let _lock = build.lock()?;
    // Whoever held the lock may have built it.
    if build.is_fresh()? {
        return Ok(());
    }
    build.run()
}

/// A request with its paths made absolute.
struct Build<'a> {
    request: BuildRequest<'a>,
    root: PathBuf,
    source: PathBuf,
    /// Cargo's target directory; it also holds all that this module keeps.
    target: PathBuf,
}

impl<'a> Build<'a> {
    fn of(request: &BuildRequest<'a>) -> Result<Self, BuildError> {
        // The parent of the path `spin.toml` is the empty path, which `absolute` refuses.
        let root = Path::new(".").join(request.root);
        let root = std::path::absolute(&root).map_err(cannot("find the working directory"))?;
        // Without the slash at its end that such a path may have.
        let root: PathBuf = root.components().collect();
        Ok(Self {
            request: *request,
            source: root.join(request.source),
            target: root.join("target"),
            root,
        })
    }

    fn stamp_path(&self) -> PathBuf {
        let mut name = self.source.file_name().unwrap_or_default().to_owned();
        name.push(".stamp");
        self.target.join("component-build").join(name)
    }

    fn inputs(&self) -> Result<Inputs, BuildError> {
        Inputs::read(&self.root, self.request.watch)
    }

    fn stamp(&self, inputs: Inputs) -> Stamp {
        Stamp {
            command: self.request.command.to_owned(),
            workdir: self.request.workdir.unwrap_or(Path::new(".")).to_owned(),
            rustc: toolchain::identity_of_the_running_cargos_rustc(),
            source: stamp::FileState::of(&self.source),
            inputs,
        }
    }

    fn is_fresh(&self) -> Result<bool, BuildError> {
        let now = self.stamp(self.inputs()?);
        let recorded = fs::read_to_string(self.stamp_path()).ok();
        Ok(now.is_fresh(recorded.as_deref()))
    }

    /// Waits until no other process builds; the lock lasts as long as the file that is returned.
    fn lock(&self) -> Result<File, BuildError> {
        let dir = self.target.join("component-build");
        let path = dir.join("lock");
        let action = || format!("lock {}", path.display());
        fs::create_dir_all(&dir).map_err(cannot(format!("create {}", dir.display())))?;
        let file = File::create(&path).map_err(cannot(action()))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                say("Waiting for another process that builds the component…");
                file.lock().map_err(cannot(action()))?;
            }
            Err(TryLockError::Error(error)) => return Err(cannot(action())(error)),
        }
        Ok(file)
    }

    fn run(&self) -> Result<(), BuildError> {
        // Read before the build, so that a file that is saved while the build runs counts as changed after it.
        let inputs = self.inputs()?;
        let toolchain = if self.request.command.contains(TARGET) {
            toolchain::prepare(&self.root, &self.target.join("wasm-toolchain"))?
        } else {
            Toolchain::Plain
        };
        say(if self.source.exists() {
            "Building the component again, as something it is made from has changed…"
        } else {
            "Building the component (the first time takes a few minutes)…"
        });
        let command = self.request.command;
        let status = self
            .command(&toolchain)
            .status()
            .map_err(cannot(format!("run `{command}`")))?;
        if !status.success() {
            return Err(BuildError::Command {
                command: command.to_owned(),
                status,
            });
        }
        if !self.source.is_file() {
            return Err(BuildError::NoResult {
                command: command.to_owned(),
                file: self.source.clone(),
            });
        }
        let stamp_path = self.stamp_path();
        fs::write(&stamp_path, self.stamp(inputs).to_string())
            .map_err(cannot(format!("write {}", stamp_path.display())))
    }

    fn command(&self, toolchain: &Toolchain) -> Command {
        let mut command = shell(self.request.command);
        command
            .current_dir(match self.request.workdir {
                Some(workdir) => self.root.join(workdir),
                None => self.root.clone(),
            })
            .stdin(Stdio::null())
            // Our own standard output belongs to `Listening on …`.
            .stdout(io::stderr());
        environment::clean(&mut command);
        // The manifest names a file below `target`, wherever the outer build was told to write.
        command.env("CARGO_TARGET_DIR", &self.target);
        toolchain.apply_to(&mut command);
        command
    }
}

/// As `spin build` runs it.
fn shell(line: &str) -> Command {
    let (program, flag) = if cfg!(windows) {
        ("cmd", "/C")
    } else {
        ("sh", "-c")
    };
    let mut command = Command::new(program);
    command.arg(flag).arg(line);
    command
}

/// One line for the person who waits.
fn say(line: &str) {
    eprintln!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn builds_once_and_again_only_after_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::write(root.join("input"), "one").unwrap();
        let watch = ["input".to_owned()];
        let request = BuildRequest {
            root,
            command: "echo run >> log; cp input made.wasm",
            workdir: None,
            source: Path::new("made.wasm"),
            watch: &watch,
        };
        let runs = || {
            fs::read_to_string(root.join("log"))
                .unwrap()
                .lines()
                .count()
        };

        ensure_built(&request).unwrap();
        ensure_built(&request).unwrap();
        assert_eq!(runs(), 1);

        fs::write(root.join("input"), "another").unwrap();
        ensure_built(&request).unwrap();
        assert_eq!(
            fs::read_to_string(root.join("made.wasm")).unwrap(),
            "another"
        );
        assert_eq!(runs(), 2);

        let command = "echo run >> log; : ; cp input made.wasm";
        ensure_built(&BuildRequest { command, ..request }).unwrap();
        assert_eq!(runs(), 3, "a changed command counts");
    }

    #[test]
    #[cfg(unix)]
    fn two_at_once_build_once() {
        let dir = tempfile::tempdir().unwrap();
        let request = BuildRequest {
            root: dir.path(),
            command: "echo run >> log; sleep 0.2; touch made.wasm",
            workdir: None,
            source: Path::new("made.wasm"),
            watch: &[],
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| ensure_built(&request).unwrap());
            }
        });
        let log = fs::read_to_string(dir.path().join("log")).unwrap();
        assert_eq!(log.lines().count(), 1);
    }

    #[test]
    #[cfg(unix)]
    fn failures_are_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let request = BuildRequest {
            root: dir.path(),
            command: "exit 3",
            workdir: None,
            source: Path::new("made.wasm"),
            watch: &[],
        };
        assert_eq!(
            ensure_built(&request).unwrap_err().to_string(),
            "the build command `exit 3` failed (exit status: 3)"
        );
        let command = "true";
        let error = ensure_built(&BuildRequest { command, ..request }).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the build command `true` succeeded but made no {}",
                dir.path().join("made.wasm").display()
            )
        );
        let watch = ["a[".to_owned()];
        let error = ensure_built(&BuildRequest {
            watch: &watch,
            ..request
        })
        .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the manifest's watch pattern `a[` is malformed: "),
            "{error}"
        );
        let reasons = vec!["one".to_owned(), "two".to_owned()];
        assert_eq!(
            BuildError::Toolchain { reasons }.to_string(),
            "cannot build for wasm32-wasip2: one; two; to install it: rustup target add wasm32-wasip2"
        );
    }
}
