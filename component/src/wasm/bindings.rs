//! The imports of `wit/` that the Spin SDK does not offer.
#![allow(missing_docs, reason = "generated; `wit/` has the documentation")]

wit_bindgen::generate!({
    path: "../wit",
    world: "latchkey",
    runtime_path: "::spin_sdk::wit_bindgen::rt",
    with: {
        "spin:key-value/key-value@3.0.0": spin_sdk::key_value::wit::key_value,
        "spin:variables/variables@3.0.0": spin_sdk::variables::wit::variables,
    },
    generate_all,
});
