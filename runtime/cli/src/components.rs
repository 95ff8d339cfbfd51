//! The connectors inside this binary.

include!(concat!(env!("OUT_DIR"), "/components.rs"));
