//! The file that holds the keys, replaced as a whole: a reader sees the old keys or the new ones.

use std::io;
use std::path::{Path, PathBuf};

use latchkey_component::jwt::KeySetError;

use super::{JwkSet, KeyAlgorithm};
use crate::locked_file::LockedFile;

/// Why a file was not rotated. It is as it was, and no text holds a key.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, io::Error),
    #[error("cannot rotate {0}: {1}")]
    NotKeys(PathBuf, KeySetError),
    #[error("cannot replace {0}: {1}")]
    Write(PathBuf, io::Error),
}

/// Puts a new key first in the file at `path`; the others stay. The file keeps its owner and its mode.
pub fn rotate(path: &Path, algorithm: Option<KeyAlgorithm>) -> Result<(), RotateError> {
    let read = |error| RotateError::Read(path.to_owned(), error);
    let file = LockedFile::open(path).map_err(read)?;
    let text = file.text().map_err(read)?;
    let keys = JwkSet::rotated(&text, algorithm)
        .map_err(|error| RotateError::NotKeys(path.to_owned(), error))?;
    file.replace(keys.to_text().expose())
        .map_err(|error| RotateError::Write(path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    const SECRET: &str = "0123456789abcdef0123456789abcdef\n";

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("the file").permissions().mode() & 0o777
    }

    fn keys(path: &Path) -> usize {
        let text = fs::read_to_string(path).expect("the file");
        text.matches("kty").count()
    }

    fn files(directory: &Path) -> usize {
        fs::read_dir(directory).expect("the directory").count()
    }

    #[test]
    fn the_file_is_replaced_and_keeps_its_mode() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("keys.json");
        let link = directory.path().join("link.json");
        fs::write(&path, SECRET).expect("a file");
        symlink(&path, &link).expect("a link");
        for (name, permissions, count) in [(&path, 0o600, 2), (&path, 0o640, 3), (&link, 0o400, 4)]
        {
            fs::set_permissions(&path, Permissions::from_mode(permissions)).expect("a mode");
            rotate(name, Some(KeyAlgorithm::EdDsa)).expect("rotated");
            assert_eq!(keys(&path), count);
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
        assert_eq!(fs::read_to_string(&path).expect("the file"), text);
        assert_eq!(files(directory.path()), 1);
    }

    #[test]
    fn what_a_crash_left_blocks_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("keys.json");
        fs::write(&path, SECRET).expect("a file");
        for name in ["keys.json.new", ".keys.json.abcdef"] {
            fs::write(directory.path().join(name), "half a k").expect("a file");
        }
        rotate(&path, None).expect("rotated");
        assert_eq!(keys(&path), 2);
    }

    #[test]
    fn no_key_is_lost_where_many_rotate_at_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("keys.json");
        fs::write(&path, SECRET).expect("a file");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| rotate(&path, None).expect("rotated"));
            }
        });
        assert_eq!(keys(&path), 9);
        assert_eq!(files(directory.path()), 1);
    }
}
