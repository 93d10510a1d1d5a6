//! What the service does per second and how long it takes, two servers in turn: the host against its native twin, and
//! against any server that is given.
//!
//! ```text
//! cargo bench --locked --profile host --package latchkey-cli --bench service
//! LATCHKEY_PEER_URL=http://127.0.0.1:3000 cargo bench --locked --profile host --package latchkey-cli --bench service
//! ```
//!
//! A peer has to know the users of this benchmark, whose tokens are deleted there:
//!
//! ```text
//! cargo bench --locked --profile host --package latchkey-cli --bench service -- --print-users > users
//! spin up --listen 127.0.0.1:3000 --variable users=@users
//! ```
//!
//! One that does not is given with a user that it does know, `LATCHKEY_USER=name:password`, whom the host then has too.
//! Since changes of one user's tokens wait for each other, that user's tokens are made and deleted over one connection.
//!
//! The load comes from `wrk`: one thread, 32 connections, each sending its next request when it has the last answer. Host,
//! twin and load share the processors, so of the rates only the ratios mean something. Each row is the median of five pairs
//! of runs, A B A B, after a pair that warms up. An answer that is not what it should be ends the benchmark.
//!
//! | row | what it means |
//! |---|---|
//! | list, show | `GET` of all tokens, or one, of a user who has 1 or 100 |
//! | verify, introspect | whether one of them is good, as a proxy asks and as a service does; signed by HS256 |
//! | list, with pauses | each connection waits 6 to 26 ms before its next request, so that nobody waits for a processor |
//! | its p99 / p50 | how even the answers are then |
//! | 401 | list without `Authorization`: the way through the server, without password and store |
//! | create | 4,000 tokens for 500 users in turn, none of whom has any before |
//! | delete | the same tokens, users in turn again |
//! | start, empty cache | from the start of the process to the first list, when the component has to be compiled |
//! | start | the same, when an earlier start has left the compiled component in the cache |
//! | memory, at most | the peak of the resident memory of the process, over all of the above |
//! | memory, after it | the resident memory right after the last request |
//! | verify, EdDSA and ES256 | one token, signed by a configured key of that algorithm |
//! | edge | the component of WASI 0.2, an instance for each request |
//! | growth | one user with 1 to 1,000 tokens; then one token beside 1,000,000 tokens of 20,000 users |
//! | guarded | an application behind the guard, beside the same one without it, in one host |
//! | component | the file that is served, as it is and as `gzip -9` makes it |
//!
//! Milliseconds throughout; `p50` and `p99` are as wrk gives them, corrected for what a closed loop leaves out. The ratio
//! is that of the rates, where more is better, or else of the one number, where less is better.

#![allow(
    clippy::unwrap_used,
    reason = "a benchmark has nobody to tell but the one who runs it"
)]

use std::env;
use std::path::Path;

use servers::Server;
use users::Users;

mod alike;
mod client;
mod figures;
mod growth;
mod guarded;
mod load;
mod machine;
mod operations;
mod pairs;
#[path = "../../../../tests/process.rs"]
#[allow(dead_code, reason = "the integration tests use all of it")]
mod process;
mod servers;
mod table;
mod twin;
mod users;
mod variants;

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let has = |name| arguments.iter().any(|argument| argument == name);
    if let [command, store] = &*arguments
        && command == twin::COMMAND
    {
        twin::run(Path::new(store));
    } else if has("--print-users") {
        println!("{}", users::variable());
    } else if has("--bench") && !has("--test") {
        // Not when cargo only tests that benchmarks run: it leaves `--bench` out.
        measure();
    }
}

fn measure() {
    let wrk = load::version();
    println!("{}", machine::machine());
    println!("{}, {wrk}", machine::versions());
    println!(
        "{} pairs of runs; {} connections; milliseconds",
        pairs::PAIRS,
        load::CONNECTIONS
    );

    let directory = servers::directory();
    let cache = servers::directory();
    let start_host = |users| Server::host(directory.path(), cache.path(), users);
    // Builds the component if need be, and leaves it in the cache.
    let host = start_host(Users::ours());
    let twin = Server::twin(directory.path(), None);
    alike::check(&host, &twin);
    drop((host, twin));

    table::begin("twin");
    figures::start(directory.path(), cache.path());
    let host = start_host(Users::ours());
    let twin = Server::twin(directory.path(), None);
    operations::compare(&host, &twin);
    figures::memory(&host, &twin);
    figures::component();
    drop(twin);
    variants::compare(directory.path(), cache.path());
    growth::measure(directory.path(), cache.path());
    guarded::compare(directory.path(), cache.path());

    if let Ok(url) = env::var("LATCHKEY_PEER_URL") {
        let users =
            env::var("LATCHKEY_USER").map_or_else(|_| Users::ours(), |user| Users::given(&user));
        let host = match &users {
            Users::Ours(_) => host,
            Users::Given(_) => {
                drop(host);
                start_host(users.clone())
            }
        };
        table::begin("peer");
        operations::compare(&host, &Server::peer(&url, users));
    }
}
