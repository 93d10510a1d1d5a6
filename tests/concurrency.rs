//! Many clients at once: what was acknowledged is there, once.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;

use crate::server::{Launch, Server, User, host_only};

const CLIENTS: usize = 16;
const ROUNDS: usize = 6;

/// Runs `client` as often as there are clients, all at once.
pub fn at_once<T: Send>(client: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let barrier = Barrier::new(CLIENTS);
    thread::scope(|scope| {
        let run = |number| {
            barrier.wait();
            client(number)
        };
        let threads: Vec<_> = (0..CLIENTS)
            .map(|number| scope.spawn(move || run(number)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a client"))
            .collect()
    })
}

#[test]
fn first_tokens_of_a_new_user() {
    for round in 0..ROUNDS {
        let user = Server::shared().user();
        let created = at_once(|number| user.issue(&format!("Token {number}"), 360).id);
        assert_eq!(
            sorted(&user),
            created.into_iter().collect(),
            "round {round}"
        );
        assert_eq!(user.ids().len(), CLIENTS, "round {round}");
    }
}

#[test]
fn creations_and_deletions() {
    for round in 0..ROUNDS {
        let user = Server::shared().user();
        let kept = at_once(|number| {
            let first = user.issue(&format!("first of {number}"), 360).id;
            let second = user.issue(&format!("second of {number}"), 360).id;
            user.delete(&first).expect(200);
            let third = user.issue(&format!("third of {number}"), 360).id;
            user.delete(&first).refused(404, "no_such_token");
            [second, third]
        });
        assert_eq!(
            sorted(&user),
            kept.into_iter().flatten().collect(),
            "round {round}"
        );
        assert_eq!(user.ids().len(), 2 * CLIENTS, "round {round}");
    }
}

#[test]
fn one_of_many_gets_a_description() {
    for round in 0..ROUNDS {
        let user = Server::shared().user();
        let outcomes = at_once(|_| user.create("wanted by all", 360).outcome());
        assert_eq!(count(&outcomes, 201, ""), 1, "round {round}: {outcomes:?}");
        assert_eq!(
            count(&outcomes, 400, "description_taken"),
            CLIENTS - 1,
            "round {round}: {outcomes:?}"
        );
        assert_eq!(user.ids().len(), 1, "round {round}");
    }
}

#[test]
fn one_of_many_deletes_a_token() {
    for round in 0..ROUNDS {
        let user = Server::shared().user();
        let issued = user.issue("unwanted", 360);
        let kept = user.issue("kept", 360);
        let outcomes = at_once(|_| user.delete(&issued.id).outcome());
        assert_eq!(count(&outcomes, 200, ""), 1, "round {round}: {outcomes:?}");
        assert_eq!(
            count(&outcomes, 404, "no_such_token"),
            CLIENTS - 1,
            "round {round}: {outcomes:?}"
        );
        assert_eq!(user.ids(), [kept.id], "round {round}");
    }
}

#[test]
fn the_limit_is_exact() {
    if !host_only("a configuration of its own") {
        return;
    }
    let server = Server::start(Launch::new().variable("max_tokens_per_user", "5"));
    for round in 0..ROUNDS {
        let user = server.user();
        let outcomes = at_once(|number| user.create(&format!("Token {number}"), 360).outcome());
        assert_eq!(count(&outcomes, 201, ""), 5, "round {round}: {outcomes:?}");
        assert_eq!(
            count(&outcomes, 403, "token_limit_reached"),
            CLIENTS - 5,
            "round {round}: {outcomes:?}"
        );
        assert_eq!(user.ids().len(), 5, "round {round}");
    }
}

#[test]
fn many_users_at_once() {
    if !host_only("many users") {
        return;
    }
    let server = Server::shared();
    at_once(|_| {
        let user = server.user();
        let issued: Vec<_> = (0..3)
            .map(|number| user.issue(&format!("Token {number}"), 360).id)
            .collect();
        assert_eq!(user.ids(), issued.into_iter().rev().collect::<Vec<_>>());
    });
}

fn sorted(user: &User<'_>) -> BTreeSet<String> {
    user.ids().into_iter().collect()
}

fn count(outcomes: &[(u16, String)], status: u16, code: &str) -> usize {
    outcomes
        .iter()
        .filter(|outcome| **outcome == (status, code.to_owned()))
        .count()
}
