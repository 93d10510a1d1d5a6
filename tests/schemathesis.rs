//! `schemathesis` reads the description of the API and tries to find a request that is not answered as it says. What it needs
//! to know is in `tests/schemathesis/`.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::process::{Process, Stderr};
use crate::python;
use crate::server::{Launch, Server, host_only, user_name};

/// These make the requests: other versions would make others of the same seed.
const PACKAGES: [&str; 3] = [
    "schemathesis==4.32.5",
    "hypothesis==6.170.17",
    "jsonschema-rs==0.60.3",
];

/// The test cases of one operation in each phase, at most. The more, the longer, and the more is found.
const EXAMPLES: &str = "100";

#[test]
fn finds_nothing() {
    if !host_only("a host that it may fill with tokens") {
        return;
    }
    let Some(python) = python::with("schemathesis", &PACKAGES) else {
        return;
    };
    // Limits depend on the configuration, and are not in the description.
    let launch = Launch::new()
        .variable("max_token_life", "9007199254740991")
        .variable("max_tokens_per_user", "1000")
        .variable("admins", &user_name(0))
        .variable("issuer", "https://tokens.example.org");
    let server = Server::start(launch);
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str| directory.path().join(name);
    let description = server.request("GET", "/openapi.json").send().expect(200);
    fs::write(file("openapi.json"), &description.body).expect("a file");

    let user = server.user();
    assert_eq!(user.name, user_name(0), "the administrator");
    let token = server.user().issue("Token", "30 days").token;
    let settings = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/schemathesis");
    let mut command = Command::new(python.with_file_name("schemathesis"));
    command
        .current_dir(&directory)
        .args(["--config-file", &format!("{settings}/schemathesis.toml")])
        .args(["run", "openapi.json", "--url", &server.url, "--no-color"])
        .args(["--max-examples", EXAMPLES])
        .args(["--report", "json", "--report-json-path", "report.json"])
        .env("SCHEMATHESIS_HOOKS", format!("{settings}/hooks.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("NO_PROXY", "127.0.0.1")
        .env("LATCHKEY_NAME", &user.name)
        .env("LATCHKEY_PASSWORD", &user.password)
        .env("LATCHKEY_TOKEN", token)
        .env("LATCHKEY_FULFILLED", file("fulfilled.json"));
    let finished = Process::start(command, Stderr::Kept).finish();
    assert!(
        finished.status.success(),
        "{}\n{}",
        finished.stdout,
        finished.stderr
    );

    let read = |name: &str| -> Value {
        let text = fs::read(file(name)).expect("a report");
        serde_json::from_slice(&text).expect("JSON")
    };
    let report = read("report.json");
    assert_eq!(report["complete"], true);
    for phase in ["examples", "coverage", "fuzzing", "stateful"] {
        assert_eq!(report["phases"][phase]["status"], "success", "{report}");
    }
    // It is not satisfied because everything was refused.
    let fulfilled: BTreeSet<String> =
        serde_json::from_value(read("fulfilled.json")).expect("operations");
    let description = description.json();
    let described: BTreeSet<_> = description["paths"]
        .as_object()
        .expect("paths")
        .iter()
        .flat_map(|(path, item)| {
            let methods = item.as_object().expect("methods");
            methods
                .keys()
                .filter(|name| *name != "parameters")
                .map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    assert_eq!(fulfilled, described);
}
