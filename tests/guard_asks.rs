//! The guard, over the host: what it makes of the answers of Latchkey.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::cases::Cases;
use crate::guarded::{Guarded, get};
use crate::impostor::{Impostor, answer};
use crate::server::host_only;

/// More than the guard waits for Latchkey.
const TOO_LONG: Duration = Duration::from_secs(20);

const ID: &str = "b56929f3-54f1-4dc2-9984-9bba615e26e6";

#[test]
fn a_latchkey_that_fails_lets_nobody_in() {
    if !host_only("an application of its own") {
        return;
    }
    let good = format!("X-Latchkey-User: ada\r\nX-Latchkey-Token-Id: {ID}\r\n");
    let impostor = Impostor::new(move |_, request| {
        let has = |text: &str| request.contains(text);
        match () {
            () if has("good") => Some(answer("200 OK", &good, "{}")),
            () if has("silent") => None,
            () if has("slow") => {
                thread::sleep(TOO_LONG);
                None
            }
            () if has("noise") => Some("\u{0}\u{1}nonsense\r\n\r\n".to_owned()),
            () if has("error") => Some(answer("500 Internal Server Error", &good, "{}")),
            () if has("moved") => {
                let location = format!("Location: http://127.0.0.1:1/\r\n{good}");
                Some(answer("302 Found", &location, ""))
            }
            () if has("created") => Some(answer("201 Created", &good, "{}")),
            () if has("bare") => Some(answer("200 OK", "", "ok")),
            () if has("twice") => Some(answer("200 OK", &format!("{good}{good}"), "{}")),
            () if has("page") => Some(answer(
                "401 Unauthorized",
                "Content-Type: text/html\r\n",
                "x",
            )),
            () if has("long") => Some(answer(
                "401 Unauthorized",
                "Content-Type: application/json\r\n",
                &"x".repeat(100_000),
            )),
            () if has("no") => Some(answer(
                "403 Forbidden",
                "Content-Type: application/json\r\nWWW-Authenticate: Bearer\r\nSet-Cookie: a=b\r\n",
                r#"{"code":"wrong_audience"}"#,
            )),
            () => Some(answer(
                "200 OK",
                "X-Latchkey-User: a b\r\nX-Latchkey-Token-Id: 1\r\n",
                "",
            )),
        }
    });
    let guarded = Guarded::asking(&impostor.url);
    let server = &guarded.server;
    let mut cases = Cases::default();
    for (key, status) in [
        ("good", 200),
        ("silent", 503),
        ("noise", 503),
        ("error", 503),
        ("moved", 503),
        ("created", 503),
        ("bare", 503),
        ("twice", 503),
        ("rubbish", 503),
        ("page", 503),
        ("long", 503),
        ("no", 403),
        // Last, since the impostor answers one after the other.
        ("slow", 503),
    ] {
        let seen = get(server, "/app/x", &[&format!("X-Api-Key: {key}")]);
        cases.check(key, (seen.status, seen.reached()), (status, status == 200));
        if status == 503 {
            cases.check(key, seen.header("retry-after").is_some(), true);
            cases.check(
                key,
                seen.body.contains(r#""code":"latchkey_unavailable""#),
                true,
            );
        }
        if status == 403 {
            cases.check(key, seen.body.as_str(), r#"{"code":"wrong_audience"}"#);
            cases.check(key, seen.header("www-authenticate"), Some("Bearer"));
            cases.check(key, seen.header("set-cookie"), None);
        }
    }
    drop(cases);
    // Nobody there.
    let away = Guarded::asking("http://127.0.0.1:9");
    let seen = get(&away.server, "/app/x", &["X-Api-Key: good"]);
    assert_eq!((seen.status, seen.reached()), (503, false));
}

#[test]
fn a_cached_answer_ends_with_its_time() {
    if !host_only("an application of its own") {
        return;
    }
    let good = format!("X-Latchkey-User: ada\r\nX-Latchkey-Token-Id: {ID}\r\n");
    let impostor = Arc::new(Impostor::new(move |_, request| {
        let expires = match request.contains("old") {
            true => "X-Latchkey-Expires: 1\r\n",
            false => "X-Latchkey-Expires: 99999999999\r\n",
        };
        Some(answer("200 OK", &format!("{good}{expires}"), "{}"))
    }));
    let url = &impostor.url;
    let variables =
        format!(r#"latchkey_scope = "", latchkey_url = "{url}", latchkey_cache = "1 hour""#);
    let guarded = Guarded::new(&variables, url);
    // One that has ended is asked about each time; the other once for each instance, of which there are at most 32.
    for (key, most) in [("old", 40), ("new", 32)] {
        let before = impostor.requests().len();
        for _ in 0..40 {
            let seen = get(&guarded.server, "/app/x", &[&format!("X-Api-Key: {key}")]);
            assert_eq!(seen.status, 200);
        }
        let asked = impostor.requests().len() - before;
        assert!(
            asked <= most && (key == "new" || asked == most),
            "{key}: {asked}"
        );
    }
}
