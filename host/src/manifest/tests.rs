use super::*;

const GOOD: &str = r#"
spin_manifest_version = 2

[application]
name = "app"

[variables]
greeting = { default = "hello" }
password = { required = true, secret = true }

[[trigger.http]]
route = "/..."
component = "web"

[component.web]
source = "target/web.wasm"
key_value_stores = ["default", "other"]
allowed_outbound_hosts = []

[component.web.variables]
text = "{{ greeting }}, world"

[component.web.build]
command = "make web"
workdir = "web"
watch = ["src/**/*.rs"]

[component.unused]
source = { url = "https://example.com/a.wasm", digest = "sha256:00" }
"#;

fn parse(text: &str) -> Result<Manifest, String> {
    Manifest::parse(text, PathBuf::from("root"))
}

#[test]
fn reads_what_the_component_needs() {
    let manifest = parse(GOOD).unwrap();
    assert_eq!(manifest.component, "web");
    assert_eq!(manifest.source, Path::new("target/web.wasm"));
    assert!(manifest.key_value_stores.iter().eq(["default", "other"]));
    let default = |name: &str| manifest.variables[name].default.clone();
    assert_eq!(default("greeting"), Some(Secret::from("hello")));
    assert_eq!(default("password"), None);
    assert_eq!(manifest.templates["text"], "{{ greeting }}, world");
    let build = Build {
        command: "make web".into(),
        workdir: Some("web".into()),
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
fn several_commands_run_one_after_the_other() {
    let text = GOOD.replace(r#""make web""#, r#"["make a", "make b"]"#);
    let build = parse(&text).unwrap().build.unwrap();
    assert_eq!(build.command, "make a && make b");
}

#[test]
fn an_inline_component() {
    let text = r#"
        spin_manifest_version = 2
        [[trigger.http]]
        route = "/..."
        component = { source = "a.wasm" }
    "#;
    assert_eq!(parse(text).unwrap().source, Path::new("a.wasm"));
}

#[test]
fn says_what_is_wrong() {
    let second = "[[trigger.http]]\nroute = \"/b\"\ncomponent = \"web\"\n[component.web]\n";
    for (from, to, reason) in [
        (
            "version = 2",
            "version = 1",
            "spin_manifest_version is 1, not 2",
        ),
        (
            "spin_manifest_version = 2",
            "",
            "spin_manifest_version = 2 is missing",
        ),
        ("[application]", "[application", "line 4: "),
        ("[component.web]\n", second, "exactly one HTTP trigger"),
        (
            "trigger.http",
            "trigger.redis",
            "HTTP triggers, not `redis`",
        ),
        ("\"/...\"", "\"/a/...\"", "\"/...\" only, not \"/a/...\""),
        (
            "component = \"web\"",
            "component = \"bew\"",
            "`bew`, which is not there",
        ),
        (
            "source = \"target/web.wasm\"",
            "",
            "component `web` has no source",
        ),
        (
            "source = \"target/web.wasm\"",
            "source = { registry = \"r\", package = \"p:q\", version = \"1\" }",
            "the source of component `web` is not a path",
        ),
        (
            "allowed_outbound_hosts = []",
            "files = [\"a\"]",
            "asks for `files`",
        ),
        (
            "{ default = \"hello\" }",
            "{ secret = true }",
            "`greeting` needs a default",
        ),
        ("\"make web\"", "\" \"", "the build command is empty"),
        ("route = ", "root = ", "missing field `route`"),
    ] {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from} is not in it");
        let error = parse(&text).unwrap_err();
        assert!(error.contains(reason), "{from}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = Manifest::load(Path::new("/nowhere/spin.toml")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/spin.toml"));
}
