//! Connectors as sandboxed components, on wasmtime.
//!
//! [`PluginHost`] loads components (from the binary, from `plugin.path`) and makes [`Plugin`]s of them; a plugin implements the
//! factories of `connect-api`, so that whoever runs a task cannot tell it from a native one.
//!
//! Reading order: [`host`] (loading), [`component`] (what is refused), [`plugin`] (what an instance gets), [`instance`] (calls),
//! [`abi`] (one module per ABI version), [`limits`].
//!
//! Invariants: a guest sees no secret ([`secrets`]); it reaches only capabilities that its definition declares and its config
//! grants; it ends by itself, by its deadline, or with its caller, and never takes the host along; machine code comes from the
//! engine's own cache and nowhere else.
//!
//! What it is not: it knows no connector's life cycle, no REST and no log.

pub mod abi;
mod cache;
mod component;
mod definition;
mod engine;
mod error;
mod folder;
mod guest_context;
mod host;
mod instance;
mod limits;
mod plugin;
mod secrets;

pub use definition::PluginKind;
pub use error::{HostError, LoadError};
pub use folder::PluginFolder;
pub use host::{HostConfig, PluginHost};
pub use limits::GuestLimits;
pub use plugin::Plugin;
