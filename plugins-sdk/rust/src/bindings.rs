//! Generated from `plugins-sdk/wit`. Not part of the API: use what the crate root re-exports.
//!
//! One world per exported interface: several worlds with an exported interface in common would define its export macro twice.
//! The componentizing linker merges the worlds whose export macros a guest uses.
#![allow(unsafe_code, missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

/// Everything that a guest may import. Imports that a guest does not use are left out of its component.
pub mod imports {
    wit_bindgen::generate!({
        path: [
            "../wit/data", "../wit/file", "../wit/sql", "../wit/object-store", "../wit/http", "../wit/connector",
        ],
        world: "sluice:connector/all-capabilities",
        generate_all,
    });
}

pub mod connector {
    wit_bindgen::generate!({
        inline: "package sluice:guest; world connector-export { export sluice:connector/connector@0.1.0; }",
        path: [
            "../wit/data", "../wit/file", "../wit/sql", "../wit/object-store", "../wit/http", "../wit/connector",
        ],
        with: {
            "sluice:data/errors@0.1.0": crate::bindings::imports::sluice::data::errors,
            "sluice:connector/types@0.1.0": crate::bindings::imports::sluice::connector::types,
        },
        pub_export_macro: true,
        export_macro_name: "export",
        default_bindings_module: "sluice_plugin_sdk::bindings::connector",
    });
}

pub mod source_task {
    wit_bindgen::generate!({
        inline: "package sluice:guest; world source-task-export { export sluice:connector/source-task@0.1.0; }",
        path: [
            "../wit/data", "../wit/file", "../wit/sql", "../wit/object-store", "../wit/http", "../wit/connector",
        ],
        with: {
            "sluice:data/errors@0.1.0": crate::bindings::imports::sluice::data::errors,
            "sluice:data/batches@0.1.0": crate::bindings::imports::sluice::data::batches,
            "sluice:connector/types@0.1.0": crate::bindings::imports::sluice::connector::types,
        },
        pub_export_macro: true,
        export_macro_name: "export",
        default_bindings_module: "sluice_plugin_sdk::bindings::source_task",
    });
}

pub mod sink_task {
    wit_bindgen::generate!({
        inline: "package sluice:guest; world sink-task-export { export sluice:connector/sink-task@0.1.0; }",
        path: [
            "../wit/data", "../wit/file", "../wit/sql", "../wit/object-store", "../wit/http", "../wit/connector",
        ],
        with: {
            "sluice:data/errors@0.1.0": crate::bindings::imports::sluice::data::errors,
            "sluice:data/batches@0.1.0": crate::bindings::imports::sluice::data::batches,
            "sluice:connector/types@0.1.0": crate::bindings::imports::sluice::connector::types,
            "sluice:connector/deliveries@0.1.0": crate::bindings::imports::sluice::connector::deliveries,
        },
        pub_export_macro: true,
        export_macro_name: "export",
        default_bindings_module: "sluice_plugin_sdk::bindings::sink_task",
    });
}

pub mod transformation {
    wit_bindgen::generate!({
        inline: "package sluice:guest; world transformation-export { export sluice:connector/transformation@0.1.0; }",
        path: [
            "../wit/data", "../wit/file", "../wit/sql", "../wit/object-store", "../wit/http", "../wit/connector",
        ],
        with: {
            "sluice:data/errors@0.1.0": crate::bindings::imports::sluice::data::errors,
            "sluice:data/batches@0.1.0": crate::bindings::imports::sluice::data::batches,
        },
        pub_export_macro: true,
        export_macro_name: "export",
        default_bindings_module: "sluice_plugin_sdk::bindings::transformation",
    });
}
