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
allowed_outbound_hosts = ["https://{{ greeting }}.example"]

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
    let web = &manifest.components["web"];
    assert_eq!(web.source, Path::new("target/web.wasm"));
    assert!(web.key_value_stores.iter().eq(["default", "other"]));
    assert_eq!(
        web.allowed_outbound_hosts,
        ["https://{{ greeting }}.example"]
    );
    assert!(!manifest.components.contains_key("unused"));
    let service = Service {
        component: "web".to_owned(),
        middleware: Vec::new(),
        routes: vec!["/...".parse().unwrap()],
        is_chained: true,
        is_latchkey: true,
    };
    assert_eq!(manifest.services, [service]);
    let variable = |name: &str| manifest.variables[name].clone();
    assert_eq!(variable("greeting"), Some(Secret::from("hello")));
    assert_eq!(variable("password"), None);
    assert_eq!(web.templates["text"], "{{ greeting }}, world");
    let build = Build {
        commands: vec!["make web".into()],
        workdir: "web".into(),
        watch: vec!["src/**/*.rs".into()],
    };
    assert_eq!(web.build, Some(build));
}

#[test]
fn reads_the_manifest_of_this_repository() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spin.toml");
    let manifest = Manifest::load(&path).unwrap();
    let latchkey = manifest.component(manifest.latchkey().unwrap());
    assert!(latchkey.key_value_stores.contains("default"));
    assert!(latchkey.templates.contains_key("users"));
    assert!(latchkey.build.is_some());
}

#[test]
fn a_build_may_have_several_commands() {
    let text = GOOD.replace(r#""make web""#, r#"["make a", "make b"]"#);
    let build = parse(&text).unwrap().components["web"]
        .build
        .clone()
        .unwrap();
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
        ("id = ", "dependencies.backend", "[]"),
        ("id = ", "executor", r#"{ type = "wagi" }"#),
        ("id = ", "static_response", r#"{ status_code = 200 }"#),
        ("workdir", "env", r#"{ A = "1" }"#),
        ("authors", "trigger.http.base", r#""/base""#),
        ("[application]", "spin_version", r#""1""#),
    ] {
        let (line, error) = refused(before, &format!("{key} = {value}\n{before}"));
        let name = match key {
            "dependencies.backend" => "backend",
            key => key.split('.').next().unwrap_or_default(),
        };
        let start = format!("line {line}: unknown field `{name}`, expected ");
        assert!(error.starts_with(&start), "{start} {error}");
    }
}

#[test]
fn says_what_is_wrong() {
    let second = "[[trigger.http]]\nroute = \"/*\"\ncomponent = \"web\"\n[component.web]\n";
    let downloaded = "{ registry = \"r\", package = \"p:q\", version = \"1\" }";
    for (from, to, reason) in [
        ("= 2", "= 1", "line N: spin_manifest_version must be 2"),
        (
            "spin_manifest_version = 2",
            "",
            "missing field `spin_manifest_version`",
        ),
        ("[application]", "[application", "line N: "),
        (
            "[component.web]\n",
            second,
            "the routes `/...` and `/*` are for the same paths",
        ),
        (
            "[[trigger.http]]",
            "[[trigger.redis]]",
            "unknown field `redis`",
        ),
        (
            "\"/...\"",
            "\"/*/a\"",
            "the route `/*/a` cannot be served: a wildcard",
        ),
        ("\"/...\"", "{ private = false }", "a route is a path, or"),
        (
            "\"/...\"",
            "{ public = true }",
            "line N: a route must be a path, or",
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

/// Two components behind a guard, Latchkey, and ways past it.
const GUARDED: &str = r#"
spin_manifest_version = 2

[[trigger.http]]
route = "/latchkey/..."
component = "latchkey"

[[trigger.http]]
route = "/..."
component = "app"
dependencies.middleware = [
    { component = "guard", inherit_configuration = ["variables"] },
    { path = "log.wasm", inherit_configuration = true },
]

[[trigger.http]]
route = "/same/..."
component = "app"
dependencies.middleware = [
    { component = "guard", inherit_configuration = ["variables"] },
    { path = "log.wasm", inherit_configuration = true },
]

[[trigger.http]]
route = "/public"
component = "app"

[[trigger.http]]
route = { private = true }
component = "inner"
dependencies.middleware = [{ component = "guard" }]

[component.latchkey]
source = "latchkey.wasm"
variables = { users = "", signing_keys = "" }

[component.app]
source = "app.wasm"

[component.inner]
source = "inner.wasm"

[component.guard]
source = "guard.wasm"
"#;

#[test]
fn services() {
    let manifest = parse(GUARDED).unwrap();
    let seen: Vec<_> = (manifest.services.iter())
        .map(|service| {
            let routes = service.routes.iter().map(Route::to_string);
            let middleware = service.middleware.iter();
            let middleware = middleware.map(|one| one.source.display().to_string());
            (
                &*service.component,
                routes.collect::<Vec<_>>().join(" "),
                middleware.collect::<Vec<_>>().join(" "),
                service.is_chained,
                service.is_latchkey,
            )
        })
        .collect();
    let of = |component, routes: &str, middleware: &str, is_chained, is_latchkey| {
        let (routes, middleware) = (routes.to_owned(), middleware.to_owned());
        (component, routes, middleware, is_chained, is_latchkey)
    };
    assert_eq!(
        seen,
        [
            of("latchkey", "/latchkey/...", "", true, true),
            // Who is chained to it goes to the one without middleware.
            of("app", "/... /same/...", "guard.wasm log.wasm", false, false),
            of("app", "/public", "", true, false),
            of("inner", "", "guard.wasm", true, false),
        ]
    );
    let used = manifest.components.keys();
    assert!(used.eq(["app", "guard", "inner", "latchkey"]));
    let [guard, log] = &*manifest.services[1].middleware else {
        panic!("{:?}", manifest.services[1]);
    };
    assert!(guard.inherits.contains("variables"));
    assert!(!guard.inherits.contains("allowed_outbound_hosts"));
    assert!(log.inherits.contains("allowed_outbound_hosts"));
    let inner = &manifest.services[3].middleware[0];
    assert!(!inner.inherits.contains("variables"));
}

#[test]
fn middleware_that_spin_refuses_is_refused() {
    for (from, to, reason) in [
        (
            "\"guard\", i",
            "\"draug\", i",
            "the middleware `draug` is not there",
        ),
        (
            "[\"variables\"]",
            "[\"variabels\"]",
            "the middleware `guard` cannot inherit `variabels`",
        ),
        ("path = ", "url = ", "a middleware must be"),
        ("{ path", "{ export = \"a\", path", "a middleware must be"),
        (
            "source = \"guard.wasm\"",
            "source = \"guard.wasm\"\nvariables = { a = \"\" }",
            "the middleware `guard` has `variables` of its own",
        ),
        (
            "source = \"guard.wasm\"",
            "source = \"guard.wasm\"\nallowed_outbound_hosts = [\"http://a\"]",
            "the middleware `guard` has `allowed_outbound_hosts` of its own",
        ),
        (
            "source = \"app.wasm\"",
            "source = \"app.wasm\"\nvariables = { users = \"\", signing_keys = \"\" }",
            "this host serves one Latchkey, not both `latchkey` and `app`",
        ),
    ] {
        assert!(GUARDED.contains(from), "{from}");
        let error = parse(&GUARDED.replacen(from, to, 1)).expect_err(to);
        assert!(error.contains(reason), "{to}: {error}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = Manifest::load(Path::new("/nowhere/spin.toml")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/spin.toml"));
}
