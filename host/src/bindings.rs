//! Bindings to the world in `wit/`: what the components import and export beyond WASI.
//!
//! Only the calls that wait for a backend are asynchronous on the host's side; opening and dropping handles is not.

mod generated {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "latchkey:component/host",
        imports: {
            "wasi:keyvalue/store.[method]bucket.get": async | trappable,
            "wasi:keyvalue/store.[method]bucket.set": async | trappable,
            "wasi:keyvalue/store.[method]bucket.exists": async | trappable,
            "wasi:keyvalue/store.[method]bucket.delete": async | trappable,
            "wasi:keyvalue/store.[method]bucket.list-keys": async | trappable,
            "wasi:keyvalue/atomics.[method]cas.current": async | trappable,
            "wasi:keyvalue/atomics.increment": async | trappable,
            default: trappable,
        },
        with: {
            "spin:key-value/key-value.store": crate::keyvalue::handles::Bucket,
            "wasi:keyvalue/store.bucket": crate::keyvalue::handles::Bucket,
            "wasi:keyvalue/atomics.cas": crate::keyvalue::handles::Cas,
        },
    });
}

pub use generated::exports::latchkey::component::buffered_handler;
pub use generated::{fermyon, spin, wasi};
