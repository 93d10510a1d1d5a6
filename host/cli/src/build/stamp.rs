//! Is the file that is there the one that the build would make?
//!
//! After each build a stamp records what it was made from: the commands, the compiler, and size and time of every
//! watched file and of the result. While all of that is as recorded, the result is fresh, even if clocks are wrong;
//! a deleted file and one restored with an old time count as changes. A result that somebody else made (`spin build`)
//! has no stamp of ours: it is fresh where it is newer than every watched file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{env, fs, io};

use anyhow::{Context, Result};
use latchkey_host::manifest::Build;
use serde::{Deserialize, Serialize};

/// What changes when a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileState {
    len: u64,
    modified: SystemTime,
}

impl FileState {
    /// `None` if there is no such file.
    fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        Some(Self {
            len: metadata.len(),
            modified: metadata.modified().ok()?,
        })
    }
}

type Inputs = BTreeMap<String, FileState>;

/// What a build was made from and what it made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    build: Build,
    /// The compiler, where a cheap way leads to it: beside the cargo that runs us.
    rustc: Option<(PathBuf, FileState)>,
    source: Option<FileState>,
    pub(super) inputs: Inputs,
}

impl Stamp {
    /// What is there now; the commands run in `directory`.
    pub(super) fn of(build: &Build, directory: &Path, source: &Path) -> Result<Self> {
        let rustc = env::var_os("CARGO").map(|cargo| Path::new(&cargo).with_file_name("rustc"));
        Ok(Self {
            build: build.clone(),
            rustc: rustc.and_then(|path| FileState::of(&path).map(|state| (path, state))),
            source: FileState::of(source),
            inputs: inputs(directory, &build.watch)?,
        })
    }

    pub(super) fn read(path: &Path) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
    }

    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        fs::write(path, serde_json::to_string_pretty(self)?)
    }

    /// Whether what is there now needs no build, given the stamp that the last build left.
    pub(super) fn is_fresh(&self, recorded: Option<Self>) -> bool {
        let Some(source) = self.source else {
            return false;
        };
        match recorded {
            Some(mut recorded) if recorded.source == self.source => {
                if self.rustc.is_none() || recorded.rustc.is_none() {
                    recorded.rustc.clone_from(&self.rustc);
                }
                recorded == *self
            }
            _ => self.inputs.values().all(|i| i.modified < source.modified),
        }
    }
}

/// The files that match any of the globs. Those that are not absolute are relative to `directory`.
fn inputs(directory: &Path, watch: &[String]) -> Result<Inputs> {
    let prefix = PathBuf::from(glob::Pattern::escape(&directory.to_string_lossy()));
    let mut files = BTreeMap::new();
    for pattern in watch {
        let paths = glob::glob(&prefix.join(pattern).to_string_lossy())
            .with_context(|| format!("the manifest's watch pattern `{pattern}` is malformed"))?;
        for path in paths {
            let path = path.context("cannot see what the component is made of")?;
            // Without a state, it is a directory, or gone since the directory was read.
            if let Some(state) = FileState::of(&path) {
                let relative = path.strip_prefix(directory).unwrap_or(&path);
                files.insert(relative.display().to_string(), state);
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn state(len: u64, millis: u64) -> FileState {
        FileState {
            len,
            modified: SystemTime::UNIX_EPOCH + Duration::from_millis(millis),
        }
    }

    fn build(command: &str, workdir: &str) -> Build {
        Build {
            commands: vec![command.to_owned()],
            workdir: workdir.into(),
            watch: Vec::new(),
        }
    }

    fn rustc(len: u64) -> Option<(PathBuf, FileState)> {
        Some(("rustc".into(), state(len, 1)))
    }

    fn stamp(source: Option<FileState>, inputs: &[(&str, FileState)]) -> Stamp {
        let inputs = inputs.iter();
        Stamp {
            build: build("cargo build", ""),
            rustc: rustc(1),
            source,
            inputs: inputs
                .map(|(p, state)| (String::from(*p), *state))
                .collect(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stamp");
        let stamp = stamp(Some(state(7, 1_500)), &[("src/lib.rs", state(3, 1_250))]);
        assert_eq!(Stamp::read(&path), None);
        stamp.write(&path).unwrap();
        assert_eq!(Stamp::read(&path), Some(stamp));
        for text in ["", "garbage", "command cargo build\n"] {
            fs::write(&path, text).unwrap();
            assert_eq!(Stamp::read(&path), None);
        }
    }

    #[test]
    fn without_a_stamp_of_ours_times_decide() {
        let source = Some(state(7, 2_000));
        let other_build = stamp(Some(state(7, 900)), &[("a", state(1, 800))]);
        for recorded in [None, Some(other_build)] {
            let table = [
                (None, 1_000, false),
                (source, 1_999, true),
                (source, 2_000, false),
                (source, 2_001, false),
            ];
            for (source, input, fresh) in table {
                let now = stamp(source, &[("a", state(1, 1)), ("b", state(1, input))]);
                let is_fresh = now.is_fresh(recorded.clone());
                assert_eq!(is_fresh, fresh, "{source:?} {input} {recorded:?}");
            }
        }
    }

    #[test]
    fn with_a_stamp_every_difference_counts_and_clocks_do_not() {
        let source = Some(state(7, 1_000));
        let with = |inputs: &[(&str, FileState)]| stamp(source, inputs);
        // An input from the future: a build has seen it, so it is no reason for another.
        let (a, b) = (("a", state(1, 5_000)), ("b", state(2, 20)));
        let built = with(&[a, b]);
        assert!(built.is_fresh(Some(built.clone())));

        let built_by = |build| Stamp {
            build,
            ..built.clone()
        };
        let other_rustc = Stamp {
            rustc: rustc(2),
            ..built.clone()
        };
        for (name, now) in [
            ("an input is gone", with(&[a])),
            ("an input is new", with(&[a, b, ("c", state(2, 20))])),
            ("an input is older", with(&[("a", state(1, 4_000)), b])),
            ("another size", with(&[("a", state(9, 5_000)), b])),
            ("another command", built_by(build("cargo", ""))),
            ("another directory", built_by(build("cargo build", "sub"))),
            ("another compiler", other_rustc),
            ("the result is gone", stamp(None, &[a, b])),
        ] {
            assert!(!now.is_fresh(Some(built.clone())), "{name}");
        }
    }

    #[test]
    fn an_unknown_compiler_is_no_difference() {
        let known = stamp(Some(state(7, 1_000)), &[]);
        let unknown = Stamp {
            rustc: None,
            ..known.clone()
        };
        assert!(unknown.is_fresh(Some(known.clone())));
        assert!(known.is_fresh(Some(unknown)));
    }

    #[test]
    fn globs_are_relative_and_a_file_counts_once() {
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
            let inputs = inputs(&root.join(""), &watch).unwrap();
            inputs.into_keys().collect::<Vec<_>>()
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
