//! The source-sql connector, a WebAssembly component.
