//! The source-datagen connector, a WebAssembly component.
