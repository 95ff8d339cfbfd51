//! The sql capability: databases behind named connections.
//!
//! It moves rows between Arrow batches and databases and decides nothing: SQL text comes from the guest. Grants are `url`,
//! `user` and `password` of a connection; the guest knows its name only. SQLite now, through [`backend`] others later.
//!
//! Guarantees: an answered `commit` is durable; whatever a guest holds can be dropped at any moment, and leaves neither an open
//! transaction nor a lock; no statement reaches another file than the granted one.

pub mod backend;
pub mod config;
mod host;
mod sqlite;

pub use config::SqlCeiling;
pub use host::{ConnectionHandle, CursorHandle, Databases, TransactionHandle};
pub use sqlite::SqliteBackend;

use backend::Backend;
use config::Target;
use sluice_capability::{Capability, Ceiling, GrantError, Grants, GuestIdentity, GuestState, HasGuest};
use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The capability's name in definitions and grants.
pub const NAME: &str = "sql";

pub mod bindings {
    //! Host-side bindings of `sluice:sql`.
    wasmtime::component::bindgen!({
        path: ["../../plugins-sdk/wit/data", "../../plugins-sdk/wit/sql"],
        world: "sluice:sql/imports",
        imports: { default: async | trappable },
        with: {
            "sluice:data/errors": sluice_capability::bindings::errors,
            "sluice:data/batches": sluice_capability::bindings::batches,
            "sluice:data/operations": sluice_capability::bindings::operations,
            "sluice:sql/sql.connection": crate::ConnectionHandle,
            "sluice:sql/sql.cursor": crate::CursorHandle,
            "sluice:sql/sql.transaction": crate::TransactionHandle,
        },
    });

    pub use self::sluice::sql::sql;
}

/// Databases, within a ceiling.
pub struct SqlCapability {
    ceiling: SqlCeiling,
}

impl SqlCapability {
    /// `ceiling`: `roots` and `forbidden`, see [`config`].
    #[must_use]
    pub fn new(ceiling: &Ceiling) -> Self {
        Self { ceiling: SqlCeiling::new(ceiling) }
    }
}

impl Capability for SqlCapability {
    fn name(&self) -> &'static str {
        NAME
    }

    fn link(&self, linker: &mut wasmtime::component::Linker<GuestState>) -> wasmtime::Result<()> {
        bindings::sql::add_to_linker::<GuestState, HasGuest>(linker, |state| state)
    }

    fn prepare(&self, _identity: &GuestIdentity, grants: &Grants) -> Result<Box<dyn Any + Send>, GrantError> {
        let mut databases: BTreeMap<String, Arc<dyn Backend>> = BTreeMap::new();
        for (name, target) in config::connections(grants, &self.ceiling)? {
            let Target::Sqlite(target) = target;
            databases.insert(name, Arc::new(SqliteBackend::new(target, self.ceiling.clone())));
        }
        Ok(Box::new(Databases(databases)))
    }
}
