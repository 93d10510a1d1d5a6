//! Whether the files that are open are still those at the path.
//!
//! A file that was deleted or replaced can be written on and on, and at the next start all of that would be gone. So no
//! write is acknowledged that goes into such a file, nor into one that the next start could not write.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::keyvalue::BackendError;

/// Whether the group of the file or everybody can read or write it, and reach it in its directory.
pub(super) fn is_open_to_others(path: &Path) -> bool {
    let mode = |path: &Path| path.metadata().map_or(0, |metadata| metadata.mode());
    let file = mode(path);
    let real = path.canonicalize().unwrap_or_default();
    let directory = real.parent().map_or(0, mode);
    let open_to = |files: u32, directories: u32| file & files != 0 && directory & directories != 0;
    open_to(0o060, 0o010) || open_to(0o006, 0o001)
}

/// The database and its log, as they were when they were opened.
pub(super) struct Files(Vec<File>);

struct File {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl Files {
    /// The files of the database at `path`, which is open.
    pub(super) fn at(path: &Path) -> Self {
        // SQLite puts its log beside the file that a symbolic link leads to.
        let mut log = path.canonicalize().unwrap_or_default().into_os_string();
        log.push("-wal");
        let open = |path: PathBuf| {
            // SQLite does without a log where the file system does not let it share memory.
            let metadata = path.metadata().ok()?;
            Some(File {
                path,
                device: metadata.dev(),
                inode: metadata.ino(),
            })
        };
        Self(
            [path.to_owned(), log.into()]
                .into_iter()
                .filter_map(open)
                .collect(),
        )
    }

    /// Fails if one of them was deleted, moved, replaced or made read-only.
    pub(super) fn check(&self) -> Result<(), BackendError> {
        for file in &self.0 {
            let is_open = |metadata: &std::fs::Metadata| {
                (metadata.dev(), metadata.ino()) == (file.device, file.inode)
            };
            let failed = |reason: &str| {
                let name = file.path.file_name().unwrap_or_default().display();
                Err(BackendError::Failed(format!("{name} {reason}")))
            };
            match file.path.metadata().ok().filter(is_open) {
                None => return failed("was deleted, moved or replaced while it was open"),
                Some(metadata) if metadata.permissions().readonly() => {
                    return failed("is read-only");
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}
