//! Opening files beneath what is granted, and nothing else.

use crate::config::absolute_path;
use crate::watch::Watcher;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;
use sluice_capability::CapabilityError;
use sluice_capability::bindings::errors::Error;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What one connector may reach.
pub struct Access {
    connector: String,
    granted: Vec<PathBuf>,
    /// None: anywhere.
    roots: Option<Vec<PathBuf>>,
    forbidden: Vec<PathBuf>,
    watcher: Arc<Watcher>,
}

/// A folder that was opened and may be used, and a name in it.
pub struct Place {
    pub folder: OwnedFd,
    pub name: OsString,
    pub path: PathBuf,
}

impl Access {
    #[must_use]
    pub fn new(
        connector: &str,
        granted: Vec<PathBuf>,
        roots: Option<Vec<PathBuf>>,
        forbidden: Vec<PathBuf>,
        watcher: Arc<Watcher>,
    ) -> Self {
        // What is granted and closed is compared with real paths; a folder that does not exist yet has no other.
        let real = |path: PathBuf| std::fs::canonicalize(&path).unwrap_or(path);
        let roots = roots.map(|roots| roots.into_iter().map(real).collect());
        let forbidden = forbidden.into_iter().map(real).collect();
        Self { connector: connector.to_owned(), granted, roots, forbidden, watcher }
    }

    pub(crate) fn watcher(&self) -> &Watcher {
        &self.watcher
    }

    /// Opens for reading: a regular file or a folder.
    ///
    /// # Errors
    /// `not-granted`, or what the system says.
    pub fn open(&self, text: &str) -> Result<(OwnedFd, Stat), Error> {
        let path = self.checked(text)?;
        // Without waiting: a named pipe would hold the thread until somebody writes.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = match self.open_beneath(&path, flags) {
            // A link leads out of the grant, or the granted path is one itself.
            Err(Errno::LOOP | Errno::XDEV) => self.open_link_target(&path, flags)?,
            other => other.map_err(|errno| io_error("open", &path, errno))?,
        };
        self.check_real_path(&file, &path)?;
        let stat = rustix::fs::fstat(&file).map_err(|errno| io_error("look at", &path, errno))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile | FileType::Directory => Ok((file, stat)),
            other => {
                let message = format!("{} is no regular file ({other:?})", path.display());
                Err(CapabilityError::fatal("io.not-a-file", message))
            }
        }
    }

    /// The folder of `text`, checked, for making, renaming or deleting what stands in it under its last name.
    ///
    /// # Errors
    /// As [`Access::open`].
    pub fn place(&self, text: &str) -> Result<Place, Error> {
        let path = self.checked(text)?;
        let name = path.file_name().map(OsStr::to_owned);
        let (Some(name), Some(parent)) = (name, path.parent()) else {
            return Err(CapabilityError::rejected("io.no-name", format!("{} names no file", path.display())));
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY;
        let folder = if self.granted.iter().any(|grant| path != *grant && path.starts_with(grant)) {
            self.open_beneath(parent, flags)
        } else {
            // The grant is the file itself: the links above it are the machine's business.
            rustix::fs::open(parent, flags | OFlags::CLOEXEC, Mode::empty())
        };
        let folder = folder.map_err(|errno| match errno {
            Errno::LOOP | Errno::XDEV => self.leads_outside(parent, None),
            errno => io_error("open the folder", parent, errno),
        })?;
        let real = self.check_real_path(&folder, parent)?.join(&name);
        // Who renames a folder moves what is in it.
        if self.forbidden.iter().any(|folder| folder.starts_with(&real)) {
            return Err(self.not_granted(&path));
        }
        // fsync needs a descriptor that is not only a path.
        let folder =
            rustix::fs::openat(&folder, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .map_err(|errno| io_error("open the folder", parent, errno))?;
        Ok(Place { folder, name, path })
    }

    fn checked(&self, text: &str) -> Result<PathBuf, Error> {
        let path = absolute_path(text)
            .map_err(|problem| CapabilityError::rejected("io.bad-path", format!("file path {text:?} {problem}")))?;
        if self.is_granted(&path) { Ok(path) } else { Err(self.not_granted(&path)) }
    }

    fn is_granted(&self, path: &Path) -> bool {
        self.granted.iter().any(|grant| path.starts_with(grant))
    }

    /// Relative to the grant, resolved by the kernel without leaving it. The grant itself must not be a link.
    fn open_beneath(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
        let grant =
            self.granted.iter().filter(|grant| path.starts_with(grant)).max_by_key(|grant| grant.as_os_str().len());
        let grant = grant.ok_or(Errno::ACCESS)?;
        let (Some(parent), Some(name)) = (grant.parent(), grant.file_name()) else {
            let root = rustix::fs::open(grant, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
            return openat_beneath(&root, path.strip_prefix(grant).map_err(|_| Errno::INVAL)?, flags);
        };
        let parent = rustix::fs::open(parent, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let rest = path.strip_prefix(grant).map_err(|_| Errno::INVAL)?;
        if rest.as_os_str().is_empty() {
            return openat_beneath(&parent, Path::new(name), flags | OFlags::NOFOLLOW);
        }
        let folder_flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let folder = openat_beneath(&parent, Path::new(name), folder_flags).map_err(|errno| match errno {
            // A link opened without following is no folder.
            Errno::NOTDIR if is_link(grant) => Errno::LOOP,
            errno => errno,
        })?;
        openat_beneath(&folder, rest, flags)
    }

    fn open_link_target(&self, path: &Path, flags: OFlags) -> Result<OwnedFd, Error> {
        let target = std::fs::canonicalize(path).map_err(|error| {
            let errno = Errno::from_io_error(&error).unwrap_or(Errno::IO);
            io_error("follow the symbolic link", path, errno)
        })?;
        if !self.is_granted(&target) {
            return Err(self.leads_outside(path, Some(&target)));
        }
        self.open_beneath(&target, flags).map_err(|errno| match errno {
            Errno::LOOP | Errno::XDEV => self.leads_outside(path, Some(&target)),
            errno => io_error("open", &target, errno),
        })
    }

    /// Where the descriptor really is: a grant may have become a link after it was checked.
    fn check_real_path(&self, file: &OwnedFd, path: &Path) -> Result<PathBuf, Error> {
        use rustix::fd::AsRawFd;
        let link = format!("/proc/self/fd/{}", file.as_raw_fd());
        let real = std::fs::read_link(link).map_err(|error| {
            CapabilityError::fatal("io.error", format!("cannot see where {} is: {error}", path.display()))
        })?;
        if let Some(folder) = self.forbidden.iter().find(|folder| real.starts_with(folder)) {
            let message = format!("{} lies in {}, which is closed to connectors", path.display(), folder.display());
            return Err(CapabilityError::fatal("not-granted", message));
        }
        match &self.roots {
            Some(roots) if !roots.iter().any(|root| real.starts_with(root)) => {
                Err(self.leads_outside(path, Some(&real)))
            }
            _ => Ok(real),
        }
    }

    fn not_granted(&self, path: &Path) -> Error {
        let what = format!("file {}", path.display());
        CapabilityError::not_granted(&what, &self.connector, "only the paths in its config are")
    }

    fn leads_outside(&self, path: &Path, target: Option<&Path>) -> Error {
        let target = target.map(|target| format!(" to {}", target.display())).unwrap_or_default();
        let what = format!("file {}: a symbolic link leads{target} and that", path.display());
        CapabilityError::not_granted(&what, &self.connector, "name the link's target in the config instead")
    }
}

impl Place {
    /// Opens what the name stands for, never through a link.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(&self, flags: OFlags) -> Result<OwnedFd, Error> {
        let mode = Mode::from_raw_mode(0o644);
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = rustix::fs::openat(&self.folder, &self.name, flags, mode)
            .map_err(|errno| io_error("open", &self.path, errno))?;
        let stat = rustix::fs::fstat(&file).map_err(|errno| io_error("look at", &self.path, errno))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(file),
            FileType::Directory => Err(io_error("open", &self.path, Errno::ISDIR)),
            other => {
                let message = format!("{} is no regular file ({other:?})", self.path.display());
                Err(CapabilityError::fatal("io.not-a-file", message))
            }
        }
    }

    /// Makes renames and new names in the folder durable.
    ///
    /// # Errors
    /// What the system says.
    pub fn sync_folder(&self) -> Result<(), Error> {
        rustix::fs::fsync(&self.folder).map_err(|errno| io_error("sync the folder of", &self.path, errno))
    }
}

fn openat_beneath(folder: &impl AsFd, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    loop {
        match rustix::fs::openat2(folder, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            // The kernel saw a rename on the way and cannot vouch for the answer: ask again.
            Err(Errno::AGAIN | Errno::INTR) => {}
            other => return other,
        }
    }
}

fn is_link(path: &Path) -> bool {
    rustix::fs::statat(CWD, path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Symlink)
}

/// An error of the system in the guest's terms: what may change by itself is retriable.
#[must_use]
pub fn io_error(action: &str, path: &Path, errno: Errno) -> Error {
    let reason = std::io::Error::from(errno);
    let message = |remedy: &str| format!("cannot {action} {}: {reason}{remedy}", path.display());
    match errno {
        Errno::NOENT | Errno::NOTDIR => CapabilityError::retriable("io.not-found", message("")),
        Errno::ACCESS | Errno::PERM => {
            CapabilityError::fatal("io.permission-denied", message("; give the hub's user the right to it"))
        }
        Errno::ISDIR => CapabilityError::fatal("io.is-a-folder", message("; name a file")),
        Errno::LOOP => {
            CapabilityError::fatal("not-granted", message("; name the symbolic link's target in the config"))
        }
        Errno::EXIST => CapabilityError::rejected("io.exists", message("")),
        Errno::NAMETOOLONG | Errno::INVAL => CapabilityError::rejected("io.bad-path", message("")),
        Errno::NOSPC | Errno::DQUOT => CapabilityError::retriable("io.no-space", message("; make room")),
        Errno::ROFS => CapabilityError::fatal("io.read-only", message("")),
        _ => CapabilityError::retriable("io.error", message("")),
    }
}

/// The last part of a path as text, for people and globs.
#[must_use]
pub fn name_text(name: &OsStr) -> String {
    String::from_utf8_lossy(name.as_bytes()).into_owned()
}
