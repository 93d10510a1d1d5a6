//! What the build command must not hear of a cargo that runs around it.

use std::env;
use std::process::Command;

/// Takes the variables of an outer build out of what `command` inherits.
pub(super) fn clean(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(belongs_to_the_outer_build) {
            command.env_remove(name);
        }
    }
}

/// Whether a variable is what an outer `cargo run`, `cargo test` or coverage tool says about its own native build.
///
/// Flags and wrappers meant for the machine's own architecture break a build for Wasm, or make cargo build it all
/// again. How to reach a registry, or to link a build script on this machine, is true of the inner build too.
fn belongs_to_the_outer_build(name: &str) -> bool {
    const STAY: [&str; 10] = [
        "CARGO_BUILD_JOBS",
        "CARGO_CACHE_",
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTRIES_",
        "CARGO_REGISTRY_",
        "CARGO_RESOLVER_",
        "CARGO_SOURCE_",
        "CARGO_TERM_",
    ];
    const GO: [&str; 6] = [
        "LLVM_PROFILE_FILE",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOCFLAGS",
        "RUSTFLAGS",
        "__CARGO_",
    ];
    let host_linker = name.starts_with("CARGO_TARGET_") && name.ends_with("_LINKER");
    if name == "CARGO" || name.starts_with("CARGO_") {
        !host_linker && !STAY.iter().any(|prefix| name.starts_with(prefix))
    } else {
        GO.iter().any(|prefix| name.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_the_outer_build_do_not_reach_the_inner_one() {
        let table = [
            ("CARGO", true),
            ("CARGO_MANIFEST_DIR", true),
            ("CARGO_PKG_NAME", true),
            ("CARGO_TARGET_DIR", true),
            ("CARGO_ENCODED_RUSTFLAGS", true),
            ("CARGO_BUILD_RUSTFLAGS", true),
            ("CARGO_BUILD_TARGET", true),
            ("CARGO_PROFILE_RELEASE_LTO", true),
            ("CARGO_INCREMENTAL", true),
            ("CARGO_LLVM_COV", true),
            ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", true),
            ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS", true),
            ("RUSTFLAGS", true),
            ("RUSTC_WRAPPER", true),
            ("RUSTC_WORKSPACE_WRAPPER", true),
            ("LLVM_PROFILE_FILE", true),
            ("__CARGO_LLVM_COV_RUSTC_WRAPPER", true),
            ("CARGO_BUILD_JOBS", false),
            ("CARGO_HOME", false),
            ("CARGO_HTTP_PROXY", false),
            ("CARGO_NET_OFFLINE", false),
            ("CARGO_REGISTRIES_MINE_INDEX", false),
            ("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER", false),
            ("RUSTUP_TOOLCHAIN", false),
            ("RUSTUP_HOME", false),
            ("PATH", false),
            ("HOME", false),
        ];
        for (name, belongs) in table {
            assert_eq!(belongs_to_the_outer_build(name), belongs, "{name}");
        }
    }
}
