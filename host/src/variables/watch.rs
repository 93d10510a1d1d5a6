//! The files that variables are read from: whether they have changed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::Assignment;

/// Looks at files again and again. What it looks at is cheap: no file is read.
pub struct Watch {
    files: Vec<PathBuf>,
    /// How they were when they were read.
    read: Vec<Option<Stamp>>,
    /// How they were at the last look.
    last: Vec<Option<Stamp>>,
    /// Whether they were so at the look before.
    still: bool,
}

/// A file, and its state: of a link, that of the file that it leads to. Kubernetes changes a link to a directory on the way.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Watch {
    /// Watches the files of `assignments`. Make this before they are read: a change meanwhile is one to be seen.
    pub fn new(assignments: &[Assignment]) -> Self {
        let files = assignments.iter().filter_map(Assignment::file);
        let files: Vec<_> = files.map(PathBuf::from).collect();
        let stamps = stamps(&files);
        Self {
            files,
            read: stamps.clone(),
            last: stamps,
            still: true,
        }
    }

    /// Whether there is nothing to watch.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether the files have changed, and have to be read again. Not while they change: a file that somebody is writing is
    /// half of one, and is left until two looks find it the same.
    pub fn changed(&mut self) -> bool {
        let now = stamps(&self.files);
        self.still = now == self.last;
        if !self.still {
            self.last = now;
            return false;
        }
        let changed = now != self.read;
        self.read = now;
        changed
    }

    /// Whether nobody was writing them at the last look: they can be tried again.
    pub fn are_still(&self) -> bool {
        self.still
    }
}

/// `None` for a file that is not there.
fn stamps(files: &[PathBuf]) -> Vec<Option<Stamp>> {
    let stamps = files.iter().map(|file| {
        let metadata = fs::metadata(file).ok()?;
        Some(Stamp {
            file: (metadata.dev(), metadata.ino()),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            // A copy may have the time of its original. And a mode that lets us read again is a change.
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    });
    stamps.collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_change_is_seen_once_and_when_it_is_over() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let write = |name: &str, text: &str| fs::write(path(name), text).expect("a file");
        write("one", "1");
        fs::create_dir(path("v1")).expect("a directory");
        write("v1/two", "1");
        symlink("v1", path("data")).expect("a link");
        symlink("data/two", path("two")).expect("a link");
        let assignments = ["one", "two"].map(|name| {
            let argument = format!("{name}=@{}", path(name).display());
            argument.parse().expect("an argument")
        });
        let mut watch = Watch::new(&assignments);
        let mut looks = |looks: usize| (0..looks).map(|_| watch.changed()).collect::<Vec<_>>();
        assert_eq!(looks(2), [false, false]);
        write("one", "longer");
        assert_eq!(looks(3), [false, true, false]);
        write("one", "long");
        assert_eq!((watch.changed(), watch.are_still()), (false, false));
        assert_eq!((watch.changed(), watch.are_still()), (true, true));
        let mut looks = |looks: usize| (0..looks).map(|_| watch.changed()).collect::<Vec<_>>();
        // It goes on changing.
        for text in ["a", "ab", "abc"] {
            write("one", text);
            assert_eq!(looks(1), [false]);
        }
        assert_eq!(looks(2), [true, false]);
        // Replaced by one of the same size.
        write("new", "xyz");
        fs::rename(path("new"), path("one")).expect("renamed");
        assert_eq!(looks(3), [false, true, false]);
        // As Kubernetes does it.
        fs::create_dir(path("v2")).expect("a directory");
        write("v2/two", "2");
        symlink("v2", path("new")).expect("a link");
        fs::rename(path("new"), path("data")).expect("renamed");
        assert_eq!(looks(3), [false, true, false]);
        fs::remove_file(path("one")).expect("removed");
        assert_eq!(looks(3), [false, true, false]);
        write("one", "1");
        assert_eq!(looks(3), [false, true, false]);
    }

    #[test]
    fn values_have_no_files() {
        let value: Assignment = "one=@".parse().expect("an argument");
        assert!(!Watch::new(&[value]).is_empty());
        let value: Assignment = "one=1".parse().expect("an argument");
        assert!(Watch::new(&[value]).is_empty());
    }
}
