//! The file that holds the keys, replaced as a whole: who reads it sees the old keys or the new ones.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use latchkey_component::jwt::KeySetError;

use super::{JwkSet, KeyAlgorithm};

/// Why a file was not rotated. It is as it was, and no text holds a key.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// It cannot be read.
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, io::Error),
    /// It holds something else.
    #[error("cannot rotate {0}: {1}")]
    NotKeys(PathBuf, KeySetError),
    /// It cannot be replaced.
    #[error("cannot replace {0}: {1}")]
    Write(PathBuf, io::Error),
}

/// Puts a new key first in the file at `path`; the others stay. The file keeps its owner and its mode.
pub fn rotate(path: &Path, algorithm: Option<KeyAlgorithm>) -> Result<(), RotateError> {
    let read = |error| RotateError::Read(path.to_owned(), error);
    // Of a link, the file that it leads to.
    let target = fs::canonicalize(path).map_err(read)?;
    let text = fs::read_to_string(&target).map_err(read)?;
    let keys = JwkSet::rotated(&text, algorithm)
        .map_err(|error| RotateError::NotKeys(path.to_owned(), error))?;
    replace(&target, keys.to_text().expose())
        .map_err(|error| RotateError::Write(path.to_owned(), error))
}

fn replace(target: &Path, text: &str) -> io::Result<()> {
    let metadata = fs::metadata(target)?;
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = target.with_file_name(name);
    let file = create(&new)?;
    let written = fill(file, text, &metadata).and_then(|()| fs::rename(&new, target));
    if written.is_err() {
        // The error that counts is the first.
        let _ = fs::remove_file(&new);
    }
    written?;
    // The renaming must outlive a power cut too.
    let directory = target.parent().unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// A file that is new, and that nobody else can read. Two that rotate at once would lose a key: one of them fails here.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn fill(mut file: File, text: &str, old: &fs::Metadata) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
        let new = file.metadata()?;
        if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
            fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
        file.set_permissions(Permissions::from_mode(old.mode() & 0o777))?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("the file").permissions().mode() & 0o777
    }

    fn files(directory: &Path) -> usize {
        fs::read_dir(directory).expect("the directory").count()
    }

    #[test]
    fn the_file_is_replaced_and_keeps_its_mode() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("keys.json");
        let link = directory.path().join("link.json");
        fs::write(&path, "0123456789abcdef0123456789abcdef\n").expect("a file");
        symlink(&path, &link).expect("a link");
        for (name, permissions, keys) in [(&path, 0o600, 2), (&path, 0o640, 3), (&link, 0o400, 4)] {
            fs::set_permissions(&path, Permissions::from_mode(permissions)).expect("a mode");
            rotate(name, Some(KeyAlgorithm::EdDsa)).expect("rotated");
            let text = fs::read_to_string(&path).expect("the file");
            assert_eq!(text.matches("kty").count(), keys);
            assert_eq!(mode(&path), permissions);
        }
        assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
        assert_eq!(files(directory.path()), 2);
    }

    #[test]
    fn what_cannot_be_rotated_stays_as_it_is() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("keys.json");
        assert!(matches!(rotate(&path, None), Err(RotateError::Read(..))));
        let text = r#"{"keys":"hunter2"}"#;
        fs::write(&path, text).expect("a file");
        let error = rotate(&path, None).expect_err("no keys");
        assert!(matches!(error, RotateError::NotKeys(..)));
        assert!(!format!("{error} {error:?}").contains("hunter2"));
        // Another rotation is under way.
        fs::write(&path, "0123456789abcdef0123456789abcdef").expect("a file");
        fs::write(directory.path().join("keys.json.new"), "").expect("a file");
        assert!(matches!(rotate(&path, None), Err(RotateError::Write(..))));
        assert_eq!(
            fs::read_to_string(&path).expect("the file"),
            "0123456789abcdef0123456789abcdef"
        );
        assert_eq!(files(directory.path()), 2);
    }
}
