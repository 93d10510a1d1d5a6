//! A component's variables: resolved at the start, and again when a file of them has changed; `spin:variables` to the
//! component.
//!
//! The sources and their order are Spin's: `--variable`, then `SPIN_VARIABLE_<NAME>` in the environment, then the default
//! in the manifest. Any value may be secret, so every value is treated as one.

pub(crate) mod live;
pub mod watch;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::env::VarError;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use latchkey_component::secret::Secret;
use latchkey_component::text::without_byte_order_mark;

/// The prefix of the environment variables that set variables.
const ENVIRONMENT_PREFIX: &str = "SPIN_VARIABLE_";

/// The values of the application's variables, which those of its components are made of.
pub struct ApplicationVariables(BTreeMap<String, Value>);

/// The values that a component may ask for.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    values: HashMap<String, Secret>,
    given: HashSet<String>,
}

/// Why the variables cannot be resolved. No text holds a value.
#[derive(Debug, thiserror::Error)]
pub enum VariableError {
    /// An argument of `--variable` without `=`, or with a file of an unknown kind.
    #[error("a variable is given as NAME=VALUE, NAME=@FILE, @FILE.json or @FILE.toml")]
    Argument,
    /// A file that a variable is to be read from, and why it cannot be.
    #[error("cannot read the variables file {0}: {1}")]
    File(String, String),
    /// A value for a variable that the manifest does not declare.
    #[error("the manifest declares no variable `{0}`")]
    Undeclared(String),
    /// A name that a variable cannot have.
    #[error("`{0}` cannot be the name of a variable: {1}")]
    Name(String, &'static str),
    /// A value in the environment that is not Unicode.
    #[error("the environment variable {0} is not valid Unicode")]
    Environment(String),
    /// A required variable without a value.
    #[error("the variable `{0}` is required: give it with --variable {0}=VALUE or as {ENVIRONMENT_PREFIX}{upper}", upper = .0.to_ascii_uppercase())]
    Required(String),
    /// A template that is not one, or over a variable that is not declared.
    #[error("the component's variable `{0}` is not a valid template: {1}")]
    Template(String, String),
    /// The same, of an allowed host.
    #[error("`{0}` in `allowed_outbound_hosts` is not a valid template: {1}")]
    Host(String, String),
}

/// One argument of `--variable`.
#[derive(Clone, Debug)]
pub enum Assignment {
    /// `NAME=VALUE`
    Value(String, Secret),
    /// `NAME=@FILE`: all of the file is the value, a newline at its end included, as Spin has it, but not a byte order mark.
    File(String, PathBuf),
    /// `@FILE.json` or `@FILE.toml`: names and values.
    Map(PathBuf),
}

impl FromStr for Assignment {
    type Err = VariableError;

    fn from_str(argument: &str) -> Result<Self, VariableError> {
        if let Some(path) = argument.strip_prefix('@') {
            let path = PathBuf::from(path);
            return match path.extension().and_then(|extension| extension.to_str()) {
                Some("json" | "toml") => Ok(Self::Map(path)),
                _ => Err(VariableError::Argument),
            };
        }
        let (name, value) = argument.split_once('=').ok_or(VariableError::Argument)?;
        Ok(match value.strip_prefix('@') {
            Some(path) => Self::File(name.to_owned(), path.into()),
            None => Self::Value(name.to_owned(), value.into()),
        })
    }
}

impl Assignment {
    /// The file that it is read from.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Value(..) => None,
            Self::File(_, path) | Self::Map(path) => Some(path),
        }
    }

    /// Itself; or, if it is read from what is no file, such as a pipe, the values that are read now. A pipe says what it has
    /// to say once: read again it would be empty, and hold up whoever reads it.
    pub fn settled(self) -> Result<Vec<Self>, VariableError> {
        let metadata = self.file().map(std::fs::metadata);
        match metadata {
            Some(Ok(metadata)) if !metadata.is_file() => {
                let values = self.values(read)?.into_iter();
                Ok(values
                    .map(|(name, value)| Self::Value(name, value))
                    .collect())
            }
            _ => Ok(vec![self]),
        }
    }

    fn read(&self) -> Result<BTreeMap<String, Secret>, VariableError> {
        self.values(|path| match std::fs::metadata(path) {
            Ok(metadata) if !metadata.is_file() => Err(cannot_read(path, "it is not a file")),
            _ => read(path),
        })
    }

    fn values(
        &self,
        read: impl Fn(&Path) -> Result<String, VariableError>,
    ) -> Result<BTreeMap<String, Secret>, VariableError> {
        match self {
            Self::Value(name, value) => Ok([(name.clone(), value.clone())].into()),
            Self::File(name, path) => Ok([(name.clone(), read(path)?.into())].into()),
            Self::Map(path) => {
                let text = read(path)?;
                let map: Option<BTreeMap<String, String>> = match path.extension() {
                    Some(json) if json == "json" => serde_json::from_str(&text).ok(),
                    _ => toml::from_str(&text).ok(),
                };
                // Not the parser's own message: it quotes from the file.
                let reason = "it must map names to strings and nothing else";
                let map = map.ok_or_else(|| cannot_read(path, reason))?;
                Ok(map.into_iter().map(|(k, v)| (k, v.into())).collect())
            }
        }
    }
}

fn read(path: &Path) -> Result<String, VariableError> {
    let text = std::fs::read_to_string(path).map_err(|error| cannot_read(path, error))?;
    Ok(without_byte_order_mark(&text).to_owned())
}

fn cannot_read(path: &Path, reason: impl ToString) -> VariableError {
    VariableError::File(path.display().to_string(), reason.to_string())
}

/// Spin's rules for names.
fn check_name(name: &str) -> Result<(), &'static str> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() {
        Err("it is empty")
    } else if !name.chars().all(allowed) {
        Err("only lower-case letters, digits and underscores are allowed")
    } else if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        Err("it must begin with a letter")
    } else if name.ends_with('_') || name.contains("__") {
        Err("an underscore must stand alone between two letters or digits")
    } else {
        Ok(())
    }
}

impl ApplicationVariables {
    /// From what the manifest declares, `given` on the command line (where the last one counts) and the `environment` (in
    /// life [`std::env::var`]).
    pub fn resolve(
        declared: &BTreeMap<String, Option<Secret>>,
        given: &[Assignment],
        environment: impl Fn(&str) -> Result<String, VarError>,
    ) -> Result<Self, VariableError> {
        let mut overrides = BTreeMap::new();
        for assignment in given {
            overrides.append(&mut assignment.read()?);
        }
        let is_declared = |name: &String| declared.contains_key(name);
        if let Some(name) = overrides.keys().find(|name| !is_declared(name)) {
            return Err(VariableError::Undeclared(name.clone()));
        }
        let mut application = BTreeMap::new();
        for (name, default) in declared {
            check_name(name).map_err(|why| VariableError::Name(name.clone(), why))?;
            let key = format!("{ENVIRONMENT_PREFIX}{}", name.to_ascii_uppercase());
            let value = match (overrides.remove(name), environment(&key)) {
                (Some(value), _) => Value::given(value),
                (None, Ok(value)) => Value::given(value.into()),
                (None, Err(VarError::NotPresent)) => Value {
                    text: default
                        .clone()
                        .ok_or_else(|| VariableError::Required(name.clone()))?,
                    given: false,
                },
                (None, Err(VarError::NotUnicode(_))) => {
                    return Err(VariableError::Environment(key));
                }
            };
            application.insert(name.clone(), value);
        }
        Ok(Self(application))
    }

    /// The variables of a component with these templates.
    pub fn of(&self, templates: &BTreeMap<String, String>) -> Result<Variables, VariableError> {
        let mut variables = Variables::default();
        for (name, template) in templates {
            check_name(name).map_err(|why| VariableError::Name(name.clone(), why))?;
            let value = expand(template, &self.0)
                .map_err(|why| VariableError::Template(name.clone(), why))?;
            variables.set(name, value.text);
            if value.given {
                variables.given.insert(name.clone());
            }
        }
        Ok(variables)
    }

    /// The hosts that these templates stand for.
    pub fn hosts(&self, templates: &[String]) -> Result<Vec<Secret>, VariableError> {
        let expanded = templates.iter().map(|template| {
            let value = expand(template, &self.0);
            let value = value.map_err(|why| VariableError::Host(template.clone(), why))?;
            Ok(value.text)
        });
        expanded.collect()
    }
}

impl Variables {
    /// Whether somebody gave the component's variable `name` a value, even an empty one, beside the manifest.
    pub fn is_given(&self, name: &str) -> bool {
        self.given.contains(name)
    }

    /// The value of the component's variable `name`.
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.values.get(name)
    }

    /// Sets the component's variable `name`.
    pub fn set(&mut self, name: &str, value: Secret) {
        self.values.insert(name.to_owned(), value);
    }
}

/// A value, and whether somebody gave it, or some part of it, beside the manifest.
struct Value {
    text: Secret,
    given: bool,
}

impl Value {
    fn given(text: Secret) -> Self {
        Self { text, given: true }
    }
}

/// Replaces each `{{ name }}`.
fn expand(template: &str, variables: &BTreeMap<String, Value>) -> Result<Value, String> {
    let mut expanded = String::new();
    let mut given = false;
    let mut rest = template;
    while let Some((text, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").ok_or("a `{{` is never closed")?;
        let name = name.trim();
        let value = variables
            .get(name)
            .ok_or_else(|| format!("the manifest declares no variable `{name}`"))?;
        expanded.push_str(text);
        expanded.push_str(value.text.expose());
        given |= value.given;
        rest = after;
    }
    expanded.push_str(rest);
    let text = expanded.into();
    Ok(Value { text, given })
}

#[cfg(test)]
mod tests;
