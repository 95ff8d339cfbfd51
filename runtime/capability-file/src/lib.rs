//! The file capability: files beneath granted paths.

pub mod bindings {
    //! Host-side bindings of `sluice:file`.
    wasmtime::component::bindgen!({
        path: ["../../plugins-sdk/wit/data", "../../plugins-sdk/wit/file"],
        world: "sluice:file/imports",
        imports: { default: async | trappable },
        with: {
            "sluice:data/errors": sluice_capability::bindings::errors,
            "sluice:data/batches": sluice_capability::bindings::batches,
            "sluice:data/operations": sluice_capability::bindings::operations,
            "sluice:data/writers": sluice_capability::bindings::writers,
            "sluice:file/files.reader": crate::Reader,
        },
    });
}

/// An open file.
pub struct Reader;
