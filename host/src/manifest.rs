//! `spin.toml`, version 2, read as Spin reads it, as far as one HTTP component needs it.
//!
//! What describes an application and changes nothing about serving it is accepted by name. Any other key is refused, not
//! ignored: without its middleware, say, an application would be served unguarded.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use latchkey_component::secret::Secret;

/// What the manifest says about the application and its one component.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The directory of the manifest, which its paths are relative to.
    pub root: PathBuf,
    /// The component's Wasm file, relative to `root`.
    pub source: PathBuf,
    /// The labels of the key-value stores that it may open.
    pub key_value_stores: BTreeSet<String>,
    /// The application's variables and their defaults. A variable without one is required.
    pub variables: BTreeMap<String, Option<Secret>>,
    /// The component's variables: templates over those of the application.
    pub templates: BTreeMap<String, String>,
    /// How to build the component, if it can be built.
    pub build: Option<Build>,
}

/// `[component.<id>.build]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// One after the other, each for a shell of its own.
    #[serde(rename = "command", deserialize_with = "one_or_more")]
    pub commands: Vec<String>,
    /// Where the commands run, relative to the manifest.
    #[serde(default)]
    pub workdir: PathBuf,
    /// The files that the component is built from: globs, relative to `workdir`.
    #[serde(default)]
    pub watch: Vec<String>,
}

/// Why the manifest at a path cannot be used, in one line.
#[derive(Debug, thiserror::Error)]
#[error("the manifest {0} cannot be used: {1}")]
pub struct ManifestError(String, String);

impl Manifest {
    /// Reads the file at `path`.
    pub fn load(path: &Path) -> Result<Self, ManifestError> {
        let root = match path.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string());
        text.and_then(|text| Self::parse(&text, root))
            .map_err(|reason| ManifestError(path.display().to_string(), reason))
    }

    fn parse(text: &str, root: &Path) -> Result<Self, String> {
        let mut document: Document = toml::from_str(text).map_err(|error| line_of(text, &error))?;
        let [trigger] = document.trigger.http.as_slice() else {
            return Err("this host serves exactly one HTTP trigger".into());
        };
        let Trigger {
            route, component, ..
        } = trigger;
        if route != "/..." {
            return Err(format!("this host serves the route `/...`, not `{route}`"));
        }
        let missing = || format!("its trigger names `{component}`, which is not there");
        let component = document.component.remove(component).ok_or_else(missing)?;
        let Source::Path(source) = component.source;
        let variables = document.variables.into_iter().map(|(name, variable)| {
            if variable.required == variable.default.is_some() {
                return Err(format!(
                    "the variable `{name}` needs either a default or `required = true`"
                ));
            }
            Ok((name, variable.default.map(Secret::from)))
        });
        Ok(Self {
            root: root.to_owned(),
            source,
            key_value_stores: component.key_value_stores,
            variables: variables.collect::<Result<_, _>>()?,
            templates: component.variables,
            build: component.build,
        })
    }
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
struct Document {
    #[serde(deserialize_with = "version_2")]
    spin_manifest_version: (),
    application: Option<Application>,
    trigger: Triggers,
    #[serde(default)]
    variables: BTreeMap<String, Variable>,
    #[serde(default)]
    component: BTreeMap<String, Component>,
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
struct Triggers {
    http: Vec<Trigger>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "ignored fields are accepted by name")]
struct Trigger {
    id: Option<IgnoredAny>,
    route: String,
    component: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "ignored fields are accepted by name")]
struct Variable {
    description: Option<IgnoredAny>,
    secret: Option<IgnoredAny>,
    #[serde(default)]
    required: bool,
    default: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "ignored fields are accepted by name")]
struct Component {
    source: Source,
    description: Option<IgnoredAny>,
    targets: Option<IgnoredAny>,
    tool: Option<IgnoredAny>,
    /// What `spin --profile` puts instead of other keys.
    profile: Option<IgnoredAny>,
    #[serde(default, deserialize_with = "no_hosts")]
    allowed_outbound_hosts: (),
    #[serde(default)]
    key_value_stores: BTreeSet<String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    build: Option<Build>,
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

/// Spin's templates write out an empty list.
fn no_hosts<'de, D: Deserializer<'de>>(hosts: D) -> Result<(), D::Error> {
    if Vec::<IgnoredAny>::deserialize(hosts)?.is_empty() {
        return Ok(());
    }
    let message =
        "`allowed_outbound_hosts` must be empty: this host lets a component reach nothing";
    Err(serde::de::Error::custom(message))
}

fn one_or_more<'de, D: Deserializer<'de>>(commands: D) -> Result<Vec<String>, D::Error> {
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

#[cfg(test)]
mod tests;
