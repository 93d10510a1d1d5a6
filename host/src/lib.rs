//! The native host of Latchkey, as a library: runs components on wasmtime, over a key-value store.
//!
//! | module | its one job |
//! |---|---|
//! | [`manifest`] | reads `spin.toml` |
//! | [`variables`] | a component's configuration: manifest, environment, command line |
//! | [`keyvalue`] | the port for stores, and the backends |
//! | [`outbound`] | where a component may send requests to |
//! | [`metrics`] | what is counted, for Prometheus |
//! | [`server`] | a listener, components, a store -> answers |
//!
//! The server knows no backend, and a backend knows no HTTP. The binary `latchkey`, in `host/cli`, parses and wires.

mod bindings;
pub mod keyvalue;
pub mod manifest;
pub mod metrics;
pub mod outbound;
pub mod server;
pub mod variables;
