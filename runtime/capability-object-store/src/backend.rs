//! What a store does, whatever holds its objects.

use crate::bindings::sluice::object_store::object_store::{IfExists, ObjectInfo, Page};
use bytes::Bytes;
use sluice_capability::bindings::errors::Error;
use sluice_capability::state::ByteSink;

/// One bucket. Keys were checked by [`crate::key::check`]. Every call may be dropped: nothing half-done becomes visible.
#[async_trait::async_trait]
pub trait Backend: Send + Sync {
    /// Durable and visible when it answers.
    ///
    /// # Errors
    /// Rejected `object.exists` when it is there and must not be replaced.
    async fn put(&self, key: &str, bytes: Bytes, if_exists: IfExists) -> Result<ObjectInfo, Error>;

    /// An upload in parts; `finish` makes it visible, dropping it aborts.
    ///
    /// # Errors
    /// As [`Backend::put`]; the object may also turn out to exist only at `finish`.
    async fn upload(&self, key: &str, if_exists: IfExists) -> Result<Box<dyn ByteSink>, Error>;

    /// # Errors
    /// What the store says; a missing object is `None`.
    async fn head(&self, key: &str) -> Result<Option<ObjectInfo>, Error>;

    /// At most `max_bytes` from `offset`; empty behind the end.
    ///
    /// # Errors
    /// Rejected `object.not-found`.
    async fn get(&self, key: &str, offset: u64, max_bytes: usize) -> Result<Vec<u8>, Error>;

    /// Objects whose keys begin with `prefix`, by key, behind `after`.
    ///
    /// # Errors
    /// What the store says.
    async fn list(&self, prefix: &str, after: Option<&str>, max_keys: usize) -> Result<Page, Error>;

    /// False: it was not there.
    ///
    /// # Errors
    /// What the store says.
    async fn delete(&self, key: &str) -> Result<bool, Error>;

    /// Without the bytes passing through here, where the store can.
    ///
    /// # Errors
    /// Rejected `object.not-found`, `object.exists`.
    async fn copy(&self, source: &str, target: &str, if_exists: IfExists) -> Result<ObjectInfo, Error>;
}
