//! `latchkey guard check`: whether anything reaches a guarded component past the guard.
//!
//! Middleware belongs to a trigger, not to a component. So the whole manifest counts, also what `latchkey up` does not serve:
//! it is read here leniently, and whatever is not understood is reported rather than passed over. The guard's variables are
//! read as the guard reads them.

mod manifest;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::anyhow;
use latchkey_component::guard::{Config, DEFAULT_URL, SCOPE, VARIABLES, no_keys, parse_keys};
use latchkey_host::outbound::{AllowedHosts, Target};
use latchkey_host::variables::ApplicationVariables;

use crate::args::GuardCheck;
use crate::failure::{Failure, usage};
use crate::terminal::{print, visible};
use manifest::{Component, Document, Entry, Trigger};

/// The guard's own file names. The first has no cryptography in it, and takes no keys.
const GUARDS: [&str; 2] = ["latchkey_guard.wasm", "latchkey_guard_offline.wasm"];

/// Begins the names of the guard's variables.
const OF_GUARD: &str = "latchkey_";

/// Prints what is wrong, a line each.
pub fn check(options: &GuardCheck) -> Result<(), Failure> {
    let document = Document::load(&options.manifest).map_err(usage)?;
    let checked = Check::new(&document, options.guard.as_deref());
    let guarded = checked.guarded();
    let file = options.manifest.display();
    if guarded.is_empty() {
        let guard = options.guard.as_deref().unwrap_or(GUARDS[0]);
        return Err(anyhow!(
            "no trigger of {file} has the guard in front of it ({guard}); --guard names another component"
        )
        .into());
    }
    let meant = checked.meant_to_be_guarded(guarded);
    let problems = checked.problems(&meant);
    for problem in &problems {
        print(&visible(problem))?;
    }
    let names = meant.into_iter().collect::<Vec<_>>().join(", ");
    match problems.len() {
        0 => Ok(print(&visible(&format!(
            "Nothing reaches {names} past the guard."
        )))?),
        1 => Err(anyhow!("{file} has a problem").into()),
        count => Err(anyhow!("{file} has {count} problems").into()),
    }
}

struct Check<'a> {
    document: &'a Document,
    guard: Option<&'a str>,
    /// With their defaults, as far as they have any.
    variables: Option<ApplicationVariables>,
}

impl<'a> Check<'a> {
    fn new(document: &'a Document, guard: Option<&'a str>) -> Self {
        let defaults: BTreeMap<_, _> = (document.variables.iter())
            .filter_map(|(name, variable)| {
                let default = variable.default.as_deref()?;
                Some((name.clone(), Some(default.into())))
            })
            .collect();
        let nowhere = |_: &str| Err(std::env::VarError::NotPresent);
        Self {
            document,
            guard,
            variables: ApplicationVariables::resolve(&defaults, &[], nowhere).ok(),
        }
    }

    fn is_guard(&self, entry: &Entry) -> bool {
        match self.guard {
            None => GUARDS.iter().any(|guard| self.is_file(entry, guard)),
            Some(guard) => match &entry.component {
                Some(id) => id == guard,
                None => entry.package.as_deref() == Some(guard),
            },
        }
    }

    /// Whether the file of a middleware has this name.
    fn is_file(&self, entry: &Entry, name: &str) -> bool {
        let is_named = |text: &str| text.rsplit(['/', '\\']).next() == Some(name);
        match &entry.component {
            Some(id) => {
                let component = self.document.component.get(id);
                component.is_some_and(|component| is_named(component.source()))
            }
            None => {
                let files = [&entry.path, &entry.url];
                files.into_iter().flatten().any(|text| is_named(text))
            }
        }
    }

    fn guard_of<'t>(&self, trigger: &'t Trigger) -> Option<&'t Entry> {
        let middleware = trigger.dependencies.get("middleware")?;
        middleware.iter().find(|entry| self.is_guard(entry))
    }

    /// The triggers, each with its kind.
    fn triggers(&self) -> impl Iterator<Item = (&'a str, &'a Trigger)> {
        let kinds = self.document.trigger.iter();
        kinds.flat_map(|(kind, triggers)| triggers.iter().map(|trigger| (kind.as_str(), trigger)))
    }

    /// The components that have the guard in front of them somewhere.
    fn guarded(&self) -> BTreeSet<&'a str> {
        let guarded = self.triggers().filter(|(kind, trigger)| {
            // Spin composes middleware of HTTP triggers alone.
            *kind == "http" && self.guard_of(trigger).is_some()
        });
        guarded
            .flat_map(|(_, trigger)| trigger.components())
            .collect()
    }

    /// Those, and the ones that have variables for it: a line with the guard may be missing, or misspelt.
    fn meant_to_be_guarded(&self, mut guarded: BTreeSet<&'a str>) -> BTreeSet<&'a str> {
        let components = self.document.component.iter();
        let with_variables = components.filter(|(_, component)| {
            let mut names = component.variables.keys();
            names.any(|name| name.starts_with(OF_GUARD))
        });
        guarded.extend(with_variables.map(|(id, _)| id.as_str()));
        guarded
    }

    fn problems(&self, guarded: &BTreeSet<&str>) -> Vec<String> {
        let mut problems = Vec::new();
        for (kind, trigger) in self.triggers() {
            for key in trigger
                .dependencies
                .keys()
                .filter(|key| *key != "middleware")
            {
                let trigger = trigger.describe(kind);
                problems.push(format!(
                    "{trigger} has `dependencies.{key}`: only `middleware` does anything there"
                ));
            }
        }
        let mut unguarded = BTreeSet::new();
        for (kind, trigger) in self.triggers() {
            let guard = self.guard_of(trigger).filter(|_| kind == "http");
            for component in trigger.components() {
                match guard {
                    _ if !guarded.contains(component) => {}
                    Some(guard) => {
                        problems.extend(self.missing_grants(kind, trigger, component, guard));
                        if guard.inherits("variables") {
                            problems.extend(self.bad_variables(kind, trigger, component, guard));
                        }
                    }
                    None => {
                        let trigger = trigger.describe(kind);
                        problems.push(format!("{trigger} reaches {component} past the guard"));
                        unguarded.insert(component);
                    }
                }
            }
        }
        // Chaining leads to the component as a trigger without middleware has it. If there is none, the guard is in front.
        for component in unguarded {
            for (id, other) in &self.document.component {
                if let Some(host) = self.chaining_host(other, component) {
                    problems.push(format!(
                        "the component {id} may call http://{component}.spin.internal, past the guard: its `allowed_outbound_hosts` has {host:?}"
                    ));
                }
            }
        }
        problems
    }

    /// What lets `from` send requests to the component, past its routes.
    fn chaining_host<'c>(&self, from: &'c Component, to: &str) -> Option<&'c str> {
        let reaches = |template: &&String| match self.expanded(template) {
            // Only what is given at the start tells.
            None => true,
            Some(host) => match AllowedHosts::parse([&host]) {
                Ok(hosts) => hosts.reaches(to),
                // Not HTTP, if it has a scheme.
                Err(_) => !is_of_another_scheme(&host),
            },
        };
        from.allowed_outbound_hosts
            .iter()
            .find(reaches)
            .map(String::as_str)
    }

    /// What the guard of this trigger needs, and is not granted.
    fn missing_grants(
        &self,
        kind: &str,
        trigger: &Trigger,
        component: &str,
        guard: &Entry,
    ) -> Vec<String> {
        let trigger = trigger.describe(kind);
        let mut missing = Vec::new();
        let inherits = |key: &str| {
            let problem =
                format!("the guard of {trigger} does not inherit `{key}`: it cannot work without");
            (!guard.inherits(key)).then_some(problem)
        };
        missing.extend(inherits("variables"));
        let Some(component) = self.document.component.get(component) else {
            missing.push(format!("{trigger} names {component}, which is not there"));
            return missing;
        };
        let variable = |name: &str| match component.variables.get(name) {
            None => Some(String::new()),
            Some(template) => self.expanded(template),
        };
        // With keys nobody is asked. What is not known before the start may be anything.
        if variable("latchkey_keys").is_none_or(|keys| !keys.trim().is_empty()) {
            return missing;
        }
        missing.extend(inherits("allowed_outbound_hosts"));
        let Some(url) = variable("latchkey_url") else {
            return missing;
        };
        let url = match url.trim() {
            "" => DEFAULT_URL,
            url => url,
        };
        let hosts: Vec<_> = (component.allowed_outbound_hosts.iter())
            .map(|template| self.expanded(template))
            .collect();
        if hosts.contains(&None) {
            return missing;
        }
        let allowed = hosts.iter().flatten().filter_map(|host| {
            let hosts = AllowedHosts::parse([host]).ok()?;
            hosts.target(&url.parse().ok()?)
        });
        match allowed.into_iter().next() {
            None => missing.push(format!(
                "the guard of {trigger} asks {url}, which `allowed_outbound_hosts` does not grant"
            )),
            Some(Target::Component(id)) if !self.document.component.contains_key(&id) => {
                missing.push(format!(
                    "the guard of {trigger} asks {url}, and there is no component {id}"
                ));
            }
            Some(_) => {}
        }
        missing
    }

    /// What the guard of this trigger would refuse of its variables, or would not see, and whether they open all of the trigger.
    fn bad_variables(
        &self,
        kind: &str,
        trigger: &Trigger,
        component: &str,
        guard: &Entry,
    ) -> Vec<String> {
        let route = trigger.route();
        let trigger = trigger.describe(kind);
        let Some(component) = self.document.component.get(component) else {
            return Vec::new();
        };
        let names = component.variables.keys();
        let misspelt =
            names.filter(|name| name.starts_with(OF_GUARD) && !VARIABLES.contains(&name.as_str()));
        let mut problems: Vec<_> = misspelt
            .map(|name| format!("the guard of {trigger} has no variable `{name}`"))
            .collect();
        // What is not known before the start is taken for what is left out: nothing is said of it.
        let value = |name| {
            let value = self.expanded(component.variables.get(name)?);
            value.or_else(|| (name == SCOPE).then(String::new))
        };
        let keys = match self.is_file(guard, GUARDS[0]) {
            true => no_keys,
            false => parse_keys,
        };
        match Config::from_variables(value, keys) {
            Err(error) => problems.push(format!(
                "the guard of {trigger} would refuse all requests: {error}"
            )),
            Ok(config) if route.is_some_and(|route| config.public.contain_route(route)) => {
                problems.push(format!(
                    "`latchkey_public` opens {trigger}: its paths need no token"
                ));
            }
            Ok(_) => {}
        }
        problems
    }

    /// With the defaults of the variables. `None` where one has none.
    fn expanded(&self, template: &str) -> Option<String> {
        let expanded = self.variables.as_ref()?.hosts(&[template.to_owned()]);
        Some(expanded.ok()?.pop()?.expose().to_owned())
    }
}

/// Whether the host is for a protocol that no HTTP request speaks.
fn is_of_another_scheme(host: &str) -> bool {
    let known = [
        "redis",
        "rediss",
        "postgres",
        "postgresql",
        "mysql",
        "mqtt",
        "mqtts",
    ];
    let scheme = host.trim().split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| known.contains(&scheme))
}
