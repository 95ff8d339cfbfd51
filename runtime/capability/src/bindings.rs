//! Host-side bindings of `sluice:data`, shared by every capability's own `bindgen!` through `with`.

wasmtime::component::bindgen!({
    path: "../../plugins-sdk/wit/data",
    world: "sluice:data/imports",
    imports: { default: async | trappable },
    with: {
        "sluice:data/batches.batch": crate::state::Batch,
        "sluice:data/operations.operation": crate::state::Operation,
        "sluice:data/writers.output": crate::state::Output,
        "sluice:data/writers.writer": crate::state::Writer,
    },
});

pub use sluice::data::{batches, errors, operations, writers};
