//! Personal access tokens as one WebAssembly component.
