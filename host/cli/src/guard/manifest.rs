//! A manifest, as far as it says what reaches what.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use toml::Value;

#[derive(Deserialize)]
pub(super) struct Document {
    spin_manifest_version: Value,
    #[serde(default)]
    pub(super) trigger: BTreeMap<String, Vec<Trigger>>,
    #[serde(default)]
    pub(super) component: BTreeMap<String, Component>,
    #[serde(default)]
    pub(super) variables: BTreeMap<String, Variable>,
}

#[derive(Deserialize)]
pub(super) struct Variable {
    pub(super) default: Option<String>,
}

/// A trigger of any kind.
#[derive(Deserialize)]
pub(super) struct Trigger {
    id: Option<String>,
    /// A component's id, or a component.
    component: Option<Value>,
    #[serde(default)]
    components: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) dependencies: BTreeMap<String, Vec<Entry>>,
    #[serde(flatten)]
    other: BTreeMap<String, Value>,
}

/// A middleware of a trigger.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) component: Option<String>,
    pub(super) path: Option<String>,
    pub(super) url: Option<String>,
    pub(super) package: Option<String>,
    #[serde(rename = "digest", alias = "sha256")]
    _digest: Option<String>,
    #[serde(rename = "version")]
    _version: Option<String>,
    #[serde(rename = "registry")]
    _registry: Option<String>,
    inherit_configuration: Option<Value>,
}

#[derive(Deserialize)]
pub(super) struct Component {
    source: Value,
    #[serde(default)]
    pub(super) allowed_outbound_hosts: Vec<String>,
    #[serde(default)]
    pub(super) variables: BTreeMap<String, String>,
}

impl Document {
    pub(super) fn load(path: &Path) -> Result<Self> {
        let cannot_read = || format!("the manifest {} cannot be read", path.display());
        let text = std::fs::read_to_string(path).with_context(cannot_read)?;
        let document: Self = toml::from_str(&text)
            .map_err(|error| {
                let line = error.span().and_then(|span| text.get(..span.start));
                let line = line.map_or(1, |before| before.matches('\n').count() + 1);
                let message = error
                    .message()
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                anyhow::anyhow!("line {line}: {message}")
            })
            .with_context(cannot_read)?;
        let is_known = document.spin_manifest_version == Value::Integer(2);
        ensure!(
            is_known,
            "{}: spin_manifest_version must be 2",
            cannot_read()
        );
        Ok(document)
    }
}

impl Trigger {
    /// The ids of the components that it reaches. A component that is written out in its place is nobody else's.
    pub(super) fn components(&self) -> impl Iterator<Item = &str> {
        let others = self.components.values().flat_map(|value| match value {
            Value::Array(values) => values.as_slice(),
            value => std::slice::from_ref(value),
        });
        self.component
            .iter()
            .chain(others)
            .filter_map(Value::as_str)
    }

    /// The pattern of the paths that it serves, if it has one.
    pub(super) fn route(&self) -> Option<&str> {
        self.other.get("route")?.as_str()
    }

    /// For people: what tells it from the others.
    pub(super) fn describe(&self, kind: &str) -> String {
        let what = [
            "route",
            "channel",
            "cron_expression",
            "topic",
            "address",
            "queue_url",
        ];
        let told = what
            .iter()
            .find_map(|key| Some((key, self.other.get(*key)?)));
        match (&self.id, told) {
            (_, Some((key, value))) => format!("[[trigger.{kind}]] with {key} = {}", inline(value)),
            (Some(id), None) => format!("[[trigger.{kind}]] with id = {id:?}"),
            (None, None) => format!("[[trigger.{kind}]]"),
        }
    }
}

/// A value as it may stand in a manifest.
fn inline(value: &Value) -> String {
    match value {
        Value::Table(table) => {
            let members = table.iter();
            let members = members.map(|(key, value)| format!("{key} = {}", inline(value)));
            format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
        }
        value => value.to_string(),
    }
}

impl Entry {
    /// Whether it may use what `key` grants to the component behind it.
    pub(super) fn inherits(&self, key: &str) -> bool {
        match &self.inherit_configuration {
            Some(Value::Boolean(all)) => *all,
            Some(Value::Array(keys)) => keys.iter().any(|one| one.as_str() == Some(key)),
            _ => false,
        }
    }
}

impl Component {
    /// Its file, or where it is from.
    pub(super) fn source(&self) -> &str {
        match &self.source {
            Value::String(path) => path,
            Value::Table(table) => {
                let url = table.get("url").and_then(Value::as_str);
                url.unwrap_or_default()
            }
            _ => "",
        }
    }
}
