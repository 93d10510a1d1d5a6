//! The rows about how the cost grows: with a user's own tokens, and with everybody else's.

use std::path::Path;
use std::time::Instant;

use latchkey_host::keyvalue::Backend;
use latchkey_host::keyvalue::sqlite::Sqlite;

use crate::client::{self, TOKENS};
use crate::load::{self, Pauses};
use crate::operations::verify;
use crate::pairs::median;
use crate::servers::Server;
use crate::table;
use crate::users::Users;

const RUNS: usize = 3;

/// As many as a user may have, and fewer.
const TOKENS_OF_ONE: [usize; 4] = [1, 10, 100, 1_000];

const OTHERS: usize = 20_000;
const TOKENS_OF_EACH: usize = 50;

/// Measures the host, whose store is then full.
pub fn measure(directory: &Path, cache: &Path) {
    let start = || {
        let most = ["--variable", "max_tokens_per_user=1000"];
        Server::host_with(directory, cache, Users::ours(), &most, None)
    };
    let host = start();
    println!();
    println!("{:<31}{:>10}{:>10}", "host, req/s", "verify", "list");
    for tokens in TOKENS_OF_ONE {
        row(&host, tokens, &format!("{tokens} of the user"));
    }
    // The document of one user, for all others. A name without capitals and signs stands for itself in a key.
    let of_one = host.users.all()[1].clone();
    client::fill(&host, &of_one, TOKENS_OF_EACH);
    drop(host);
    fill_with_others(&directory.join("host.db"), of_one.name());
    let begin = Instant::now();
    let host = start();
    client::ids(&host, host.users.first());
    let started = begin.elapsed().as_secs_f64() * 1000.0;
    row(&host, 1, "1 beside 1,000,000 of others");
    table::value("  start (ms)", started);
}

fn row(host: &Server, tokens: usize, name: &str) {
    let user = host.users.first();
    let signed = client::fill(host, user, tokens);
    let list = || load::get(host, TOKENS, &user.authorization(), Pauses::None);
    let [verify, list]: [&dyn Fn() -> load::Report; 2] = [&|| verify(host, &signed), &list];
    let rate = |run: &dyn Fn() -> load::Report| {
        run();
        median((0..RUNS).map(|_| run().rate))
    };
    println!("{name:<31}{:>10.0}{:>10.0}", rate(verify), rate(list));
}

#[tokio::main(flavor = "current_thread")]
async fn fill_with_others(store: &Path, like: &str) {
    let store = Sqlite::open(store).unwrap();
    let key = |user: &str| format!("latchkey-ledger-{user}");
    let ledger = store.get(&key(like)).await.unwrap().expect("a ledger");
    for number in 0..OTHERS {
        let key = key(&format!("other{number}"));
        store.set(&key, ledger.clone()).await.unwrap();
    }
}
