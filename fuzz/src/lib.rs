//! What must hold for any input, as functions of the input: each panics if it does not hold.
//!
//! The fuzzer searches for such inputs (`cargo fuzz run`, see CONTRIBUTING.md). What it found, and what it begins with, is
//! in `fuzz/seeds`; `component/tests/seeds.rs` includes this file, and tries all of it in every test run.

pub mod credentials;
pub mod guard;
pub mod jwk_set;
pub mod jwt;
pub mod ledger;
pub mod lifetime;
mod ports;
pub mod requests;
pub mod routes;
pub mod trusted_issuers;
