use super::*;

const GOOD: &str = r#"
spin_manifest_version = 2

[application]
name = "app"
version = "0.1.0"
description = "An application"
authors = ["ada@example.com"]
targets = ["spin-up:4.1"]

[application.tool.lint]
level = "savage"

[variables]
greeting = { default = "hello", description = "What is said" }
password = { required = true, secret = true }

[[trigger.http]]
id = "all"
route = "/..."
component = "web"

[component.web]
source = "target/web.wasm"
description = "The component"
targets = ["spin-up:4.1"]
key_value_stores = ["default", "other"]
allowed_outbound_hosts = []

[component.web.variables]
text = "{{ greeting }}, world"

[component.web.build]
command = "make web"
workdir = "web"
watch = ["src/**/*.rs"]

[component.web.profile.debug.build]
command = "make debug"

[component.web.tool.clean]
command = "make clean"

[component.unused]
source = "unused.wasm"
"#;

fn parse(text: &str) -> Result<Manifest, String> {
    Manifest::parse(text, Path::new("root"))
}

#[test]
fn reads_what_the_component_needs() {
    let manifest = parse(GOOD).unwrap();
    assert_eq!(manifest.source, Path::new("target/web.wasm"));
    assert!(manifest.key_value_stores.iter().eq(["default", "other"]));
    let variable = |name: &str| manifest.variables[name].clone();
    assert_eq!(variable("greeting"), Some(Secret::from("hello")));
    assert_eq!(variable("password"), None);
    assert_eq!(manifest.templates["text"], "{{ greeting }}, world");
    let build = Build {
        commands: vec!["make web".into()],
        workdir: "web".into(),
        watch: vec!["src/**/*.rs".into()],
    };
    assert_eq!(manifest.build, Some(build));
}

#[test]
fn reads_the_manifest_of_this_repository() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spin.toml");
    let manifest = Manifest::load(&path).unwrap();
    assert!(manifest.key_value_stores.contains("default"));
    assert!(manifest.templates.contains_key("users"));
    assert!(manifest.build.is_some());
}

#[test]
fn a_build_may_have_several_commands() {
    let text = GOOD.replace(r#""make web""#, r#"["make a", "make b"]"#);
    let build = parse(&text).unwrap().build.unwrap();
    assert_eq!(build.commands, ["make a", "make b"]);
}

/// Puts `to` in the place of `from`, and returns the line that it is in, and why the manifest is refused.
fn refused(from: &str, to: &str) -> (usize, String) {
    let start = GOOD.find(from).expect(from);
    let line = GOOD[..start].matches('\n').count() + 1;
    let error = parse(&GOOD.replacen(from, to, 1)).expect_err(to);
    assert!(!error.contains('\n'), "{error}");
    (line, error)
}

#[test]
fn names_the_key_that_it_does_not_serve_and_its_line() {
    for (before, key, value) in [
        ("[component.web.variables]", "environment", r#"{ A = "1" }"#),
        ("[component.web.variables]", "files", r#"["a"]"#),
        ("[component.web.variables]", "exclude_files", r#"["a"]"#),
        ("[component.web.variables]", "sqlite_databases", r#"["a"]"#),
        ("[component.web.variables]", "ai_models", r#"["a"]"#),
        (
            "[component.web.variables]",
            "allowed_http_hosts",
            r#"["a"]"#,
        ),
        (
            "[component.web.variables]",
            "dependencies",
            r#"{ "a:b" = "1" }"#,
        ),
        (
            "[component.web.variables]",
            "key_value_store",
            r#"["default"]"#,
        ),
        (
            "id = ",
            "dependencies.middleware",
            r#"[{ component = "guard" }]"#,
        ),
        ("id = ", "executor", r#"{ type = "wagi" }"#),
        ("id = ", "static_response", r#"{ status_code = 200 }"#),
        ("workdir", "env", r#"{ A = "1" }"#),
        ("authors", "trigger.http.base", r#""/base""#),
        ("[application]", "spin_version", r#""1""#),
    ] {
        let (line, error) = refused(before, &format!("{key} = {value}\n{before}"));
        let name = key.split('.').next().unwrap_or_default();
        let start = format!("line {line}: unknown field `{name}`, expected ");
        assert!(error.starts_with(&start), "{start} {error}");
    }
}

#[test]
fn says_what_is_wrong() {
    let second = "[[trigger.http]]\nroute = \"/b\"\ncomponent = \"web\"\n[component.web]\n";
    let downloaded = "{ registry = \"r\", package = \"p:q\", version = \"1\" }";
    for (from, to, reason) in [
        ("= 2", "= 1", "line N: spin_manifest_version must be 2"),
        (
            "spin_manifest_version = 2",
            "",
            "missing field `spin_manifest_version`",
        ),
        ("[application]", "[application", "line N: "),
        ("[component.web]\n", second, "exactly one HTTP trigger"),
        (
            "[[trigger.http]]",
            "[[trigger.redis]]",
            "unknown field `redis`",
        ),
        ("\"/...\"", "\"/a/...\"", "the route `/...`, not `/a/...`"),
        (
            "\"/...\"",
            "{ private = true }",
            "line N: invalid type: map",
        ),
        (
            "component = \"web\"",
            "component = \"bew\"",
            "`bew`, which is not there",
        ),
        ("source = \"target/web.wasm\"", "", "missing field `source`"),
        (
            "\"target/web.wasm\"",
            downloaded,
            "line N: a source must be a path",
        ),
        (
            "hosts = []",
            "hosts = [\"*://*:*\"]",
            "line N: `allowed_outbound_hosts` must be empty",
        ),
        (
            "required = true, ",
            "",
            "`password` needs either a default or",
        ),
        (
            "required = true",
            "required = true, default = \"\"",
            "`password` needs either",
        ),
        (
            "\"make web\"",
            "\" \"",
            "line N: the build command is empty",
        ),
        ("\"make web\"", "[]", "line N: the build command is empty"),
        ("\"make web\"", "7", "line N: a build command must be"),
        ("route = ", "root = ", "unknown field `root`"),
        ("route = \"/...\"\n", "", "missing field `route`"),
    ] {
        let (line, error) = refused(from, to);
        let error = error.replace(&format!("line {line}: "), "line N: ");
        assert!(error.contains(reason), "{from}: {error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = Manifest::load(Path::new("/nowhere/spin.toml")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/spin.toml"));
}
