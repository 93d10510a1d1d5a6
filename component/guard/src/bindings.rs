//! The import of `wit/` that the Spin SDK does not offer without conversions.
#![allow(missing_docs, reason = "generated; `wit/` has the documentation")]

wit_bindgen::generate!({
    path: "../../wit",
    world: "middleware",
    runtime_path: "::spin_sdk::wit_bindgen::rt",
    with: { "wasi:http/types@0.3.0": spin_sdk::wasip3::http::types },
    generate_all,
});
