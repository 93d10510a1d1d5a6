//! A store in an SQLite file: the very file and table that Spin uses, so that both can serve the same tokens.
//!
//! The file is in WAL mode, where readers never wait for a writer. Reads run on a few connections of their own. All
//! writes go through one thread, which commits together what has piled up meanwhile (see [`writer`]); a write has
//! returned only when it is on the disk (`synchronous = FULL`), in the file that is still at the path (see [`files`]).

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, params};

use super::{Backend, BackendError, DEFAULT_LABEL, StoreError, Swap, incremented};

use files::Files;
use writer::Writer;

mod files;
mod writer;

/// How long to wait for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections for reads that wait for nobody. A read takes some microseconds, so a few serve many requests.
const READERS: usize = 3;

/// The table as Spin creates it (`crates/key-value-spin/src/store.rs`).
const CREATE: &str = "CREATE TABLE IF NOT EXISTS spin_key_value (
                           store TEXT NOT NULL,
                           key   TEXT NOT NULL,
                           value BLOB NOT NULL,

                           PRIMARY KEY (store, key)
                        )";

const GET: &str = "SELECT value FROM spin_key_value WHERE store = ?1 AND key = ?2";
const SET: &str = "INSERT INTO spin_key_value (store, key, value) VALUES (?1, ?2, ?3)
                   ON CONFLICT (store, key) DO UPDATE SET value = ?3";
const INSERT: &str = "INSERT INTO spin_key_value (store, key, value) VALUES (?1, ?2, ?3)
                      ON CONFLICT (store, key) DO NOTHING";
/// The cast: a value that was put in as text must be equal to its own bytes.
const UPDATE: &str = "UPDATE spin_key_value SET value = ?3
                      WHERE store = ?1 AND key = ?2 AND CAST(value AS BLOB) = ?4";
const DELETE: &str = "DELETE FROM spin_key_value WHERE store = ?1 AND key = ?2";
/// The index on the primary key has all of it.
const LIST: &str = "SELECT key FROM spin_key_value WHERE store = ?1";

/// The store of `--store sqlite:PATH`.
pub struct Sqlite {
    readers: Vec<Mutex<Connection>>,
    /// For reads that have to wait for another process.
    patient_reader: Arc<Mutex<Connection>>,
    writer: Writer,
}

impl Sqlite {
    /// Opens the file, and creates it if it is missing, but not its directory: a path into no directory is likely a mistake.
    ///
    /// A file that is damaged, not a database, read-only or of another shape is an error here rather than at the first
    /// request.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with_batch(path, writer::BATCH)
    }

    /// As [`Self::open`], with at most `batch` writes to a commit; 1 is what there would be without group commit, for a
    /// benchmark to compare with.
    pub fn open_with_batch(path: &Path, batch: usize) -> Result<Self, StoreError> {
        // So that SQLite does not take a relative path for one of its special names.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let opened = Self::connect(&path, batch.max(1));
        if opened.is_ok() && files::is_open_to_others(&path) {
            let path = path.display();
            tracing::warn!(
                "other users of this machine can read {path}, which may hold the signing key: chmod 600"
            );
        }
        opened.map_err(|error| {
            let reason = match error.sqlite_error_code() {
                Some(ErrorCode::NotADatabase) => "it is not an SQLite database".to_owned(),
                Some(ErrorCode::DatabaseCorrupt) => "the database is damaged".to_owned(),
                Some(ErrorCode::CannotOpen) => match path.parent() {
                    Some(parent) if !parent.is_dir() => "its directory does not exist".to_owned(),
                    _ => "it cannot be opened as a file".to_owned(),
                },
                Some(ErrorCode::ReadOnly) => "it cannot be written".to_owned(),
                Some(ErrorCode::DatabaseBusy) => "another process keeps it locked".to_owned(),
                _ => error.to_string(),
            };
            StoreError::Sqlite(path.display().to_string(), reason)
        })
    }

    fn connect(path: &Path, batch: usize) -> rusqlite::Result<Self> {
        create_private(path);
        // Checked here, since root could write it all the same.
        if path
            .metadata()
            .is_ok_and(|file| file.permissions().readonly())
        {
            let read_only = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
            return Err(rusqlite::Error::SqliteFailure(read_only, None));
        }
        let writer = connection(path)?;
        writer.pragma_update(None, "journal_mode", "WAL")?;
        writer.pragma_update(None, "synchronous", "FULL")?;
        // Fails if the file can only be read, even where there is nothing to create.
        writer.execute_batch(&format!("BEGIN IMMEDIATE; {CREATE}; COMMIT"))?;
        for sql in [GET, SET, INSERT, UPDATE] {
            writer.prepare_cached(sql)?;
        }
        let reader = |timeout| -> rusqlite::Result<_> {
            let reader = connection(path)?;
            reader.pragma_update(None, "query_only", true)?;
            reader.prepare_cached(GET)?;
            reader.busy_timeout(timeout)?;
            Ok(Mutex::new(reader))
        };
        Ok(Self {
            readers: (0..READERS)
                .map(|_| reader(Duration::ZERO))
                .collect::<rusqlite::Result<_>>()?,
            patient_reader: Arc::new(reader(BUSY_TIMEOUT)?),
            writer: Writer::start(writer, Files::at(path), batch),
        })
    }
}

/// Creates the file, if there is none, for its owner alone: it may hold the signing key. SQLite gives its other files the same
/// permissions, and its error is better than ours if this fails.
fn create_private(path: &Path) {
    let mut options = OpenOptions::new();
    let _ = options.write(true).create_new(true).mode(0o600).open(path);
}

fn connection(path: &Path) -> rusqlite::Result<Connection> {
    // Without the flag that reads a path as a URI, and without SQLite's own mutex: ours suffice.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(connection)
}

impl From<rusqlite::Error> for BackendError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Failed(error.to_string()),
        }
    }
}

fn get(connection: &Connection, key: &str) -> Result<Option<Vec<u8>>, BackendError> {
    let mut statement = connection.prepare_cached(GET)?;
    let value = statement
        .query_row([DEFAULT_LABEL, key], |row| {
            // As bytes even if something else put it in as text.
            Ok(row.get_ref(0)?.as_bytes().map(<[u8]>::to_vec))
        })
        .optional()?;
    match value {
        None => Ok(None),
        Some(Ok(bytes)) => Ok(Some(bytes)),
        Some(Err(_)) => Err(BackendError::Failed("a value is not a blob".into())),
    }
}

/// Returns how many rows have changed: always 1.
fn set(connection: &Connection, key: &str, value: &[u8]) -> Result<i64, BackendError> {
    let changed = connection
        .prepare_cached(SET)?
        .execute(params![DEFAULT_LABEL, key, value])?;
    Ok(changed as i64)
}

/// Returns how many rows have changed: none if another value was there.
fn swap(
    connection: &Connection,
    key: &str,
    expected: Option<&[u8]>,
    value: &[u8],
) -> Result<i64, BackendError> {
    let changed = match expected {
        None => connection
            .prepare_cached(INSERT)?
            .execute(params![DEFAULT_LABEL, key, value])?,
        Some(expected) => connection.prepare_cached(UPDATE)?.execute(params![
            DEFAULT_LABEL,
            key,
            value,
            expected
        ])?,
    };
    Ok(changed as i64)
}

/// Returns how many rows have changed: none if the key was not there.
fn delete(connection: &Connection, key: &str) -> Result<i64, BackendError> {
    let changed = connection
        .prepare_cached(DELETE)?
        .execute(params![DEFAULT_LABEL, key])?;
    Ok(changed as i64)
}

fn list_keys(connection: &Connection) -> Result<Vec<String>, BackendError> {
    let mut statement = connection.prepare_cached(LIST)?;
    let mut rows = statement.query([DEFAULT_LABEL])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        if let Ok(key) = row.get_ref(0)?.as_str() {
            keys.push(key.to_owned());
        }
    }
    Ok(keys)
}

/// Returns the sum.
fn increment(connection: &Connection, key: &str, delta: i64) -> Result<i64, BackendError> {
    let sum = incremented(get(connection, key)?.as_deref(), delta)?;
    set(connection, key, &sum.to_le_bytes())?;
    Ok(sum)
}

impl Sqlite {
    /// Reads on a thread of its own, where it may wait for another process, or take long.
    async fn read_patiently<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, BackendError> + Send + 'static,
    ) -> Result<T, BackendError> {
        let reader = self.patient_reader.clone();
        tokio::task::spawn_blocking(move || {
            read(&reader.lock().unwrap_or_else(PoisonError::into_inner))
        })
        .await
        .unwrap_or_else(|_| Err(BackendError::Failed("a read broke off".into())))
    }
}

#[async_trait]
impl Backend for Sqlite {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackendError> {
        // Done here, a read costs half of what handing it to another thread would. Only one that has to wait goes there.
        let mut readers = self.readers.iter();
        let free = readers.find_map(|reader| reader.try_lock().ok());
        match free.map(|reader| get(&reader, key)) {
            None | Some(Err(BackendError::Busy)) => {}
            Some(result) => return result,
        }
        let key = key.to_owned();
        self.read_patiently(move |reader| get(reader, &key)).await
    }

    async fn set(&self, key: &str, value: Vec<u8>) -> Result<(), BackendError> {
        let key = key.to_owned();
        let write = move |connection: &Connection| set(connection, &key, &value);
        self.writer.write(write).await.map(drop)
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
    ) -> Result<Swap, BackendError> {
        let key = key.to_owned();
        let write =
            move |connection: &Connection| swap(connection, &key, expected.as_deref(), &value);
        Ok(match self.writer.write(write).await? {
            0 => Swap::Lost,
            _ => Swap::Stored,
        })
    }

    async fn increment(&self, key: &str, delta: i64) -> Result<i64, BackendError> {
        let key = key.to_owned();
        let write = move |connection: &Connection| increment(connection, &key, delta);
        self.writer.write(write).await
    }

    async fn delete(&self, key: &str) -> Result<(), BackendError> {
        let key = key.to_owned();
        let write = move |connection: &Connection| delete(connection, &key);
        self.writer.write(write).await.map(drop)
    }

    async fn list_keys(&self) -> Result<Vec<String>, BackendError> {
        self.read_patiently(list_keys).await
    }
}

#[cfg(test)]
mod tests;
