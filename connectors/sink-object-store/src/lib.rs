//! The sink-object-store connector, a WebAssembly component.
