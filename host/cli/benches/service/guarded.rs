//! The rows about an application behind the guard, beside the same application without it.

use std::path::Path;

use crate::load::{self, Pauses};
use crate::machine::ROOT;
use crate::pairs::in_turn;
use crate::servers::Server;
use crate::users::Users;
use crate::{client, table};

/// Of HS256, and so the key of the guard, too.
const KEYS: &str = r#"{"keys":[{"kty":"oct","alg":"HS256","kid":"k","k":"YSBzZWNyZXQgdGhhdCBpcyBvbmx5IHVzZWQgYnkgdGhpcyBiZW5jaG1hcms"}]}"#;

/// The ways of the guard, with the variables for each.
const WAYS: [(&str, &str); 3] = [
    ("offline", "latchkey_keys = '''KEYS'''"),
    ("cached", "latchkey_cache = '1 hour'"),
    ("asking", ""),
];

/// Measures an application with and without the guard, all of them in one host.
pub fn compare(directory: &Path, cache: &Path) {
    let manifest = directory.join("guarded.toml");
    std::fs::write(&manifest, text()).unwrap();
    let arguments = ["--manifest", manifest.to_str().unwrap()];
    let server = Server::host_with(directory, cache, Users::ours(), &arguments, Some(KEYS));
    let tokens = client::fill(&server, server.users.first(), 1);
    let authorization = format!("Bearer {}", tokens[0]);
    let get = |path: &str| load::get(&server, path, &authorization, Pauses::None);
    table::begin("bare");
    for (way, _) in WAYS {
        let pairs = in_turn(|| get(&format!("/{way}/a")), || get("/bare/a"));
        table::reports(&format!("guarded, {way}"), &pairs);
    }
    client::fill(&server, server.users.first(), 0);
}

fn text() -> String {
    let source = |name: &str, package: &str, profile: &str, more: &str| {
        // As the example has it.
        let config = match profile {
            "guard" => " --config deploy/edge/cargo.toml",
            _ => "",
        };
        format!(
            r#"
[component.{name}]
source = "{ROOT}/target/wasm32-wasip2/{profile}/{package}.wasm"
{more}
[component.{name}.build]
workdir = "{ROOT}"
command = "cargo build --locked --package {} --target wasm32-wasip2 --profile {profile}{config}"
"#,
            package.replace('_', "-")
        )
    };
    let route = |route: &str, component: &str, more: &str| {
        format!("\n[[trigger.http]]\nroute = \"{route}\"\ncomponent = \"{component}\"\n{more}\n")
    };
    let latchkey = "key_value_stores = [\"default\"]\nvariables = { users = \"{{ users }}\", signing_keys = \"{{ signing_keys }}\" }";
    let mut text = "spin_manifest_version = 2\n[application]\nname = \"guarded\"\n[variables]\nusers = { default = \"\" }\nsigning_keys = { default = \"\" }\n".to_owned();
    text += &route("/...", "latchkey", "");
    text += &source("latchkey", "latchkey_wasm", "release", latchkey);
    text += &source("guard", "latchkey_guard", "guard", "");
    text += &source("guard-offline", "latchkey_guard_offline", "guard", "");
    text += &route("/bare/...", "bare", "");
    text += &source("bare", "latchkey_guarded_app", "release", "");
    for (way, variables) in WAYS {
        let guard = if way == "offline" {
            "guard-offline"
        } else {
            "guard"
        };
        let middleware = format!(
            "dependencies.middleware = [{{ component = \"{guard}\", inherit_configuration = [\"allowed_outbound_hosts\", \"variables\"] }}]"
        );
        let variables = variables.replace("KEYS", KEYS);
        let granted = format!(
            "allowed_outbound_hosts = [\"http://latchkey.spin.internal\"]\n[component.{way}.variables]\nlatchkey_scope = \"\"\n{variables}"
        );
        text += &route(&format!("/{way}/..."), way, &middleware);
        text += &source(way, "latchkey_guarded_app", "release", &granted);
    }
    text
}
