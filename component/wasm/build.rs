//! Asks the linker for the short encodings of function and memory indices: a fifth of the Wasm file otherwise is padding.
//!
//! Other crates that make a component have this as their build script, too.

#[allow(
    clippy::disallowed_methods,
    reason = "this is how cargo tells a build script the target"
)]
fn main() {
    // Nothing else: the script itself is looked after by cargo.
    println!("cargo::rerun-if-env-changed=CARGO_CFG_TARGET_FAMILY");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=--compress-relocations");
    }
}
