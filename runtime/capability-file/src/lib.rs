//! The file capability: files beneath granted paths.
//!
//! What may be reached is decided once per open, by [`access::Access`]: the path must be granted, every step below the grant is
//! resolved by the kernel without leaving it, and the real path of what was opened is compared with the worker's roots and the
//! folders that are closed to every guest. [`lines`] turns file bytes into Arrow columns; it is the hottest loop of a log source.
//!
//! Needs Linux: `openat2` with `RESOLVE_BENEATH`.

pub mod access;
mod config;
mod glob;
mod host;
pub mod lines;
mod reader;
mod sink;
mod watch;

pub use reader::Reader;

use access::Access;
use sluice_capability::{Capability, Ceiling, GrantError, Grants, GuestIdentity, GuestState, HasGuest};
use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;

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

/// The name in definitions and grants.
pub const NAME: &str = "file";

/// Files, for all guests of this process.
pub struct FileCapability {
    ceiling: config::FileCeiling,
    watcher: Arc<watch::Watcher>,
}

impl FileCapability {
    /// Ceiling: `roots`, folders beneath which grants must lie; absent: anywhere (for a worker that is bound to loopback).
    /// `forbidden`: the hub's own folders, closed to every guest whatever the roots say.
    #[must_use]
    pub fn new(ceiling: &Ceiling, forbidden: Vec<PathBuf>) -> Self {
        Self { ceiling: config::FileCeiling::new(ceiling, forbidden), watcher: Arc::default() }
    }
}

impl Capability for FileCapability {
    fn name(&self) -> &'static str {
        NAME
    }

    fn link(&self, linker: &mut wasmtime::component::Linker<GuestState>) -> wasmtime::Result<()> {
        bindings::sluice::file::files::add_to_linker::<GuestState, HasGuest>(linker, |state| state)
    }

    fn prepare(&self, identity: &GuestIdentity, grants: &Grants) -> Result<Box<dyn Any + Send>, GrantError> {
        let granted = self.ceiling.allow(grants)?;
        let (roots, forbidden) = (self.ceiling.roots.clone(), self.ceiling.forbidden.clone());
        let access = Access::new(&identity.connector, granted, roots, forbidden, self.watcher.clone());
        Ok(Box::new(Arc::new(access)))
    }
}
