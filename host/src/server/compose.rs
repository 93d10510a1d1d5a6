//! Puts middleware in front of a component, as Spin does: one component is made of all, in memory.
//!
//! A middleware imports and exports `wasi:http/handler`. Its import is satisfied by the export of the next one. All other
//! imports become those of the whole, so a middleware sees what the component behind it is granted. It must inherit that by
//! name: one that imports what it does not inherit is refused here; under Spin it would trap at its first request.

use wac_graph::types::Package;
use wac_graph::{CompositionGraph, NodeId, PackageId};

use super::start_error::{StartError, one_line};
use crate::manifest::Inherited;

/// What a middleware imports and exports.
pub(super) const HANDLER: &str = "wasi:http/handler@0.3.0";

/// What the keys of a manifest grant: interfaces, by the beginning of their names. What is not here is harmless, or this
/// host has none of it: files, environment variables, sockets.
const GRANTED: [(&str, &[&str]); 3] = [
    (
        "allowed_outbound_hosts",
        &["wasi:http/client@", "wasi:http/outgoing-handler@"],
    ),
    (
        "key_value_stores",
        &[
            "spin:key-value/",
            "fermyon:spin/key-value",
            "wasi:keyvalue/",
        ],
    ),
    (
        "variables",
        &[
            "spin:variables/",
            "fermyon:spin/variables",
            "fermyon:spin/config",
            "wasi:config/",
        ],
    ),
];

/// A component in front of another.
pub struct Middleware {
    /// For errors.
    pub name: String,
    /// The bytes of the component.
    pub component: Vec<u8>,
    /// What it may use of what is granted to the component behind it.
    pub inherits: Inherited,
}

/// The component that asks the middleware first, in its order, and then `component`.
pub(super) fn compose(
    middleware: &[Middleware],
    component: Vec<u8>,
) -> Result<Vec<u8>, StartError> {
    if middleware.is_empty() {
        return Ok(component);
    }
    let failed = |error: &dyn std::fmt::Display| StartError::Compose(one_line(error));
    let mut graph = CompositionGraph::new();
    let last = register(&mut graph, "component", component)?;
    let mut next = export(&mut graph, last)
        .ok_or_else(|| failed(&format!("the component does not export {HANDLER}")))?;
    for (index, one) in middleware.iter().enumerate().rev() {
        let package = register(
            &mut graph,
            &format!("middleware{index}"),
            one.component.clone(),
        )?;
        check_imports(&graph, package, one)?;
        let instance = graph.instantiate(package);
        graph
            .set_instantiation_argument(instance, HANDLER, next)
            .map_err(|error| {
                let name = &one.name;
                failed(&format!("`{name}` is not a middleware: {error}"))
            })?;
        next = graph
            .alias_instance_export(instance, HANDLER)
            .map_err(|_| {
                let name = &one.name;
                failed(&format!(
                    "`{name}` is not a middleware: it does not export {HANDLER}"
                ))
            })?;
    }
    graph
        .export(next, HANDLER)
        .map_err(|error| failed(&error))?;
    graph
        .encode(Default::default())
        .map_err(|error| failed(&error))
}

fn register(
    graph: &mut CompositionGraph,
    name: &str,
    component: Vec<u8>,
) -> Result<PackageId, StartError> {
    let package = Package::from_bytes(name, None, component, graph.types_mut());
    let package = package.map_err(|error| StartError::Component(one_line(&error)))?;
    let package = graph.register_package(package);
    package.map_err(|error| StartError::Compose(one_line(&error)))
}

/// The handler of a new instance of the package.
fn export(graph: &mut CompositionGraph, package: PackageId) -> Option<NodeId> {
    let instance = graph.instantiate(package);
    graph.alias_instance_export(instance, HANDLER).ok()
}

/// Fails if the middleware imports what it does not inherit.
fn check_imports(
    graph: &CompositionGraph,
    package: PackageId,
    middleware: &Middleware,
) -> Result<(), StartError> {
    let imports = &graph.types()[graph[package].ty()].imports;
    for (key, interfaces) in GRANTED {
        if middleware.inherits.contains(key) {
            continue;
        }
        let granted = |name: &&String| {
            let mut interfaces = interfaces.iter();
            interfaces.any(|interface| name.starts_with(interface))
        };
        if let Some(import) = imports.keys().find(granted) {
            return Err(StartError::Compose(format!(
                "the middleware `{}` imports {import}: it must have `{key}` in its `inherit_configuration`",
                middleware.name
            )));
        }
    }
    Ok(())
}
