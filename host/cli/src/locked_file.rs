//! A file that is replaced as a whole: a reader sees the old text or the new one, and of two writers each sees what the other
//! wrote.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How long others may have the file locked: what they do takes less than a second.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// How long it takes until a lock is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(20);

/// A file that is locked until this is dropped.
pub struct LockedFile {
    file: File,
    path: PathBuf,
    _lock: Lock,
}

impl LockedFile {
    /// Opens and locks a file; of a link, the one that it leads to. Waits for others that have it locked, up to [`LOCK_TIMEOUT`].
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = fs::canonicalize(path)?;
        // A file that is missing or unreadable leaves no lock behind. The one that is read is opened under the lock.
        File::open(&path)?;
        let lock = Lock::acquire(&path)?;
        let file = File::open(&path)?;
        Ok(Self {
            file,
            path,
            _lock: lock,
        })
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

/// A locked file beside another one. The other itself can be locked by anybody who can read it, and for ever; this one only by
/// those who may write it, and it is there only as long as it is needed.
struct Lock {
    path: PathBuf,
    // Closed, and so unlocked, after the file is removed.
    _file: File,
}

impl Lock {
    fn acquire(of: &Path) -> io::Result<Self> {
        let name = of.file_name().unwrap_or_default();
        let path = of.with_file_name(format!(".{}.lock", name.display()));
        let named =
            |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let begin = Instant::now();
        loop {
            let mut options = OpenOptions::new();
            options.write(true).mode(0o600);
            // A new one is made here, and not where a link leads to.
            let file = match options.clone().create_new(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(&path),
                opened => opened,
            };
            match file {
                Ok(file) => match file.try_lock() {
                    // Who held the lock has removed the file: another may have made the next.
                    Ok(()) if is_at(&file, &path)? => return Ok(Self { path, _file: file }),
                    Ok(()) | Err(TryLockError::WouldBlock) => {}
                    Err(TryLockError::Error(error)) => return Err(named(error)),
                },
                // Removed in between.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    let reason = format!(
                        "{}: {error}; it is another user's: remove it if no command of that user is running",
                        path.display()
                    );
                    return Err(io::Error::new(error.kind(), reason));
                }
                Err(error) => return Err(named(error)),
            }
            if begin.elapsed() >= LOCK_TIMEOUT {
                let reason = format!(
                    "another process has had {} locked for {} seconds",
                    path.display(),
                    LOCK_TIMEOUT.as_secs()
                );
                return Err(io::Error::new(io::ErrorKind::WouldBlock, reason));
            }
            thread::sleep(RETRY_INTERVAL);
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // One that stays is locked by nobody, and used by the next.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether `path` still leads to this file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let file = file.metadata()?;
    match fs::metadata(path) {
        Ok(other) => Ok((file.dev(), file.ino()) == (other.dev(), other.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
