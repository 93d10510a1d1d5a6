use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::keyvalue::conformance;

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    let directory = TempDir::new().unwrap();
    let store = Arc::new(Sqlite::open(&directory.path().join("store.db")).unwrap());
    conformance::run(store.clone(), store, conformance::little_endian).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_them_share_a_file() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let one = Arc::new(Sqlite::open(&path).unwrap());
    let other = Arc::new(Sqlite::open(&path).unwrap());
    conformance::run(one, other, conformance::little_endian).await;
}

#[tokio::test]
async fn keeps_the_data() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    Sqlite::open(&path)
        .unwrap()
        .set("key", b"value".to_vec())
        .await
        .unwrap();
    let again = Sqlite::open(&path).unwrap();
    assert_eq!(again.get("key").await, Ok(Some(b"value".to_vec())));
}

#[tokio::test]
async fn reads_and_writes_the_table_of_spin() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let spin = Connection::open(&path).unwrap();
    spin.execute(CREATE, []).unwrap();
    let insert = "INSERT INTO spin_key_value VALUES (?1, ?2, ?3)";
    spin.execute(insert, params!["default", "key", b"spin"])
        .unwrap();
    spin.execute(insert, params!["other", "key", b"other"])
        .unwrap();
    spin.execute(insert, params!["default", "text", "typed by hand"])
        .unwrap();

    let store = Sqlite::open(&path).unwrap();
    assert_eq!(store.get("key").await, Ok(Some(b"spin".to_vec())));
    let text = store.get("text").await.unwrap();
    assert_eq!(text.as_deref(), Some(b"typed by hand".as_slice()));
    let swapped = store
        .compare_and_swap("text", text, b"swapped".to_vec())
        .await;
    assert_eq!(swapped, Ok(Swap::Stored));

    let read = |store: &str, key: &str| -> Vec<u8> {
        spin.query_row(GET, [store, key], |row| row.get(0)).unwrap()
    };
    assert_eq!(read("default", "text"), b"swapped");
    assert_eq!(read("other", "key"), b"other");
}

#[tokio::test(flavor = "multi_thread")]
async fn waits_for_another_writer() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let store = Arc::new(Sqlite::open(&path).unwrap());
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let waiting = tokio::spawn({
        let store = store.clone();
        async move { store.increment("counter", 1).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waiting.is_finished());
    assert_eq!(store.get("counter").await, Ok(None));
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(waiting.await.unwrap(), Ok(1));
}

#[test]
fn refuses_what_it_cannot_use() {
    let directory = TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(
        path("text"),
        "not a database, and long enough to be read as one".repeat(99),
    )
    .unwrap();
    fs::create_dir(path("directory")).unwrap();
    let other_shape = Connection::open(path("other")).unwrap();
    other_shape
        .execute_batch("CREATE TABLE spin_key_value (k, v)")
        .unwrap();
    for (name, reason) in [
        ("text", "it is not an SQLite database"),
        ("directory", "it cannot be opened as a file"),
        ("nowhere/store", "its directory does not exist"),
        ("other", "no such column: value"),
    ] {
        let Err(error) = Sqlite::open(&path(name)) else {
            panic!("{name} was opened");
        };
        let text = error.to_string();
        assert!(text.contains(reason), "{name}: {text}");
        assert!(text.contains(&path(name).display().to_string()), "{text}");
    }
}

#[tokio::test]
async fn a_new_file_is_its_owners_alone() {
    let mode = |path: &Path| {
        let metadata = fs::metadata(path).expect("a file");
        metadata.permissions().mode() & 0o777
    };
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("new.db");
    let store = Sqlite::open(&path).expect("a store");
    store.set("key", b"value".to_vec()).await.expect("a write");
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(&directory.path().join("new.db-wal")), 0o600);
    drop(store);

    // Of a file that is there, its owner has decided.
    let wider = fs::Permissions::from_mode(0o640);
    fs::set_permissions(&path, wider).expect("an own file");
    Sqlite::open(&path).expect("a store");
    assert_eq!(mode(&path), 0o640);
}

#[test]
fn a_file_that_others_can_reach() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("store.db");
    fs::write(&path, "").expect("a file");
    let mode = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("an own file");
    };
    for (in_directory, file, expected) in [
        (0o755, 0o600, false),
        (0o755, 0o640, true),
        (0o755, 0o604, true),
        (0o755, 0o602, true),
        (0o700, 0o666, false),
        (0o710, 0o604, false),
        (0o710, 0o640, true),
    ] {
        mode(directory.path(), in_directory);
        mode(&path, file);
        assert_eq!(
            files::is_open_to_others(&path),
            expected,
            "{in_directory:o} {file:o}"
        );
    }
}

#[tokio::test]
async fn a_dead_writer_is_an_error_at_once() {
    let directory = TempDir::new().unwrap();
    let store = Sqlite::open(&directory.path().join("store.db")).unwrap();
    let ended = BackendError::Failed("its writer has ended".into());
    let dies = store.writer.write(|_| panic!("on purpose")).await;
    assert_eq!(dies, Err(ended.clone()));
    assert_eq!(store.set("key", Vec::new()).await, Err(ended));
    assert_eq!(store.get("key").await, Ok(None));
}

#[tokio::test]
async fn a_full_disk_is_the_error_of_all_that_are_committed_together() {
    let directory = TempDir::new().unwrap();
    let store = Sqlite::open(&directory.path().join("store.db")).unwrap();
    store.set("key", b"value".to_vec()).await.unwrap();
    let bounds = |connection: &Connection| {
        let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0))?;
        connection.pragma_update(None, "max_page_count", pages)?;
        Ok(0)
    };
    store.writer.write(bounds).await.unwrap();
    let large = vec![7; 100_000];
    let (small, large) = tokio::join!(
        store.set("key", b"other".to_vec()),
        store.compare_and_swap("large", None, large)
    );
    let full = BackendError::Failed("database or disk is full".into());
    assert_eq!(large, Err(full.clone()));
    // Which was alone in its transaction, or not.
    assert!(small == Ok(()) || small == Err(full), "{small:?}");
    // What fits is written again.
    store.set("key", b"again".to_vec()).await.unwrap();
    assert_eq!(store.get("key").await, Ok(Some(b"again".to_vec())));
}

#[tokio::test]
async fn nothing_is_acknowledged_that_a_restart_would_not_find() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let aside = directory.path().join("aside.db");
    let log = directory.path().join("store.db-wal");
    let store = Sqlite::open(&path).unwrap();
    let fails = async |says: &str| {
        let refused = store.set("key", b"lost".to_vec()).await;
        assert_eq!(refused, Err(BackendError::Failed(says.into())));
    };
    let works = async |value: &[u8]| {
        assert_eq!(store.set("key", value.to_vec()).await, Ok(()));
        assert_eq!(store.get("key").await, Ok(Some(value.to_vec())));
    };
    works(b"one").await;

    let gone = "store.db was deleted, moved or replaced while it was open";
    fs::rename(&path, &aside).unwrap();
    fails(gone).await;
    fs::copy(&aside, &path).unwrap();
    fails(gone).await;
    fs::rename(&aside, &path).unwrap();
    works(b"two").await;

    let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    mode(0o400);
    fails("store.db is read-only").await;
    assert!(Sqlite::open(&path).is_err());
    mode(0o600);
    works(b"three").await;

    fs::rename(&log, &aside).unwrap();
    fails("store.db-wal was deleted, moved or replaced while it was open").await;
    fs::rename(&aside, &log).unwrap();
    works(b"four").await;

    fs::remove_file(&path).unwrap();
    fails(gone).await;
    assert_eq!(store.get("key").await, Ok(Some(b"four".to_vec())));
}

#[tokio::test]
async fn a_symbolic_link_is_followed() {
    let directory = TempDir::new().unwrap();
    let [link, one, other] =
        ["link.db", "one.db", "other.db"].map(|name| directory.path().join(name));
    std::os::unix::fs::symlink(&one, &link).unwrap();
    let store = Sqlite::open(&link).unwrap();
    assert_eq!(store.set("key", b"value".to_vec()).await, Ok(()));
    drop(Sqlite::open(&other).unwrap());
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&other, &link).unwrap();
    assert!(store.set("key", b"lost".to_vec()).await.is_err());
}
