//! Signing keys: what is published of them, who verifies by it, and how they are exchanged.

use std::fs;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::cases::Cases;
use crate::process::{Process, Stderr, latchkey};
use crate::python;
use crate::server::{Launch, PASSWORD, Server, TOKENS, host_only};
use crate::verify::{VERIFY, verify};

const KEY_SET: &str = "/.well-known/jwks.json";

/// What `latchkey keygen` prints.
pub fn keygen(args: &[&str]) -> String {
    let finished = Process::start(latchkey(["keygen"].iter().chain(args)), Stderr::Kept).finish();
    assert!(finished.status.success(), "{finished:?}");
    assert_eq!(finished.stderr, "");
    finished.stdout
}

fn launch(keys: &str) -> Launch {
    Launch::new().variable("signing_keys", keys)
}

fn published(server: &Server) -> Value {
    server.request("GET", KEY_SET).send().expect(200).json()
}

#[test]
fn nothing_symmetric_is_published() {
    assert_eq!(
        published(Server::shared()).as_object().map(|set| set.len()),
        Some(1)
    );
    if !host_only("signing keys of its own") {
        return;
    }
    assert_eq!(published(Server::shared()), json!({"keys": []}));
    let server = Server::start(launch(&keygen(&["--alg", "HS256"])));
    verify(&server, &server.user().issue("Token", 360).token).expect(200);
    assert_eq!(published(&server), json!({"keys": []}));
}

#[test]
fn the_public_half_is_published_and_may_be_cached() {
    if !host_only("signing keys of its own") {
        return;
    }
    let mut cases = Cases::default();
    for (alg, members) in [
        ("EdDSA", &["alg", "crv", "kid", "kty", "use", "x"][..]),
        ("ES256", &["alg", "crv", "kid", "kty", "use", "x", "y"]),
    ] {
        let keys = keygen(&["--alg", alg]);
        let private: Value = serde_json::from_str(&keys).expect("JSON");
        let server = Server::start(launch(&keys));
        let answer = server.request("GET", KEY_SET).send().expect(200);
        let published = answer.json();
        assert_eq!(published["keys"].as_array().map(Vec::len), Some(1));
        let key = &published["keys"][0];
        let mut names: Vec<_> = key.as_object().expect("a key").keys().collect();
        names.sort_unstable();
        cases.check(alg, names == members, true);
        cases.check(alg, &key["x"], &private["keys"][0]["x"]);
        let d = private["keys"][0]["d"].as_str().expect("a private key");
        cases.check(alg, answer.body.contains(d), false);
        cases.check(alg, answer.header("cache-control"), "public, max-age=300");

        let tag = answer.header("etag");
        let again = server
            .request("GET", KEY_SET)
            .header("if-none-match", tag)
            .send()
            .expect(304);
        cases.check(alg, again.body.as_str(), "");
        verify(&server, &server.user().issue("Token", 360).token).expect(200);
    }
}

#[test]
fn a_third_party_verifies_by_the_published_keys() {
    if !host_only("signing keys of its own") {
        return;
    }
    let Some(python) = python::with("pyjwt", &["pyjwt[crypto]>=2.10,<3"]) else {
        return;
    };
    let script = "
import json, jwt, sys
url, token, alg = sys.argv[1:]
keys = jwt.PyJWKClient(url)
claims = jwt.decode(token, keys.get_signing_key_from_jwt(token), algorithms=[alg], issuer='me', audience='you')
print(json.dumps(claims))
";
    let decode = |server: &Server, token: &str, alg: &str| {
        let output = Command::new(&python)
            .args([
                "-c",
                script,
                &format!("{}{KEY_SET}", server.url),
                token,
                alg,
            ])
            .output()
            .expect("Python runs");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.success() {
            true => Ok(serde_json::from_slice::<Value>(&output.stdout).expect("JSON")),
            false => Err(stderr.lines().last().unwrap_or_default().to_owned()),
        }
    };
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("keys.json");
    let name = file.to_str().expect("UTF-8");
    fs::write(&file, keygen(&["--alg", "EdDSA"])).expect("a file");
    let mut older: Option<(String, &str)> = None;
    for alg in ["EdDSA", "ES256", "EdDSA"] {
        if older.is_some() {
            keygen(&["--rotate", name, "--alg", alg]);
        }
        let launch = launch(&format!("@{name}"));
        let launch = launch.variable("issuer", "me").variable("audience", "you");
        let server = Server::start(launch);
        let user = server.user();
        let issued = user.issue("Token", 360);
        let claims = decode(&server, &issued.token, alg).expect("PyJWT accepts it");
        assert_eq!(claims["sub"], user.name);
        assert_eq!(claims["jti"], issued.id);
        let forged = format!("{}AAAA", &issued.token[..issued.token.len() - 4]);
        let refused = decode(&server, &forged, alg).expect_err("a forgery");
        assert!(refused.contains("InvalidSignature"), "{refused}");
        // What it does not see.
        user.delete(&issued.id).expect(200);
        decode(&server, &issued.token, alg).expect("PyJWT knows of no revocation");
        if let Some((token, alg)) = older.replace((issued.token, alg)) {
            decode(&server, &token, alg).expect("the older key is published too");
        }
    }
}

#[test]
fn a_repeated_creation_gives_the_same_token() {
    if !host_only("signing keys of its own") {
        return;
    }
    for alg in ["HS256", "EdDSA", "ES256"] {
        let server = Server::start(launch(&keygen(&["--alg", alg])));
        let user = server.user();
        let create = || {
            user.request("POST", TOKENS)
                .header("idempotency-key", "k")
                .json(r#"{"jwt_token_description":"Token","jwt_token_life":360}"#)
                .send()
                .expect(201)
                .body
        };
        assert_eq!(create(), create(), "{alg}");
    }
}

/// Three times, a new key is put first and a new host takes over, while clients create tokens and ask of earlier ones.
#[test]
fn an_exchange_of_keys_under_load_loses_no_token() {
    if !host_only("servers that it may end") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let store = format!("sqlite:{}", directory.path().join("store.db").display());
    let file = directory.path().join("keys.json");
    let name = file.to_str().expect("UTF-8");
    fs::write(&file, "a secret of more than 32 bytes, for HS256\n").expect("a file");
    let start = || {
        let launch = launch(&format!("@{name}")).store(&store);
        std::sync::Arc::new(Server::start(
            launch.variable("max_tokens_per_user", "1000"),
        ))
    };

    let current = Mutex::new(start());
    let tokens = Mutex::new(Vec::new());
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for client in 0..4 {
            let (current, tokens, stop) = (&current, &tokens, &stop);
            scope.spawn(move || {
                for step in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    // The token first: the server that is asked is not older than the one that made it.
                    let earlier: Option<String> = {
                        let tokens = tokens.lock().expect("tokens");
                        tokens.get(step * 7 % tokens.len().max(1)).cloned()
                    };
                    let server = current.lock().expect("a server").clone();
                    if let Some(earlier) = earlier {
                        let request = server
                            .request("GET", VERIFY)
                            .header("authorization", &format!("Bearer {earlier}"));
                        // Between two servers there may be no answer.
                        if let Ok(answer) = request.try_send() {
                            answer.expect(200);
                        }
                    }
                    let body = json!({
                        "jwt_token_description": format!("Token {step}"),
                        "jwt_token_life": 3_600,
                    });
                    let user = server.named(&format!("user-{client}"), PASSWORD);
                    let request = user.request("POST", TOKENS).json(body.to_string());
                    if let Ok(answer) = request.try_send() {
                        let token = answer.expect(201).text("jwt_token");
                        tokens.lock().expect("tokens").push(token);
                    }
                }
            });
        }
        let progress = |count: usize| {
            let goal = tokens.lock().expect("tokens").len() + count;
            let begin = std::time::Instant::now();
            while tokens.lock().expect("tokens").len() < goal {
                if begin.elapsed() > crate::process::PATIENCE {
                    stop.store(true, Ordering::Relaxed);
                    panic!("the clients have stopped");
                }
                thread::sleep(std::time::Duration::from_millis(10));
            }
        };
        for alg in ["EdDSA", "ES256", "HS256"] {
            progress(20);
            keygen(&["--rotate", name, "--alg", alg]);
            let next = start();
            let last = std::mem::replace(&mut *current.lock().expect("a server"), next);
            // The requests that are under way are answered first.
            last.signal("TERM");
            assert!(last.finish().status.success());
        }
        progress(20);
        stop.store(true, Ordering::Relaxed);
    });
    let server = current.into_inner().expect("a server");
    let tokens = tokens.into_inner().expect("tokens");
    let mut algorithms = std::collections::BTreeSet::new();
    for token in &tokens {
        verify(&server, token).expect(200);
        algorithms.insert(token.split('.').next().expect("a header"));
    }
    assert_eq!(algorithms.len(), 4, "each key has signed");
}
