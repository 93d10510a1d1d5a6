//! Asks the linker for the short encodings of function and memory indices: a fifth of the Wasm file otherwise is padding.

#[allow(
    clippy::disallowed_methods,
    reason = "this is how cargo tells a build script the target"
)]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=--compress-relocations");
    }
}
