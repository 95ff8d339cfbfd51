//! The WIT functions of `sluice:object-store`.

use crate::backend::Backend;
use crate::bindings::sluice::object_store::object_store::{self, IfExists, ObjectInfo, Page};
use crate::local::LocalStore;
use crate::{NAME, Store, Stores, key};
use sluice_capability::bindings::errors::Error;
use sluice_capability::state::Output;
use sluice_capability::{CapabilityError, GuestState, HostResult};
use std::sync::Arc;
use wasmtime::component::Resource;

/// What one call of `get` gives at most.
const GET_BYTES_MAX: u32 = 16 << 20;
/// As S3.
const KEYS_MAX: u32 = 1000;

fn checked(key: &str) -> Result<(), Error> {
    key::check(key).map_err(|error| CapabilityError::rejected("object.bad-key", error.to_string()))
}

fn backend(state: &mut GuestState, this: &Resource<Store>) -> wasmtime::Result<Arc<dyn Backend>> {
    Ok(state.entered_host().get(this)?.0.clone())
}

impl object_store::Host for GuestState {
    async fn open(&mut self, name: String) -> HostResult<Resource<Store>> {
        let Some(stores) = self.capability::<Arc<Stores>>(NAME).cloned() else {
            let remedy = "its plugin must declare the capability \"object-store\" and its config name a store";
            return Ok(Err(CapabilityError::not_granted(
                "the capability \"object-store\"",
                &self.identity.connector,
                remedy,
            )));
        };
        let opened = LocalStore::open(stores, name).await;
        match opened {
            Ok(store) => Ok(Ok(self.entered_host().push(Store(Arc::new(store)))?)),
            Err(error) => Ok(Err(error)),
        }
    }
}

impl object_store::HostStore for GuestState {
    async fn put(
        &mut self,
        this: Resource<Store>,
        key: String,
        bytes: Vec<u8>,
        if_exists: IfExists,
    ) -> HostResult<ObjectInfo> {
        let store = backend(self, &this)?;
        let answer = match checked(&key) {
            Ok(()) => store.put(&key, bytes.into(), if_exists).await,
            Err(error) => Err(error),
        };
        self.entered_host();
        Ok(answer)
    }

    async fn upload(
        &mut self,
        this: Resource<Store>,
        key: String,
        if_exists: IfExists,
    ) -> HostResult<Resource<Output>> {
        let store = backend(self, &this)?;
        if let Err(error) = checked(&key) {
            return Ok(Err(error));
        }
        match store.upload(&key, if_exists).await {
            Ok(sink) => Ok(Ok(self.push_output(sink)?)),
            Err(error) => Ok(Err(error)),
        }
    }

    async fn head(&mut self, this: Resource<Store>, key: String) -> HostResult<Option<ObjectInfo>> {
        let store = backend(self, &this)?;
        let answer = match checked(&key) {
            Ok(()) => store.head(&key).await,
            Err(error) => Err(error),
        };
        self.entered_host();
        Ok(answer)
    }

    async fn get(&mut self, this: Resource<Store>, key: String, offset: u64, max_bytes: u32) -> HostResult<Vec<u8>> {
        let store = backend(self, &this)?;
        let answer = match checked(&key) {
            Ok(()) => store.get(&key, offset, max_bytes.min(GET_BYTES_MAX) as usize).await,
            Err(error) => Err(error),
        };
        self.entered_host();
        Ok(answer)
    }

    async fn list_objects(
        &mut self,
        this: Resource<Store>,
        prefix: String,
        after: Option<String>,
        max_keys: u32,
    ) -> HostResult<Page> {
        let store = backend(self, &this)?;
        let answer = store.list(&prefix, after.as_deref(), max_keys.clamp(1, KEYS_MAX) as usize).await;
        self.entered_host();
        Ok(answer)
    }

    async fn delete(&mut self, this: Resource<Store>, key: String) -> HostResult<bool> {
        let store = backend(self, &this)?;
        let answer = match checked(&key) {
            Ok(()) => store.delete(&key).await,
            Err(error) => Err(error),
        };
        self.entered_host();
        Ok(answer)
    }

    async fn copy(
        &mut self,
        this: Resource<Store>,
        source: String,
        target: String,
        if_exists: IfExists,
    ) -> HostResult<ObjectInfo> {
        let store = backend(self, &this)?;
        let answer = match checked(&source).and_then(|()| checked(&target)) {
            Ok(()) => store.copy(&source, &target, if_exists).await,
            Err(error) => Err(error),
        };
        self.entered_host();
        Ok(answer)
    }

    async fn drop(&mut self, this: Resource<Store>) -> wasmtime::Result<()> {
        self.entered_host().delete(this)?;
        Ok(())
    }
}
