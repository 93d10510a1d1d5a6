//! Guessing passwords: slow for who guesses, harmless to the others.
//!
//! Failures are counted in the store, by the name and the network of the client: five wrong passwords, and no more, on all
//! hosts over that store, and after a restart.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use insta::assert_snapshot;

use crate::client::basic;
use crate::raw::ask;
use crate::response::Response;
use crate::server::{Launch, PASSWORD, Server, TOKENS, User, host_only};

/// Wrong passwords that are looked at. Those after them are refused for a while, whether right or wrong.
const FREE_FAILURES: usize = 5;

/// A host of the test's own: what is counted there, this test has done.
fn server() -> Option<Server> {
    host_only("users at whom nobody else guesses").then(|| Server::start(Launch::new()))
}

/// Tries a wrong password by `attempt` until the next one is not looked at. Returns how that is refused.
#[track_caller]
fn guess(mut attempt: impl FnMut(usize) -> Response) -> Response {
    for number in 0..FREE_FAILURES {
        assert_eq!(attempt(number).status, 401, "guess {number}");
    }
    let refused = attempt(FREE_FAILURES);
    assert_eq!(refused.status, 429, "{refused:?}");
    refused
}

/// Guesses at the password of `name`.
#[track_caller]
fn guess_at(server: &Server, name: &str) -> Response {
    guess(|number| server.named(name, &format!("guess {number}")).list())
}

/// For how long a refused client is to wait.
#[track_caller]
fn retry_after(refused: &Response) -> Duration {
    let seconds = refused.header("retry-after").parse();
    Duration::from_secs(seconds.expect("whole seconds"))
}

#[test]
fn after_five_wrong_passwords_others_are_refused_unseen() {
    let Some(server) = server() else { return };
    let refused = guess_at(&server, "user-0");
    assert!((1..=2).contains(&retry_after(&refused).as_secs()));
    assert_snapshot!(refused.snapshot().replace("retry-after: 1", "retry-after: 2"), @r#"
    429
    content-type: application/json
    retry-after: 2

    {"message":"There are too many attempts to sign in: try again later","code":"too_many_attempts"}
    "#);
}

#[test]
fn a_known_user_and_an_unknown_one_are_refused_alike() {
    let Some(server) = server() else { return };
    let [known, unknown] = ["user-0", "nobody"].map(|name| {
        let refused = guess_at(&server, name);
        let mut headers: Vec<_> = refused
            .headers
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "date" | "retry-after" | "x-request-id"))
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect();
        headers.sort_by(|(one, _), (other, _)| one.cmp(other));
        (headers, refused.body)
    });
    assert_eq!(known, unknown);
}

#[test]
fn every_method_is_refused() {
    let Some(server) = server() else { return };
    for (number, line) in [
        format!("GET {TOKENS}"),
        format!("HEAD {TOKENS}"),
        format!("POST {TOKENS}"),
        format!("GET {TOKENS}/abc"),
        format!("DELETE {TOKENS}/abc"),
    ]
    .iter()
    .enumerate()
    {
        let wrong = basic(&format!("user-{number}"), "wrong");
        guess(|_| ask(&server, line, &[&format!("Authorization: {wrong}")]));
    }
    // Who brings no credentials guesses nothing.
    let absent = ask(&server, &format!("GET {TOKENS}"), &[]);
    absent.refused(401, "unauthorized");
}

#[test]
fn the_right_password_is_accepted_after_the_time_that_the_answer_names() {
    let Some(server) = server() else { return };
    let refused = guess_at(&server, "user-0");
    let user = server.named("user-0", PASSWORD);
    user.list().refused(429, "too_many_attempts");
    thread::sleep(retry_after(&refused));
    user.list().refused(404, "no_tokens");
}

#[test]
fn who_is_signed_in_is_not_refused() {
    let Some(server) = server() else { return };
    let user = server.named("user-0", PASSWORD);
    let mut refused = 0;
    for number in 0..50 {
        let issued = user.issue("Token", 360);
        user.show(&issued.id).expect(200);
        assert_eq!(user.ids(), [issued.id.as_str()]);
        user.delete(&issued.id).expect(200);
        let guess = server.named("user-0", &format!("guess {number}")).list();
        match guess.status {
            401 => {}
            429 if number >= FREE_FAILURES => refused += 1,
            _ => panic!("guess {number}: {guess:?}"),
        }
    }
    // Which did not help who guessed.
    assert!(refused > 0);
}

#[test]
fn a_flood_of_wrong_passwords_leaves_room_for_others() {
    let Some(server) = server() else { return };
    let user = server.named("user-1", PASSWORD);
    let ended = AtomicUsize::new(0);
    let guessers = 4;
    thread::scope(|scope| {
        for guesser in 0..guessers {
            let (server, ended) = (&server, &ended);
            scope.spawn(move || {
                for number in 0..200 {
                    // At a user and at nobody in turn.
                    let name = match number % 2 {
                        0 => "user-0".to_owned(),
                        _ => format!("nobody {guesser} {}", number / 16),
                    };
                    let guess = server.named(&name, &format!("guess {number}")).list();
                    assert!(matches!(guess.status, 401 | 429), "{guess:?}");
                }
                ended.fetch_add(1, Ordering::Relaxed);
            });
        }
        while ended.load(Ordering::Relaxed) < guessers {
            assert!(user.signs_in());
        }
    });
}

#[test]
fn clients_that_sign_in_together_are_all_let_in() {
    let Some(server) = server() else { return };
    thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| assert!(server.named("user-0", PASSWORD).signs_in()));
        }
    });
}

#[test]
fn five_tries_are_five_after_a_restart() {
    if !host_only("a server that it may kill") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let store = format!("sqlite:{}", directory.path().join("store.db").display());
    let start = || Server::start(Launch::new().store(&store));
    let server = start();
    for number in 0..FREE_FAILURES {
        let guess = server.named("user-0", &format!("guess {number}")).list();
        assert_eq!(guess.status, 401);
    }
    server.kill();
    let refused = start().named("user-0", PASSWORD).list();
    refused.refused(429, "too_many_attempts");
}

/// A client elsewhere, as the proxy says that is trusted.
fn from(user: &User<'_>, address: &str) -> Response {
    let request = user.request("GET", TOKENS);
    request.header("x-forwarded-for", address).send()
}

#[test]
fn guesses_from_one_network_and_names_that_nobody_has_keep_no_user_out() {
    if !host_only("users at whom nobody else guesses") {
        return;
    }
    let launch = Launch::new().variable("client_address_header", "X-Forwarded-For");
    let server = Server::start(launch);
    let guessing = AtomicUsize::new(1);
    thread::scope(|scope| {
        for guesser in 0..16 {
            let (server, guessing) = (&server, &guessing);
            scope.spawn(move || {
                let mut number = 0;
                while guessing.load(Ordering::Relaxed) == 1 {
                    number += 1;
                    // At names that nobody has, and at those who are about to sign in.
                    let name = match number % 2 {
                        0 => format!("user-{}", number / 2 % 20),
                        _ => format!("nobody {guesser} {number}"),
                    };
                    let guess = from(&server.named(&name, "wrong"), "192.0.2.1");
                    assert!(matches!(guess.status, 401 | 429), "{guess:?}");
                }
            });
        }
        // From the same network a user is kept out only by guesses at that user.
        for (number, address) in [
            (1, "192.0.2.2"),
            (2, "2001:db8::1"),
            (30, "192.0.2.1"),
            (31, "192.0.2.1"),
        ] {
            let user = server.named(&format!("user-{number}"), PASSWORD);
            from(&user, address).refused(404, "no_tokens");
        }
        guessing.store(0, Ordering::Relaxed);
    });
}
