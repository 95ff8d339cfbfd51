//! The two loops against the real embedded broker.

mod backpressure;
mod dead_letters;
mod headers;
mod observed;
mod redrive;
mod rotation;
mod sink;
mod source;
#[path = "../support/mod.rs"]
mod support;
mod transformations;
