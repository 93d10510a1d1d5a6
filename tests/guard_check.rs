//! `latchkey guard check`.

use std::fs;

use crate::process::{Finished, Process, Stderr, latchkey};

const GUARDED: &str = r#"
spin_manifest_version = 2

[application]
name = "guarded"

[variables]
host = { default = "https://api.example" }
given = { required = true }

[[trigger.http]]
route = "/..."
component = "latchkey"

[[trigger.http]]
route = "/app/..."
component = "app"
dependencies.middleware = [
    { component = "log" },
    { component = "guard", inherit_configuration = ["allowed_outbound_hosts", "variables"] },
]

[component.latchkey]
source = "latchkey_wasm.wasm"
key_value_stores = ["default"]

[component.app]
source = "app.wasm"
allowed_outbound_hosts = ["http://latchkey.spin.internal"]
variables = { latchkey_scope = "app" }
files = ["assets/*"]

[component.other]
source = "other.wasm"
allowed_outbound_hosts = ["redis://cache.example", "{{ host }}"]

[component.log]
source = "log.wasm"

[component.guard]
source = "../target/wasm32-wasip2/release/latchkey_guard.wasm"
"#;

const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn check(manifest: &str, args: &[&str]) -> Finished {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("spin.toml");
    fs::write(&file, manifest).expect("a file");
    let mut command = latchkey(["guard", "check"]);
    command.arg(file).args(args);
    Process::start(command, Stderr::Kept).finish()
}

/// What is printed of the manifest with `to` in the place of `from`.
#[track_caller]
fn found(from: &str, to: &str) -> Vec<String> {
    assert!(GUARDED.contains(from), "{from}");
    let finished = check(&GUARDED.replacen(from, to, 1), &[]);
    assert_eq!(finished.status.code(), Some(1), "{finished:?}");
    assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    finished.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn a_guard_that_nothing_goes_past() {
    let finished = check(GUARDED, &[]);
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    assert_eq!(finished.stdout, "Nothing reaches app past the guard.\n");
    assert_eq!(finished.stderr, "");

    // Chaining to a component with one trigger goes by that trigger's middleware; so does what is sent to the application.
    for host in [
        "http://app.spin.internal",
        "http://*.spin.internal",
        "*://*:*",
        "http://self",
    ] {
        let manifest = GUARDED.replace("{{ host }}", host);
        let finished = check(&manifest, &[]);
        assert_eq!(finished.status.code(), Some(0), "{host}: {finished:?}");
    }
}

#[test]
fn other_triggers() {
    for (trigger, expected) in [
        (
            "[[trigger.http]]\nroute = \"/open\"\ncomponent = \"app\"\n",
            "[[trigger.http]] with route = \"/open\"",
        ),
        (
            "[[trigger.http]]\nroute = { private = true }\ncomponent = \"app\"\n",
            "[[trigger.http]] with route = { private = true }",
        ),
        (
            "[[trigger.http]]\nroute = \"/log\"\ncomponent = \"app\"\ndependencies.middleware = [{ component = \"log\" }]\n",
            "[[trigger.http]] with route = \"/log\"",
        ),
        (
            "[[trigger.redis]]\nchannel = \"orders\"\ncomponent = \"app\"\n",
            "[[trigger.redis]] with channel = \"orders\"",
        ),
        (
            "[[trigger.cron]]\ncron_expression = \"1 2 3\"\ncomponent = \"app\"\n",
            "[[trigger.cron]] with cron_expression = \"1 2 3\"",
        ),
        (
            "[[trigger.redis]]\nid = \"mine\"\ncomponents = { main = [\"log\", \"app\"] }\n",
            "[[trigger.redis]] with id = \"mine\"",
        ),
        // Middleware is of HTTP.
        (
            "[[trigger.redis]]\nchannel = \"a\"\ncomponent = \"app\"\ndependencies.middleware = [{ component = \"guard\" }]\n",
            "[[trigger.redis]] with channel = \"a\"",
        ),
    ] {
        let lines = found(
            "[component.latchkey]",
            &format!("{trigger}[component.latchkey]"),
        );
        let expected = format!("{expected} reaches app past the guard");
        assert_eq!(lines, [expected], "{trigger}");
    }
}

#[test]
fn chaining() {
    let private = "[[trigger.http]]\nroute = { private = true }\ncomponent = \"app\"\n";
    for (host, is_named) in [
        ("http://app.spin.internal", true),
        ("https://app.spin.internal", true),
        ("http://*.spin.internal", true),
        ("https://*", true),
        ("*://*:*", true),
        // Who starts it decides.
        ("http://{{ given }}", true),
        ("what is this", true),
        ("http://self", false),
        ("http://latchkey.spin.internal", false),
        ("http://a.example", false),
    ] {
        let manifest = GUARDED.replace("{{ host }}", host);
        let manifest = manifest.replace(
            "[component.latchkey]",
            &format!("{private}[component.latchkey]"),
        );
        let finished = check(&manifest, &[]);
        assert_eq!(finished.status.code(), Some(1), "{finished:?}");
        let line = format!(
            "the component other may call http://app.spin.internal, past the guard: its `allowed_outbound_hosts` has {host:?}"
        );
        let is_there = finished.stdout.lines().any(|one| one == line);
        assert_eq!(is_there, is_named, "{host}: {finished:?}");
    }
}

#[test]
fn what_the_guard_is_not_granted() {
    let of = "the guard of [[trigger.http]] with route = \"/app/...\"";
    for (from, to, expected) in [
        (
            "[\"allowed_outbound_hosts\", \"variables\"]",
            "[\"allowed_outbound_hosts\"]",
            "does not inherit `variables`",
        ),
        (
            "[\"allowed_outbound_hosts\", \"variables\"]",
            "[\"variables\"]",
            "does not inherit `allowed_outbound_hosts`",
        ),
        (
            "[\"http://latchkey.spin.internal\"]",
            "[\"https://latchkey.spin.internal\"]",
            "asks http://latchkey.spin.internal, which `allowed_outbound_hosts` does not grant",
        ),
        (
            "latchkey_scope = \"app\"",
            "latchkey_scope = \"app\", latchkey_url = \"https://id.example/tokens\"",
            "asks https://id.example/tokens, which `allowed_outbound_hosts` does not grant",
        ),
        (
            "[component.latchkey]",
            "[component.yekhctal]",
            "asks http://latchkey.spin.internal, and there is no component latchkey",
        ),
    ] {
        let lines = found(from, to);
        assert!(
            lines[0].starts_with(&format!("{of} {expected}")),
            "{lines:?}"
        );
        assert_eq!(lines.len(), 1, "{lines:?}");
    }
    // With keys it asks nobody.
    let offline = GUARDED.replace("latchkey_guard.wasm", "latchkey_guard_offline.wasm");
    let offline = offline.replace("\"allowed_outbound_hosts\", ", "").replace(
        "latchkey_scope = \"app\"",
        &format!("latchkey_scope = \"\", latchkey_keys = '{KEYS}'"),
    );
    let finished = check(&offline, &[]);
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
}

#[test]
fn a_line_that_is_missing_or_misspelt() {
    let admin = r#"
[[trigger.http]]
route = "/admin/..."
component = "admin"
dependencies.middleware = [{ component = "guard", inherit_configuration = ["allowed_outbound_hosts", "variables"] }]

[component.admin]
source = "app.wasm"
allowed_outbound_hosts = ["http://latchkey.spin.internal"]
variables = { latchkey_scope = "admin" }
"#;
    let both = format!("{GUARDED}{admin}");
    assert_eq!(check(&both, &[]).status.code(), Some(0));
    let of = "[[trigger.http]] with route = \"/admin/...\"";
    let past = format!("{of} reaches admin past the guard");
    let misspelt =
        format!("{of} has `dependencies.midleware`: only `middleware` does anything there");
    let line = "dependencies.middleware = [{ component = \"guard\"";
    for (to, expected) in [
        ("# [{ component = \"guard\"", vec![past.clone()]),
        (
            "dependencies.midleware = [{ component = \"guard\"",
            vec![misspelt, past],
        ),
    ] {
        let finished = check(&both.replace(line, to), &[]);
        assert_eq!(finished.status.code(), Some(1), "{finished:?}");
        let lines: Vec<_> = finished.stdout.lines().collect();
        assert_eq!(lines, expected, "{finished:?}");
    }
}

#[test]
fn variables_that_the_guard_would_not_take() {
    let of = "[[trigger.http]] with route = \"/app/...\"";
    let refused = |problem: &str| format!("the guard of {of} would refuse all requests: {problem}");
    let opened = format!("`latchkey_public` opens {of}: its paths need no token");
    for (variables, expected) in [
        ("", refused("the variable `latchkey_scope`")),
        (
            "latchkey_scope = \"a  b\"",
            refused("the variable `latchkey_scope`"),
        ),
        (
            "latchkey_scope = \"\", latchkey_cache = \"2 hours\"",
            refused("the variable `latchkey_cache`"),
        ),
        (
            "latchkey_scope = \"\", latchkey_public = \"/...\"",
            refused("the variable `latchkey_public`"),
        ),
        (
            "latchkey_scope = \"\", latchkey_public = \"/app/a*\"",
            refused("the variable `latchkey_public`"),
        ),
        (
            "latchkey_scope = \"\", latchkey_public = \"/app/...\"",
            opened.clone(),
        ),
        (
            "latchkey_scope = \"{{ given }}\", latchkey_public = \"/x /app/...\"",
            opened,
        ),
        (
            "latchkey_scope = \"\", latchkey_pubic = \"/a\"",
            format!("the guard of {of} has no variable `latchkey_pubic`"),
        ),
    ] {
        let lines = found("latchkey_scope = \"app\"", variables);
        assert!(lines[0].starts_with(&expected), "{variables}: {lines:?}");
        assert_eq!(lines.len(), 1, "{variables}: {lines:?}");
    }
    // Only the other guard has it.
    let keys = format!("latchkey_scope = \"\", latchkey_keys = '{KEYS}'");
    let lines = found("latchkey_scope = \"app\"", &keys);
    assert!(
        lines[0].starts_with(&refused("the variable `latchkey_keys`")),
        "{lines:?}"
    );
    for variables in [
        "latchkey_scope = \"{{ given }}\"",
        "latchkey_scope = \"\", latchkey_public = \"/app/static/... /app\"",
        // Who starts it decides.
        "latchkey_scope = \"\", latchkey_public = \"{{ given }}\", latchkey_cache = \"{{ given }}\"",
    ] {
        let finished = check(&GUARDED.replace("latchkey_scope = \"app\"", variables), &[]);
        assert_eq!(finished.status.code(), Some(0), "{variables}: {finished:?}");
    }
}

#[test]
fn the_guard_may_be_called_otherwise() {
    let renamed = GUARDED.replace("latchkey_guard.wasm", "renamed.wasm");
    let finished = check(&renamed, &[]);
    assert_eq!(finished.status.code(), Some(1), "{finished:?}");
    assert!(finished.stderr.contains("no trigger of"), "{finished:?}");
    let finished = check(&renamed, &["--guard", "guard"]);
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    let offline = GUARDED.replace("latchkey_guard.wasm", "latchkey_guard_offline.wasm");
    let finished = check(&offline, &[]);
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
    let path = GUARDED.replace("component = \"guard\"", "path = \"latchkey_guard.wasm\"");
    let finished = check(&path, &[]);
    assert_eq!(finished.status.code(), Some(0), "{finished:?}");
}

#[test]
fn a_manifest_that_cannot_be_read() {
    for (manifest, reason) in [
        ("spin_manifest_version = 1", "must be 2"),
        ("spin_manifest_version = 2\n[trigger", "line 2"),
        ("", "spin_manifest_version"),
    ] {
        let finished = check(manifest, &[]);
        assert_eq!(finished.status.code(), Some(2), "{finished:?}");
        assert!(finished.stderr.contains(reason), "{finished:?}");
        assert_eq!(finished.stderr.lines().count(), 1, "{finished:?}");
    }
    let command = latchkey(["guard", "check", "/nowhere/spin.toml"]);
    let finished = Process::start(command, Stderr::Kept).finish();
    assert_eq!(finished.status.code(), Some(2), "{finished:?}");
    assert!(
        finished.stderr.contains("/nowhere/spin.toml"),
        "{finished:?}"
    );
}
