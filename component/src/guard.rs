//! How the guard is configured. The component in `component/guard` reads it, and `latchkey guard check` before it does.

mod config;
mod public;

pub use config::{Config, DEFAULT_URL, Endpoint, SCOPE, VARIABLES, Verifier, no_keys, parse_keys};
pub use public::PublicPaths;
