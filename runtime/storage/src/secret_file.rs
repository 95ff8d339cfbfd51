//! [`SecretFile`]: secrets that have a name of their own, beside the log and sealed with the hub's key.
//!
//! A JSON object of name → sealed value, mode 0600. It is replaced as a whole by a rename, so that a reader sees the old or the new one.

use crate::secrets::{Secrets, SecretsError};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The connector's name under which these are sealed: none has it.
const OWNER: &str = "";

#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    #[error("the secrets in {path} cannot be used: {source}", path = .path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

/// Named secrets. Each call reads the file, so that what another process stored is seen.
#[derive(Clone)]
pub struct SecretFile {
    path: PathBuf,
    secrets: Arc<Secrets>,
}

impl SecretFile {
    /// `key_file` is the hub's own, which is made when it is not there.
    ///
    /// # Errors
    /// As [`Secrets::open`].
    pub fn open(path: &Path, key_file: &Path) -> Result<Self, SecretFileError> {
        Ok(Self { path: path.to_owned(), secrets: Arc::new(Secrets::open(key_file)?) })
    }

    /// The secret in clear.
    ///
    /// # Errors
    /// [`SecretFileError`].
    pub fn get(&self, name: &str) -> Result<Option<String>, SecretFileError> {
        let Some(sealed) = self.read()?.remove(name) else { return Ok(None) };
        Ok(Some(self.secrets.unseal(OWNER, name, &sealed)?))
    }

    /// # Errors
    /// [`SecretFileError`].
    pub fn names(&self) -> Result<Vec<String>, SecretFileError> {
        Ok(self.read()?.into_keys().collect())
    }

    /// # Errors
    /// [`SecretFileError`].
    pub fn put(&self, name: &str, value: &str) -> Result<(), SecretFileError> {
        let mut all = self.read()?;
        all.insert(name.to_owned(), self.secrets.seal(OWNER, name, value)?);
        self.write(&all)
    }

    /// Whether it was there.
    ///
    /// # Errors
    /// [`SecretFileError`].
    pub fn remove(&self, name: &str) -> Result<bool, SecretFileError> {
        let mut all = self.read()?;
        let was_there = all.remove(name).is_some();
        if was_there {
            self.write(&all)?;
        }
        Ok(was_there)
    }

    fn read(&self) -> Result<BTreeMap<String, String>, SecretFileError> {
        match fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| self.failed(error.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn write(&self, all: &BTreeMap<String, String>) -> Result<(), SecretFileError> {
        self.replace(&serde_json::to_vec_pretty(all).unwrap_or_default()).map_err(|error| self.failed(error))
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let parent = self.path.parent().unwrap_or(Path::new("."));
        let unfinished = self.path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, &self.path)?;
        File::open(parent)?.sync_all()
    }

    fn failed(&self, source: io::Error) -> SecretFileError {
        SecretFileError::Io { path: self.path.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_is_sealed_in_the_file_and_clear_for_who_asks() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.json");
        let open = || SecretFile::open(&path, &folder.path().join("secret.key")).unwrap();
        open().put("db.password", "geheim").unwrap();
        open().put("token", "t0ken").unwrap();
        assert_eq!(open().get("db.password").unwrap().as_deref(), Some("geheim"));
        assert_eq!(open().get("nothing").unwrap(), None);
        assert_eq!(open().names().unwrap(), ["db.password", "token"]);
        assert!(!fs::read_to_string(&path).unwrap().contains("geheim"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(open().remove("token").unwrap() && !open().remove("token").unwrap());
        assert_eq!(open().names().unwrap(), ["db.password"]);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secrets.json");
        fs::write(&path, "{").unwrap();
        let file = SecretFile::open(&path, &folder.path().join("secret.key")).unwrap();
        assert!(file.get("x").unwrap_err().to_string().contains("secrets.json"));
    }
}
