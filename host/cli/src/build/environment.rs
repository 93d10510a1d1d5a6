//! What the build command does not inherit: the variables of an outer build, and those of the server.

use std::env;
use std::process::Command;

pub(super) fn clean(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_withheld) {
            command.env_remove(name);
        }
    }
}

/// Whether a variable configures the server, which may be a secret, or describes the native build of an outer
/// `cargo run`, `cargo test` or coverage tool.
///
/// Flags and wrappers meant for the machine's own architecture break a build for Wasm, or make cargo build it all
/// again. How to reach a registry, or to link a build script on this machine, is true of the inner build too.
fn is_withheld(name: &str) -> bool {
    const WITHHELD: [&str; 9] = [
        "CARGO",
        "LATCHKEY_",
        "LLVM_PROFILE_FILE",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOCFLAGS",
        "RUSTFLAGS",
        "SPIN_VARIABLE_",
        "__CARGO_",
    ];
    const KEPT: [&str; 8] = [
        "CARGO_BUILD_JOBS",
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTRIES_",
        "CARGO_REGISTRY_",
        "CARGO_SOURCE_",
        "CARGO_TERM_",
    ];
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let host_linker = name.starts_with("CARGO_TARGET_") && name.ends_with("_LINKER");
    begins(&WITHHELD) && !begins(&KEPT) && !host_linker
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_the_outer_build_and_the_server_do_not_reach_the_inner_build() {
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
            ("LATCHKEY_STORE", true),
            ("SPIN_VARIABLE_SIGNING_KEYS", true),
            ("SPIN_HOME", false),
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
        for (name, withheld) in table {
            assert_eq!(is_withheld(name), withheld, "{name}");
        }
    }
}
