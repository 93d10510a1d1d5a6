//! `kill -9` under load: what was acknowledged is there afterwards, and what was not may be there or not, never half.

use crate::load::{self, Load, Told};
use crate::server::{Launch, Server, host_only};

const ROUNDS: usize = 30;
const CLIENTS: usize = 6;

#[test]
fn killed_hosts_lose_nothing() {
    if !host_only("a server that it may kill") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let store = format!("sqlite:{}", directory.path().join("store.db").display());
    let start = || {
        Server::start(
            Launch::new()
                .store(&store)
                .variable("max_tokens_per_user", "1000"),
        )
    };
    let mut told: [Told; 2] = Default::default();
    let mut server = start();
    for round in 0..ROUNDS {
        // A new user each time, whose ledger has yet to be created, and one whose ledger grows.
        let names = ["user-0".to_owned(), format!("user-{}", round + 1)];
        told[1] = Told::default();
        let loads = [0, 1].map(|n| Load::start(&[&server.url], &names[n], CLIENTS, round, false));
        // Not always at the same moment of anything.
        loads[0].wait_for(1 + round % 7);
        server.kill();
        for (load, told) in loads.into_iter().zip(&mut told) {
            told.add(load.stop());
        }
        server = start();
        for (name, told) in names.iter().zip(&told) {
            told.check(&load::list(&server.url, name));
        }
    }
}
