//! What the worker allows (`roots`, `buckets`) and what a connector was given (`url`, `bucket`).

use sluice_capability::{Ceiling, GrantError, Grants, Named};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use url::Url;

pub struct StoreCeiling {
    roots: Option<Vec<PathBuf>>,
    buckets: Option<Vec<String>>,
    forbidden: Vec<PathBuf>,
}

/// The stores of one connector, by name.
pub struct Stores {
    pub connector: String,
    pub folders: BTreeMap<String, PathBuf>,
    roots: Option<Vec<PathBuf>>,
    forbidden: Vec<PathBuf>,
}

impl StoreCeiling {
    pub fn new(ceiling: &Ceiling, forbidden: Vec<PathBuf>) -> Self {
        let absolute = |root: &String| std::path::absolute(root).unwrap_or_else(|_| PathBuf::from(root));
        Self {
            roots: ceiling.get("roots").map(|roots| roots.iter().map(absolute).collect()),
            buckets: ceiling.get("buckets").map(<[String]>::to_vec),
            forbidden,
        }
    }

    /// # Errors
    /// Every store that is not allowed or not understood.
    pub fn allow(&self, connector: &str, grants: &Grants) -> Result<Stores, GrantError> {
        let mut folders = BTreeMap::new();
        let mut problems = Vec::new();
        for (name, named) in &grants.named {
            match self.allow_one(named) {
                Ok(folder) => drop(folders.insert(name.clone(), folder)),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(GrantError { problems });
        }
        let real = |path: &PathBuf| std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        Ok(Stores {
            connector: connector.to_owned(),
            folders,
            roots: self.roots.as_ref().map(|roots| roots.iter().map(real).collect()),
            forbidden: self.forbidden.iter().map(real).collect(),
        })
    }

    fn allow_one(&self, named: &Named) -> Result<PathBuf, String> {
        let url = named.get("url").unwrap_or_default();
        let mut folder = local_folder(url)?;
        if let Some(bucket) = named.get("bucket").filter(|bucket| !bucket.is_empty()) {
            check_bucket(bucket)?;
            if self.buckets.as_ref().is_some_and(|buckets| !buckets.iter().any(|allowed| allowed == bucket)) {
                return Err(format!("bucket {bucket:?} is not allowed; add it to capabilities.object-store.buckets"));
            }
            folder.push(bucket);
        }
        if let Some(closed) = self.forbidden.iter().find(|closed| folder.starts_with(closed)) {
            return Err(format!("store {url:?} lies in {}, which belongs to the hub", closed.display()));
        }
        match &self.roots {
            Some(roots) if !roots.iter().any(|root| folder.starts_with(root)) => Err(format!(
                "store {url:?} lies in none of the worker's roots; add its folder to capabilities.object-store.roots"
            )),
            _ => Ok(folder),
        }
    }
}

impl Stores {
    /// Whether a folder that was opened may be used: links are resolved by now.
    ///
    /// # Errors
    /// Why not.
    pub fn check_real_path(&self, real: &Path) -> Result<(), String> {
        if let Some(closed) = self.forbidden.iter().find(|closed| real.starts_with(closed)) {
            return Err(format!("{} lies in {}, which belongs to the hub", real.display(), closed.display()));
        }
        match &self.roots {
            Some(roots) if !roots.iter().any(|root| real.starts_with(root)) => {
                Err(format!("{} lies in none of the worker's roots", real.display()))
            }
            _ => Ok(()),
        }
    }
}

fn local_folder(url: &str) -> Result<PathBuf, String> {
    if url.is_empty() {
        return Err(
            "the object store has no URL: this version stores in local folders, so write store.url=file:///folder"
                .into(),
        );
    }
    let parsed = Url::parse(url).map_err(|error| format!("the object store's URL {url:?} cannot be read: {error}"))?;
    if parsed.scheme() != "file" {
        return Err(format!(
            "the object store's URL has the scheme {:?}: this version stores in local folders, so write file:///folder",
            parsed.scheme()
        ));
    }
    parsed.to_file_path().map_err(|()| format!("the object store's URL {url:?} names no local folder"))
}

fn check_bucket(bucket: &str) -> Result<(), String> {
    match crate::key::check(bucket) {
        Ok(()) if !bucket.contains('/') => Ok(()),
        _ => Err(format!("bucket {bucket:?} is no single folder name")),
    }
}
