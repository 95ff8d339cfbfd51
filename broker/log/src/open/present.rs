//! The names in the log directory: nothing is touched before all of them are known.

use crate::OpenError;
use crate::listing::{LISTING_NAME, LISTING_TEMPORARY_NAME};
use crate::producers::{SNAPSHOT_NAME, SNAPSHOT_TEMPORARY_NAME};
use crate::storage::Storage;
use crate::wal::{FileKind, parse_file_name, parse_number};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What lies in the log directory.
pub(super) struct Present {
    pub files: BTreeMap<u64, FileKind>,
    /// Numbers of files that have an index.
    pub indexes: Vec<u64>,
    /// Left over from a crash; removed once nothing else stands in the way of opening.
    pub doomed: Vec<String>,
}

pub(super) fn list(storage: &Arc<dyn Storage>) -> Result<Present, OpenError> {
    let failed = |source| OpenError::Io { action: "list", name: "the log directory".into(), source };
    let mut present = Present { files: BTreeMap::new(), indexes: Vec::new(), doomed: Vec::new() };
    for name in storage.list().map_err(failed)? {
        let number_of = |extension: &str| parse_number(name.strip_suffix(extension)?);
        if let Some((number, kind)) = parse_file_name(&name) {
            if present.files.insert(number, kind).is_some() {
                return Err(OpenError::Foreign { name });
            }
        } else if number_of(".tmp").is_some() || [SNAPSHOT_TEMPORARY_NAME, LISTING_TEMPORARY_NAME].contains(&&*name) {
            present.doomed.push(name);
        } else if let Some(number) = number_of(".index") {
            present.indexes.push(number);
        } else if ![SNAPSHOT_NAME, LISTING_NAME].contains(&&*name) {
            return Err(OpenError::Foreign { name });
        }
    }
    Ok(present)
}
