//! What `wit/` has and the Spin SDK does not offer.
#![allow(missing_docs, reason = "generated; `wit/` has the documentation")]

wit_bindgen::generate!({
    path: "../../wit",
    world: "beyond-spin-sdk",
    runtime_path: "::spin_sdk::wit_bindgen::rt",
    generate_all,
});
