//! What the numbers were measured on.

use std::path::Path;
use std::process::Command;

/// The repository.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The processors and the memory.
pub fn machine() -> String {
    let processors = std::thread::available_parallelism().unwrap();
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: String, name| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
    };
    let model = field(read("/proc/cpuinfo"), "model name");
    let memory = field(read("/proc/meminfo"), "MemTotal");
    let memory = memory.and_then(|memory| memory.strip_suffix(" kB")?.parse::<f64>().ok());
    format!(
        "{processors} processors ({}), {:.1} GiB of memory",
        model.as_deref().unwrap_or("of an unknown model"),
        memory.unwrap_or_default() / f64::from(1 << 20)
    )
}

/// The versions of what the servers are made of.
pub fn versions() -> String {
    let rustc = Command::new("rustc").arg("--version").output();
    let rustc = rustc.map_or_else(
        |_| "rustc of some version".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    );
    let latchkey = env!("CARGO_PKG_VERSION");
    format!(
        "latchkey {latchkey}, wasmtime {}, {rustc}",
        locked("wasmtime")
    )
}

/// The version of a package in `Cargo.lock`.
fn locked(name: &str) -> String {
    let lock = std::fs::read_to_string(Path::new(ROOT).join("Cargo.lock")).unwrap();
    let lock: toml::Table = lock.parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let package = packages
        .iter()
        .find(|package| package["name"].as_str() == Some(name));
    package.unwrap()["version"].as_str().unwrap().to_owned()
}
