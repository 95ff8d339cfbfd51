//! [`EmbeddedRegistry`]: the registry in this process, kept in the log.
//!
//! One writer: a change is decided, written and durable before the next is looked at, and nobody hears of it earlier. So an
//! id that was answered is in the log, and no id is given twice. Source: Confluent `KafkaSchemaRegistry`.

use crate::records::{self, Record};
use crate::store::{Mode, Store, StoredVersion};
use crate::{
    ID_DOES_NOT_MATCH, INCOMPATIBLE_SCHEMA, REFERENCE_EXISTS, SCHEMAS_TOPIC, SUBJECT_COMPATIBILITY_NOT_CONFIGURED,
    SUBJECT_MODE_NOT_CONFIGURED, SUBJECT_NOT_SOFT_DELETED, SUBJECT_SOFT_DELETED, VERSION_NOT_SOFT_DELETED,
    VERSION_SOFT_DELETED, invalid_schema, not_permitted, schema_id_not_found, schema_not_found, store_error,
    subject_not_found, version_not_found,
};
use parking_lot::RwLock;
use sluice_client::Broker;
use sluice_connect_api::schema_registry::{
    CompatibilityLevel, SchemaKind, SchemaReference, SchemaText, SubjectVersion, VersionSelector,
};
use sluice_connect_api::{RegistryError, SchemaRegistry};
use sluice_converters_registry::registered::{self, Whole};
use sluice_storage::{TopicLog, TopicLogConfig, TopicLogEntry, TopicLogError};
use std::collections::{BTreeMap, HashSet};
use tokio::sync::Mutex;

type Result<T> = std::result::Result<T, RegistryError>;

/// A schema's text in a message; longer ones are cut. Source: Confluent `SchemaValidatorBuilder`.
const SHOWN_BYTES_MAX: usize = 10 * 1024;
/// References of one schema, and of those, in all.
const REFERENCES_MAX: usize = 1000;

/// What is asked of [`EmbeddedRegistry::register_version`].
#[derive(Debug, Clone, Default)]
pub struct Registering {
    pub normalize: bool,
    /// Only where the subject's mode is IMPORT.
    pub id: Option<u32>,
    pub version: Option<u32>,
}

/// Whether a schema may follow, and why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub is_compatible: bool,
    pub messages: Vec<String>,
}

pub struct EmbeddedRegistry {
    log: TopicLog,
    store: RwLock<Store>,
    /// Held from a change's decision until it is durable.
    writing: Mutex<()>,
}

impl EmbeddedRegistry {
    /// Creates the topic `_schemas` if it is missing, and reads it.
    ///
    /// # Errors
    /// The log cannot be read, or the topic is not what it must be (compacted, one partition).
    pub async fn open(broker: &dyn Broker) -> std::result::Result<Self, TopicLogError> {
        Self::open_config(broker, TopicLogConfig::new(SCHEMAS_TOPIC, 1)).await
    }

    /// As [`EmbeddedRegistry::open`], in a topic of another name or with settings.
    ///
    /// # Errors
    /// As [`EmbeddedRegistry::open`].
    pub async fn open_config(broker: &dyn Broker, config: TopicLogConfig) -> std::result::Result<Self, TopicLogError> {
        let log = TopicLog::open(broker, config).await?;
        let mut entries = log.entries();
        entries.sort_by_key(|(_, entry)| entry.sequence);
        let mut store = Store::default();
        for (key, entry) in entries {
            match records::read(&key, &entry.value) {
                Ok(record) => record.into_iter().for_each(|record| store.apply(record)),
                Err(reason) => {
                    let key = String::from_utf8_lossy(&key);
                    tracing::warn!(topic = %log.topic(), %key, reason, "a record of the schema registry cannot be read");
                }
            }
        }
        Ok(Self { log, store: RwLock::new(store), writing: Mutex::new(()) })
    }

    /// Makes a change durable, then visible.
    async fn write(&self, entries: &[TopicLogEntry], apply: impl FnOnce(&mut Store)) -> Result<()> {
        self.log.put(entries).await.map_err(|error| store_error(&error))?;
        apply(&mut self.store.write());
        Ok(())
    }

    /// Every subject that has a version.
    #[must_use]
    pub fn subjects(&self, prefix: &str, with_deleted: bool, only_deleted: bool) -> Vec<String> {
        let store = self.store.read();
        let wanted = |versions: &BTreeMap<u32, StoredVersion>| {
            let has_live = versions.values().any(|stored| !stored.deleted);
            if only_deleted { !has_live } else { has_live || with_deleted }
        };
        let subjects = store.subjects().filter(|(name, versions)| name.starts_with(prefix) && wanted(versions));
        subjects.map(|(name, _)| name.clone()).collect()
    }

    /// The versions of one subject or of all with a prefix, in order.
    #[must_use]
    pub fn all_versions(&self, prefix: &str, with_deleted: bool, latest_only: bool) -> Vec<StoredVersion> {
        let store = self.store.read();
        let mut found = Vec::new();
        for (_, versions) in store.subjects().filter(|(name, _)| name.starts_with(prefix)) {
            let mut live = versions.values().filter(|stored| with_deleted || !stored.deleted);
            match latest_only {
                true => found.extend(live.next_back().cloned()),
                false => found.extend(live.cloned()),
            }
        }
        found
    }

    /// # Errors
    /// 40401.
    pub fn versions(&self, subject: &str, with_deleted: bool, only_deleted: bool) -> Result<Vec<u32>> {
        let store = self.store.read();
        let wanted =
            |stored: &&StoredVersion| if only_deleted { stored.deleted } else { with_deleted || !stored.deleted };
        let versions: Vec<u32> = store.versions(subject).filter(wanted).map(|stored| stored.version).collect();
        if versions.is_empty() { Err(subject_not_found(subject)) } else { Ok(versions) }
    }

    /// # Errors
    /// 40401, 40402.
    pub fn find_version(&self, subject: &str, version: VersionSelector, with_deleted: bool) -> Result<StoredVersion> {
        let store = self.store.read();
        let mut wanted = store.versions(subject).filter(|stored| with_deleted || !stored.deleted).peekable();
        if wanted.peek().is_none() {
            return Err(subject_not_found(subject));
        }
        match version {
            VersionSelector::Latest => wanted.last().cloned().ok_or_else(|| version_not_found("latest")),
            VersionSelector::Number(number) => {
                wanted.find(|stored| stored.version == number).cloned().ok_or_else(|| version_not_found(number))
            }
        }
    }

    /// # Errors
    /// 40403.
    pub fn find_schema(&self, id: u32) -> Result<SchemaText> {
        self.store.read().schema(id).cloned().ok_or_else(|| schema_id_not_found(id))
    }

    #[must_use]
    pub fn id_max(&self) -> u32 {
        self.store.read().id_max()
    }

    /// Where a schema stands, by its id.
    ///
    /// # Errors
    /// 40403.
    pub fn versions_of_id(&self, id: u32, with_deleted: bool) -> Result<Vec<(String, u32)>> {
        let store = self.store.read();
        store.schema(id).ok_or_else(|| schema_id_not_found(id))?;
        let all = store.subjects().flat_map(|(_, versions)| versions.values());
        let wanted = all.filter(|stored| stored.id == id && (with_deleted || !stored.deleted));
        Ok(wanted.map(|stored| (stored.subject.clone(), stored.version)).collect())
    }

    /// Ids of the schemas that refer to a version.
    ///
    /// # Errors
    /// 40401, 40402.
    pub fn referenced_by(&self, subject: &str, version: VersionSelector) -> Result<Vec<u32>> {
        let version = self.find_version(subject, version, true)?.version;
        let store = self.store.read();
        let live = store.referring(subject, version).filter(|stored| !stored.deleted);
        let mut ids: Vec<u32> = live.map(|stored| stored.id).collect();
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// The schema in the form that is stored, with what it refers to.
    fn canonical(&self, schema: &SchemaText, normalize: bool) -> Result<(SchemaText, Vec<(String, String)>)> {
        let references = self.resolve(&schema.references)?;
        let text = registered::canonical(schema.kind, &schema.text, &references, normalize).map_err(invalid_schema)?;
        let mut canonical = SchemaText { text, ..schema.clone() };
        if normalize {
            canonical.references.sort_by(|one, two| one.name.cmp(&two.name));
        }
        Ok((canonical, references))
    }

    /// The form that a client asks for with `format`: `serialized` is a Protobuf schema's descriptor in base64. Any other is
    /// the text as it is stored.
    ///
    /// # Errors
    /// 42201.
    pub fn formatted(&self, schema: SchemaText, format: Option<&str>) -> Result<SchemaText> {
        if schema.kind != SchemaKind::Protobuf || format != Some("serialized") {
            return Ok(schema);
        }
        let references = self.resolve(&schema.references)?;
        let text = registered::serialized(&schema.text, &references).map_err(invalid_schema)?;
        Ok(SchemaText { text, ..schema })
    }

    /// Texts by name, those that others need first.
    fn resolve(&self, references: &[SchemaReference]) -> Result<Vec<(String, String)>> {
        let store = self.store.read();
        let (mut texts, mut seen) = (Vec::new(), HashSet::new());
        let mut todo: Vec<(String, Option<String>, Vec<SchemaReference>)> =
            vec![(String::new(), None, references.to_vec())];
        while let Some((name, text, mut pending)) = todo.pop() {
            let Some(reference) = pending.pop() else {
                texts.extend(text.map(|text| (name, text)));
                continue;
            };
            todo.push((name, text, pending));
            if !seen.insert(reference.name.clone()) {
                continue;
            }
            let found = store.version(&reference.subject, reference.version);
            let Some(found) = found.filter(|_| seen.len() <= REFERENCES_MAX) else {
                let SchemaReference { name, subject, version } = reference;
                return Err(invalid_schema(format!(
                    "No schema reference found for subject \"{subject}\" and version {version} ({name})"
                )));
            };
            todo.push((reference.name, Some(found.schema.text.clone()), found.schema.references.clone()));
        }
        Ok(texts)
    }

    /// Where a schema stands in a subject.
    ///
    /// # Errors
    /// 40401, 40403, 42201.
    pub fn find(
        &self,
        subject: &str,
        schema: &SchemaText,
        normalize: bool,
        with_deleted: bool,
    ) -> Result<StoredVersion> {
        self.find_version(subject, VersionSelector::Latest, with_deleted)?;
        let (canonical, _) = self.canonical(schema, normalize)?;
        let store = self.store.read();
        let mut live = store.versions(subject).rev().filter(|stored| with_deleted || !stored.deleted);
        live.find(|stored| stored.schema == canonical).cloned().ok_or_else(schema_not_found)
    }

    /// # Errors
    /// 42201, 409, 42205, 42207, 50001.
    pub async fn register_version(
        &self,
        subject: &str,
        schema: &SchemaText,
        asked: &Registering,
    ) -> Result<StoredVersion> {
        let _writing = self.writing.lock().await;
        let mode = self.writable_mode(subject)?;
        let (canonical, references) = self.canonical(schema, asked.normalize)?;
        if let Some(stored) = self.registered(subject, &canonical, asked, mode)? {
            return Ok(stored);
        }
        if mode != Mode::Import {
            self.refuse_incompatible(subject, &canonical, &references)?;
        }
        let stored = {
            let store = self.store.read();
            let next = store.versions(subject).next_back().map_or(1, |stored| stored.version + 1);
            let own = store.id_of(&canonical);
            let id = match asked.id {
                Some(id) => {
                    if store.schema(id).is_some_and(|known| *known != canonical) {
                        let message = format!("Overwrite new schema with id {id} is not permitted.");
                        return Err(not_permitted(message));
                    }
                    id
                }
                None => own.unwrap_or(store.id_max() + 1),
            };
            let version = asked.version.unwrap_or(next);
            StoredVersion { subject: subject.to_owned(), version, id, schema: canonical, deleted: false }
        };
        let record = Record::Schema(stored.clone());
        self.write(&[records::schema_entry(&stored)], |store| store.apply(record)).await?;
        Ok(stored)
    }

    /// The version that has this schema already.
    fn registered(
        &self,
        subject: &str,
        schema: &SchemaText,
        asked: &Registering,
        mode: Mode,
    ) -> Result<Option<StoredVersion>> {
        let store = self.store.read();
        let known = store.versions(subject).rev().find(|stored| !stored.deleted && stored.schema == *schema);
        if mode != Mode::Import {
            if asked.id.is_some_and(|id| known.is_none_or(|stored| stored.id != id)) {
                return Err(not_permitted(format!("Subject {subject} is not in import mode")));
            }
            return Ok(known.cloned());
        }
        let Some(known) = known.filter(|known| asked.version.is_none_or(|version| version == known.version)) else {
            return Ok(None);
        };
        match asked.id {
            Some(id) if id != known.id => {
                let message = format!("The given ID {id} does not match ID {} of the schema", known.id);
                Err(RegistryError::new(ID_DOES_NOT_MATCH, message))
            }
            _ => Ok(Some(known.clone())),
        }
    }

    fn writable_mode(&self, subject: &str) -> Result<Mode> {
        let mode = self.mode_in_scope(subject);
        match mode {
            Mode::ReadOnly | Mode::ReadOnlyOverride => {
                Err(not_permitted(format!("Subject {subject} in context . is in read-only mode")))
            }
            Mode::ReadWrite | Mode::Import => Ok(mode),
        }
    }

    fn refuse_incompatible(&self, subject: &str, schema: &SchemaText, references: &[(String, String)]) -> Result<()> {
        let checked = self.check_all(subject, schema, references)?;
        if checked.is_compatible {
            return Ok(());
        }
        let details = checked.messages.join(", ");
        let message = format!(
            "Schema being registered is incompatible with an earlier schema for subject \"{subject}\", details: [{details}]"
        );
        Err(RegistryError::new(INCOMPATIBLE_SCHEMA, message))
    }

    /// Against the last version, or all for a transitive level.
    fn check_all(&self, subject: &str, schema: &SchemaText, references: &[(String, String)]) -> Result<Checked> {
        let level = self.level_in_scope(subject);
        let live: Vec<StoredVersion> = {
            let store = self.store.read();
            let newest_first = store.versions(subject).rev().filter(|stored| !stored.deleted);
            newest_first.take(if level.is_transitive() { usize::MAX } else { 1 }).cloned().collect()
        };
        for earlier in &live {
            let checked = self.check_one(level, earlier, schema, references)?;
            if !checked.is_compatible {
                return Ok(checked);
            }
        }
        Ok(Checked { is_compatible: true, messages: Vec::new() })
    }

    fn check_one(
        &self,
        level: CompatibilityLevel,
        earlier: &StoredVersion,
        schema: &SchemaText,
        references: &[(String, String)],
    ) -> Result<Checked> {
        let mut messages = Vec::new();
        if level != CompatibilityLevel::None && earlier.schema.kind != schema.kind {
            messages.push("Incompatible because of different schema type".to_owned());
        } else {
            let earlier_references = self.resolve(&earlier.schema.references)?;
            let old = Whole { text: &earlier.schema.text, references: &earlier_references };
            let new = Whole { text: &schema.text, references };
            if level.is_forward() {
                messages.extend(differences(schema.kind, old, new, ["old", "new"])?);
            }
            if level.is_backward() {
                messages.extend(differences(schema.kind, new, old, ["new", "old"])?);
            }
            if !messages.is_empty() {
                messages.push(format!("{{oldSchemaVersion: {}}}", earlier.version));
                messages.push(shown(&earlier.schema.text));
            }
        }
        let is_compatible = messages.is_empty();
        if !is_compatible {
            messages.push(format!("{{validateFields: 'false', compatibility: '{level}'}}"));
        }
        Ok(Checked { is_compatible, messages })
    }

    /// Whether a schema could be the next version: by one version, or (`None`) by those that the level names.
    ///
    /// # Errors
    /// 40401, 40402, 42201.
    pub fn check(
        &self,
        subject: &str,
        version: Option<VersionSelector>,
        schema: &SchemaText,
        normalize: bool,
    ) -> Result<Checked> {
        let earlier = match version {
            Some(version) => Some(self.find_version(subject, version, false)?),
            None => None,
        };
        let (canonical, references) = self.canonical(schema, normalize)?;
        match earlier {
            Some(earlier) => self.check_one(self.level_in_scope(subject), &earlier, &canonical, &references),
            None => self.check_all(subject, &canonical, &references),
        }
    }

    /// # Errors
    /// 40401, 40404, 40405, 42205, 42206, 50001.
    pub async fn delete_subject(&self, subject: &str, permanent: bool) -> Result<Vec<u32>> {
        let _writing = self.writing.lock().await;
        self.writable_mode(subject)?;
        let stored: Vec<StoredVersion> = self.store.read().versions(subject).cloned().collect();
        if stored.is_empty() {
            return Err(subject_not_found(subject));
        }
        let live: Vec<&StoredVersion> = stored.iter().filter(|stored| !stored.deleted).collect();
        if permanent && !live.is_empty() {
            let message = format!("Subject '{subject}' was not deleted first before being permanently deleted");
            return Err(RegistryError::new(SUBJECT_NOT_SOFT_DELETED, message));
        }
        if !permanent && live.is_empty() {
            let message = format!("Subject '{subject}' was soft deleted.Set permanent=true to delete permanently");
            return Err(RegistryError::new(SUBJECT_SOFT_DELETED, message));
        }
        let going: Vec<StoredVersion> = if permanent { stored } else { live.into_iter().cloned().collect() };
        self.delete(&going, permanent).await?;
        Ok(going.into_iter().map(|stored| stored.version).collect())
    }

    /// # Errors
    /// 40401, 40402, 40406, 40407, 42205, 42206, 50001.
    pub async fn delete_version(&self, subject: &str, version: VersionSelector, permanent: bool) -> Result<u32> {
        let _writing = self.writing.lock().await;
        self.writable_mode(subject)?;
        let with_deleted = permanent || matches!(version, VersionSelector::Number(_));
        let stored = self.find_version(subject, version, with_deleted)?;
        let number = stored.version;
        if permanent && !stored.deleted {
            let message =
                format!("Subject '{subject}' Version {number} was not deleted first before being permanently deleted");
            return Err(RegistryError::new(VERSION_NOT_SOFT_DELETED, message));
        }
        if !permanent && stored.deleted {
            let message = format!(
                "Subject '{subject}' Version {number} was soft deleted.Set permanent=true to delete permanently"
            );
            return Err(RegistryError::new(VERSION_SOFT_DELETED, message));
        }
        self.delete(&[stored], permanent).await?;
        Ok(number)
    }

    /// All at once, or none.
    async fn delete(&self, going: &[StoredVersion], permanent: bool) -> Result<()> {
        for stored in going {
            let store = self.store.read();
            let is_going = |other: &StoredVersion| {
                going.iter().any(|going| going.subject == other.subject && going.version == other.version)
            };
            if store.referring(&stored.subject, stored.version).any(|other| !other.deleted && !is_going(other)) {
                let StoredVersion { subject, version, .. } = stored;
                let message = format!(
                    "One or more references exist to the schema {{magic=1,keytype=SCHEMA,subject={subject},version={version}}}."
                );
                return Err(RegistryError::new(REFERENCE_EXISTS, message));
            }
        }
        if permanent {
            let removed = going.iter().map(|stored| records::schema_removed(&stored.subject, stored.version));
            // An id stays taken when nothing else in the topic tells of it any more: messages may carry it.
            let entries: Vec<TopicLogEntry> = removed.chain([records::id_max_entry(self.id_max())]).collect();
            let apply = |store: &mut Store| {
                going.iter().for_each(|stored| store.remove_version(&stored.subject, stored.version));
            };
            return self.write(&entries, apply).await;
        }
        let deleted: Vec<StoredVersion> =
            going.iter().map(|stored| StoredVersion { deleted: true, ..stored.clone() }).collect();
        let entries: Vec<TopicLogEntry> = deleted.iter().map(records::schema_entry).collect();
        let apply = |store: &mut Store| deleted.into_iter().for_each(|stored| store.apply(Record::Schema(stored)));
        self.write(&entries, apply).await
    }

    /// The level that holds for a subject.
    #[must_use]
    pub fn level_in_scope(&self, subject: &str) -> CompatibilityLevel {
        let store = self.store.read();
        store.level(Some(subject)).or(store.level(None)).unwrap_or(CompatibilityLevel::Backward)
    }

    /// # Errors
    /// 40408 where a subject has none of its own.
    pub fn level(&self, subject: Option<&str>) -> Result<CompatibilityLevel> {
        let level = self.store.read().level(subject);
        match (level, subject) {
            (Some(level), _) => Ok(level),
            (None, None) => Ok(CompatibilityLevel::Backward),
            (None, Some(subject)) => {
                let message = format!("Subject '{subject}' does not have subject-level compatibility configured");
                Err(RegistryError::new(SUBJECT_COMPATIBILITY_NOT_CONFIGURED, message))
            }
        }
    }

    /// `None` takes a level away; that of a subject falls back to the one of all.
    ///
    /// # Errors
    /// 42205, 50001.
    pub async fn set_level(&self, subject: Option<&str>, level: Option<CompatibilityLevel>) -> Result<()> {
        let _writing = self.writing.lock().await;
        self.writable_mode(subject.unwrap_or_default())?;
        self.write(&[records::config_entry(subject, level)], |store| store.set_level(subject, level)).await
    }

    #[must_use]
    pub fn mode_in_scope(&self, subject: &str) -> Mode {
        let store = self.store.read();
        let of_all = store.mode(None);
        if of_all == Some(Mode::ReadOnlyOverride) {
            return Mode::ReadOnlyOverride;
        }
        store.mode(Some(subject)).or(of_all).unwrap_or(Mode::ReadWrite)
    }

    /// # Errors
    /// 40409 where a subject has none of its own.
    pub fn mode(&self, subject: Option<&str>) -> Result<Mode> {
        let mode = self.store.read().mode(subject);
        match (mode, subject) {
            (Some(mode), _) => Ok(mode),
            (None, None) => Ok(Mode::ReadWrite),
            (None, Some(subject)) => {
                let message = format!("Subject '{subject}' does not have subject-level mode configured");
                Err(RegistryError::new(SUBJECT_MODE_NOT_CONFIGURED, message))
            }
        }
    }

    /// `None` takes a mode away. IMPORT wants an empty registry or subject, unless forced.
    ///
    /// # Errors
    /// 42205, 50001.
    pub async fn set_mode(&self, subject: Option<&str>, mode: Option<Mode>, force: bool) -> Result<()> {
        let _writing = self.writing.lock().await;
        let has_live = {
            let store = self.store.read();
            let mut of_interest = store.subjects().filter(|(name, _)| subject.is_none_or(|subject| subject == *name));
            of_interest.any(|(_, versions)| versions.values().any(|stored| !stored.deleted))
        };
        if mode == Some(Mode::Import)
            && has_live
            && !force
            && self.mode_in_scope(subject.unwrap_or_default()) != Mode::Import
        {
            return Err(not_permitted("Cannot import since found existing subjects"));
        }
        self.write(&[records::mode_entry(subject, mode)], |store| store.set_mode(subject, mode)).await
    }
}

/// `names` are those of the reader's and the writer's schema.
fn differences(kind: SchemaKind, reader: Whole<'_>, writer: Whole<'_>, names: [&str; 2]) -> Result<Vec<String>> {
    let found = registered::differences(kind, reader, writer).map_err(invalid_schema)?;
    let named = |text: String| text.replacen("%s", names[0], 1).replacen("%s", names[1], 1);
    Ok(found.into_iter().map(named).collect())
}

fn shown(text: &str) -> String {
    match text.char_indices().find(|(at, _)| *at >= SHOWN_BYTES_MAX) {
        Some((at, _)) => format!("{{oldSchema: <truncated> '{}...'}}", &text[..at]),
        None => format!("{{oldSchema: '{text}'}}"),
    }
}

impl From<StoredVersion> for SubjectVersion {
    fn from(stored: StoredVersion) -> Self {
        let StoredVersion { subject, version, id, schema, .. } = stored;
        Self { subject, version, id, schema }
    }
}

#[async_trait::async_trait]
impl SchemaRegistry for EmbeddedRegistry {
    async fn register(&self, subject: &str, schema: &SchemaText, normalize: bool) -> Result<u32> {
        let asked = Registering { normalize, ..Registering::default() };
        Ok(self.register_version(subject, schema, &asked).await?.id)
    }

    async fn lookup(&self, subject: &str, schema: &SchemaText, normalize: bool) -> Result<SubjectVersion> {
        self.find(subject, schema, normalize, false).map(SubjectVersion::from)
    }

    async fn schema_by_id(&self, id: u32) -> Result<SchemaText> {
        self.find_schema(id)
    }

    async fn version(&self, subject: &str, version: VersionSelector) -> Result<SubjectVersion> {
        // What is referred to may be soft-deleted.
        let with_deleted = matches!(version, VersionSelector::Number(_));
        self.find_version(subject, version, with_deleted).map(SubjectVersion::from)
    }

    async fn check_compatibility(
        &self,
        subject: &str,
        version: VersionSelector,
        schema: &SchemaText,
    ) -> Result<Vec<String>> {
        Ok(self.check(subject, Some(version), schema, false)?.messages)
    }

    async fn compatibility(&self, subject: Option<&str>) -> Result<CompatibilityLevel> {
        match subject {
            Some(subject) => Ok(self.level_in_scope(subject)),
            None => self.level(None),
        }
    }

    async fn set_compatibility(&self, subject: Option<&str>, level: CompatibilityLevel) -> Result<()> {
        self.set_level(subject, Some(level)).await
    }
}
