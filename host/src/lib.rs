//! The native host of Latchkey: serves the component on wasmtime, for people and for tests.
//!
//! | module | its one job |
//! |---|---|
//! | [`cli`] | the command line |
//! | [`client`] | a client for any Latchkey server |
//! | [`completions`] | completions for shells |
//! | [`manifest`] | reads `spin.toml` |
//! | [`build`] | builds the component when it is missing or older than its sources |
//! | [`variables`] | the component's configuration: manifest, environment, command line |
//! | [`users`] | users of one run, password hashes |
//! | [`keygen`] | signing keys, and the file that holds them |
//! | [`keyvalue`] | the port for stores, and the backends |
//! | [`logging`] | the log |
//! | [`metrics`] | what is counted, for Prometheus |
//! | [`server`] | a listener, a component, a store -> answers |
//! | [`terminal`] | what is written for people |
//!
//! The server knows no backend, and a backend knows no HTTP. The binary `latchkey` only parses and wires.

pub mod bindings;
pub mod build;
pub mod cli;
pub mod client;
pub mod completions;
pub mod keygen;
pub mod keyvalue;
pub mod logging;
pub mod manifest;
pub mod metrics;
mod occupation;
pub mod secret;
pub mod server;
pub mod terminal;
pub mod users;
pub mod variables;
