//! `spin.toml`, version 2, read as Spin reads it, as far as one HTTP component needs it.
//!
//! What this host cannot do (several triggers, sources that are downloaded, files or an environment for the component)
//! is an error rather than left out in silence: such an application runs under `spin up`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::secret::Secret;

/// What the manifest says about the application and its one component.
#[derive(Debug)]
pub struct Manifest {
    /// The directory of the manifest, which its paths are relative to.
    pub root: PathBuf,
    /// The name of the component.
    pub component: String,
    /// Its Wasm file, as written: relative to `root`.
    pub source: PathBuf,
    /// The labels of the key-value stores that it may open.
    pub key_value_stores: BTreeSet<String>,
    /// The application's variables.
    pub variables: BTreeMap<String, Declaration>,
    /// The component's variables: templates over those of the application.
    pub templates: BTreeMap<String, String>,
    /// How to build it, if it can be.
    pub build: Option<Build>,
}

/// `[variables]`: one variable of the application.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// Its value when none is given; a variable without one is required.
    pub default: Option<Secret>,
}

/// `[component.<id>.build]`.
#[derive(Debug, PartialEq, Eq)]
pub struct Build {
    /// The command, for a shell.
    pub command: String,
    /// Where it runs, relative to the manifest.
    pub workdir: Option<PathBuf>,
    /// The files that it depends on: glob patterns, relative to the directory that it runs in.
    pub watch: Vec<String>,
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("cannot read the manifest {path}: {error}")]
    Read {
        /// The file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// It can be read, but not understood or not served.
    #[error("the manifest {path} cannot be used: {reason}")]
    Invalid {
        /// The file.
        path: String,
        /// One line that says why.
        reason: String,
    },
}

impl Manifest {
    /// Reads the file at `path`.
    pub fn load(path: &Path) -> Result<Self, ManifestError> {
        let text = std::fs::read_to_string(path).map_err(|error| ManifestError::Read {
            path: path.display().to_string(),
            error,
        })?;
        let root = match path.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        Self::parse(&text, root).map_err(|reason| ManifestError::Invalid {
            path: path.display().to_string(),
            reason,
        })
    }

    fn parse(text: &str, root: PathBuf) -> Result<Self, String> {
        let document: toml::Table = toml::from_str(text).map_err(|error| line_of(text, &error))?;
        match document.get("spin_manifest_version") {
            Some(toml::Value::Integer(2)) => {}
            Some(other) => return Err(format!("spin_manifest_version is {other}, not 2")),
            None => return Err("spin_manifest_version = 2 is missing".into()),
        }
        let raw: Raw = toml::from_str(text).map_err(|error| line_of(text, &error))?;

        let (id, mut component) = raw.trigger.component(raw.component)?;
        component.refuse_what_this_host_lacks(&id)?;
        let source = match component.source.take() {
            Some(Source::Path(source)) => source,
            Some(Source::Elsewhere(_)) => {
                return Err(format!(
                    "the source of component `{id}` is not a path; this host does not download components"
                ));
            }
            None => return Err(format!("component `{id}` has no source")),
        };
        Ok(Self {
            root,
            component: id,
            source,
            key_value_stores: component.key_value_stores,
            variables: raw
                .variables
                .into_iter()
                .map(|(name, variable)| variable.declaration(&name).map(|d| (name, d)))
                .collect::<Result<_, _>>()?,
            templates: component.variables,
            build: component.build.map(RawBuild::build).transpose()?,
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
struct Raw {
    trigger: Triggers,
    #[serde(default)]
    variables: BTreeMap<String, RawVariable>,
    #[serde(default)]
    component: BTreeMap<String, Component>,
}

#[derive(Deserialize)]
struct Triggers {
    #[serde(default)]
    http: Vec<Trigger>,
    #[serde(flatten)]
    others: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize)]
struct Trigger {
    route: toml::Value,
    component: ComponentRef,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ComponentRef {
    Id(String),
    Inline(Box<Component>),
}

impl Triggers {
    /// The component of the one trigger, and its name.
    fn component(
        self,
        mut components: BTreeMap<String, Component>,
    ) -> Result<(String, Component), String> {
        if let Some(kind) = self.others.keys().next() {
            return Err(format!("this host serves HTTP triggers, not `{kind}`"));
        }
        let mut triggers = self.http.into_iter();
        let (Some(trigger), None) = (triggers.next(), triggers.next()) else {
            return Err("this host serves exactly one HTTP trigger".into());
        };
        if trigger.route.as_str() != Some("/...") {
            return Err(format!(
                "this host serves the route \"/...\" only, not {}",
                trigger.route
            ));
        }
        match trigger.component {
            ComponentRef::Inline(component) => Ok(("http-trigger-component".into(), *component)),
            ComponentRef::Id(id) => match components.remove(&id) {
                Some(component) => Ok((id, component)),
                None => Err(format!(
                    "the HTTP trigger names the component `{id}`, which is not there"
                )),
            },
        }
    }
}

#[derive(Deserialize)]
struct RawVariable {
    #[serde(default)]
    required: bool,
    default: Option<String>,
}

impl RawVariable {
    fn declaration(self, name: &str) -> Result<Declaration, String> {
        if self.default.is_none() && !self.required {
            return Err(format!(
                "the variable `{name}` needs a default, or `required = true`"
            ));
        }
        Ok(Declaration {
            default: self.default.map(Secret::from),
        })
    }
}

#[derive(Deserialize)]
struct Component {
    source: Option<Source>,
    #[serde(default)]
    key_value_stores: BTreeSet<String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
    build: Option<RawBuild>,
    #[serde(flatten)]
    others: BTreeMap<String, toml::Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Source {
    Path(PathBuf),
    Elsewhere(serde::de::IgnoredAny),
}

impl Component {
    fn refuse_what_this_host_lacks(&self, id: &str) -> Result<(), String> {
        const LACKING: [&str; 6] = [
            "files",
            "environment",
            "allowed_outbound_hosts",
            "sqlite_databases",
            "ai_models",
            "dependencies",
        ];
        let empty = |value: &toml::Value| match value {
            toml::Value::Array(array) => array.is_empty(),
            toml::Value::Table(table) => table.is_empty(),
            _ => false,
        };
        let asked = |name: &&&str| self.others.get(**name).is_some_and(|value| !empty(value));
        match LACKING.iter().find(asked) {
            Some(name) => Err(format!(
                "component `{id}` asks for `{name}`, which this host does not offer"
            )),
            None => Ok(()),
        }
    }
}

#[derive(Deserialize)]
struct RawBuild {
    command: Commands,
    workdir: Option<PathBuf>,
    #[serde(default)]
    watch: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Commands {
    One(String),
    Several(Vec<String>),
}

impl RawBuild {
    fn build(self) -> Result<Build, String> {
        let command = match self.command {
            Commands::One(command) => command,
            // One after the other, and none after one that fails: what `&&` means to a shell.
            Commands::Several(commands) => commands.join(" && "),
        };
        if command.trim().is_empty() {
            return Err("the build command is empty".into());
        }
        Ok(Build {
            command,
            workdir: self.workdir,
            watch: self.watch,
        })
    }
}

#[cfg(test)]
mod tests;
