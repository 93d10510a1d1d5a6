//! `spin.toml`, version 2, read as Spin reads it, as far as HTTP components need it.
//!
//! What describes an application and changes nothing about serving it is accepted by name. Any other key is refused, not
//! ignored: without its middleware, say, an application would be served unguarded.

mod document;
pub mod route;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use document::{Dependency, Document};
use latchkey_component::secret::Secret;
use route::{Route, Routes};

/// What the manifest says about the application.
#[derive(Debug)]
pub struct Manifest {
    /// The directory of the manifest, which its paths are relative to.
    pub root: PathBuf,
    /// The application's variables and their defaults. A variable without one is required.
    pub variables: BTreeMap<String, Option<Secret>>,
    /// The components that its services are made of.
    pub components: BTreeMap<String, Component>,
    /// What it serves: one for each component, and for each list of middleware that the component is behind.
    pub services: Vec<Service>,
}

/// A component of the manifest.
#[derive(Clone, Debug, Default)]
pub struct Component {
    /// Its Wasm file, relative to the manifest.
    pub source: PathBuf,
    /// The labels of the key-value stores that it may open.
    pub key_value_stores: BTreeSet<String>,
    /// Its variables: templates over those of the application.
    pub templates: BTreeMap<String, String>,
    /// The hosts that it may send requests to: templates, as well.
    pub allowed_outbound_hosts: Vec<String>,
    /// How to build it, if it can be built.
    pub build: Option<Build>,
}

/// A component that serves HTTP, with the middleware in front of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Service {
    /// The component's id.
    pub component: String,
    /// The first is asked first.
    pub middleware: Vec<Middleware>,
    /// The routes of its triggers. There are none if all of them are private.
    pub routes: Vec<Route>,
    /// Whether `http://<component>.spin.internal` leads to it.
    pub is_chained: bool,
    /// Whether it is Latchkey itself.
    pub is_latchkey: bool,
}

/// A component in front of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Middleware {
    /// Its id, or the path of its Wasm file, for errors.
    pub name: String,
    /// Its Wasm file, relative to the manifest.
    pub source: PathBuf,
    /// What it may use of what is granted to the component behind it.
    pub inherits: Inherited,
}

/// What a middleware may use of what is granted to the component behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inherited {
    /// All of it.
    All,
    /// What these keys of the manifest grant.
    Keys(BTreeSet<String>),
}

impl Inherited {
    /// Whether it may use what `key` grants.
    pub fn contains(&self, key: &str) -> bool {
        match self {
            Self::All => true,
            Self::Keys(keys) => keys.contains(key),
        }
    }
}

/// `[component.<id>.build]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// One after the other, each for a shell of its own.
    #[serde(rename = "command", deserialize_with = "document::one_or_more")]
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

/// The variables by which a component is known to be Latchkey. `latchkey up --user` needs the first of them.
const LATCHKEY_VARIABLES: [&str; 2] = ["users", "signing_keys"];

/// What `inherit_configuration` may name (Spin ignores what it does not know).
const INHERITABLE: [&str; 7] = [
    "ai_models",
    "allowed_outbound_hosts",
    "environment",
    "files",
    "key_value_stores",
    "sqlite_databases",
    "variables",
];

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
        let document: Document = document::parse(text)?;
        let variables = document.variables.into_iter().map(|(name, variable)| {
            if variable.required == variable.default.is_some() {
                return Err(format!(
                    "the variable `{name}` needs either a default or `required = true`"
                ));
            }
            Ok((name, variable.default.map(Secret::from)))
        });
        let variables = variables.collect::<Result<_, _>>()?;
        let components: BTreeMap<_, Component> = (document.component.into_iter())
            .map(|(id, component)| (id, component.into()))
            .collect();
        let mut services = Vec::new();
        for trigger in document.trigger.http {
            add_trigger(&mut services, trigger, &components)?;
        }
        if services.is_empty() {
            return Err("it has no HTTP trigger".into());
        }
        let routes = services.iter().flat_map(|service| &service.routes);
        Routes::new(routes.map(|route| (route.clone(), ())))?;
        chain(&mut services);
        find_latchkey(&mut services, &components)?;
        let mut components = components;
        let is_used = |component: &Component, id: &String| {
            let source = &component.source;
            services.iter().any(|service| {
                let mut middleware = service.middleware.iter();
                service.component == *id || middleware.any(|one| one.source == *source)
            })
        };
        components.retain(|id, component| is_used(component, id));
        Ok(Self {
            root: root.to_owned(),
            variables,
            components,
            services,
        })
    }

    /// The service that is Latchkey, if there is one.
    pub fn latchkey(&self) -> Option<&Service> {
        self.services.iter().find(|service| service.is_latchkey)
    }

    /// The component of a service.
    pub fn component(&self, service: &Service) -> &Component {
        &self.components[&service.component]
    }
}

/// Adds the trigger to the service that it belongs to.
fn add_trigger(
    services: &mut Vec<Service>,
    trigger: document::Trigger,
    components: &BTreeMap<String, Component>,
) -> Result<(), String> {
    let id = trigger.component;
    if !components.contains_key(&id) {
        return Err(format!("a trigger names `{id}`, which is not there"));
    }
    let route = match trigger.route {
        document::Route::Path(path) => Some(path.parse::<Route>().map_err(|why| {
            let path = path.escape_debug();
            format!("the route `{path}` cannot be served: {why}")
        })?),
        document::Route::Private { private: true } => None,
        document::Route::Private { private: false } => {
            return Err("a route is a path, or `{ private = true }`".into());
        }
    };
    let middleware = (trigger.dependencies.middleware.into_iter())
        .map(|dependency| middleware(dependency, components))
        .collect::<Result<Vec<_>, _>>()?;
    let same = |service: &&mut Service| service.component == id && service.middleware == middleware;
    match services.iter_mut().find(same) {
        Some(service) => service.routes.extend(route),
        None => services.push(Service {
            component: id,
            middleware,
            routes: Vec::from_iter(route),
            is_chained: false,
            is_latchkey: false,
        }),
    }
    Ok(())
}

fn middleware(
    dependency: Dependency,
    components: &BTreeMap<String, Component>,
) -> Result<Middleware, String> {
    let (name, source, inherits) = match dependency {
        Dependency::Component {
            component,
            inherit_configuration,
        } => {
            let Some(named) = components.get(&component) else {
                return Err(format!("the middleware `{component}` is not there"));
            };
            let grants = [
                ("variables", named.templates.is_empty()),
                (
                    "allowed_outbound_hosts",
                    named.allowed_outbound_hosts.is_empty(),
                ),
                ("key_value_stores", named.key_value_stores.is_empty()),
            ];
            // As Spin has it: they would count for nothing.
            if let Some((key, _)) = grants.into_iter().find(|(_, is_empty)| !is_empty) {
                return Err(format!(
                    "the middleware `{component}` has `{key}` of its own, and must not: what it may use is granted to the component behind it"
                ));
            }
            (component, named.source.clone(), inherit_configuration)
        }
        Dependency::Path {
            path,
            inherit_configuration,
        } => (path.display().to_string(), path, inherit_configuration),
    };
    let inherits = match inherits {
        None | Some(document::Inherit::All(false)) => Inherited::Keys(BTreeSet::new()),
        Some(document::Inherit::All(true)) => Inherited::All,
        Some(document::Inherit::Keys(keys)) => Inherited::Keys(keys),
    };
    if let Inherited::Keys(keys) = &inherits
        && let Some(key) = (keys.iter()).find(|key| !INHERITABLE.contains(&key.as_str()))
    {
        return Err(format!(
            "the middleware `{name}` cannot inherit `{}`: there is {}",
            key.escape_debug(),
            INHERITABLE.join(", ")
        ));
    }
    Ok(Middleware {
        name,
        source,
        inherits,
    })
}

/// As Spin has it, chaining leads to the component as its only trigger has it, else as a trigger without middleware has it.
fn chain(services: &mut [Service]) {
    let lone = |services: &[Service], id: &str| {
        let same = services.iter().filter(|service| service.component == id);
        same.count() == 1
    };
    for index in 0..services.len() {
        let service = &services[index];
        services[index].is_chained =
            service.middleware.is_empty() || lone(services, &service.component);
    }
}

/// Latchkey is the component that is given its variables, or the only one of a manifest with a single plain trigger: such a
/// manifest is read as one of Latchkey, whatever its variables are.
fn find_latchkey(
    services: &mut [Service],
    components: &BTreeMap<String, Component>,
) -> Result<(), String> {
    let is_alone = services.len() == 1 && services[0].middleware.is_empty();
    let is_latchkey = |service: &Service| {
        let variables = &components[&service.component].templates;
        is_alone
            || LATCHKEY_VARIABLES
                .iter()
                .all(|name| variables.contains_key(*name))
    };
    let mut found: Option<&str> = None;
    for service in services {
        service.is_latchkey = is_latchkey(service);
        if service.is_latchkey && found.is_some_and(|other| other != service.component) {
            return Err(format!(
                "this host serves one Latchkey, not both `{}` and `{}`",
                found.unwrap_or_default(),
                service.component
            ));
        } else if service.is_latchkey {
            found = Some(&service.component);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
