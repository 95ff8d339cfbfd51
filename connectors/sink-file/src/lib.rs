//! The sink-file connector, a WebAssembly component.
