//! A Rust toolchain that can make `wasm32-wasip2`, whatever the machine has.
//!
//! In this order: the toolchain as it is; the toolchain after `rustup target add`; a private one out of Debian's
//! archive, for machines that reach a Debian mirror but no Rust release server.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::process::output;
use super::stamp::FileState;
use super::{BuildError, cannot, debian, say};

/// The target that the component is built for.
pub(super) const TARGET: &str = "wasm32-wasip2";

/// rustc answers a question at once, unless rustup has to install it first.
const ASK: Duration = Duration::from_secs(60);

/// The standard library for the target is some 25 MB; a server that is out of reach may also just not answer.
const RUSTUP: Duration = Duration::from_secs(180);

/// How the names of directories begin in which a toolchain is being put together.
const STAGING: &str = ".staging-";

/// What every WebAssembly component begins with: the magic number, and the version and layer of a component.
const COMPONENT_PREAMBLE: &[u8] = b"\0asm\x0d\x00\x01\x00";

/// What a build command needs in its environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Toolchain {
    /// Nothing: the machine's own Rust makes the target.
    Plain,
    /// A compiler and a linker of our own.
    Private(Private),
}

impl Toolchain {
    pub(super) fn apply_to(&self, command: &mut Command) {
        if let Self::Private(private) = self {
            command
                .env("RUSTC", private.rustc())
                .env("CARGO_TARGET_WASM32_WASIP2_LINKER", private.linker());
        }
    }
}

/// A compiler in a directory of its own, with the two scripts that call it and its linker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Private {
    /// Where the packages are unpacked: `usr`, as Debian lays it out, and our `bin`.
    dir: PathBuf,
}

impl Private {
    fn rustc(&self) -> PathBuf {
        self.dir.join("bin/rustc")
    }

    fn linker(&self) -> PathBuf {
        self.dir.join("bin/wasm-component-ld")
    }

    /// The finished toolchain below `parent`, if there is one; of several the one that was finished last.
    fn find(parent: &Path) -> Option<Self> {
        let finished = fs::read_dir(parent)
            .ok()?
            .filter_map(Result::ok)
            .filter(|entry| {
                !entry
                    .file_name()
                    .as_encoded_bytes()
                    .starts_with(STAGING.as_bytes())
            })
            .map(|entry| Self { dir: entry.path() })
            .filter(|private| private.rustc().is_file());
        finished.max_by_key(|private| {
            fs::metadata(&private.dir)
                .and_then(|metadata| metadata.modified())
                .ok()
        })
    }

    /// Writes the script that calls the linker, which may have moved since: it belongs to another toolchain.
    fn write_linker(&self, linker: &Linker) -> io::Result<()> {
        write_script(&self.linker(), &linker.script())
    }

    /// Makes a component, to see that compiler, libraries and linker fit together.
    fn verify(&self) -> Result<(), String> {
        let dir = &self.dir;
        let source = dir.join("probe.rs");
        let made = dir.join("probe.wasm");
        fs::write(&source, "fn main() { println!(\"a component\"); }\n")
            .map_err(|error| error.to_string())?;
        let mut linker = OsString::from("-Clinker=");
        linker.push(self.linker());
        let mut rustc = Command::new(self.rustc());
        rustc
            .args(["--edition=2024", "--target", TARGET])
            .arg(linker)
            .arg("-o")
            .args([&made, &source]);
        rustc.current_dir(dir);
        output(&mut rustc, ASK)
            .map_err(|reason| format!("its rustc makes no component: {reason}"))?;
        let bytes = fs::read(&made).map_err(|error| error.to_string())?;
        if !bytes.starts_with(COMPONENT_PREAMBLE) {
            return Err("its rustc makes something that is no component".to_owned());
        }
        for path in [source, made] {
            fs::remove_file(path).map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

/// Finds a toolchain for commands that run in `root`, or fetches one into `private`, a directory that is ours alone.
///
/// Not for two processes at once.
pub(super) fn prepare(root: &Path, private: &Path) -> Result<Toolchain, BuildError> {
    let mut reasons = Vec::new();
    match has_target(root) {
        Ok(true) => return Ok(Toolchain::Plain),
        Ok(false) => reasons.push("the Rust toolchain has no standard library for it".to_owned()),
        Err(reason) => reasons.push(format!("rustc cannot be asked ({reason})")),
    }
    if let Some(toolchain) = Private::find(private)
        && let Ok(linker) = Linker::find(root)
    {
        toolchain
            .write_linker(&linker)
            .map_err(cannot(format!("write {}", toolchain.linker().display())))?;
        return Ok(Toolchain::Private(toolchain));
    }

    say(&format!(
        "Rust has no {TARGET} here yet: trying `rustup target add {TARGET}`…"
    ));
    match rustup_target_add(root) {
        Ok(()) if has_target(root) == Ok(true) => return Ok(Toolchain::Plain),
        Ok(()) => reasons
            .push("`rustup target add` added it to another toolchain than rustc's".to_owned()),
        Err(reason) => {
            say(&format!("  no: {reason}"));
            reasons.push(format!("`rustup target add` failed ({reason})"));
        }
    }
    match fetch(root, private) {
        Ok(toolchain) => Ok(Toolchain::Private(toolchain)),
        Err(reason) => {
            reasons.push(format!("Debian's Rust cannot stand in ({reason})"));
            Err(BuildError::Toolchain { reasons })
        }
    }
}

/// Fetches Debian's toolchain, tries it, and only then gives it the name under which [`Private::find`] sees it.
fn fetch(root: &Path, private: &Path) -> Result<Private, String> {
    // First what costs nothing to find out.
    let linker = Linker::find(root)?;
    let io = |error: io::Error| error.to_string();
    fs::create_dir_all(private).map_err(io)?;
    // What interrupted runs left behind. A child of theirs may still write: so each has a directory of its own.
    for entry in fs::read_dir(private).map_err(io)?.filter_map(Result::ok) {
        if entry
            .file_name()
            .as_encoded_bytes()
            .starts_with(STAGING.as_bytes())
        {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let staging = private.join(format!("{STAGING}{}", std::process::id()));
    fs::create_dir(&staging).map_err(io)?;

    let result = (|| {
        let unpacked = debian::fetch(&staging)?;
        let staged = Private { dir: unpacked.dir };
        fs::create_dir_all(staged.dir.join("bin")).map_err(io)?;
        write_script(
            &staged.rustc(),
            &rustc_script(unpacked.loader, unpacked.libraries),
        )
        .map_err(io)?;
        staged.write_linker(&linker).map_err(io)?;
        staged.verify()?;
        let finished = Private {
            dir: private.join(format!("debian-{}", unpacked.version)),
        };
        if finished.dir.exists() {
            fs::remove_dir_all(&finished.dir).map_err(io)?;
        }
        fs::rename(&staged.dir, &finished.dir).map_err(io)?;
        Ok(finished)
    })();
    // Whatever is left is of no use; if it cannot be removed, the next run does it.
    let _ = fs::remove_dir_all(&staging);
    result
}

fn rustc() -> Command {
    Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

/// Whether the machine's own rustc has a standard library for the target.
fn has_target(root: &Path) -> Result<bool, String> {
    let mut question = rustc();
    question
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(root);
    let libdir = output(&mut question, ASK)?;
    let Ok(entries) = fs::read_dir(libdir.trim_end()) else {
        return Ok(false);
    };
    Ok(entries.filter_map(Result::ok).any(|entry| {
        let name = entry.file_name();
        name.as_encoded_bytes().starts_with(b"libstd-")
    }))
}

fn rustup_target_add(root: &Path) -> Result<(), String> {
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]).current_dir(root);
    output(&mut rustup, RUSTUP).map(drop)
}

/// The compiler that the cargo which runs us would use, in a form that changes when it is updated.
///
/// `None` where no cargo runs us. It asks nobody: this is on the path of every start.
pub(super) fn identity_of_the_running_cargos_rustc() -> Option<String> {
    let rustc = PathBuf::from(env::var_os("CARGO")?)
        .with_file_name(format!("rustc{}", env::consts::EXE_SUFFIX));
    let state = FileState::of(&rustc)?;
    Some(format!("{state} {}", rustc.display()))
}

/// The linker for components and the linker for Wasm modules that it calls. Debian has the latter only.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Linker {
    wasm_component_ld: PathBuf,
    wasm_ld: PathBuf,
}

impl Linker {
    /// In the toolchain that rustup manages, which has both for its own use, else in `PATH`.
    fn find(root: &Path) -> Result<Self, String> {
        let mut question = rustc();
        question
            .args(["--print", "target-libdir"])
            .current_dir(root);
        // `lib/rustlib/<host>/lib`, beside which stands `bin`.
        let tools = output(&mut question, ASK)
            .map(|libdir| Path::new(libdir.trim_end()).with_file_name("bin"))
            .unwrap_or_default();
        let path = env::var_os("PATH").unwrap_or_default();
        let directories: Vec<PathBuf> = [tools.clone(), tools.join("gcc-ld")]
            .into_iter()
            .chain(env::split_paths(&path))
            .collect();
        let find = |name: &str| {
            let mut candidates = directories.iter().map(|directory| directory.join(name));
            candidates
                .find(|path| path.is_absolute() && path.is_file())
                .ok_or_else(|| format!("no {name} in Rust's own tools or in PATH"))
        };
        Ok(Self {
            wasm_component_ld: find("wasm-component-ld")?,
            wasm_ld: find("wasm-ld")?,
        })
    }

    fn script(&self) -> String {
        format!(
            "#!/bin/sh\n\
             # Written by latchkey. The linker of another Rust toolchain, told which linker for modules to call.\n\
             exec {} \"$@\" --wasm-ld-path={}\n",
            quoted(&self.wasm_component_ld),
            quoted(&self.wasm_ld),
        )
    }
}

/// The script that runs the private rustc with the C library and the LLVM it was built for, which are not the
/// machine's. Paths are relative to `usr`'s parent, which the script finds by its own path: it may be moved.
fn rustc_script(loader: &str, libraries: &str) -> String {
    format!(
        "#!/bin/sh\n\
         # Written by latchkey. Debian's rustc with the libraries it was built for, whatever system this is.\n\
         root=${{0%/bin/rustc}}\n\
         rustc=$root/usr/bin/rustc\n\
         exec \"$root/{loader}\" --argv0 \"$rustc\" --library-path \"$root/{libraries}\" \"$rustc\" \
         --sysroot \"$root/usr\" \"$@\"\n"
    )
}

/// A path as one word of a shell script.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}

/// Writes an executable, unless it is there as it should be.
fn write_script(path: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    fs::write(path, text)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts() {
        assert_eq!(
            rustc_script("usr/lib64/ld-linux-x86-64.so.2", "usr/lib/x86_64-linux-gnu"),
            r#"#!/bin/sh
# Written by latchkey. Debian's rustc with the libraries it was built for, whatever system this is.
root=${0%/bin/rustc}
rustc=$root/usr/bin/rustc
exec "$root/usr/lib64/ld-linux-x86-64.so.2" --argv0 "$rustc" --library-path "$root/usr/lib/x86_64-linux-gnu" "$rustc" --sysroot "$root/usr" "$@"
"#
        );
        let linker = Linker {
            wasm_component_ld: "/home/o'neil/wasm component-ld".into(),
            wasm_ld: "/usr/bin/wasm-ld".into(),
        };
        assert_eq!(
            linker.script(),
            r#"#!/bin/sh
# Written by latchkey. The linker of another Rust toolchain, told which linker for modules to call.
exec '/home/o'\''neil/wasm component-ld' "$@" --wasm-ld-path='/usr/bin/wasm-ld'
"#
        );
    }

    #[test]
    fn only_a_finished_toolchain_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        };
        assert_eq!(Private::find(&dir.path().join("absent")), None);
        put(".staging-7/bin/rustc");
        put("debian-1/usr/bin/rustc");
        put("lock");
        assert_eq!(Private::find(dir.path()), None);
        put("debian-2/bin/rustc");
        let found = Private::find(dir.path()).unwrap();
        assert_eq!(found.dir, dir.path().join("debian-2"));
    }

    #[test]
    #[cfg(unix)]
    fn a_script_is_executable_and_finds_its_own_directory() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("a b");
        let (bin, usr) = (root.join("bin"), root.join("usr"));
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(&usr).unwrap();
        write_script(&usr.join("loader"), "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap();
        write_script(&bin.join("rustc"), &rustc_script("usr/loader", "usr/lib")).unwrap();
        let printed = output(Command::new(bin.join("rustc")).args(["-o", "x y"]), ASK).unwrap();
        let root = root.display();
        let expected = [
            "--argv0".to_owned(),
            format!("{root}/usr/bin/rustc"),
            "--library-path".to_owned(),
            format!("{root}/usr/lib"),
            format!("{root}/usr/bin/rustc"),
            "--sysroot".to_owned(),
            format!("{root}/usr"),
            "-o".to_owned(),
            "x y".to_owned(),
        ];
        assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
    }
}
