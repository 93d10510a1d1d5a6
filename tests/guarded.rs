//! Applications behind the guard, over the host, and requests to them.

use std::fs;
use std::io::Read;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::json;

use crate::client::basic;
use crate::process::Stderr;
use crate::raw::{Raw, head};
use crate::server::{Launch, PASSWORD, Server, TOKENS};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The manifest of the example.
const EXAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../deploy/guarded/spin.toml"
);

/// The example, which the suite starts once. Its start builds all components in it.
pub fn example() -> &'static Server {
    static EXAMPLE_SERVER: OnceLock<Server> = OnceLock::new();
    EXAMPLE_SERVER.get_or_init(|| start(EXAMPLE, &[]))
}

/// The example in a process of its own, to measure it alone.
pub fn example_alone() -> Server {
    // What it serves is built by then.
    example();
    start(EXAMPLE, &[])
}

fn start(manifest: &str, variables: &[(&str, &str)]) -> Server {
    let launch = Launch::new().arg("--manifest").arg(manifest);
    let launch = variables
        .iter()
        .fold(launch, |launch, (name, value)| launch.variable(name, value));
    Server::ready(launch.spawn(Stderr::Kept), Duration::from_secs(1800))
}

/// Builds the guard with `latchkey_keys`: the example has no need of it.
fn build_offline() {
    static BUILT: OnceLock<()> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut build = Command::new(env!("CARGO"));
        build.current_dir(ROOT).args([
            "build",
            "--locked",
            "--package",
            "latchkey-guard-offline",
            "--target",
            "wasm32-wasip2",
            "--profile",
            "guard",
            "--config",
            "deploy/edge/cargo.toml",
        ]);
        assert!(build.status().expect("cargo runs").success());
    });
}

/// An application of Latchkey and the service of the example below `/app`, guarded with these variables, as TOML.
pub struct Guarded {
    pub server: Server,
    _directory: tempfile::TempDir,
}

impl Guarded {
    pub fn new(variables: &str, hosts: &str) -> Self {
        Self::with(variables, hosts, &[])
    }

    pub fn with(variables: &str, hosts: &str, given: &[(&str, &str)]) -> Self {
        // Which builds the components.
        example();
        let guard = match variables.contains("latchkey_keys") {
            true => {
                build_offline();
                "latchkey_guard_offline"
            }
            false => "latchkey_guard",
        };
        let directory = tempfile::tempdir().expect("a directory");
        let manifest = directory.path().join("spin.toml");
        let target = format!("{ROOT}/target/wasm32-wasip2");
        let text = format!(
            r#"spin_manifest_version = 2
[application]
name = "guarded"
[variables]
users = {{ default = "" }}
signing_keys = {{ default = "" }}
scope = {{ default = "" }}
[[trigger.http]]
route = "/..."
component = "latchkey"
[[trigger.http]]
route = "/app/..."
component = "app"
dependencies.middleware = [{{ component = "guard", inherit_configuration = ["allowed_outbound_hosts", "variables"] }}]
[component.app]
source = "{target}/release/latchkey_guarded_app.wasm"
allowed_outbound_hosts = [{hosts:?}]
variables = {{ {variables} }}
[component.guard]
source = "{target}/guard/{guard}.wasm"
[component.latchkey]
source = "{target}/release/latchkey_wasm.wasm"
key_value_stores = ["default"]
variables = {{ users = "{{{{ users }}}}", signing_keys = "{{{{ signing_keys }}}}" }}
"#
        );
        fs::write(&manifest, text).expect("a manifest");
        let manifest = manifest.to_str().expect("a path of UTF-8");
        Self {
            server: start(manifest, given),
            _directory: directory,
        }
    }

    /// Asks a Latchkey elsewhere.
    pub fn asking(latchkey: &str) -> Self {
        let variables = format!(r#"latchkey_scope = "", latchkey_url = "{latchkey}""#);
        Self::new(&variables, latchkey)
    }
}

pub const CHAINED: &str = "http://latchkey.spin.internal";

/// A response of the guard, or of what is behind it.
pub struct Seen {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(other, _)| other.eq_ignore_ascii_case(name))?;
        Some(&found.1)
    }

    /// Whether the application answered: with the request line.
    pub fn reached(&self) -> bool {
        self.body.starts_with("GET ")
    }

    /// The lines that the application got for headers whose name may be taken for one of the guard's.
    pub fn identity(&self) -> Vec<&str> {
        let plain = |line: &str| line.to_lowercase().replace(['_', '.'], "-");
        let lines = self.body.lines().skip(1);
        lines
            .filter(|line| plain(line).starts_with("x-latchkey"))
            .collect()
    }
}

/// Sends these bytes on a connection of its own and reads to its end.
pub fn exchange(server: &Server, bytes: impl AsRef<[u8]>) -> Seen {
    let mut raw = Raw::connect(server);
    raw.send(bytes);
    let mut text = Vec::new();
    raw.writer().read_to_end(&mut text).expect("an answer");
    let text = String::from_utf8_lossy(&text).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    Seen {
        status: status.and_then(|status| status.parse().ok()).unwrap_or(0),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        body: body.to_owned(),
    }
}

/// A request without a body, after which the connection ends.
pub fn get(server: &Server, path: &str, headers: &[&str]) -> Seen {
    let headers = [headers, &["Connection: close"]].concat();
    exchange(server, head(server, &format!("GET {path}"), &headers))
}

pub fn issue(server: &Server, user: &str, description: &str, scope: &str) -> String {
    let body = json!({
        "jwt_token_description": description,
        "jwt_token_life": "1 hour",
        "jwt_token_scope": scope,
    });
    let request = server.request("POST", TOKENS);
    let request = request.header("authorization", &basic(user, PASSWORD));
    let created = request.json(body.to_string()).send().expect(201);
    created.text("jwt_token")
}
