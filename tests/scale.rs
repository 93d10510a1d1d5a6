//! The edges: the fullest ledger, unusual names, very many users.

use rusqlite::{Connection, params};

use crate::server::{HASH, Launch, PASSWORD, Server, host_only};

/// 256 Unicode scalar values of 4 bytes each, the last ones a number.
fn longest_description(number: usize) -> String {
    format!("{}{number:04}", "🦀".repeat(252))
}

#[test]
fn as_many_tokens_as_there_may_be_with_the_longest_descriptions() {
    if !host_only("a configuration of its own") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let store = format!("sqlite:{}", directory.path().join("store.db").display());
    let launch = || {
        Launch::new()
            .store(&store)
            .variable("max_tokens_per_user", "300")
    };
    let server = Server::start(launch());
    let user = server.named("user-0", PASSWORD);
    let ids: Vec<_> = (0..300)
        .map(|number| user.issue(&longest_description(number), "366 days").id)
        .collect();
    user.create("one more", 360)
        .refused(403, "token_limit_reached");
    server.kill();

    let server = Server::start(launch());
    let user = server.named("user-0", PASSWORD);
    let listed = user.ids();
    assert!(listed.iter().rev().eq(&ids), "all, newest first");
    user.delete(&ids[150]).expect(200);
    user.create(&longest_description(0), 360)
        .refused(400, "description_taken");
    user.issue("one more", 360);
    assert_eq!(user.ids().len(), 300);
}

#[test]
fn users_of_any_name() {
    if !host_only("users of its own") {
        return;
    }
    let names = [
        "ada",
        "ADA",
        "Ada",
        "a",
        "_61",
        "a_",
        "_",
        "-",
        "..",
        ".",
        "/",
        "../ada",
        "a/b",
        "a\\b",
        "%61da",
        "ada%00",
        "'",
        "\"",
        "';DROP/**/TABLE/**/spin_key_value;--",
        "\"},{\"x\"",
        "${ada}",
        "{{users}}",
        "*",
        "?",
        "a*",
        "&",
        "=",
        "+",
        "ä",
        "a\u{308}",
        "日本語",
        "🦀",
        "\u{202e}ada",
        "\u{feff}ada",
        "ſ",
        "null",
        "latchkey-signing-key",
        "0",
        "-0",
    ];
    let longest = "x".repeat(255);
    let names: Vec<&str> = names.into_iter().chain([longest.as_str()]).collect();
    let users: Vec<_> = names.iter().map(|name| format!("{name}:{HASH}")).collect();
    let directory = tempfile::tempdir().expect("a directory");
    for store in [
        "memory:",
        &format!("sqlite:{}", directory.path().join("s.db").display()),
    ] {
        let server = Server::start(Launch::new().store(store).users(Some(&users.join(" "))));
        let ids: Vec<_> = names
            .iter()
            .map(|name| server.named(name, PASSWORD).issue("alpha", 360).id)
            .collect();
        for (index, name) in names.iter().enumerate() {
            let user = server.named(name, PASSWORD);
            assert_eq!(user.ids(), [ids[index].as_str()], "{name}");
            user.show(&ids[(index + 1) % ids.len()])
                .refused(404, "no_such_token");
        }
    }
}

#[test]
fn ten_thousand_users_in_one_store() {
    const USERS: usize = 10_000;
    if !host_only("users of its own") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("store.db");
    let users: Vec<_> = (0..USERS).map(|n| format!("user{n}:{HASH}")).collect();
    let list = directory.path().join("users.htpasswd");
    std::fs::write(&list, users.join("\n")).expect("a file of users");
    let launch = || {
        let variable = format!("users=@{}", list.display());
        let store = format!("sqlite:{}", file.display());
        Launch::new()
            .users(None)
            .arg("--variable")
            .arg(&variable)
            .store(&store)
    };
    // A ledger of every user, as the server writes it, with the same token in it.
    let server = Server::start(launch());
    let issued = server.named("user0", PASSWORD).issue("alpha", "1 day");
    server.kill();
    {
        let mut store = Connection::open(&file).expect("the store");
        let store = store.transaction().expect("a transaction");
        let copy =
            "INSERT INTO spin_key_value SELECT store, ?1, value FROM spin_key_value WHERE key = ?2";
        for n in 1..USERS {
            let key = format!("latchkey-ledger-user{n}");
            let copied = store
                .prepare_cached(copy)
                .and_then(|mut copy| copy.execute(params![key, "latchkey-ledger-user0"]));
            assert_eq!(copied.expect("a copy"), 1);
        }
        store.commit().expect("a commit");
    }
    let server = Server::start(launch());
    for n in (0..USERS).step_by(397) {
        let user = server.named(&format!("user{n}"), PASSWORD);
        assert_eq!(user.ids(), [issued.id.as_str()], "user{n}");
        let own = user.issue("beta", 360);
        user.delete(&issued.id).expect(200);
        assert_eq!(user.ids(), [own.id], "user{n}");
    }
    // What one did, the others do not see.
    assert_eq!(server.named("user1", PASSWORD).ids(), [issued.id.as_str()]);
}
