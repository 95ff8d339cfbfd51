//! Objects in the order of their keys.

use super::{Bucket, FOLDER, io_error, object_info, open_beneath};
use crate::bindings::sluice::object_store::object_store::{ObjectInfo, Page};
use crate::key::UPLOADS;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;
use sluice_capability::bindings::errors::Error;

/// Folders below folders: deeper than any key can be.
const DEPTH_MAX: usize = 512;

struct Walk<'a> {
    bucket: &'a Bucket,
    prefix: &'a str,
    after: &'a str,
    wanted: usize,
    found: Vec<ObjectInfo>,
}

/// Reads only folders that can hold keys of the page, and stops when it is full.
pub(super) fn list(bucket: &Bucket, prefix: &str, after: Option<&str>, max_keys: usize) -> Result<Page, Error> {
    let mut walk = Walk { bucket, prefix, after: after.unwrap_or(""), wanted: max_keys + 1, found: Vec::new() };
    let root = open_beneath(&bucket.folder, ".", FOLDER).map_err(|errno| bucket.failed("list", prefix, errno))?;
    walk.folder(&root, "", 0)?;
    let mut objects = walk.found;
    let more = objects.len() > max_keys;
    objects.truncate(max_keys);
    let next = objects.last().filter(|_| more).map(|object| object.key.clone());
    Ok(Page { objects, next })
}

impl Walk<'_> {
    /// `path` is empty or ends with `/`.
    fn folder(&mut self, folder: &OwnedFd, path: &str, depth: usize) -> Result<(), Error> {
        if depth > DEPTH_MAX {
            return Ok(());
        }
        for name in self.entries(folder, path)? {
            if self.found.len() == self.wanted {
                return Ok(());
            }
            let key = format!("{path}{name}");
            match key.strip_suffix('/') {
                Some(_) => {
                    let inner = match open_beneath(folder, name.trim_end_matches('/'), FOLDER) {
                        Ok(inner) => inner,
                        // Gone since it was listed.
                        Err(Errno::NOENT | Errno::NOTDIR) => continue,
                        Err(errno) => return Err(self.bucket.failed("list", &key, errno)),
                    };
                    self.folder(&inner, &key, depth + 1)?;
                }
                None => match rustix::fs::statat(folder, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => self.found.push(object_info(&key, &stat)),
                    Err(Errno::NOENT) => {}
                    Err(errno) => return Err(self.bucket.failed("list", &key, errno)),
                },
            }
        }
        Ok(())
    }

    /// Names that can lead to a key of the page, folders with `/` at their end: so they sort as their keys do.
    fn entries(&self, folder: &OwnedFd, path: &str) -> Result<Vec<String>, Error> {
        let failed = |errno| io_error("list", &self.bucket.path.join(path), errno);
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if matches!(name, "." | "..") || (path.is_empty() && name == UPLOADS) {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(_) => continue,
                },
                kind => kind,
            };
            let name = match kind {
                FileType::Directory => format!("{name}/"),
                FileType::RegularFile => name.to_owned(),
                _ => continue,
            };
            if self.may_hold(&format!("{path}{name}")) {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn may_hold(&self, key: &str) -> bool {
        if key.ends_with('/') {
            let on_the_way = key.starts_with(self.prefix) || self.prefix.starts_with(key);
            return on_the_way && (key > self.after || self.after.starts_with(key));
        }
        key.starts_with(self.prefix) && (self.after.is_empty() || key > self.after)
    }
}
