//! The object-store capability: buckets behind named stores.
//!
//! Backends implement [`backend::Backend`]; today a local folder ([`local`]), where a bucket is a folder and an object a file.
//! The interface is that of S3: uploads are invisible until they are finished, `fail` is `If-None-Match: *`.

pub mod backend;
mod config;
mod host;
pub mod key;
pub mod local;

pub use config::Stores;

use backend::Backend;
use sluice_capability::{Capability, Ceiling, GrantError, Grants, GuestIdentity, GuestState, HasGuest};
use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;

pub mod bindings {
    //! Host-side bindings of `sluice:object-store`.
    wasmtime::component::bindgen!({
        path: ["../../plugins-sdk/wit/data", "../../plugins-sdk/wit/object-store"],
        world: "sluice:object-store/imports",
        imports: { default: async | trappable },
        with: {
            "sluice:data/errors": sluice_capability::bindings::errors,
            "sluice:data/batches": sluice_capability::bindings::batches,
            "sluice:data/operations": sluice_capability::bindings::operations,
            "sluice:data/writers": sluice_capability::bindings::writers,
            "sluice:object-store/object-store.store": crate::Store,
        },
    });
}

/// The name in definitions and grants.
pub const NAME: &str = "object-store";

/// A guest's handle on a store.
pub struct Store(pub Arc<dyn Backend>);

/// Object stores, for all guests of this process.
pub struct ObjectStoreCapability {
    ceiling: config::StoreCeiling,
}

impl ObjectStoreCapability {
    /// Ceiling: `roots`, folders beneath which local stores must lie (absent: anywhere), `buckets`, the names that may be used
    /// (absent: any). `forbidden`: the hub's own folders.
    #[must_use]
    pub fn new(ceiling: &Ceiling, forbidden: Vec<PathBuf>) -> Self {
        Self { ceiling: config::StoreCeiling::new(ceiling, forbidden) }
    }
}

impl Capability for ObjectStoreCapability {
    fn name(&self) -> &'static str {
        NAME
    }

    fn link(&self, linker: &mut wasmtime::component::Linker<GuestState>) -> wasmtime::Result<()> {
        bindings::sluice::object_store::object_store::add_to_linker::<GuestState, HasGuest>(linker, |state| state)
    }

    fn prepare(&self, identity: &GuestIdentity, grants: &Grants) -> Result<Box<dyn Any + Send>, GrantError> {
        Ok(Box::new(Arc::new(self.ceiling.allow(&identity.connector, grants)?)))
    }
}
