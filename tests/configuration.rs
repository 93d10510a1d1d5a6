//! Spin variables: what each does, and what happens when one cannot work.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use argon2::password_hash::PasswordHasher;
use argon2::{Algorithm, Argon2, Params, Version};
use serde_json::json;

use crate::cases::Cases;
use crate::process::{Finished, PATIENCE, Stderr};
use crate::server::{HASH, Launch, PASSWORD, Server, host_only};
use crate::token_format::{jwk, segment, verifies};

/// `correct horse`, hashed by libxcrypt.
const BCRYPT_2Y: &str = "$2y$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e";
const BCRYPT_2B: &str = "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e";

/// A secret that no message may show.
const SECRET: &str = "hunter2-hunter2-hunter2-hunter2-hunter2";

#[test]
fn users_with_hashes_of_every_kind_separated_by_any_white_space() {
    if !host_only("users of its own") {
        return;
    }
    let users =
        format!(" argon2:{HASH}\n2y:{BCRYPT_2Y}\t2b:{BCRYPT_2B}  \r\nzoë@example.org:{HASH}\n");
    let server = Server::start(Launch::new().users(Some(&users)));
    let mut cases = Cases::default();
    for (name, password, accepted) in [
        ("argon2", PASSWORD, true),
        ("argon2", "correct horse", false),
        ("2y", "correct horse", true),
        ("2y", PASSWORD, false),
        ("2b", "correct horse", true),
        ("2b", "correct", false),
        ("zoë@example.org", PASSWORD, true),
        ("user-0", PASSWORD, false),
        ("admin", "admin", false),
    ] {
        cases.check(
            (name, password),
            server.named(name, password).signs_in(),
            accepted,
        );
    }
}

#[test]
fn comments_and_byte_order_marks_among_users() {
    if !host_only("users of its own") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("htpasswd");
    let text = format!(
        "\u{feff}ada:{HASH}\r\n# grace:{HASH} the old one\r\n#alan:{HASH}\r\n\u{feff}grace:{BCRYPT_2Y} # new\r\n"
    );
    std::fs::write(&file, text).expect("a file");
    let launch = Launch::new().users(Some(&format!("@{}", file.display())));
    let server = Server::start(launch.arg("--user").arg("alan:turing"));
    let mut cases = Cases::default();
    for (name, password, accepted) in [
        ("ada", PASSWORD, true),
        ("\u{feff}ada", PASSWORD, false),
        ("grace", "correct horse", true),
        ("grace", PASSWORD, false),
        ("#alan", PASSWORD, false),
        ("alan", "turing", true),
    ] {
        let seen = server.named(name, password).signs_in();
        cases.check((name, password), seen, accepted);
    }
    drop(cases);

    // A file of comments has no users, and opens nothing.
    std::fs::write(&file, "# nobody yet\n").expect("a file");
    let launch = Launch::new().users(Some(&format!("@{}", file.display())));
    let finished = launch.spawn(Stderr::Kept).finish();
    assert_eq!(finished.status.code(), Some(1), "{finished:?}");
    assert!(finished.stderr.contains("no users"), "{finished:?}");
}

#[test]
fn the_most_memory_that_a_hash_may_ask_for_is_there() {
    if !host_only("users of its own") {
        return;
    }
    let params = Params::new(64 * 1024, 1, 1, None).expect("parameters");
    let hash = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_with_salt(PASSWORD.as_bytes(), b"some salt of ours")
        .expect("a hash");
    let users = format!("ada:{hash} grace:{hash} bob:{HASH}");
    let server = Server::start(Launch::new().users(Some(&users)));
    let bob = server.named("bob", PASSWORD);
    // In turn with requests that leave something in between.
    for name in ["ada", "grace"] {
        assert!(server.named(name, PASSWORD).signs_in(), "{name}");
        assert!(!server.named(name, "wrong").signs_in(), "{name}");
        for number in 0..50 {
            bob.issue(&format!("{name} {number} {}", "x".repeat(200)), 360);
            // Known by now, so an instance that serves bob, too, verifies it.
            assert!(number % 10 > 0 || server.named(name, PASSWORD).signs_in());
        }
    }
}

#[test]
fn a_byte_order_mark_and_line_ends_are_no_part_of_a_value() {
    if !host_only("a configuration of its own") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, format!("\u{feff}{text}\r\n")).expect("a file");
        format!("@{}", path.display())
    };
    let keys = json!({ "keys": [jwk("1", SECRET)] }).to_string();
    let launch = Launch::new()
        .variable("signing_keys", &file("keys.json", &keys))
        .variable("issuer", &file("issuer", "https://id.example"))
        .variable("max_token_life", &file("life", "1 hour"))
        .variable("max_tokens_per_user", &file("count", "1"));
    let server = Server::start(launch);
    let user = server.user();
    let token = user.issue("Token", 3_600).token;
    assert!(verifies(&token, SECRET.as_bytes()));
    let claims = segment(&token, 1);
    assert!(claims.contains(r#""iss":"https://id.example""#), "{claims}");
}

#[test]
fn users_of_the_command_line_are_added() {
    if !host_only("users of its own") {
        return;
    }
    let launch = Launch::new().users(Some(&format!("ada:{HASH}")));
    let server = Server::start(
        launch
            .arg("--user")
            .arg("grace:hopper")
            .arg("--user=alan: tu:ring "),
    );
    let mut cases = Cases::default();
    for (name, password, accepted) in [
        ("ada", PASSWORD, true),
        ("grace", "hopper", true),
        ("alan", " tu:ring ", true),
        ("alan", "tu:ring", false),
        ("grace", PASSWORD, false),
        ("ada", "hopper", false),
    ] {
        cases.check(
            (name, password),
            server.named(name, password).signs_in(),
            accepted,
        );
    }
}

#[test]
fn no_users() {
    if !host_only("a configuration of its own") {
        return;
    }
    // The host itself sees to it that there are users; a manifest that does not pass them on is another matter.
    let manifest = tempfile::tempdir().expect("a directory");
    let path = manifest.path().join("spin.toml");
    std::fs::write(
        &path,
        format!(
            r#"spin_manifest_version = 2
[application]
name = "no-users"
version = "0.1.0"
[[trigger.http]]
route = "/..."
component = "latchkey"
[component.latchkey]
source = "{}"
key_value_stores = ["default"]
"#,
            component().display()
        ),
    )
    .expect("a manifest");
    let launch = Launch::new()
        .users(None)
        .arg("--manifest")
        .arg(path.to_str().expect("UTF-8"));
    let finished = launch.spawn(Stderr::Kept).finish();
    assert_eq!(
        (finished.status.code(), finished.stdout.as_str()),
        (Some(1), ""),
        "{finished:?}"
    );
    // It says what to set.
    let line = error_line(&finished.stderr);
    assert!(line.contains("set the variable `users`"), "{finished:?}");
}

#[test]
fn from_the_environment() {
    if !host_only("a configuration of its own") {
        return;
    }
    let launch = Launch::new()
        .users(None)
        .env("SPIN_VARIABLE_USERS", &format!("ada:{HASH}"));
    let server = Server::start(launch.env("SPIN_VARIABLE_MAX_TOKENS_PER_USER", "1"));
    let user = server.named("ada", PASSWORD);
    user.issue("first", 360);
    user.create("second", 360)
        .refused(403, "token_limit_reached");
    assert!(!server.named("admin", "admin").signs_in());
}

#[test]
fn from_a_file() {
    if !host_only("a configuration of its own") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let keys = directory.path().join("keys.json");
    std::fs::write(
        &keys,
        json!({ "keys": [jwk("1", SECRET)] }).to_string() + "\n",
    )
    .expect("a file");
    let users = directory.path().join("htpasswd");
    std::fs::write(&users, format!("ada:{HASH}\ngrace:{BCRYPT_2Y}\n")).expect("a file");

    let launch = Launch::new().users(Some(&format!("@{}", users.display())));
    let server = Server::start(launch.variable("signing_keys", &format!("@{}", keys.display())));
    let token = server.named("ada", PASSWORD).issue("Token", 360).token;
    assert!(verifies(&token, SECRET.as_bytes()));
    assert!(server.named("grace", "correct horse").signs_in());
}

#[test]
fn max_token_life() {
    if !host_only("a configuration of its own") {
        return;
    }
    let mut cases = Cases::default();
    for (max, accepted, refused) in [
        ("1 hour", 3_600, 3_601),
        ("90", 90, 91),
        ("2 years", 63_115_200, 63_115_201),
    ] {
        let server = Server::start(Launch::new().variable("max_token_life", max));
        let user = server.user();
        cases.check(
            max,
            user.create("accepted", accepted).outcome(),
            (201, String::new()),
        );
        cases.check(
            max,
            user.create("refused", refused).outcome(),
            (400, "invalid_lifetime".to_owned()),
        );
    }
}

#[test]
fn max_tokens_per_user() {
    if !host_only("a configuration of its own") {
        return;
    }
    let server = Server::start(Launch::new().variable("max_tokens_per_user", "2"));
    let user = server.user();
    let first = user.issue("first", 360);
    let short = user.issue("short", 1);
    let refused = user
        .create("third", 360)
        .refused(403, "token_limit_reached");
    assert!(refused.message().contains('2'), "{refused:?}");
    assert_eq!(user.ids(), [short.id.as_str(), &first.id]);

    // It is a limit of each user's, and an expired token counts until it is deleted.
    server.user().issue("third", 360);
    until("it expires", || {
        user.show(&short.id).text("expiry_status") == "Expired"
    });
    user.create("third", 360)
        .refused(403, "token_limit_reached");
    user.delete(&short.id).expect(200);
    user.issue("third", 360);
    user.create("fourth", 360)
        .refused(403, "token_limit_reached");
}

#[test]
fn a_hundred_tokens_by_default() {
    if !host_only("a configuration of its own") {
        return;
    }
    let user = Server::shared().user();
    for number in 0..100 {
        user.issue(&format!("{number} {}", "🔑".repeat(250)), 360);
    }
    user.create("one more", 360)
        .refused(403, "token_limit_reached");
    assert_eq!(user.ids().len(), 100);
}

#[test]
fn expired_retention() {
    if !host_only("a configuration of its own") {
        return;
    }
    let server = Server::start(Launch::new().variable("expired_retention", "2 seconds"));
    let user = server.user();
    let kept = user.issue("kept", "1 day");
    let issued = user.issue("Token", 1);
    until("it expires", || {
        user.show(&issued.id).text("expiry_status") == "Expired"
    });
    until("it is forgotten", || user.show(&issued.id).status == 404);
    user.show(&issued.id).refused(404, "no_such_token");
    assert_eq!(user.ids(), [kept.id.as_str()]);
    user.delete(&issued.id).refused(404, "no_such_token");
    // Its description is free again.
    user.issue("Token", 360);
    user.delete(&kept.id).expect(200);
}

/// A configuration that cannot work is refused before anything listens, with a line that names the variable and the entry,
/// never its secret. (Other hosts serve the component's 503 instead, which its own tests hold.)
#[test]
fn what_cannot_work_is_refused() {
    if !host_only("configurations of its own") {
        return;
    }
    let good = format!("ada:{HASH}");
    let with_good = |entry: &str| format!("{good} {entry}");
    let set = |keys: serde_json::Value| json!({ "keys": keys }).to_string();
    let no_secret = json!({ "kty": "oct", "alg": "HS256", "kid": "1" });
    let no_base64 = json!({ "kty": "oct", "alg": "HS256", "kid": "1", "k": format!("{SECRET}!") });
    let unknown_kind = json!({ "kty": "hunter", "kid": "1", "k": SECRET });
    #[rustfmt::skip]
    let table: Vec<(&str, String, &str)> = vec![
        ("users", with_good(&format!("bob:{SECRET}")), "bob"),
        ("users", with_good(&format!("bob:$1$salt${SECRET}")), "bob"),
        ("users", with_good(&format!("bob:$apr1$salt${SECRET}")), "bob"),
        ("users", with_good(&format!("bob:{{SHA}}{SECRET}")), "bob"),
        ("users", with_good(&format!("bob:$argon2id${SECRET}")), "bob"),
        ("users", with_good(&format!("bob:$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ${SECRET}!")), "bob"),
        ("users", with_good(&format!("bob:$2y$04${SECRET}")), "bob"),
        ("users", with_good("bob:"), "bob"),
        ("users", with_good(SECRET), "entry 2"),
        ("users", with_good(&format!(":{HASH}")), "entry 2"),
        ("users", with_good(&format!("bob:by:{HASH}")), "colon"),
        ("users", with_good(&format!("ada:{BCRYPT_2Y}")), "ada"),
        ("signing_keys", SECRET[..31].to_owned(), "32"),
        ("users", with_good(&format!("bob:{HASH}:since=soon")), "bob"),
        ("users", with_good(&format!("bob:{HASH}:since=1732790000000")), "seconds since 1970"),
        ("users", with_good(&format!("bob:{SECRET}:since=1732790000")), "bob"),
        ("admins", "root a\u{7f}b".to_owned(), "entry 2"),
        ("admins", "ada:admin".to_owned(), "entry 1"),
        ("users", with_good(&format!("bob:$2a$10${SECRET}")), "$2a$"),
        ("users", with_good("bob:$argon2id$v=19$m=131072,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"), "64 MiB"),
        ("signing_keys", format!("/etc/latchkey/{SECRET}.json"), "name of a file"),
        ("signing_keys", format!("-----BEGIN PRIVATE KEY-----\n{SECRET}\n"), "PEM"),
        ("signing_keys", format!("ssh-ed25519 {SECRET}"), "OpenSSH"),
        ("signing_keys", format!("'{{\"keys\": \"{SECRET}\"}}'"), "JSON"),
        ("issuer", "https://id.example\nhttps://other.example".to_owned(), "line break"),
        ("signing_keys", format!("{{\"keys\": {SECRET}"), "JWK"),
        ("signing_keys", json!({ "key": SECRET }).to_string(), "JWK"),
        ("signing_keys", set(json!([])), "key"),
        ("signing_keys", set(json!([no_secret])), "key 1"),
        ("signing_keys", set(json!([jwk("1", SECRET), jwk("2", &SECRET[..31])])), "key 2"),
        ("signing_keys", set(json!([jwk("1", SECRET), no_base64])), "key 2"),
        ("signing_keys", set(json!([jwk("1", SECRET), unknown_kind])), "key 2"),
        ("signing_keys", set(json!([jwk("1", SECRET), jwk("1", &SECRET.to_uppercase())])), "key 2"),
        ("max_token_life", "forever".to_owned(), "forever"),
        ("max_token_life", "0".to_owned(), "zero"),
        ("max_token_life", "-1 day".to_owned(), "negative"),
        ("max_token_life", "1M".to_owned(), "month"),
        ("max_tokens_per_user", "many".to_owned(), "number"),
        ("max_tokens_per_user", "0".to_owned(), "number"),
        ("max_tokens_per_user", "-1".to_owned(), "number"),
        ("max_tokens_per_user", "1.5".to_owned(), "number"),
        ("max_tokens_per_user", "99999999999999999999".to_owned(), "number"),
        ("expired_retention", "a while".to_owned(), "'a'"),
        ("expired_retention", "-1 day".to_owned(), "negative"),
    ];
    Server::shared();
    let mut cases = Cases::default();
    for (variable, value, detail) in table {
        let case = (variable, value.as_str());
        let launch = Launch::new().users(Some(&good));
        let launch = match variable {
            "users" => launch.users(Some(&value)),
            other => launch.variable(other, &value),
        };
        let Finished {
            status,
            stdout,
            stderr,
        } = launch.spawn(Stderr::Kept).finish();
        cases.check(case, (status.code(), stdout.as_str()), (Some(1), ""));
        let line = error_line(&stderr);
        for word in [&format!("`{variable}`"), detail] {
            cases.check((case, line, word), line.contains(word), true);
        }
        for secret in [
            SECRET,
            &SECRET[..31],
            &SECRET.to_uppercase(),
            HASH,
            BCRYPT_2Y,
        ] {
            cases.check((case, &stderr, "no secret"), stderr.contains(secret), false);
        }
    }
}

/// `SPIN_VARIABLE_<NAME>=@FILE` reads no file, in Spin neither: the name must not become the value.
#[test]
fn the_name_of_a_file_is_no_value() {
    if !host_only("configurations of its own") {
        return;
    }
    Server::shared();
    for name in ["signing_keys", "issuer", "audience", "users"] {
        let variable = format!("SPIN_VARIABLE_{}", name.to_uppercase());
        let value = "@/etc/latchkey/a-file-with-a-long-name.json";
        let launch = match name {
            "users" => Launch::new().users(None),
            "audience" => Launch::new().variable("issuer", "me"),
            _ => Launch::new(),
        };
        let finished = launch.env(&variable, value).spawn(Stderr::Kept).finish();
        assert_eq!(finished.status.code(), Some(1), "{finished:?}");
        let line = error_line(&finished.stderr);
        for word in [&format!("`{name}`"), "the name of a file", "NAME=@FILE"] {
            assert!(line.contains(word), "{word}: {line}");
        }
    }
}

/// The last line of standard error; what the component logged may stand before it.
fn error_line(stderr: &str) -> &str {
    let line = stderr.lines().last().unwrap_or_default();
    assert!(line.starts_with("error: "), "{stderr}");
    line
}

/// The component that the manifest of the repository names.
fn component() -> PathBuf {
    // Which builds it.
    Server::shared();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let manifest = std::fs::read_to_string(root.join("spin.toml")).expect("a manifest");
    let manifest: toml::Value = toml::from_str(&manifest).expect("TOML");
    let source = manifest["component"]["latchkey"]["source"].as_str();
    let path = root.join(source.expect("a source"));
    path.canonicalize().expect("a component")
}

/// Waits for what time brings about.
fn until(what: &str, happened: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !happened() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
