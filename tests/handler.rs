//! The component as other hosts call it: by `wasi:http/handler` alone.
//!
//! The host of this repository hands it whole requests, by `buffered-handler`. Here it is served without that, so that the same
//! suite holds for the way that Spin has.

use wac_graph::CompositionGraph;
use wac_graph::types::Package;

use crate::server::{Server, host_only};
use crate::suites::Suite;

const HANDLER: &str = "wasi:http/handler@0.3.0";

const COMPONENT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../target/wasm32-wasip2/release/latchkey_wasm.wasm"
);

/// The component without its other export.
pub fn component() -> &'static str {
    concat!(env!("CARGO_TARGET_TMPDIR"), "/latchkey_handler.wasm")
}

fn make() {
    let file = std::fs::read(COMPONENT).expect("the component");
    let mut graph = CompositionGraph::new();
    let package = Package::from_bytes("latchkey", None, file, graph.types_mut());
    let package = graph.register_package(package.expect("a component"));
    let instance = graph.instantiate(package.expect("a package of its own"));
    let handler = graph.alias_instance_export(instance, HANDLER);
    graph
        .export(handler.expect("its export"), HANDLER)
        .expect("the only export");
    let made = graph.encode(Default::default()).expect("a component");
    std::fs::write(component(), made).expect("a file of the tests");
}

#[test]
fn the_suite_holds() {
    if Suite::is_other() || !host_only("hosts of its own") {
        return;
    }
    // Which builds the component, once.
    Server::shared();
    make();
    Suite::Handler.run(&[]);
}
