//! Is the file that is there the one that the build would make?
//!
//! After each build a stamp records what it was made from: the command, the compiler, and size and time of every
//! watched file and of the result. While all of that is as recorded, the result is fresh, whatever the clocks say;
//! a deleted file and one restored with an old time count as changes. A result that somebody else made (`spin build`)
//! has no stamp of ours: it is fresh where it is newer than every watched file.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{BuildError, cannot};

/// Size and time of modification: what changes when a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileState {
    len: u64,
    /// Since the epoch.
    modified: Duration,
}

impl FileState {
    /// `None` if there is no such file.
    pub(super) fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        let modified = metadata.modified().ok()?;
        Some(Self {
            len: metadata.len(),
            modified: modified
                .duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default(),
        })
    }
}

impl fmt::Display for FileState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { len, modified } = self;
        write!(
            f,
            "{len} {}.{:09}",
            modified.as_secs(),
            modified.subsec_nanos()
        )
    }
}

/// The watched files, in order, each with its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Inputs(Vec<(PathBuf, FileState)>);

impl Inputs {
    /// The files that match any of the globs, which are relative to `root`.
    pub(super) fn read(root: &Path, watch: &[String]) -> Result<Self, BuildError> {
        let prefix = glob::Pattern::escape(&root.to_string_lossy());
        let mut files = Vec::new();
        for pattern in watch {
            let paths =
                glob::glob(&format!("{prefix}/{pattern}")).map_err(|error| BuildError::Watch {
                    pattern: pattern.clone(),
                    error,
                })?;
            for path in paths {
                let path = path.map_err(|error| {
                    let action = format!("read {}", error.path().display());
                    cannot(action)(error.into())
                })?;
                // A directory, or a file that is gone since the directory was read.
                let Some(state) = FileState::of(&path) else {
                    continue;
                };
                let relative = path.strip_prefix(root).unwrap_or(&path);
                files.push((relative.to_owned(), state));
            }
        }
        files.sort_by(|(one, _), (other, _)| one.cmp(other));
        files.dedup_by(|(one, _), (other, _)| one == other);
        Ok(Self(files))
    }
}

/// What a build was made from and what it made. Its text is what is kept on disk.
#[derive(Debug, Clone)]
pub(super) struct Stamp {
    pub(super) command: String,
    pub(super) workdir: PathBuf,
    /// The compiler, where it is known: a program that was not started by cargo has no cheap way to know it.
    pub(super) rustc: Option<String>,
    pub(super) source: Option<FileState>,
    pub(super) inputs: Inputs,
}

impl Stamp {
    /// Whether what is there now, `self`, needs no build, given the text of the stamp that the last build left.
    pub(super) fn is_fresh(&self, recorded: Option<&str>) -> bool {
        let Some(source) = self.source else {
            return false;
        };
        let line = |key: &str| recorded?.lines().find_map(|line| line.strip_prefix(key));
        if line("source ") != Some(&source.to_string()) {
            return self
                .inputs
                .0
                .iter()
                .all(|(_, input)| input.modified < source.modified);
        }
        let rustc = self.rustc.as_deref().or(line("rustc "));
        let now = Self {
            rustc: line("rustc ").and(rustc).map(str::to_owned),
            ..self.clone()
        };
        recorded == Some(&now.to_string())
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "command {}", self.command.escape_default())?;
        writeln!(f, "workdir {}", self.workdir.display())?;
        if let Some(rustc) = &self.rustc {
            writeln!(f, "rustc {rustc}")?;
        }
        if let Some(source) = self.source {
            writeln!(f, "source {source}")?;
        }
        for (path, state) in &self.inputs.0 {
            writeln!(f, "input {state} {}", path.display())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(len: u64, millis: u64) -> FileState {
        FileState {
            len,
            modified: Duration::from_millis(millis),
        }
    }

    fn stamp(source: Option<FileState>, inputs: &[(&str, FileState)]) -> Stamp {
        Stamp {
            command: "cargo build".to_owned(),
            workdir: PathBuf::from("."),
            rustc: Some("rustc-one".to_owned()),
            source,
            inputs: Inputs(
                inputs
                    .iter()
                    .map(|(path, state)| (PathBuf::from(path), *state))
                    .collect(),
            ),
        }
    }

    #[test]
    fn the_text_of_a_stamp() {
        let stamp = stamp(Some(state(7, 1_500)), &[("src/lib.rs", state(3, 1_250))]);
        assert_eq!(
            stamp.to_string(),
            "command cargo build\nworkdir .\nrustc rustc-one\nsource 7 1.500000000\ninput 3 1.250000000 src/lib.rs\n"
        );
    }

    #[test]
    fn without_a_stamp_of_ours_times_decide() {
        let source = Some(state(7, 2_000));
        let other_build = stamp(Some(state(7, 900)), &[("a", state(1, 800))]).to_string();
        for recorded in [None, Some(""), Some("garbage"), Some(other_build.as_str())] {
            let table = [
                (None, 1_000, false),
                (source, 1_999, true),
                (source, 2_000, false),
                (source, 2_001, false),
            ];
            for (source, input, fresh) in table {
                let now = stamp(source, &[("a", state(1, 1)), ("b", state(1, input))]);
                assert_eq!(
                    now.is_fresh(recorded),
                    fresh,
                    "{source:?} {input} {recorded:?}"
                );
            }
        }
    }

    #[test]
    fn with_a_stamp_every_difference_counts_and_clocks_do_not() {
        let source = Some(state(7, 1_000));
        // An input from the future: a build has seen it, so it is no reason for another.
        let built = stamp(source, &[("a", state(1, 5_000)), ("b", state(2, 20))]);
        let recorded = built.to_string();
        assert!(built.is_fresh(Some(&recorded)));

        let cases = [
            ("an input is gone", stamp(source, &[("a", state(1, 5_000))])),
            (
                "an input is new",
                stamp(
                    source,
                    &[
                        ("a", state(1, 5_000)),
                        ("b", state(2, 20)),
                        ("c", state(2, 20)),
                    ],
                ),
            ),
            (
                "an input is older",
                stamp(source, &[("a", state(1, 4_000)), ("b", state(2, 20))]),
            ),
            (
                "an input has another size",
                stamp(source, &[("a", state(9, 5_000)), ("b", state(2, 20))]),
            ),
            (
                "another command",
                Stamp {
                    command: "cargo build --release".to_owned(),
                    ..built.clone()
                },
            ),
            (
                "another directory",
                Stamp {
                    workdir: PathBuf::from("sub"),
                    ..built.clone()
                },
            ),
            (
                "another compiler",
                Stamp {
                    rustc: Some("rustc-two".to_owned()),
                    ..built.clone()
                },
            ),
            (
                "the result is gone",
                Stamp {
                    source: None,
                    ..built.clone()
                },
            ),
        ];
        for (name, now) in cases {
            assert!(!now.is_fresh(Some(&recorded)), "{name}");
        }
    }

    #[test]
    fn an_unknown_compiler_is_no_difference() {
        let known = stamp(Some(state(7, 1_000)), &[]);
        let unknown = Stamp {
            rustc: None,
            ..known.clone()
        };
        assert!(unknown.is_fresh(Some(&known.to_string())));
        assert!(known.is_fresh(Some(&unknown.to_string())));
    }

    #[test]
    fn globs_are_relative_to_the_root_and_a_file_counts_once() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("with [brackets]");
        for file in [
            "src/lib.rs",
            "src/deep/er/mod.rs",
            "src/notes.txt",
            "Cargo.toml",
            "target/x.rs",
        ] {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        let read = |watch: &[&str]| {
            let watch: Vec<String> = watch.iter().map(|glob| (*glob).to_owned()).collect();
            let inputs = Inputs::read(&root, &watch).unwrap();
            let paths = inputs
                .0
                .iter()
                .map(|(path, _)| path.to_string_lossy().into_owned());
            paths.collect::<Vec<_>>()
        };
        assert_eq!(read(&["src/**/*.rs"]), ["src/deep/er/mod.rs", "src/lib.rs"]);
        assert_eq!(
            read(&["src/**/*", "src/lib.rs"]),
            ["src/deep/er/mod.rs", "src/lib.rs", "src/notes.txt"]
        );
        assert_eq!(
            read(&["Cargo.toml", "absent.toml", "./src/*.rs"]),
            ["Cargo.toml", "src/lib.rs"]
        );
        assert!(read(&[]).is_empty());
    }
}
