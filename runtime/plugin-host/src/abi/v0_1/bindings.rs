//! Host-side bindings of `sluice:connector@0.1.0`: the base set that guests import, and one module per exported interface.

/// The base set and the types of `sluice:connector`.
pub mod base {
    wasmtime::component::bindgen!({
        inline: "
            package sluice:host;
            world base {
                import sluice:connector/clock@0.1.0;
                import sluice:connector/random@0.1.0;
                import sluice:connector/log@0.1.0;
                import sluice:connector/metrics@0.1.0;
                import sluice:connector/task-context@0.1.0;
                import sluice:connector/types@0.1.0;
                import sluice:connector/deliveries@0.1.0;
            }
        ",
        path: [
            "../../plugins-sdk/wit/data", "../../plugins-sdk/wit/file", "../../plugins-sdk/wit/sql",
            "../../plugins-sdk/wit/object-store", "../../plugins-sdk/wit/http", "../../plugins-sdk/wit/connector",
        ],
        imports: { default: trappable },
        with: {
            "sluice:data/errors": sluice_capability::bindings::errors,
            "sluice:connector/deliveries.delivery": crate::abi::v0_1::base::GuestDelivery,
        },
    });
    pub use sluice::connector::{clock, deliveries, log, metrics, random, task_context, types};
}

pub mod connector {
    wasmtime::component::bindgen!({
        inline: "package sluice:host; world connector-level { export sluice:connector/connector@0.1.0; }",
        path: [
            "../../plugins-sdk/wit/data", "../../plugins-sdk/wit/file", "../../plugins-sdk/wit/sql",
            "../../plugins-sdk/wit/object-store", "../../plugins-sdk/wit/http", "../../plugins-sdk/wit/connector",
        ],
        exports: { default: async },
        with: {
            "sluice:data/errors": sluice_capability::bindings::errors,
            "sluice:connector/types": crate::abi::v0_1::bindings::base::types,
        },
    });
}

pub mod source {
    wasmtime::component::bindgen!({
        inline: "package sluice:host; world source { export sluice:connector/source-task@0.1.0; }",
        path: [
            "../../plugins-sdk/wit/data", "../../plugins-sdk/wit/file", "../../plugins-sdk/wit/sql",
            "../../plugins-sdk/wit/object-store", "../../plugins-sdk/wit/http", "../../plugins-sdk/wit/connector",
        ],
        exports: { default: async },
        with: {
            "sluice:data/errors": sluice_capability::bindings::errors,
            "sluice:data/batches": sluice_capability::bindings::batches,
            "sluice:connector/types": crate::abi::v0_1::bindings::base::types,
        },
    });
}

pub mod sink {
    wasmtime::component::bindgen!({
        inline: "package sluice:host; world sink { export sluice:connector/sink-task@0.1.0; }",
        path: [
            "../../plugins-sdk/wit/data", "../../plugins-sdk/wit/file", "../../plugins-sdk/wit/sql",
            "../../plugins-sdk/wit/object-store", "../../plugins-sdk/wit/http", "../../plugins-sdk/wit/connector",
        ],
        exports: { default: async },
        with: {
            "sluice:data/errors": sluice_capability::bindings::errors,
            "sluice:data/batches": sluice_capability::bindings::batches,
            "sluice:connector/types": crate::abi::v0_1::bindings::base::types,
            "sluice:connector/deliveries": crate::abi::v0_1::bindings::base::deliveries,
        },
    });
}

pub mod transformation {
    wasmtime::component::bindgen!({
        inline: "package sluice:host; world transforming { export sluice:connector/transformation@0.1.0; }",
        path: [
            "../../plugins-sdk/wit/data", "../../plugins-sdk/wit/file", "../../plugins-sdk/wit/sql",
            "../../plugins-sdk/wit/object-store", "../../plugins-sdk/wit/http", "../../plugins-sdk/wit/connector",
        ],
        exports: { default: async },
        with: {
            "sluice:data/errors": sluice_capability::bindings::errors,
            "sluice:data/batches": sluice_capability::bindings::batches,
        },
    });
}
