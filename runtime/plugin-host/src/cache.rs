//! Compiled components, by digest, in a folder that only the hub writes.
//!
//! ```text
//! <sha256 of the component>-<engine hash>.cwasm   machine code; read back only when its digest stands in the .json beside it
//! <sha256 of the component>-<engine hash>.json    {"cwasm": "<sha256>", "abi": "0.1", "described": {…}}
//! ```
//!
//! Reading machine code back is as good as running it. So the folder is 0700 and owned by this user, an entry whose digest
//! differs is compiled again, and a `.cwasm` from anywhere else is never looked at.

#![allow(unsafe_code)]

use crate::error::HostError;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use wasmtime::Engine;
use wasmtime::component::Component;

pub(crate) struct CompileCache {
    folder: PathBuf,
    engine_hash: u64,
}

/// What the cache knows of a component without reading its code.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CachedEntry {
    pub(crate) cwasm: String,
    pub(crate) abi: String,
    pub(crate) described: Value,
}

impl CompileCache {
    /// Makes the folder when it is missing.
    ///
    /// # Errors
    /// When it cannot be made, belongs to another user, or others may write to it.
    pub(crate) fn open(folder: &Path, engine: &Engine) -> Result<Self, HostError> {
        let refuse = |reason: String| HostError::CacheFolder { path: folder.to_owned(), reason };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| refuse(error.to_string()))?;
        let metadata = fs::metadata(folder).map_err(|error| refuse(error.to_string()))?;
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(refuse("it belongs to another user".to_owned()));
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            let private = fs::Permissions::from_mode(0o700);
            fs::set_permissions(folder, private).map_err(|error| refuse(format!("others may enter it: {error}")))?;
        }
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self { folder: folder.to_owned(), engine_hash: hasher.finish() })
    }

    /// The entry for this component, when there is a readable one.
    pub(crate) fn entry(&self, component: &str) -> Option<CachedEntry> {
        let text = fs::read(self.path(component, "json")).ok()?;
        let entry: Value = serde_json::from_slice(&text).ok()?;
        let text = |name: &str| entry[name].as_str().map(str::to_owned);
        Some(CachedEntry { cwasm: text("cwasm")?, abi: text("abi")?, described: entry.get("described")?.clone() })
    }

    /// The compiled component, unless it is missing or damaged.
    pub(crate) fn load(&self, engine: &Engine, component: &str, entry: &CachedEntry) -> Option<Component> {
        let path = self.path(component, "cwasm");
        let code = fs::read(&path).ok()?;
        if sha256(&code) != entry.cwasm {
            tracing::warn!(path = %path.display(), "a compiled plugin in the cache is damaged and is compiled again");
            return None;
        }
        drop(code);
        // SAFETY: the file was made by this engine's `serialize` (its digest was noted then and is unchanged), and nobody
        // but this user may write to the folder.
        let component = unsafe { Component::deserialize_file(engine, &path) };
        component.inspect_err(|error| tracing::warn!(%error, "a compiled plugin in the cache is unusable")).ok()
    }

    /// Keeps a compiled component. A cache that cannot be written costs time at the next start and nothing else.
    pub(crate) fn store(&self, component: &str, compiled: &Component, abi: &str, described: &Value) {
        if let Err(error) = self.try_store(component, compiled, abi, described) {
            tracing::warn!(folder = %self.folder.display(), error, "a compiled plugin could not be cached");
        }
    }

    fn try_store(&self, component: &str, compiled: &Component, abi: &str, described: &Value) -> Result<(), String> {
        let code = compiled.serialize().map_err(|error| error.to_string())?;
        let entry = json!({"cwasm": sha256(&code), "abi": abi, "described": described}).to_string();
        self.write(&self.path(component, "cwasm"), &code).map_err(|error| error.to_string())?;
        self.write(&self.path(component, "json"), entry.as_bytes()).map_err(|error| error.to_string())
    }

    /// Under another name first: a reader sees all of it or nothing.
    fn write(&self, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| std::io::Error::other(error.to_string()))?;
        let temporary = self.folder.join(format!(".{:x}.tmp", u64::from_ne_bytes(random)));
        let mut file = fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        drop(file);
        fs::rename(&temporary, path)
    }

    fn path(&self, component: &str, extension: &str) -> PathBuf {
        self.folder.join(format!("{component}-{:016x}.{extension}", self.engine_hash))
    }
}

/// In hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let digest = digest(&SHA256, bytes);
    digest.as_ref().iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}
