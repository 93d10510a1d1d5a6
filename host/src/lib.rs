//! The native wasmtime host of Latchkey.
