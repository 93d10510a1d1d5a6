//! The component for the edge: what it asks of its host, and the same suite against it.

use insta::assert_snapshot;
use wasmparser::{Parser, Payload};

use crate::server::{Launch, Server, host_only};
use crate::suites::{self, Suite};

/// Its manifest; tests run in `host/cli`.
pub const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/edge/spin.toml");

/// The signing key of all hosts that serve it: it makes none.
pub const SECRET: &str = "the secret of the suite, 32 bytes at least";

const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../target/wasm32-wasip2/edge/latchkey_edge.wasm"
);

const CROSSING: &str =
    "requests that cross in flight do not see each other: nothing compares and swaps";

/// What differs, and why.
const DIFFERS: &[(&str, &str)] = &[
    ("concurrency::one_of_many_gets_a_description", CROSSING),
    ("concurrency::one_of_many_deletes_a_token", CROSSING),
    ("concurrency::the_limit_is_exact", CROSSING),
    ("idempotency::many_at_once_create_one_token", CROSSING),
    ("rotate::one_of_many_rotations_at_once", CROSSING),
    (
        "idempotency::a_repetition_after_the_deletion_creates_nothing",
        "the key is a part of the record, and ends with the token",
    ),
    (
        "scale::ten_thousand_users_in_one_store",
        "the test writes ledgers as documents",
    ),
    (
        "token_format::a_key_of_its_own_where_none_is_configured",
        "it makes no signing key",
    ),
];

#[test]
fn the_suite_holds_except_for_what_is_listed() {
    if Suite::is_nested() || !host_only("hosts of its own") {
        return;
    }
    // Which builds the component, once.
    Server::edge();
    Suite::Edge.run(suites::PARTS, DIFFERS);
}

/// A host that does not offer one of its imports refuses it. Each that is added shuts out platforms.
#[test]
fn what_it_asks_of_its_host() {
    if Suite::is_nested() || !host_only("a component of its own") {
        return;
    }
    Server::edge();
    let file = std::fs::read(FILE).expect("the component");
    let (imports, exports) = imports_and_exports(&file);
    assert_snapshot!(imports.join("\n"), @"
    fermyon:spin/variables@2.0.0
    wasi:cli/environment@0.2.0
    wasi:cli/exit@0.2.0
    wasi:cli/stderr@0.2.0
    wasi:cli/stdin@0.2.0
    wasi:cli/stdout@0.2.0
    wasi:cli/terminal-input@0.2.0
    wasi:cli/terminal-output@0.2.0
    wasi:cli/terminal-stderr@0.2.0
    wasi:cli/terminal-stdin@0.2.0
    wasi:cli/terminal-stdout@0.2.0
    wasi:clocks/monotonic-clock@0.2.0
    wasi:clocks/wall-clock@0.2.0
    wasi:http/types@0.2.0
    wasi:io/error@0.2.0
    wasi:io/poll@0.2.0
    wasi:io/streams@0.2.0
    wasi:keyvalue/store@0.2.0-draft2
    wasi:random/insecure-seed@0.2.4
    wasi:random/random@0.2.0
    ");
    assert_eq!(exports, ["wasi:http/incoming-handler@0.2.0"]);
    // 609,432 bytes without the sign-ins by other means, 662,080 with them, and 708,231 with administrators and a configuration
    // that may change. RSA, which is not here, would be 83,090 more.
    assert!(file.len() <= 700 << 10, "{} bytes", file.len());
}

/// The names of what a component imports, in order, and of what it exports.
pub fn imports_and_exports(file: &[u8]) -> (Vec<String>, Vec<String>) {
    let mut imports = Vec::new();
    let mut exports = Vec::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(file) {
        match payload.expect("a valid component") {
            Payload::Version { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 1 => {
                let names = section
                    .into_iter()
                    .map(|import| import.expect("an import").name.name);
                imports.extend(names.map(str::to_owned));
            }
            Payload::ComponentExportSection(section) if depth == 1 => {
                let names = section
                    .into_iter()
                    .map(|export| export.expect("an export").name.name);
                exports.extend(names.map(str::to_owned));
            }
            _ => {}
        }
    }
    imports.sort();
    (imports, exports)
}

#[test]
fn without_a_signing_key_it_says_what_to_set() {
    if Suite::is_nested() || !host_only("a configuration of its own") {
        return;
    }
    Server::edge();
    let launch = Launch::new().arg("--manifest").arg(MANIFEST);
    let finished = launch.spawn(crate::process::Stderr::Kept).finish();
    assert_eq!(finished.status.code(), Some(1));
    assert!(
        finished.stderr.contains("set the variable `signing_keys`"),
        "{}",
        finished.stderr
    );
}
