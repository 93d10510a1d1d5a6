//! A file that is replaced as a whole: a reader sees the old text or the new one, and of two writers each sees what the other
//! wrote.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// A file that is locked until this is dropped.
pub struct LockedFile {
    file: File,
    path: PathBuf,
}

impl LockedFile {
    /// Opens and locks a file; of a link, the one that it leads to. Waits for others that have it locked.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = fs::canonicalize(path)?;
        loop {
            let file = File::open(&path)?;
            file.lock()?;
            // The process that held the lock may have replaced the file.
            let (locked, current) = (file.metadata()?, fs::metadata(&path)?);
            if (locked.dev(), locked.ino()) == (current.dev(), current.ino()) {
                return Ok(Self { file, path });
            }
        }
    }

    /// The same. Makes the file if it is missing: only its owner can read it.
    pub fn open_or_create(path: &Path) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        options.open(path)?;
        Self::open(path)
    }

    /// What is in it.
    pub fn text(&self) -> io::Result<String> {
        io::read_to_string(&self.file)
    }

    /// Replaces it. It keeps its owner and its mode.
    pub fn replace(&self, text: &str) -> io::Result<()> {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        let name = self.path.file_name().unwrap_or_default();
        // Only its owner can read a file that is made so.
        let mut new = tempfile::Builder::new()
            .prefix(&format!(".{}.", name.display()))
            .tempfile_in(directory)?;
        new.write_all(text.as_bytes())?;
        let (was, is) = (self.file.metadata()?, new.as_file().metadata()?);
        if (is.uid(), is.gid()) != (was.uid(), was.gid()) {
            fchown(new.as_file(), Some(was.uid()), Some(was.gid()))?;
        }
        let mode = Permissions::from_mode(was.mode() & 0o777);
        new.as_file().set_permissions(mode)?;
        new.as_file().sync_all()?;
        new.persist(&self.path)?;
        // The renaming must outlive a power cut too.
        File::open(directory)?.sync_all()
    }
}
