//! The world `edge` of `wit/`.
#![allow(missing_docs, reason = "generated; `wit/` has the documentation")]

wit_bindgen::generate!({
    path: "../../wit",
    world: "edge",
    generate_all,
    pub_export_macro: true,
});
