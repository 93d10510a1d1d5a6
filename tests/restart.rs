//! Acknowledged changes outlive the server, also after `kill -9`.

use std::path::Path;

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
use rusqlite::{Connection, OpenFlags};

use crate::server::{Launch, PASSWORD, Server, host_only};
use crate::token_format::verifies;

const NAME: &str = "user-0";

fn start(file: &Path) -> Server {
    Server::start(Launch::new().store(&format!("sqlite:{}", file.display())))
}

#[test]
fn tokens_outlive_a_killed_server() {
    if !host_only("a server that it may kill") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("store.db");

    let server = start(&file);
    let user = server.named(NAME, PASSWORD);
    let revoked = user.issue("revoked", 360);
    let [first, second] = ["first", "second"].map(|description| user.issue(description, "1 day"));
    user.delete(&revoked.id).expect(200);
    let shown = user.show(&first.id).snapshot();
    server.kill();

    let server = start(&file);
    let user = server.named(NAME, PASSWORD);
    assert_eq!(user.ids(), [second.id.as_str(), &first.id]);
    assert_eq!(user.show(&first.id).snapshot(), shown);
    user.show(&revoked.id).refused(404, "no_such_token");
    user.create("first", 360).refused(400, "description_taken");
    let third = user.issue("third", 360);
    user.delete(&first.id).expect(200);
    server.signal("TERM");
    assert!(server.finish().status.success());

    let server = start(&file);
    let user = server.named(NAME, PASSWORD);
    assert_eq!(user.ids(), [third.id, second.id]);
}

#[test]
fn a_full_disk_loses_nothing() {
    if !host_only("a file system of its own") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("store.db");
    let url = format!("sqlite:{}", file.display());

    let server = Server::start(Launch::new().store(&url).files_at_most(600));
    let user = server.named(NAME, PASSWORD);
    let mut acknowledged = Vec::new();
    let refused = loop {
        assert!(acknowledged.len() < 100, "the disk is never full");
        let response = user.create(&format!("token {}", acknowledged.len()), "1 day");
        match response.status {
            201 => acknowledged.push(response.text("jwt_token_id")),
            _ => break response,
        }
    };
    refused.refused(503, "storage_unavailable");
    acknowledged.reverse();
    assert_eq!(user.ids(), acknowledged, "it still answers");
    server.kill();

    let server = start(&file);
    let user = server.named(NAME, PASSWORD);
    assert_eq!(user.ids(), acknowledged);
    user.issue("there is room again", "1 day");
}

#[test]
fn the_key_that_was_made_once_is_kept() {
    if !host_only("a server that it may kill") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("store.db");
    let mut tokens = Vec::new();
    for run in 0..3 {
        let server = start(&file);
        tokens.push(
            server
                .named(NAME, PASSWORD)
                .issue(&format!("run {run}"), 360)
                .token,
        );
        server.kill();
    }
    let values = values(&file);
    let keys: Vec<_> = values
        .iter()
        .flat_map(|value| keys_within(value))
        .filter(|key| verifies(&tokens[0], key))
        .collect();
    assert_eq!(keys.len(), 1, "the store holds the key once");
    assert!(
        tokens.iter().all(|token| verifies(token, &keys[0])),
        "another key after the restart"
    );
}

#[test]
fn two_stores_have_two_keys() {
    if !host_only("two stores") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let files = ["one.db", "other.db"].map(|name| directory.path().join(name));
    let tokens = files
        .each_ref()
        .map(|file| start(file).named(NAME, PASSWORD).issue("Token", 360).token);
    let keys: Vec<_> = values(&files[0])
        .iter()
        .flat_map(|value| keys_within(value))
        .collect();
    assert!(keys.iter().any(|key| verifies(&tokens[0], key)));
    assert!(!keys.iter().any(|key| verifies(&tokens[1], key)));
}

#[test]
fn the_store_holds_no_token() {
    if !host_only("a store that it may read") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let server = start(&directory.path().join("store.db"));
    let issued = server.named(NAME, PASSWORD).issue("Token", 360);
    server.kill();

    let mut segments = issued.token.split('.');
    let [_, payload, signature] = [(); 3].map(|()| segments.next().expect("three segments"));
    let signature_bytes = BASE64_URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let mut seen = false;
    for entry in std::fs::read_dir(directory.path()).expect("a directory") {
        // The database, and what SQLite keeps beside it.
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("a file");
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        for secret in [
            signature.as_bytes(),
            &signature_bytes,
            payload.as_bytes(),
            PASSWORD.as_bytes(),
        ] {
            assert!(!holds(secret), "{}", String::from_utf8_lossy(secret));
        }
        seen |= holds(issued.id.as_bytes());
    }
    assert!(seen, "the store holds the record");
}

/// All values of Spin's table.
fn values(file: &Path) -> Vec<Vec<u8>> {
    let store =
        Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE).expect("a database");
    let mut statement = store
        .prepare("SELECT value FROM spin_key_value")
        .expect("Spin's table");
    let values = statement.query_map([], |row| row.get(0)).expect("rows");
    values.collect::<Result<_, _>>().expect("blobs")
}

/// What could be a key of 256 bits in `value`: as it is, or in one of the usual writings, alone or as a JSON string.
fn keys_within(value: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(value);
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=-_".contains(c)));
    let decoded = words.filter_map(|word| {
        BASE64_URL_SAFE_NO_PAD
            .decode(word)
            .or_else(|_| BASE64_STANDARD.decode(word))
            .ok()
    });
    decoded
        .chain([value.to_vec()])
        .filter(|key| key.len() == 32)
        .collect()
}
