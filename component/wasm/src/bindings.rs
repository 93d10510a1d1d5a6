//! The imports of `wit/` that the Spin SDK does not offer.
#![allow(missing_docs, reason = "generated; `wit/` has the documentation")]

wit_bindgen::generate!({
    path: "../../wit",
    world: "atomic-writes",
    runtime_path: "::spin_sdk::wit_bindgen::rt",
    generate_all,
});
