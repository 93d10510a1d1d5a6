//! What is in `deploy/` fits the program: the commands run where there is no repository, and what the files name is there.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;
use yaml_rust2::{Yaml, YamlLoader};

use crate::process::{PATIENCE, Process, Stderr, latchkey};
use crate::server::{HASH, Launch, PASSWORD, Server, host_only};

const UNIT: &str = include_str!("../deploy/latchkey.service");
const CONTAINER: &str = include_str!("../deploy/Containerfile");
const SPINAPP: &str = include_str!("../deploy/spinapp.yaml");
const SECRET: &str = include_str!("../deploy/spinapp-secret.yaml");
const MANIFEST: &str = include_str!("../spin.toml");

/// What an installation consists of, in one directory.
fn installation() -> TempDir {
    // Whose start builds the component.
    Server::shared();
    let directory = tempfile::tempdir().expect("a directory");
    let at = |name: &str| directory.path().join(name);
    for name in ["lib", "secrets", "state"] {
        fs::create_dir(at(name)).expect("a directory");
    }
    fs::write(at("lib/spin.toml"), MANIFEST).expect("a file");
    let manifest: toml::Table = MANIFEST.parse().expect("TOML");
    let source = manifest["component"]["latchkey"]["source"].as_str();
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let component = root.join(source.expect("a path"));
    fs::copy(component, at("lib/latchkey.wasm")).expect("a copy");
    fs::write(at("secrets/users"), format!("admin:{HASH}\n")).expect("a file");
    let keys = Process::start(latchkey(["keygen", "--alg", "EdDSA"]), Stderr::Kept).finish();
    fs::write(at("secrets/signing_keys"), keys.stdout).expect("a file");
    directory
}

/// Runs a command in an installation, with its paths for those of the file, and uses what is served. Returns the directory.
fn serves(mut command: Command, paths: &[(&str, &str)]) -> TempDir {
    let directory = installation();
    let root = directory.path().display().to_string();
    for (from, to) in paths {
        let to = to.replace("{root}", &root);
        let values = command.environment.iter_mut().map(|(_, value)| value);
        let mut found = false;
        for text in command.arguments.iter_mut().chain(values) {
            found |= text.contains(from);
            *text = text.replace(from, &to);
        }
        assert!(found, "{from} is not in {command:?}");
    }
    let mut process = latchkey(&command.arguments);
    process.envs(command.environment).current_dir("/");
    let server = Server::ready(Process::start(process, Stderr::Kept), PATIENCE);
    let issued = server.named("admin", PASSWORD).issue("Token", 360);
    let bearer = format!("Bearer {}", issued.token);
    let verify = server.request("GET", "/api/v1alpha/verify");
    verify.header("authorization", &bearer).send().expect(200);
    let keys = server.request("GET", "/.well-known/jwks.json").send();
    assert!(keys.expect(200).body.contains("Ed25519"), "the given key");
    assert!(directory.path().join("state/tokens.db").exists());
    directory
}

/// What a file says is to be run.
#[derive(Debug)]
struct Command {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

/// The assignments among the lines of a file that begin with `prefix`.
fn environment(text: &str, prefix: &str) -> Vec<(String, String)> {
    text.lines()
        .filter_map(|line| line.strip_prefix(prefix)?.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_command_of_the_unit() {
    if !host_only("a server of its own") {
        return;
    }
    let unit = UNIT.replace("\\\n", " ");
    let line = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="));
    let mut words = line.expect("ExecStart").split_whitespace();
    assert_eq!(words.next(), Some("/usr/bin/latchkey"));
    let command = Command {
        arguments: words.map(str::to_owned).collect(),
        environment: environment(&unit, "Environment="),
    };
    let paths = [
        ("127.0.0.1:25441", "127.0.0.1:0"),
        ("/usr/lib/latchkey", "{root}/lib"),
        ("%S/latchkey", "{root}/state"),
        ("%C", "{root}/cache"),
        ("%d/", "{root}/secrets/"),
    ];
    let directory = serves(command, &paths);
    assert!(directory.path().join("cache/latchkey").exists());
    // 10,000 lines in 30 seconds are less than a flood of requests has: it would hide audit lines.
    assert!(unit.contains("\nLogRateLimitIntervalSec=0\n"));
}

#[test]
fn the_command_of_the_container() {
    if !host_only("a server of its own") {
        return;
    }
    let container = CONTAINER.replace("\\\n", " ");
    assert!(container.contains("ENTRYPOINT [\"/usr/bin/latchkey\"]\n"));
    let line = container.lines().find_map(|line| line.strip_prefix("CMD "));
    let command = Command {
        arguments: serde_json::from_str(line.expect("CMD")).expect("JSON"),
        environment: environment(&container, "ENV "),
    };
    let paths = [
        ("0.0.0.0:25441", "127.0.0.1:0"),
        ("/usr/lib/latchkey", "{root}/lib"),
        ("/var/lib/latchkey", "{root}/state"),
        ("/run/secrets", "{root}/secrets"),
    ];
    let directory = serves(command, &paths);
    // No compiled component: it would be code on the volume.
    for file in fs::read_dir(directory.path().join("state")).expect("a directory") {
        let name = file.expect("a file").file_name();
        let name = name.to_string_lossy();
        assert!(name.starts_with("tokens.db"), "{name}");
    }
    // Who builds the image gets what was tried.
    for image in environment(&container, "ARG ") {
        let (_, digest) = image.1.split_once("@sha256:").expect("a digest");
        assert_eq!(digest.len(), 64, "{image:?}");
    }
}

#[test]
fn a_cache_that_others_can_write_to_is_not_used() {
    if !host_only("a server of its own") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let cache = directory.path().join("latchkey");
    fs::create_dir(&cache).expect("a directory");
    let files = || fs::read_dir(&cache).expect("a directory").count();
    let start = |mode| {
        fs::set_permissions(&cache, Permissions::from_mode(mode)).expect("its owner");
        let home = directory.path().display().to_string();
        let launch = Launch::new().env("XDG_CACHE_HOME", &home);
        Server::start_with(launch, Stderr::Kept)
    };
    for mode in [0o777, 0o770] {
        let server = start(mode);
        server.signal("TERM");
        let said = server.finish().stderr;
        assert!(said.contains("others can write to"), "{mode:o}: {said}");
        assert_eq!(files(), 0, "{mode:o}");
    }
    let server = start(0o700);
    for _ in 0..1_000 {
        if files() > 0 {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    assert!(files() > 0, "nothing is kept");
    server.signal("TERM");
    let said = server.finish().stderr;
    assert!(!said.contains("others can write to"), "{said}");
}

/// The commands of cargo that resolve dependencies, by the lines of a text.
fn resolving(text: &str) -> impl Iterator<Item = &str> {
    let commands = ["build", "bench", "check", "clippy", "run", "test"];
    text.lines().filter(move |line| {
        let words = line.split("cargo ").skip(1);
        let mut words = words.filter_map(|rest| rest.split([' ', '`', '"']).next());
        words.any(|word| commands.contains(&word))
    })
}

/// Without `--locked`, cargo takes newer versions than those that were looked at, and says nothing.
#[test]
fn every_command_of_cargo_is_locked() {
    let texts = [
        ("README.md", include_str!("../README.md")),
        ("CONTRIBUTING.md", include_str!("../CONTRIBUTING.md")),
        ("performance.md", include_str!("../docs/performance.md")),
        ("deploying.md", include_str!("../docs/deploying.md")),
        ("Containerfile", CONTAINER),
        ("spin.toml", MANIFEST),
        (".ci/run", include_str!("../.ci/run")),
    ];
    for (name, text) in texts {
        let lines: Vec<_> = resolving(text).collect();
        assert!(!lines.is_empty(), "{name}");
        for line in lines {
            assert!(line.contains("--locked"), "{name}: {line}");
        }
    }
    let aliases = include_str!("../.cargo/config.toml");
    assert!(aliases.contains("up = \"run --locked "), "{aliases}");
}

/// What is copied into the build of the container reaches the builder.
#[test]
fn the_container_is_sent_what_it_copies() {
    let ignored = include_str!("../.dockerignore");
    let mut copied = 0;
    for line in CONTAINER.lines().filter(|line| !line.contains("--from")) {
        let Some(paths) = line.strip_prefix("COPY ") else {
            continue;
        };
        let (sources, _) = paths.rsplit_once(' ').expect("a destination");
        for source in sources.split(' ') {
            copied += 1;
            let is_sent = |line: &str| line.strip_prefix('!') == Some(source);
            assert!(ignored.lines().any(is_sent), "{source}");
        }
    }
    assert!(copied > 5, "{copied}");
}

fn documents(text: &str) -> Vec<Yaml> {
    YamlLoader::load_from_str(text).expect("YAML")
}

/// All strings that stand under `key`, at any depth.
fn strings_under<'a>(key: &str, yaml: &'a Yaml, found: &mut Vec<&'a str>) {
    match yaml {
        Yaml::Hash(hash) => {
            for (name, value) in hash {
                match value.as_str() {
                    Some(text) if name.as_str() == Some(key) => found.push(text),
                    _ => strings_under(key, value, found),
                }
            }
        }
        Yaml::Array(array) => array
            .iter()
            .for_each(|value| strings_under(key, value, found)),
        _ => {}
    }
}

#[test]
fn the_manifests_for_kubernetes_name_what_is_there() {
    let secret = documents(SECRET).remove(0);
    let app = documents(SPINAPP).pop().expect("a document");
    assert_eq!(app["kind"].as_str(), Some("SpinApp"));
    let manifest: toml::Table = MANIFEST.parse().expect("TOML");

    let variables = app["spec"]["variables"].as_vec().expect("variables");
    assert!(!variables.is_empty());
    for variable in variables {
        let name = variable["name"].as_str().expect("a name");
        assert!(manifest["variables"].get(name).is_some(), "{name}");
    }
    let stores = &app["spec"]["runtimeConfig"]["keyValueStores"];
    let granted = &manifest["component"]["latchkey"]["key_value_stores"];
    let label = stores[0]["name"].as_str().expect("a name");
    assert_eq!(granted.as_array().expect("labels")[0].as_str(), Some(label));

    let mut keys = Vec::new();
    strings_under("key", &app, &mut keys);
    assert_eq!(keys.len(), 3);
    for key in keys {
        assert!(secret["stringData"][key].as_str().is_some(), "{key}");
    }

    let mut paths = Vec::new();
    strings_under("path", &app, &mut paths);
    assert_eq!(paths.len(), 2);
    for path in paths {
        let answer = Server::shared().request("GET", path).send();
        answer.expect(200);
    }
}

#[test]
fn the_compose_file_names_what_is_there() {
    let compose = documents(include_str!("../deploy/compose.yaml")).remove(0);
    let document = include_str!("../docs/postgresql.md");
    let manifest: toml::Table = MANIFEST.parse().expect("TOML");
    let services = &compose["services"];
    for service in ["postgres", "nginx"] {
        for secret in services[service]["secrets"].as_vec().expect("secrets") {
            let name = secret.as_str().or(secret["source"].as_str());
            let file = compose["secrets"][name.expect("a name")]["file"].as_str();
            let file = file.expect("a file").trim_start_matches("secrets/");
            assert!(document.contains(file), "{file}");
        }
    }
    let read = [
        include_str!("../deploy/compose.yaml"),
        include_str!("../deploy/Containerfile"),
    ];
    for file in ["store", "users", "signing_keys"] {
        assert!(document.contains(&format!("secrets/latchkey/{file}")));
        let inside = format!("@/run/secrets/{file}");
        assert!(read.iter().any(|text| text.contains(&inside)), "{inside}");
    }
    for host in ["one", "two"] {
        let mounted = services[host]["volumes"][0].as_str();
        assert_eq!(mounted, Some("./secrets/latchkey:/run/secrets:ro"));
        let environment = &compose["services"][host]["environment"];
        for name in environment.as_hash().expect("variables").keys() {
            let name = name.as_str().expect("a name");
            let variable = name.strip_prefix("SPIN_VARIABLE_").map(str::to_lowercase);
            let is_known = variable.is_none_or(|name| manifest["variables"].get(&name).is_some());
            assert!(is_known, "{name}");
        }
        let command = compose["services"]["nginx"]["command"][2].as_str();
        let command = command.expect("a command");
        assert!(
            command.contains(&format!("server {host}:25441;")),
            "{command}"
        );
        for separator in ['/', '|'] {
            let replaced = command.split(separator).nth(1).expect("what is replaced");
            let is_there = include_str!("../deploy/nginx.conf").contains(replaced);
            assert!(is_there, "{replaced}");
        }
    }
}

#[test]
fn no_placeholder_works() {
    if !host_only("a configuration of its own") {
        return;
    }
    Server::shared();
    let secret = documents(SECRET).remove(0);
    let placeholder = |key: &str| secret["stringData"][key].as_str().expect("a placeholder");
    let launches = [
        ("users", Launch::new().users(Some(placeholder("users")))),
        (
            "signing_keys",
            Launch::new().variable("signing_keys", placeholder("signing_keys")),
        ),
        ("store", Launch::new().store(placeholder("redis_url"))),
    ];
    for (name, launch) in launches {
        let finished = launch.spawn(Stderr::Kept).finish();
        assert_ne!(finished.status.code(), Some(0), "{name}");
        assert!(finished.stderr.contains(name), "{finished:?}");
    }
}

#[test]
fn the_runtime_configuration_of_spin() {
    let text = include_str!("../deploy/runtime-config.toml");
    let config: toml::Table = text.parse().expect("TOML");
    let store = &config["key_value_store"]["default"];
    assert_eq!(store["type"].as_str(), Some("redis"));
}

/// The options that the help of a command knows.
fn options_of(command: &str) -> BTreeSet<String> {
    let arguments = command.split(' ').chain(["--help"]);
    let help = Process::start(latchkey(arguments), Stderr::Kept).finish();
    assert!(help.status.success(), "{help:?}");
    let words = help.stdout.split_whitespace();
    words.filter_map(option).map(str::to_owned).collect()
}

/// The name of an option, if the word is one.
fn option(word: &str) -> Option<&str> {
    let end = |c: char| !(c.is_ascii_lowercase() || c == '-');
    word.starts_with("--")
        .then(|| word.split(end).next())
        .flatten()
        .filter(|name| name.len() > 2)
}

/// The commands of a text, each with the options that it uses.
fn commands(text: &str) -> Vec<(String, Vec<&str>)> {
    let mut commands = Vec::new();
    let mut words = text.split_whitespace().filter(|word| *word != "\\");
    while let Some(word) = words.next() {
        let program = word.rsplit(['/', '=', '`']).next();
        let command = match (program, words.clone().next()) {
            (Some("latchkey"), Some(name @ ("up" | "keygen" | "hash-password"))) => name,
            (Some("cargo"), Some("up")) => "up",
            _ => continue,
        };
        // Options and their values, up to the first word that is neither.
        let mut options = Vec::new();
        let mut value_may_follow = false;
        for word in words.clone().skip(1) {
            match option(word) {
                Some(name) => options.push(name),
                None if value_may_follow => {}
                None => break,
            }
            value_may_follow = option(word).is_some();
        }
        commands.push((command.to_owned(), options));
    }
    commands
}

#[test]
fn documents_and_files_use_options_that_exist() {
    let texts = [
        ("README.md", include_str!("../README.md")),
        ("deploying.md", include_str!("../docs/deploying.md")),
        ("postgresql.md", include_str!("../docs/postgresql.md")),
        ("latchkey.service", UNIT),
    ];
    for (name, text) in texts {
        let commands = commands(text);
        let used: usize = commands.iter().map(|(_, options)| options.len()).sum();
        assert!(used > 0, "{name}: {commands:?}");
        for (command, options) in commands {
            let known = options_of(&command);
            for option in options {
                assert!(known.contains(option), "{name}: {command} {option}");
            }
        }
    }
}
