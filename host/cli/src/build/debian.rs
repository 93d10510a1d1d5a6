//! A Rust toolchain for `wasm32-wasip2` out of Debian's archive, without touching the system.
//!
//! Debian's suite [`SUITE`] has a rustc and, for the very same version, the standard library for the target. apt
//! fetches and verifies both from the mirror that the machine already uses, with a state of its own in our directory:
//! it needs no root and the system's lists, packages and configuration stay as they are.

mod packages;
mod sources;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::process::output;
use super::say;
use packages::Package;
use sources::Archive;

/// The first Debian release whose Rust has `wasm32-wasip2`. The name outlives "testing", which moves on.
const SUITE: &str = "forky";

/// The standard library for the Wasm targets, beside `rustc`.
const WASM_STD: &str = "libstd-rust-dev-wasm32";

/// An index of packages is 10 MB.
const UPDATE: Duration = Duration::from_secs(180);

/// All the packages are 200 MB.
const DOWNLOAD: Duration = Duration::from_secs(900);

/// One package takes ten seconds to unpack on a slow machine.
const UNPACK: Duration = Duration::from_secs(300);

/// Debian's name of an architecture and where its C library lies in a merged `/usr`.
struct Architecture {
    name: &'static str,
    loader: &'static str,
    libraries: &'static str,
}

const ARCHITECTURES: [Architecture; 2] = [
    Architecture {
        name: "amd64",
        loader: "usr/lib64/ld-linux-x86-64.so.2",
        libraries: "usr/lib/x86_64-linux-gnu",
    },
    Architecture {
        name: "arm64",
        loader: "usr/lib/ld-linux-aarch64.so.1",
        libraries: "usr/lib/aarch64-linux-gnu",
    },
];

/// What the packages hold and a compiler does not need: half of their size.
const SUPERFLUOUS: [&str; 5] = [
    "usr/bin/rustdoc",
    "usr/lib/rustlib/wasm32-unknown-unknown",
    "usr/lib/rustlib/wasm32-wasip1",
    "usr/libexec",
    "usr/share/man",
];

/// A toolchain as it comes out of the packages.
pub(super) struct Unpacked {
    /// The directory that stands for `/`.
    pub(super) dir: PathBuf,
    /// Debian's version of rustc.
    pub(super) version: String,
    /// The dynamic loader, relative to `dir`.
    pub(super) loader: &'static str,
    /// The directory of the shared libraries, relative to `dir`.
    pub(super) libraries: &'static str,
}

/// Downloads and unpacks the toolchain into `staging`, an empty directory with an absolute path.
///
/// # Errors
///
/// One short line that says what is missing.
pub(super) fn fetch(staging: &Path) -> Result<Unpacked, String> {
    let architecture = architecture()?;
    let archives = sources::of_this_machine();
    let mut reason = "apt's sources name no Debian archive with the component main".to_owned();
    if !archives.is_empty() {
        say(
            "Trying Debian's Rust, privately in the target directory (200 MB to download, 600 MB on disk)…",
        );
    }
    for archive in &archives {
        match Apt::updated(&staging.join("apt"), architecture, archive) {
            Ok(apt) => return apt.fetch(staging, architecture),
            Err(error) => reason = format!("{} has no usable suite {SUITE}: {error}", archive.uri),
        }
    }
    Err(reason)
}

fn architecture() -> Result<&'static Architecture, String> {
    let mut dpkg = Command::new("dpkg");
    dpkg.arg("--print-architecture");
    let name = output(&mut dpkg, UNPACK)
        .map_err(|_| "this is no Debian system: it has no dpkg".to_owned())?;
    let name = name.trim();
    let known = ARCHITECTURES
        .iter()
        .find(|architecture| architecture.name == name);
    known.ok_or_else(|| format!("for the architecture {name} it has not been prepared"))
}

/// apt with a state of its own, which knows one suite of one archive.
struct Apt {
    config: PathBuf,
}

impl Apt {
    /// Sets up `dir` and reads the archive's index, whose signature apt verifies.
    fn updated(dir: &Path, architecture: &Architecture, archive: &Archive) -> Result<Self, String> {
        let io = |error: std::io::Error| error.to_string();
        for sub in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(dir.join(sub)).map_err(io)?;
        }
        let line = sources::line(archive, SUITE);
        fs::write(dir.join("sources.list"), line).map_err(io)?;
        let config = dir.join("apt.conf");
        let machine = output(Command::new("apt-config").arg("dump"), UNPACK)?;
        fs::write(&config, configuration(dir, architecture.name, &machine)).map_err(io)?;
        let apt = Self { config };
        output(apt.command("apt-get").arg("update"), UPDATE)?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", &self.config).arg("-q");
        command
    }

    fn fetch(
        &self,
        staging: &Path,
        architecture: &'static Architecture,
    ) -> Result<Unpacked, String> {
        let packages = packages::closure(&["rustc", WASM_STD], |names| self.show(names))?;
        let version = |name: &str| packages.get(name).map(|package| package.version.clone());
        let rustc = version("rustc").ok_or("it has no package rustc")?;
        if version(WASM_STD).as_deref() != Some(&rustc) {
            return Err(format!(
                "it has rustc {rustc} but no {WASM_STD} of that version at the moment"
            ));
        }

        let size: u64 = packages.values().map(|package| package.size).sum();
        say(&format!(
            "Downloading Debian's rustc {rustc} and its libraries ({} MB)…",
            size / 1_000_000
        ));
        let debs = staging.join("debs");
        fs::create_dir_all(&debs).map_err(|error| error.to_string())?;
        let mut download = self.command("apt-get");
        download
            .arg("download")
            .args(packages.keys())
            .current_dir(&debs);
        output(&mut download, DOWNLOAD)
            .map_err(|reason| format!("the download failed: {reason}"))?;

        say("Unpacking…");
        let root = staging.join("root");
        fs::create_dir_all(&root).map_err(|error| error.to_string())?;
        unpack(&debs, &root, packages.len())?;
        Ok(Unpacked {
            dir: root,
            version: rustc,
            loader: architecture.loader,
            libraries: architecture.libraries,
        })
    }

    fn show(&self, names: &[String]) -> Result<Vec<Package>, String> {
        let mut show = self.command("apt-cache");
        // It leaves names out that it does not know, and fails only if it knows none: one that it does know is no harm.
        show.args(["show", "--no-all-versions", "rustc"])
            .args(names);
        output(&mut show, UPDATE).map(|text| packages::parse(&text))
    }
}

/// apt's configuration: everything it writes below `dir`, and from the machine's own only how to reach the mirror.
fn configuration(dir: &Path, architecture: &str, machine: &str) -> String {
    let dir = dir.display();
    let mut text = format!(
        r#"APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Acquire::Retries "2";
Dir::Cache "{dir}/cache/";
Dir::State "{dir}/";
Dir::State::lists "{dir}/lists/";
Dir::State::status "/dev/null";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::Etc::sourcelist "{dir}/sources.list";
Dir::Etc::sourceparts "/dev/null";
"#
    );
    let reach = [
        "Acquire::http",
        "Acquire::https",
        "Acquire::Check-Valid-Until",
        "Acquire::Check-Date",
    ];
    for line in machine.lines() {
        // A key without a value only opens a group.
        if reach.iter().any(|prefix| line.starts_with(prefix)) && !line.ends_with(" \"\";") {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

/// Unpacks every package in `debs` over `root`, as many at once as there are processors.
fn unpack(debs: &Path, root: &Path, expected: usize) -> Result<(), String> {
    let io = |error: std::io::Error| error.to_string();
    let mut packages = Vec::new();
    for entry in fs::read_dir(debs).map_err(io)? {
        let entry = entry.map_err(io)?;
        packages.push((entry.metadata().map_err(io)?.len(), entry.path()));
    }
    if packages.len() != expected {
        return Err(format!("{} of {expected} packages arrived", packages.len()));
    }
    // The largest last, as they are taken from the end.
    packages.sort();
    let queue = Mutex::new(packages);
    let next = || queue.lock().ok()?.pop();
    let work = || -> Result<(), String> {
        while let Some((_, package)) = next() {
            let mut dpkg = Command::new("dpkg-deb");
            dpkg.arg("-x").args([package.as_path(), root]);
            output(&mut dpkg, UNPACK).map_err(|reason| format!("unpacking failed: {reason}"))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let count = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .unwrap_or(Err("unpacking panicked".to_owned()))
        })
    })?;
    for path in SUPERFLUOUS.map(|path| root.join(path)) {
        // They are only a waste of space: one that is absent or that stays is no failure.
        let _ = if path.is_dir() {
            fs::remove_dir_all(path)
        } else {
            fs::remove_file(path)
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_takes_from_the_machine_how_to_reach_the_mirror_and_no_more() {
        let machine = r#"APT "";
APT::Update::Post-Invoke:: "rm -f /var/cache/apt/archives/*.deb || true";
Acquire "";
Acquire::http "";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::Check-Valid-Until "false";
Acquire::IndexTargets::deb::DEP-11::KeepCompressed "true";
Dir::Cache "var/cache/apt";
"#;
        let text = configuration(Path::new("/w/apt"), "amd64", machine);
        let (ours, theirs) = text.split_at(text.find("Acquire::http::Proxy").unwrap());
        assert_eq!(
            theirs,
            "Acquire::http::Proxy \"http://proxy.example:3128\";\nAcquire::Check-Valid-Until \"false\";\n"
        );
        assert!(
            ours.contains("Dir::State::lists \"/w/apt/lists/\";\n"),
            "{ours}"
        );
        assert!(ours.contains("APT::Architecture \"amd64\";\n"), "{ours}");
        for verification in ["Insecure", "Weak", "AllowUnauthenticated"] {
            assert!(!text.contains(verification), "{verification}");
        }
    }
}
