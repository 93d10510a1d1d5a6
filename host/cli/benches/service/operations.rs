//! The rows about requests.

use crate::client::{self, Call, TOKENS, VERIFY};
use crate::load::{self, CONNECTIONS, Pauses, Report};
use crate::pairs::in_turn;
use crate::servers::Server;
use crate::table;
use crate::users::User;

/// Creations per run where there are many users: a multiple of their number.
const CREATIONS: usize = 4000;

/// Creations of one user: below the default of `max_tokens_per_user`.
const CREATIONS_OF_ONE: usize = 90;

/// How often those are made and deleted in a run, which would be over too soon otherwise.
const ROUNDS_OF_ONE: usize = 10;

/// Measures `host` and `other`. Their users have no tokens in the end.
pub fn compare(host: &Server, other: &Server) {
    for tokens in [1, 100] {
        let [of_host, of_other] =
            [host, other].map(|server| client::fill(server, server.users.first(), tokens));
        let tokens = match tokens {
            1 => "1 token".to_owned(),
            _ => format!("{tokens} tokens"),
        };
        let pairs = in_turn(|| list(host, Pauses::None), || list(other, Pauses::None));
        table::reports(&format!("list, {tokens}"), &pairs);
        let pairs = in_turn(|| show(host), || show(other));
        table::reports(&format!("show, {tokens}"), &pairs);
        let pairs = in_turn(|| verify(host, &of_host), || verify(other, &of_other));
        table::reports(&format!("verify, {tokens}"), &pairs);
        let pairs = in_turn(
            || introspect(host, &of_host),
            || introspect(other, &of_other),
        );
        table::reports(&format!("introspect, {tokens}"), &pairs);
    }

    let pauses = in_turn(
        || list(host, Pauses::Random),
        || list(other, Pauses::Random),
    );
    table::reports("list, 100 tokens, with pauses", &pauses);
    let evenness = |report: &Report| report.p99 / report.p50;
    let pairs: Vec<_> = pauses
        .iter()
        .map(|(host, other)| (evenness(host), evenness(other)))
        .collect();
    table::values("  its p99 / p50", &pairs);

    let pairs = in_turn(
        || load::get_unauthorized(host),
        || load::get_unauthorized(other),
    );
    table::reports("401, without Authorization", &pairs);

    for server in [host, other] {
        for user in server.users.all() {
            client::fill(server, user, 0);
        }
    }
    let pairs = in_turn(|| create_and_delete(host), || create_and_delete(other));
    let creations: Vec<_> = pairs
        .iter()
        .map(|(host, other)| (host.0, other.0))
        .collect();
    let deletions: Vec<_> = pairs
        .iter()
        .map(|(host, other)| (host.1, other.1))
        .collect();
    table::reports("create", &creations);
    table::reports("delete", &deletions);
}

fn list(server: &Server, pauses: Pauses) -> Report {
    let authorization = server.users.first().authorization();
    load::get(server, TOKENS, &authorization, pauses)
}

/// Verifies the token in the middle.
pub fn verify(server: &Server, tokens: &[String]) -> Report {
    let authorization = format!("Bearer {}", tokens[tokens.len() / 2]);
    load::get(server, VERIFY, &authorization, Pauses::None)
}

fn introspect(server: &Server, tokens: &[String]) -> Report {
    let authorization = server.users.first().authorization();
    let form = format!("token={}", tokens[tokens.len() / 2]);
    load::post(server, "/api/v1alpha/introspect", &authorization, &form)
}

fn show(server: &Server) -> Report {
    let user = server.users.first();
    let ids = client::ids(server, user);
    // In the middle of the ledger, where there are many.
    let path = client::path(&ids[ids.len() / 2]);
    load::get(server, &path, &user.authorization(), Pauses::None)
}

/// Makes tokens for users who have none, and deletes them.
fn create_and_delete(server: &Server) -> (Report, Report) {
    match server.users.all() {
        users @ [_] => {
            let round = |_| round(server, users, CREATIONS_OF_ONE, 1);
            let (created, deleted): (Vec<_>, Vec<_>) = (0..ROUNDS_OF_ONE).map(round).unzip();
            (Report::median(&created), Report::median(&deleted))
        }
        users => round(server, users, CREATIONS, CONNECTIONS),
    }
}

fn round(
    server: &Server,
    users: &[User],
    creations: usize,
    connections: usize,
) -> (Report, Report) {
    let users_in_turn = users.iter().cycle().take(creations).enumerate();
    let calls: Vec<_> = users_in_turn
        .map(|(number, user)| Call::create(user, &format!("token {number}")))
        .collect();
    let created = load::each(server, connections, &calls);

    let mut tokens = Vec::new();
    for user in users {
        let ids = client::ids(server, user).into_iter().enumerate();
        tokens.extend(ids.map(|(place, id)| (place, user, id)));
    }
    assert_eq!(
        tokens.len(),
        creations,
        "{} lost or doubled a token",
        server.name
    );
    // Users in turn, as before.
    tokens.sort_by_key(|(place, ..)| *place);
    let calls: Vec<_> = tokens
        .iter()
        .map(|(_, user, id)| Call::delete(user, id))
        .collect();
    let deleted = load::each(server, connections, &calls);
    (created, deleted)
}
