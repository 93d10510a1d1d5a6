//! Asks the linker for short encodings, as `component/wasm` does, and for imports in the versions that `wit/` names: merged
//! with those of the standard library, they would be newer ones, which older hosts do not have.

#[allow(
    clippy::disallowed_methods,
    reason = "this is how cargo tells a build script the target"
)]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_FAMILY").is_ok_and(|family| family == "wasm") {
        println!("cargo::rustc-link-arg-cdylib=--compress-relocations");
        println!("cargo::rustc-link-arg-cdylib=--merge-imports-based-on-semver=false");
    }
}
