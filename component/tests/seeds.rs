//! What the fuzzer began with and what it found, in `fuzz/seeds`: everything holds for it.

#![allow(clippy::unwrap_used, reason = "all of this crate is a test")]

use std::fs;
use std::path::Path;

#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

fn holds_for_seeds(name: &str, check: fn(&[u8])) {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    let mut count = 0;
    for file in fs::read_dir(seeds.join(name)).unwrap() {
        let path = file.unwrap().path();
        // Shown if it fails.
        eprintln!("{}", path.display());
        check(&fs::read(&path).unwrap());
        count += 1;
    }
    assert!(count > 0, "there are no seeds");
}

#[test]
fn credentials() {
    holds_for_seeds("credentials", fuzz::credentials::check);
}

#[test]
fn guard() {
    holds_for_seeds("guard", fuzz::guard::check);
}

#[test]
fn jwk_set() {
    holds_for_seeds("jwk_set", fuzz::jwk_set::check);
}

#[test]
fn jwt() {
    holds_for_seeds("jwt", fuzz::jwt::check);
}

#[test]
fn ledger() {
    holds_for_seeds("ledger", fuzz::ledger::check);
}

#[test]
fn lifetime() {
    holds_for_seeds("lifetime", fuzz::lifetime::check);
}

#[test]
fn requests() {
    holds_for_seeds("requests", fuzz::requests::check);
}

#[test]
fn routes() {
    holds_for_seeds("routes", fuzz::routes::check);
}

#[test]
fn trusted_issuers() {
    holds_for_seeds("trusted_issuers", fuzz::trusted_issuers::check);
}
