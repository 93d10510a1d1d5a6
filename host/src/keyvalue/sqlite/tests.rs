use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::keyvalue::conformance;

#[tokio::test(flavor = "multi_thread")]
async fn conforms() {
    let directory = TempDir::new().unwrap();
    let store = Arc::new(Sqlite::open(&directory.path().join("store.db")).unwrap());
    conformance::run(store.clone(), store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_them_share_a_file() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let one = Arc::new(Sqlite::open(&path).unwrap());
    let other = Arc::new(Sqlite::open(&path).unwrap());
    conformance::run(one, other).await;
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
    std::fs::write(
        path("text"),
        "not a database, and long enough to be read as one".repeat(99),
    )
    .unwrap();
    std::fs::create_dir(path("directory")).unwrap();
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

#[cfg(unix)]
#[tokio::test]
async fn a_new_file_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| {
        let metadata = std::fs::metadata(path).expect("a file");
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
    let wider = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(&path, wider).expect("an own file");
    Sqlite::open(&path).expect("a store");
    assert_eq!(mode(&path), 0o640);
}
