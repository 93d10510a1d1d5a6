//! The rows about other keys, and about the component for the edge.

use std::path::Path;
use std::process::Command;

use crate::client;
use crate::load::{self, Pauses};
use crate::operations::verify;
use crate::pairs::in_turn;
use crate::process::latchkey;
use crate::servers::Server;
use crate::users::Users;
use crate::{machine, table};

/// The component for the edge makes no key.
const SECRET: &str = "a secret that is only used by this benchmark";

/// Measures the host against its twin, with keys and components other than the usual.
pub fn compare(directory: &Path, cache: &Path) {
    for algorithm in ["EdDSA", "ES256"] {
        let keys = keys(algorithm);
        let servers = [
            Server::host_with(directory, cache, Users::ours(), &[], Some(&keys)),
            Server::twin(directory, Some(&keys)),
        ];
        compare_verification(&format!("verify, {algorithm}"), &servers);
    }
    let manifest = Path::new(machine::ROOT).join("deploy/edge/spin.toml");
    let arguments = ["--manifest", manifest.to_str().unwrap()];
    let servers = [
        Server::host_with(directory, cache, Users::ours(), &arguments, Some(SECRET)),
        Server::twin(directory, Some(SECRET)),
    ];
    compare_verification("edge: verify", &servers);
    let [host, twin] = &servers;
    let list = |server: &Server| {
        let authorization = server.users.first().authorization();
        load::get(server, client::TOKENS, &authorization, Pauses::None)
    };
    table::reports("edge: list", &in_turn(|| list(host), || list(twin)));
}

fn compare_verification(row: &str, [host, twin]: &[Server; 2]) {
    let [of_host, of_twin] =
        [host, twin].map(|server| client::fill(server, server.users.first(), 1));
    let pairs = in_turn(|| verify(host, &of_host), || verify(twin, &of_twin));
    table::reports(row, &pairs);
}

/// A JWK Set of one new key.
fn keys(algorithm: &str) -> String {
    let mut command: Command = latchkey(["keygen", "--alg", algorithm]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "no key for {algorithm}");
    String::from_utf8(output.stdout).unwrap()
}
