//! Guessing passwords: slow for who guesses, harmless to the others.
//!
//! What is counted is counted by instance, and a host may start another one at any time: here stands what holds however
//! many there are. The exact numbers are held by the component's own tests.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use insta::assert_snapshot;

use crate::client::basic;
use crate::raw::ask;
use crate::response::Response;
use crate::server::{Launch, PASSWORD, Server, TOKENS, host_only};

/// More wrong passwords than it takes until they are refused unseen.
const MANY: usize = 200;

/// A host of the test's own: what is counted there, this test has done.
fn server() -> Option<Server> {
    host_only("users at whom nobody else guesses").then(|| Server::start(Launch::new()))
}

/// Tries wrong passwords until they are refused unseen: after how many, and how.
#[track_caller]
fn guess(server: &Server, name: &str) -> (usize, Response) {
    for number in 0..MANY {
        let response = server.named(name, &format!("guess {number}")).list();
        if response.status == 429 {
            return (number, response);
        }
        response.refused(401, "unauthorized");
    }
    panic!("{MANY} passwords were looked at");
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
    let (guesses, refused) = guess(&server, "user-0");
    assert!(guesses >= 5, "{guesses}");
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
        let (guesses, refused) = guess(&server, name);
        assert!(guesses >= 5, "{guesses}");
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
    let header = format!("Authorization: {}", basic("user-0", "wrong"));
    for line in [
        format!("GET {TOKENS}"),
        format!("HEAD {TOKENS}"),
        format!("POST {TOKENS}"),
        format!("GET {TOKENS}/abc"),
        format!("DELETE {TOKENS}/abc"),
    ] {
        let mut answers = (0..MANY).map(|_| ask(&server, &line, &[&header]).status);
        assert!(answers.any(|status| status == 429), "{line}");
    }
    // Who brings no credentials guesses nothing.
    let absent = ask(&server, &format!("GET {TOKENS}"), &[]);
    absent.refused(401, "unauthorized");
}

#[test]
fn the_right_password_is_accepted_after_the_time_that_the_answer_names() {
    let Some(server) = server() else { return };
    let (_, refused) = guess(&server, "user-0");
    thread::sleep(retry_after(&refused));
    let user = server.named("user-0", PASSWORD);
    let mut response = user.list();
    // Another instance may have been asked last.
    if response.status == 429 {
        thread::sleep(retry_after(&response));
        response = user.list();
    }
    response.refused(404, "no_tokens");
}

#[test]
fn who_is_signed_in_is_not_refused() {
    let Some(server) = server() else { return };
    let user = server.named("user-0", PASSWORD);
    let mut refused = 0;
    for number in 0..50 {
        // Four requests to a guess: the user has signed in to an instance before many guesses come there.
        let issued = user.issue("Token", 360);
        user.show(&issued.id).expect(200);
        assert_eq!(user.ids(), [issued.id.as_str()]);
        user.delete(&issued.id).expect(200);
        let guess = server.named("user-0", &format!("guess {number}")).list();
        assert!(matches!(guess.status, 401 | 429), "{guess:?}");
        refused += usize::from(guess.status == 429);
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
                for number in 0..MANY {
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
