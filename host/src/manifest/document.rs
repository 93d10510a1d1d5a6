//! The text of a manifest, as TOML has it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

/// Reads a manifest. The error is one line, and names the line that it is about.
pub(super) fn parse(text: &str) -> Result<Document, String> {
    toml::from_str(text).map_err(|error| line_of(text, &error))
}

/// The first line of a parser's message, and where it points.
fn line_of(text: &str, error: &toml::de::Error) -> String {
    let message = error.message().lines().next().unwrap_or_default();
    match error.span().and_then(|span| text.get(..span.start)) {
        Some(before) => format!("line {}: {message}", before.matches('\n').count() + 1),
        None => message.to_owned(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "ignored fields are accepted by name")]
pub(super) struct Document {
    #[serde(deserialize_with = "version_2")]
    spin_manifest_version: (),
    application: Option<Application>,
    pub(super) trigger: Triggers,
    #[serde(default)]
    pub(super) variables: BTreeMap<String, Variable>,
    #[serde(default)]
    pub(super) component: BTreeMap<String, Component>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "ignored fields are accepted by name")]
struct Application {
    name: Option<IgnoredAny>,
    version: Option<IgnoredAny>,
    description: Option<IgnoredAny>,
    authors: Option<IgnoredAny>,
    targets: Option<IgnoredAny>,
    tool: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Triggers {
    pub(super) http: Vec<Trigger>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "ignored fields are accepted by name")]
pub(super) struct Trigger {
    id: Option<IgnoredAny>,
    pub(super) route: Route,
    pub(super) component: String,
    #[serde(default)]
    pub(super) dependencies: Dependencies,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "a route must be a path, or `{ private = true }`"
)]
pub(super) enum Route {
    Path(String),
    Private { private: bool },
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dependencies {
    #[serde(default)]
    pub(super) middleware: Vec<Dependency>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "a middleware must be `{ component = \"…\" }` or `{ path = \"…\" }`, with `inherit_configuration` if need be: this host downloads nothing"
)]
pub(super) enum Dependency {
    Component {
        component: String,
        inherit_configuration: Option<Inherit>,
    },
    Path {
        path: PathBuf,
        inherit_configuration: Option<Inherit>,
    },
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Inherit {
    All(bool),
    Keys(BTreeSet<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "ignored fields are accepted by name")]
pub(super) struct Variable {
    description: Option<IgnoredAny>,
    secret: Option<IgnoredAny>,
    #[serde(default)]
    pub(super) required: bool,
    pub(super) default: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "ignored fields are accepted by name")]
pub(super) struct Component {
    source: Source,
    description: Option<IgnoredAny>,
    targets: Option<IgnoredAny>,
    tool: Option<IgnoredAny>,
    /// What `spin --profile` puts instead of other keys.
    profile: Option<IgnoredAny>,
    #[serde(default)]
    allowed_outbound_hosts: Vec<String>,
    #[serde(default)]
    key_value_stores: BTreeSet<String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    build: Option<super::Build>,
}

impl From<Component> for super::Component {
    fn from(component: Component) -> Self {
        let Source::Path(source) = component.source;
        Self {
            source,
            key_value_stores: component.key_value_stores,
            templates: component.variables,
            allowed_outbound_hosts: component.allowed_outbound_hosts,
            build: component.build,
        }
    }
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a source must be a path: this host downloads nothing"
)]
enum Source {
    Path(PathBuf),
}

fn version_2<'de, D: Deserializer<'de>>(version: D) -> Result<(), D::Error> {
    match u64::deserialize(version)? {
        2 => Ok(()),
        _ => Err(serde::de::Error::custom("spin_manifest_version must be 2")),
    }
}

pub(super) fn one_or_more<'de, D: Deserializer<'de>>(commands: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a build command must be a string, or several")]
    enum Commands {
        One(String),
        Several(Vec<String>),
    }
    let commands = match Commands::deserialize(commands)? {
        Commands::One(command) => vec![command],
        Commands::Several(commands) => commands,
    };
    if commands.iter().all(|command| command.trim().is_empty()) {
        return Err(serde::de::Error::custom("the build command is empty"));
    }
    Ok(commands)
}
