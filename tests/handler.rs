//! The component as other hosts call it: by `wasi:http/handler` alone.
//!
//! The host of this repository hands it whole requests, by `buffered-handler`. Here it is served without that, so that the same
//! suite holds for the way that Spin has.

use insta::assert_snapshot;
use wac_graph::CompositionGraph;
use wac_graph::types::Package;

use crate::edge::imports_and_exports;
use crate::server::{Server, host_only};
use crate::suites::{self, Suite};

const HANDLER: &str = "wasi:http/handler@0.3.0";

const COMPONENT: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../target/wasm32-wasip2/release/latchkey_wasm.wasm"
);

/// The parts that say something about this component beside those of any.
const PARTS: &[&str] = &[
    "carriers::",
    "generated_passwords::",
    "last_used::",
    "limits::",
    "login_proxy::",
    "reload::",
    "throttle::",
];

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
    if Suite::is_nested() || !host_only("hosts of its own") {
        return;
    }
    // Which builds the component, once.
    Server::shared();
    make();
    let parts = [suites::PARTS, PARTS].concat();
    Suite::Handler.run(&parts, &[]);
}

/// A host that does not offer one of the imports refuses the component. Each that is added shuts out platforms.
#[test]
fn what_the_component_exports_and_imports() {
    if Suite::is_nested() || !host_only("a component of its own") {
        return;
    }
    Server::shared();
    let file = std::fs::read(COMPONENT).expect("the component");
    let (imports, exports) = imports_and_exports(&file);
    assert_eq!(
        exports,
        [HANDLER, "latchkey:component/buffered-handler@0.1.0"]
    );
    assert_snapshot!(imports.join("\n"), @"
    spin:key-value/key-value@3.0.0
    spin:variables/variables@3.0.0
    wasi:cli/environment@0.2.6
    wasi:cli/exit@0.2.6
    wasi:cli/stderr@0.2.6
    wasi:cli/stdin@0.2.6
    wasi:cli/stdout@0.2.6
    wasi:cli/terminal-input@0.2.6
    wasi:cli/terminal-output@0.2.6
    wasi:cli/terminal-stderr@0.2.6
    wasi:cli/terminal-stdin@0.2.6
    wasi:cli/terminal-stdout@0.2.6
    wasi:clocks/monotonic-clock@0.2.6
    wasi:clocks/monotonic-clock@0.3.0
    wasi:clocks/types@0.3.0
    wasi:clocks/wall-clock@0.2.6
    wasi:http/types@0.3.0
    wasi:io/error@0.2.6
    wasi:io/poll@0.2.6
    wasi:io/streams@0.2.6
    wasi:keyvalue/atomics@0.2.0-draft2
    wasi:keyvalue/store@0.2.0-draft2
    wasi:random/insecure-seed@0.2.6
    wasi:random/random@0.2.6
    ");
}
