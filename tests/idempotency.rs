//! `Idempotency-Key`: a creation that is repeated is made once.

use std::thread;

use serde_json::json;

use crate::response::Response;
use crate::server::{Server, TOKENS, User};

fn create(user: &User<'_>, key: &str, description: &str, life: &str) -> Response {
    let body = json!({ "jwt_token_description": description, "jwt_token_life": life });
    user.request("POST", TOKENS)
        .header("idempotency-key", key)
        .json(body.to_string())
        .send()
}

/// A key that no earlier run has used: on a given server the ledger remembers them for a day.
fn new_key() -> String {
    use std::time::{SystemTime, UNIX_EPOCH};
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    format!("{} {}", now.as_nanos(), std::process::id())
}

#[test]
fn a_repetition_gets_the_same_answer() {
    let user = Server::shared().user();
    let key = new_key();
    let first = create(&user, &key, "alpha", "1h").expect(201);
    for (description, life) in [
        ("alpha", "1h"),
        (" alpha ", "60 minutes"),
        ("alpha", "3600"),
    ] {
        let again = create(&user, &key, description, life).expect(201);
        assert_eq!(again.body, first.body);
        assert_eq!(again.header("location"), first.header("location"));
    }
    assert_eq!(user.ids(), [first.text("jwt_token_id")]);
}

#[test]
fn a_repetition_after_the_deletion_creates_nothing() {
    let user = Server::shared().user();
    let key = new_key();
    let first = create(&user, &key, "alpha", "1h").expect(201);
    user.delete(&first.text("jwt_token_id")).expect(200);
    assert_eq!(
        create(&user, &key, "alpha", "1h").expect(201).body,
        first.body
    );
    user.list().refused(404, "no_tokens");
}

#[test]
fn another_content_is_refused() {
    let user = Server::shared().user();
    let key = new_key();
    create(&user, &key, "alpha", "1h").expect(201);
    for (description, life) in [("beta", "1h"), ("alpha", "2h"), ("Alpha", "1h")] {
        create(&user, &key, description, life).refused(422, "idempotency_key_reused");
    }
    assert_eq!(user.ids().len(), 1);
    // What is wrong with the request itself comes first.
    create(&user, &key, "alpha", "0").refused(400, "invalid_lifetime");
    create(&user, &key, "", "1h").refused(400, "description_blank");
}

#[test]
fn a_refused_creation_uses_up_no_key() {
    let user = Server::shared().user();
    let taken = user.issue("taken", 360);
    let key = new_key();
    create(&user, &key, "taken", "1h").refused(400, "description_taken");
    user.delete(&taken.id).expect(200);
    create(&user, &key, "taken", "1h").expect(201);
}

#[test]
fn keys_are_1_to_128_printable_ascii_characters() {
    let user = Server::shared().user();
    let long = "k".repeat(128);
    create(&user, &long, "alpha", "1h");
    create(&user, "~!\"#$%&'()*+,-./:;<=>?@[]^_`{|}", "beta", "1h");
    for bad in ["", &(long + "k"), "ü", "a\tb"] {
        create(&user, bad, "gamma", "1h").refused(400, "invalid_idempotency_key");
    }
    user.request("POST", TOKENS)
        .header("idempotency-key", "one")
        .header("idempotency-key", "two")
        .json(r#"{"jwt_token_description":"gamma","jwt_token_life":"1h"}"#)
        .send()
        .refused(400, "invalid_idempotency_key");
}

#[test]
fn many_at_once_create_one_token() {
    for _ in 0..5 {
        let user = Server::shared().user();
        let key = new_key();
        let bodies: Vec<String> = thread::scope(|scope| {
            let send = || create(&user, &key, "alpha", "1h").expect(201).body;
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(send)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("a client"))
                .collect()
        });
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
        assert_eq!(user.ids().len(), 1);
    }
}

#[test]
fn keys_of_two_users_are_two_keys() {
    if !crate::server::host_only("a second user") {
        return;
    }
    let server = Server::shared();
    let key = new_key();
    let first = create(&server.user(), &key, "alpha", "1h").expect(201);
    let second = create(&server.user(), &key, "beta", "2h").expect(201);
    assert_ne!(first.text("jwt_token_id"), second.text("jwt_token_id"));
}
