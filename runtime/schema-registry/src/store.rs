//! What the records amount to: subjects with their versions, schemas by id, levels and modes. Decides nothing.

use crate::records::Record;
use sluice_connect_api::RegistryError;
use sluice_connect_api::schema_registry::{CompatibilityLevel, SchemaReference, SchemaText};
use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

/// What may be done with a subject. Source: Confluent `storage.Mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    ReadWrite,
    ReadOnly,
    /// As `ReadOnly`, for what is configured too.
    ReadOnlyOverride,
    /// Versions and ids are given by the client, and nothing is checked.
    Import,
}

impl Mode {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadWrite => "READWRITE",
            Self::ReadOnly => "READONLY",
            Self::ReadOnlyOverride => "READONLY_OVERRIDE",
            Self::Import => "IMPORT",
        }
    }
}

impl FromStr for Mode {
    type Err = RegistryError;

    fn from_str(text: &str) -> Result<Self, RegistryError> {
        let modes = [Self::ReadWrite, Self::ReadOnly, Self::ReadOnlyOverride, Self::Import];
        modes.into_iter().find(|mode| mode.name().eq_ignore_ascii_case(text)).ok_or_else(|| {
            let valid = "READWRITE, READONLY, READONLY_OVERRIDE, IMPORT";
            RegistryError::new(crate::INVALID_MODE, format!("Invalid mode. Valid values are {valid}"))
        })
    }
}

/// One version of a subject, also a soft-deleted one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVersion {
    pub subject: String,
    pub version: u32,
    pub id: u32,
    pub schema: SchemaText,
    pub deleted: bool,
}

#[derive(Debug, Default)]
pub struct Store {
    subjects: BTreeMap<String, BTreeMap<u32, StoredVersion>>,
    by_id: BTreeMap<u32, SchemaText>,
    ids: HashMap<SchemaText, u32>,
    levels: BTreeMap<Option<String>, CompatibilityLevel>,
    modes: BTreeMap<Option<String>, Mode>,
    /// The highest id that is known to have been given.
    id_max: u32,
}

impl Store {
    /// Records must come in the order in which they were written.
    pub fn apply(&mut self, record: Record) {
        match record {
            Record::IdMax(id) => self.id_max = self.id_max.max(id),
            Record::Schema(stored) => {
                self.id_max = self.id_max.max(stored.id);
                self.ids.entry(stored.schema.clone()).or_insert(stored.id);
                self.by_id.insert(stored.id, stored.schema.clone());
                self.subjects.entry(stored.subject.clone()).or_default().insert(stored.version, stored);
            }
            Record::Config { subject, level } => drop(self.levels.insert(subject, level)),
            Record::Mode { subject, mode } => drop(self.modes.insert(subject, mode)),
            Record::DeleteSubject { subject, version } => {
                let versions = self.subjects.get_mut(&subject).into_iter().flatten();
                versions.filter(|(own, _)| **own <= version).for_each(|(_, stored)| stored.deleted = true);
            }
        }
    }

    /// The id stays taken: messages in the log may carry it.
    pub fn remove_version(&mut self, subject: &str, version: u32) {
        if let Some(versions) = self.subjects.get_mut(subject) {
            versions.remove(&version);
            if versions.is_empty() {
                self.subjects.remove(subject);
            }
        }
    }

    pub fn set_level(&mut self, subject: Option<&str>, level: Option<CompatibilityLevel>) {
        let subject = subject.map(str::to_owned);
        match level {
            Some(level) => self.levels.insert(subject, level),
            None => self.levels.remove(&subject),
        };
    }

    pub fn set_mode(&mut self, subject: Option<&str>, mode: Option<Mode>) {
        let subject = subject.map(str::to_owned);
        match mode {
            Some(mode) => self.modes.insert(subject, mode),
            None => self.modes.remove(&subject),
        };
    }

    pub fn subjects(&self) -> impl Iterator<Item = (&String, &BTreeMap<u32, StoredVersion>)> {
        self.subjects.iter()
    }

    /// Ascending; empty: there is no such subject.
    pub fn versions(&self, subject: &str) -> impl DoubleEndedIterator<Item = &StoredVersion> {
        self.subjects.get(subject).into_iter().flat_map(BTreeMap::values)
    }

    #[must_use]
    pub fn version(&self, subject: &str, version: u32) -> Option<&StoredVersion> {
        self.subjects.get(subject)?.get(&version)
    }

    #[must_use]
    pub fn schema(&self, id: u32) -> Option<&SchemaText> {
        self.by_id.get(&id)
    }

    #[must_use]
    pub fn id_of(&self, schema: &SchemaText) -> Option<u32> {
        self.ids.get(schema).copied()
    }

    #[must_use]
    pub fn id_max(&self) -> u32 {
        self.id_max
    }

    /// Every version that refers to one.
    pub fn referring<'a>(&'a self, subject: &'a str, version: u32) -> impl Iterator<Item = &'a StoredVersion> {
        let refers = move |reference: &SchemaReference| reference.subject == subject && reference.version == version;
        let all = self.subjects.values().flat_map(BTreeMap::values);
        all.filter(move |stored| stored.schema.references.iter().any(refers))
    }

    #[must_use]
    pub fn level(&self, subject: Option<&str>) -> Option<CompatibilityLevel> {
        self.levels.get(&subject.map(str::to_owned)).copied()
    }

    #[must_use]
    pub fn mode(&self, subject: Option<&str>) -> Option<Mode> {
        self.modes.get(&subject.map(str::to_owned)).copied()
    }
}
