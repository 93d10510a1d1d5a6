//! `spin.toml`: what Spin and the host are told fits what the component is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};
use latchkey_component::config::VARIABLES;
use toml::{Table, Value};

use crate::cases::Cases;

#[test]
fn the_source_is_what_the_build_makes() {
    let component = component();
    let command = component["build"]["command"].as_str().expect("a command");
    let words: Vec<_> = command.split(' ').collect();
    assert_eq!(words[..2], ["cargo", "build"]);
    let after = |option| {
        let at = words.iter().position(|word| *word == option);
        words[at.unwrap_or_else(|| panic!("{command} has no {option}")) + 1]
    };
    assert!(words.contains(&"--release"), "{command}");
    let package = after("--package");
    let expected = format!(
        "target/{}/release/{}.wasm",
        after("--target"),
        package.replace('-', "_")
    );
    assert_eq!(component["source"].as_str(), Some(expected.as_str()));

    let workspace = parse("Cargo.toml");
    let members = workspace["workspace"]["members"]
        .as_array()
        .expect("a list");
    let names = members.iter().map(|member| {
        let member = member.as_str().expect("a path");
        parse(&format!("{member}/Cargo.toml"))["package"]["name"].clone()
    });
    assert_eq!(
        names.filter(|name| name.as_str() == Some(package)).count(),
        1,
        "{package}"
    );
}

#[test]
fn every_source_of_the_component_is_watched() {
    let component = component();
    let watched = component["build"]["watch"].as_array().expect("a list");
    let watched: Vec<_> = watched
        .iter()
        .map(|glob| Pattern::new(glob.as_str().expect("a glob")).expect("a valid glob"))
        .collect();
    let mut sources = vec!["Cargo.toml".into(), "Cargo.lock".into()];
    for directory in ["component", "wit"] {
        files(Path::new(directory), &mut sources);
    }
    let literally = MatchOptions {
        require_literal_separator: true,
        ..MatchOptions::new()
    };
    let matches = |glob: &Pattern, file: &PathBuf| glob.matches_path_with(file, literally);
    let mut cases = Cases::default();
    for file in &sources {
        cases.check(file, watched.iter().any(|glob| matches(glob, file)), true);
    }
    for glob in &watched {
        let any = sources.iter().any(|file| matches(glob, file));
        cases.check((glob.as_str(), "matches nothing"), any, true);
    }
}

#[test]
fn the_store_is_granted() {
    let stores = component()["key_value_stores"].clone();
    assert_eq!(stores, Value::from(vec!["default"]));
}

#[test]
fn every_path_is_the_components() {
    let manifest = parse("spin.toml");
    let triggers = manifest["trigger"]["http"].as_array().expect("triggers");
    assert_eq!(triggers.len(), 1);
    assert_eq!(triggers[0]["route"].as_str(), Some("/..."));
    assert_eq!(triggers[0]["component"].as_str(), Some("latchkey"));
}

#[test]
fn every_variable_is_declared_and_passed_on() {
    let manifest = parse("spin.toml");
    let declared = manifest["variables"].as_table().expect("variables");
    let read: BTreeSet<_> = VARIABLES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(read.len(), VARIABLES.len(), "a variable twice");
    assert_eq!(declared.keys().cloned().collect::<BTreeSet<_>>(), read);

    let component = component();
    let passed = component["variables"].as_table().expect("variables");
    let expected: Table = read
        .iter()
        .map(|name| (name.clone(), format!("{{{{ {name} }}}}").into()))
        .collect();
    assert_eq!(*passed, expected);
}

#[test]
fn defaults_and_secrets() {
    let manifest = parse("spin.toml");
    let mut cases = Cases::default();
    for (name, default, secret) in [
        ("users", "", true),
        ("signing_keys", "", true),
        ("max_token_life", "366 days", false),
        ("max_tokens_per_user", "100", false),
        ("expired_retention", "30 days", false),
        ("issuer", "", false),
        ("audience", "", false),
        ("proxy_user_header", "", false),
        ("proxy_secret", "", true),
        ("trusted_issuers", "", false),
        ("max_absence", "30 days", false),
    ] {
        let variable = manifest["variables"][name].as_table().expect("a table");
        cases.check(
            name,
            variable.get("default").and_then(Value::as_str),
            Some(default),
        );
        cases.check(
            name,
            variable
                .get("secret")
                .and_then(Value::as_bool)
                .unwrap_or(false),
            secret,
        );
    }
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The files below `directory`, relative to the root, that the compiler reads.
fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(root().join(directory)).expect("a directory") {
        let entry = entry.expect("an entry");
        let path = directory.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            files(&path, found);
        } else if path.ends_with("Cargo.toml")
            || path.extension().is_some_and(|end| {
                ["rs", "wit", "html", "json"]
                    .iter()
                    .any(|source| end == *source)
            })
        {
            found.push(path);
        }
    }
}

fn parse(path: &str) -> Table {
    let text = std::fs::read_to_string(root().join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"));
    text.parse()
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn component() -> Table {
    parse("spin.toml")["component"]["latchkey"]
        .as_table()
        .expect("a component")
        .clone()
}
