//! The sink-sql connector, a WebAssembly component.
