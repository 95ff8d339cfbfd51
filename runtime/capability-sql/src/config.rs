//! What one connector was granted (connections by name) and what the worker allows at most.
//!
//! Grants: `url` (JDBC's form, as users write it), `user`, `password`. Ceiling: `roots`, folders beneath which a database file
//! must lie (absent: anywhere), and `forbidden`, folders that are never reachable.

use sluice_capability::{Ceiling, GrantError, Grants, Named};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A database as a URL names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Sqlite(SqliteTarget),
}

/// A SQLite file and how to open it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteTarget {
    pub path: PathBuf,
    /// URL parameter `mode=ro`.
    pub read_only: bool,
    /// URL parameter `busy_timeout`: how long to wait for a lock, ms.
    pub busy_timeout_ms: i32,
    /// URL parameter `foreign_keys`, off by default as in SQLite and its JDBC driver.
    pub foreign_keys: bool,
}

/// Long enough for another writer's transaction, short enough that a stop is noticed.
const BUSY_TIMEOUT_MS: i32 = 5_000;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error(
        "connection URL {url:?} is for {database}, which this build cannot reach yet: use jdbc:sqlite:/path/to/file.db"
    )]
    NotInThisBuild { url: String, database: &'static str },
    #[error("connection URL {url:?} is not understood: write jdbc:sqlite:/path/to/file.db")]
    Unknown { url: String },
    #[error("connection URL {url:?} names no file: a database in memory would be gone with its connection")]
    InMemory { url: String },
    #[error("connection URL {url:?}: parameter {parameter:?} is not supported; known are {known}")]
    Parameter { url: String, parameter: String, known: &'static str },
}

impl Target {
    /// Reads a JDBC URL, or the same without `jdbc:`.
    ///
    /// # Errors
    /// [`UrlError`], which repeats no more of the URL than its scheme when it may hold credentials.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        let plain = url.strip_prefix("jdbc:").unwrap_or(url);
        if let Some(rest) = plain.strip_prefix("sqlite:") {
            return SqliteTarget::parse(url, rest).map(Self::Sqlite);
        }
        // Anything else may carry a password.
        let shown =
            || format!("{}:…", url[..url.len() - plain.len()].to_owned() + plain.split(':').next().unwrap_or(""));
        let database = match plain.split(':').next().unwrap_or("") {
            "postgresql" | "postgres" => "PostgreSQL",
            "mysql" => "MySQL",
            "mariadb" => "MariaDB",
            "sqlserver" => "SQL Server",
            "oracle" => "Oracle",
            _ => return Err(UrlError::Unknown { url: shown() }),
        };
        Err(UrlError::NotInThisBuild { url: shown(), database })
    }
}

impl SqliteTarget {
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), read_only: false, busy_timeout_ms: BUSY_TIMEOUT_MS, foreign_keys: false }
    }

    fn parse(url: &str, rest: &str) -> Result<Self, UrlError> {
        let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let path = match path.strip_prefix("file:") {
            Some(path) => path_of_uri(path),
            None => PathBuf::from(path.strip_prefix("//").unwrap_or(path)),
        };
        if path.as_os_str().is_empty() || path.to_string_lossy().contains(":memory:") {
            return Err(UrlError::InMemory { url: url.split('?').next().unwrap_or(url).to_owned() });
        }
        let mut target = Self::new(path);
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if !target.set(name, value) {
                // Its value may be a password, which nothing here asks for.
                return Err(UrlError::Parameter {
                    url: url.split('?').next().unwrap_or(url).to_owned(),
                    parameter: name.to_owned(),
                    known: "mode=ro|rw|rwc, cache=private, busy_timeout=<ms>, foreign_keys=true|false",
                });
            }
        }
        Ok(target)
    }

    fn set(&mut self, name: &str, value: &str) -> bool {
        match (name, value) {
            ("mode", "ro") => self.read_only = true,
            ("mode", "rw" | "rwc") | ("cache", "private") => {}
            ("foreign_keys", "true" | "on" | "1") => self.foreign_keys = true,
            ("foreign_keys", "false" | "off" | "0") => self.foreign_keys = false,
            ("busy_timeout", milliseconds) => match milliseconds.parse() {
                Ok(milliseconds @ 0..=600_000) => self.busy_timeout_ms = milliseconds,
                _ => return false,
            },
            _ => return false,
        }
        true
    }
}

/// The path of a `file:` URI; only an absolute one can have escapes.
fn path_of_uri(path: &str) -> PathBuf {
    let absolute = path.strip_prefix("//").unwrap_or(path);
    url::Url::parse(&format!("file://{absolute}"))
        .ok()
        .filter(|_| absolute.starts_with('/'))
        .and_then(|uri| uri.to_file_path().ok())
        .unwrap_or_else(|| PathBuf::from(path))
}

/// The worker's bounds for database files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SqlCeiling {
    /// `None`: any file that the process may open.
    pub roots: Option<Vec<PathBuf>>,
    pub forbidden: Vec<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub enum PathError {
    #[error("the folder of database file {path:?} cannot be opened: {source}")]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("database file {path:?} is a folder: name a file in it")]
    IsFolder { path: PathBuf },
    #[error(
        "database file {path:?} is not beneath an allowed folder ({roots}): add its folder to capabilities.sql.roots"
    )]
    OutsideRoots { path: PathBuf, roots: String },
    #[error("database file {path:?} lies in a folder of the hub itself, which is never reachable: use another folder")]
    Forbidden { path: PathBuf },
}

impl SqlCeiling {
    #[must_use]
    pub fn new(ceiling: &Ceiling) -> Self {
        let paths = |name: &str| ceiling.get(name).map(|paths| paths.iter().map(PathBuf::from).collect());
        Self { roots: paths("roots"), forbidden: paths("forbidden").unwrap_or_default() }
    }

    /// The file that `path` names, without any symbolic link in it, when it may be opened. The file need not exist, its
    /// folder must.
    ///
    /// # Errors
    /// [`PathError`].
    pub fn resolve(&self, path: &Path) -> Result<PathBuf, PathError> {
        let resolved = match path.canonicalize() {
            Ok(resolved) => resolved,
            Err(_) => {
                let name = path.file_name().ok_or_else(|| PathError::IsFolder { path: path.to_owned() })?;
                let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                let folder = folder.unwrap_or(Path::new(".")).canonicalize();
                folder.map_err(|source| PathError::Folder { path: path.to_owned(), source })?.join(name)
            }
        };
        if resolved.is_dir() {
            return Err(PathError::IsFolder { path: path.to_owned() });
        }
        let beneath = |folder: &PathBuf| folder.canonicalize().is_ok_and(|folder| resolved.starts_with(folder));
        if self.forbidden.iter().any(beneath) {
            return Err(PathError::Forbidden { path: path.to_owned() });
        }
        if let Some(roots) = self.roots.as_ref().filter(|roots| !roots.iter().any(beneath)) {
            let roots = roots.iter().map(|root| root.display().to_string()).collect::<Vec<_>>().join(", ");
            return Err(PathError::OutsideRoots { path: path.to_owned(), roots });
        }
        Ok(resolved)
    }
}

/// The connections that one guest may open, by name.
///
/// # Errors
/// Every grant that cannot be used, in one error.
pub fn connections(grants: &Grants, ceiling: &SqlCeiling) -> Result<BTreeMap<String, Target>, GrantError> {
    let mut targets = BTreeMap::new();
    let mut problems = Vec::new();
    for (name, named) in &grants.named {
        match connection(named, ceiling) {
            Ok(Some(target)) => {
                targets.insert(name.clone(), target);
            }
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(targets) } else { Err(GrantError { problems }) }
}

/// A connection without a URL is not granted, which its guest learns when it opens it.
fn connection(named: &Named, ceiling: &SqlCeiling) -> Result<Option<Target>, String> {
    let Some(url) = named.get("url").filter(|url| !url.trim().is_empty()) else { return Ok(None) };
    let target = Target::parse(url.trim()).map_err(|error| error.to_string())?;
    let Target::Sqlite(sqlite) = &target;
    match ceiling.resolve(&sqlite.path) {
        // A folder that is not there yet is told when the connection is opened, with a retry.
        Ok(_) | Err(PathError::Folder { .. }) => Ok(Some(target)),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(url: &str) -> SqliteTarget {
        let Target::Sqlite(target) = Target::parse(url).expect(url);
        target
    }

    #[test]
    fn sqlite_urls_are_read_as_users_write_them() {
        for url in [
            "jdbc:sqlite:/data/shop.db",
            "sqlite:/data/shop.db",
            "jdbc:sqlite:file:/data/shop.db",
            "sqlite:///data/shop.db",
            "jdbc:sqlite:file:///data/shop.db?mode=rw",
        ] {
            assert_eq!(sqlite(url).path, Path::new("/data/shop.db"), "{url}");
        }
        assert_eq!(sqlite("jdbc:sqlite:shop.db").path, Path::new("shop.db"));
        assert_eq!(sqlite("jdbc:sqlite:file:/data/my%20shop.db").path, Path::new("/data/my shop.db"));
        let target = sqlite("jdbc:sqlite:/data/shop.db?mode=ro&busy_timeout=100&foreign_keys=on");
        assert_eq!((target.read_only, target.busy_timeout_ms, target.foreign_keys), (true, 100, true));
    }

    #[test]
    fn other_databases_are_named_without_their_credentials() {
        let error = Target::parse("jdbc:postgresql://app:secret@db/shop").unwrap_err().to_string();
        assert!(error.contains("PostgreSQL") && error.contains("yet"), "{error}");
        assert!(!error.contains("secret"), "{error}");
        assert!(Target::parse("jdbc:mysql://db/shop").unwrap_err().to_string().contains("MySQL"));
        assert!(!Target::parse("secret@nothing").unwrap_err().to_string().contains("jdbc:jdbc"));
        assert!(matches!(Target::parse("jdbc:sqlite::memory:"), Err(UrlError::InMemory { .. })));
        assert!(matches!(Target::parse("jdbc:sqlite:/x.db?vfs=unix-none"), Err(UrlError::Parameter { .. })));
    }

    #[test]
    fn a_file_outside_the_roots_is_refused_also_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (allowed, outside) = (folder.path().join("allowed"), folder.path().join("outside"));
        std::fs::create_dir(&allowed).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("real.db"), "").unwrap();
        std::os::unix::fs::symlink(outside.join("real.db"), allowed.join("link.db")).unwrap();
        std::os::unix::fs::symlink(&outside, allowed.join("folder")).unwrap();
        let ceiling = SqlCeiling { roots: Some(vec![allowed.clone()]), forbidden: vec![] };

        assert!(ceiling.resolve(&allowed.join("new.db")).is_ok());
        for path in [
            outside.join("real.db"),
            allowed.join("link.db"),
            allowed.join("folder/new.db"),
            allowed.join("../outside/x.db"),
        ] {
            assert!(matches!(ceiling.resolve(&path), Err(PathError::OutsideRoots { .. })), "{path:?}");
        }
        assert!(matches!(ceiling.resolve(&allowed), Err(PathError::IsFolder { .. })));
    }

    #[test]
    fn a_forbidden_folder_is_refused_even_beneath_a_root() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).unwrap();
        let ceiling = SqlCeiling { roots: Some(vec![folder.path().to_owned()]), forbidden: vec![data.clone()] };
        assert!(matches!(ceiling.resolve(&data.join("x.db")), Err(PathError::Forbidden { .. })));
        assert!(ceiling.resolve(&folder.path().join("x.db")).is_ok());
    }

    #[test]
    fn every_unusable_grant_is_told_at_once() {
        let named = |url: &str| Named(BTreeMap::from([("url".to_owned(), url.to_owned())]));
        let named = BTreeMap::from([("a".to_owned(), named("jdbc:mysql://x")), ("b".to_owned(), named("nonsense"))]);
        let error = connections(&Grants { named }, &SqlCeiling::default()).unwrap_err();
        assert_eq!(error.problems.len(), 2);
    }
}
