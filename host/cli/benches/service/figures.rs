//! The rows about the process: how soon it answers, and how much room it takes.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use latchkey_host::manifest::Manifest;

use crate::pairs::in_turn;
use crate::servers::{self, Server};
use crate::table;
use crate::users::Users;
use crate::{client, machine};

const KIB: f64 = 1024.0;

/// From the start of the process to the first list.
pub fn start(directory: &Path, cache: &Path) {
    let twin = || first_answer(|| Server::twin(directory, None));
    let pairs = in_turn(
        || {
            let cache = servers::directory();
            first_answer(|| Server::host(directory, cache.path(), Users::ours()))
        },
        twin,
    );
    table::values("start, empty cache (ms)", &pairs);
    let host = || first_answer(|| Server::host(directory, cache, Users::ours()));
    table::values("start (ms)", &in_turn(host, twin));
}

/// In milliseconds.
fn first_answer(start: impl FnOnce() -> Server) -> f64 {
    let begin = Instant::now();
    let server = start();
    client::ids(&server, server.users.first());
    begin.elapsed().as_secs_f64() * 1000.0
}

/// What both processes have taken since they started, and what they take now.
pub fn memory(host: &Server, twin: &Server) {
    for (name, field) in [
        ("memory, at most (MiB)", "VmHWM"),
        ("memory, after it (MiB)", "VmRSS"),
    ] {
        table::values(name, &[(host.memory(field), twin.memory(field))]);
    }
}

/// The size of the component.
pub fn component() {
    let manifest = Manifest::load(&Path::new(machine::ROOT).join("spin.toml")).unwrap();
    let file = manifest.root.join(&manifest.components["latchkey"].source);
    let bytes = std::fs::metadata(&file).unwrap().len();
    table::value("component (KiB)", bytes as f64 / KIB);
    let gzip = Command::new("gzip")
        .args(["-9", "--stdout"])
        .arg(&file)
        .output();
    let compressed = gzip.expect("gzip is installed").stdout.len();
    table::value("component, gzip -9 (KiB)", compressed as f64 / KIB);
}
