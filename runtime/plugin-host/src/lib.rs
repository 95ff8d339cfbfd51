//! Connectors as sandboxed components, on wasmtime.
