//! The broker from the shell: the real binary as broker and as every command that speaks to one.

mod commands;
mod log;
mod metrics;
mod support;
