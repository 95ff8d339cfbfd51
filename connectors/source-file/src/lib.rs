//! The source-file connector, a WebAssembly component.
