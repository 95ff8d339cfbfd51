//! [`RegistryConverter`]: Confluent's wire format over any [`Format`]. A message is a zero byte, the schema's id in four bytes
//! (big-endian), what the format puts there, and the payload. No bytes are null, and null is no bytes.
//!
//! `prepare` asks the registry, once for each id and for each schema that is written. The conversion itself only looks at
//! what was learned: rows are grouped by their ids first, so that ids which alternate cost no more than one.

use crate::cache::Cache;
use crate::config::RegistrySettings;
use crate::format::{Format, Messages, WholeSchema};
use arrow_array::{Array, ArrayRef, BinaryArray, BooleanArray, NullArray};
use arrow_buffer::{Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field};
use sluice_connect_api::schema_registry::{RegistryError, SchemaRegistry, SchemaText, VersionSelector};
use sluice_connect_api::{ConnectError, ConvertError, Converted, Converter, ErrorKind};
use sluice_data::schema::with_tombstones;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

const MAGIC: u8 = 0;
/// Magic and id.
const HEADER: usize = 5;
/// References of one schema, and of those, in all.
const REFERENCES_MAX: usize = 1000;
/// Ids of one batch that the registry is asked for; a batch of random bytes must not become ten thousand requests.
const LOOKUPS_MAX: usize = 100;

pub struct RegistryConverter<F: Format> {
    format: F,
    settings: RegistrySettings,
    registry: Arc<dyn SchemaRegistry>,
    /// By topic (the version in its subject is part of a schema) and id.
    readers: Cache<(String, u32), F::Reader>,
    writers: Cache<(String, Field), Writer<F>>,
}

struct Writer<F: Format> {
    header: Vec<u8>,
    writer: F::Writer,
}

/// A refusal is remembered for the rows that it concerns; all else stops the task, for now or for good.
enum Failure {
    Refused(String),
    Registry(ConnectError),
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        let message = format!("schema registry: {error} (error code {})", error.code);
        if error.is_retriable() {
            return Self::Registry(ConnectError::retriable("schema-registry", message));
        }
        match error.status() {
            401 | 403 => Self::Registry(ConnectError::new(ErrorKind::Fatal, "schema-registry", message)),
            _ => Self::Refused(message),
        }
    }
}

impl<F: Format> RegistryConverter<F> {
    #[must_use]
    pub fn new(format: F, settings: RegistrySettings, registry: Arc<dyn SchemaRegistry>) -> Self {
        let (readers, writers) = (Cache::new(settings.cache_size), Cache::new(settings.cache_size));
        Self { format, settings, registry, readers, writers }
    }

    async fn whole(&self, schema: SchemaText) -> Result<WholeSchema, Failure> {
        if schema.kind != F::KIND {
            let found = schema.kind;
            return Err(Failure::Refused(format!(
                "the schema is of type {found}, and this is the {} converter",
                F::NAME
            )));
        }
        let mut references = Vec::new();
        let mut seen = HashSet::new();
        // Those that others need come first: a stack whose entries are visited twice.
        let mut todo: Vec<(String, Option<String>, Vec<_>)> = vec![(String::new(), None, schema.references.clone())];
        while let Some((name, text, mut pending)) = todo.pop() {
            let Some(reference) = pending.pop() else {
                references.extend(text.map(|text| (name, text)));
                continue;
            };
            todo.push((name, text, pending));
            if !seen.insert(reference.name.clone()) {
                continue;
            }
            if seen.len() > REFERENCES_MAX {
                return Err(Failure::Refused(format!("the schema refers to more than {REFERENCES_MAX} others")));
            }
            let selector = VersionSelector::Number(reference.version);
            let found = self.registry.version(&reference.subject, selector).await?.schema;
            todo.push((reference.name, Some(found.text), found.references));
        }
        Ok(WholeSchema { schema, references })
    }

    async fn learn_reader(&self, topic: &str, id: u32) -> Result<F::Reader, Failure> {
        let schema = self.registry.schema_by_id(id).await?;
        let whole = self.whole(schema).await?;
        let reader = self.format.reader(&whole, None).map_err(Failure::Refused)?;
        // The version is asked for under the topic's subject; a schema may well stand under another.
        let Ok(subject) = self.settings.strategy.subject(topic, self.settings.role, None) else { return Ok(reader) };
        match self.registry.lookup(&subject, &whole.schema, self.settings.normalize_schemas).await {
            Ok(found) => self.format.reader(&whole, Some(found.version)).map_err(Failure::Refused),
            Err(error) if error.is_retriable() => Err(error.into()),
            Err(_) => Ok(reader),
        }
    }

    async fn learn_writer(&self, topic: &str, field: &Field) -> Result<Writer<F>, Failure> {
        let derived = self.format.derive(field).map_err(Failure::Refused)?;
        let RegistrySettings { strategy, role, normalize_schemas, .. } = self.settings;
        let subject = strategy.subject(topic, role, derived.record.as_deref()).map_err(Failure::Refused)?;
        let own = WholeSchema { schema: derived.schema, references: Vec::new() };
        let (id, target) = if self.settings.auto_register_schemas {
            (self.registry.register(&subject, &own.schema, normalize_schemas).await?, own)
        } else if let Some(id) = self.settings.use_schema_id {
            let target = self.whole(self.registry.schema_by_id(id).await?).await?;
            self.check(self.settings.id_compatibility_strict, &target, &own)?;
            (id, target)
        } else if self.settings.use_latest_version {
            let latest = self.registry.version(&subject, VersionSelector::Latest).await?;
            let target = self.whole(latest.schema).await?;
            self.check(self.settings.latest_compatibility_strict, &target, &own)?;
            (latest.id, target)
        } else {
            (self.registry.lookup(&subject, &own.schema, normalize_schemas).await?.id, own)
        };
        let writer = self.format.writer(&target, field).map_err(Failure::Refused)?;
        let mut header = vec![MAGIC];
        header.extend_from_slice(&id.to_be_bytes());
        header.extend_from_slice(self.format.selector_of(&writer));
        Ok(Writer { header, writer })
    }

    fn check(&self, is_strict: bool, target: &WholeSchema, own: &WholeSchema) -> Result<(), Failure> {
        let problems = if is_strict { self.format.incompatibilities(target, own) } else { Vec::new() };
        if problems.is_empty() {
            return Ok(());
        }
        let problems = problems.join("; ");
        Err(Failure::Refused(format!(
            "Incompatible schema: the registered one cannot read what the records' own ({}) writes: {problems}",
            own.schema.text
        )))
    }

    /// Rows by the frame in front of them, whose end is known from its beginning; rows without bytes apart.
    fn group<'a>(&self, bytes: &'a BinaryArray) -> Result<(Vec<Group<'a>>, Vec<u32>), ConvertError> {
        let mut groups: Vec<Group<'a>> = Vec::new();
        let mut by_header: HashMap<&'a [u8], usize> = HashMap::new();
        let (mut absent, mut last) = (Vec::new(), 0);
        for row in 0..bytes.len() {
            if bytes.is_null(row) {
                absent.push(row as u32);
                continue;
            }
            let message = bytes.value(row);
            let is_alike = groups.get(last).is_some_and(|group| message.starts_with(group.header));
            if !is_alike {
                let header = self.header(message)?;
                last = *by_header.entry(header).or_insert_with(|| {
                    groups.push(Group {
                        header,
                        rows: Vec::with_capacity(if groups.is_empty() { bytes.len() } else { 0 }),
                    });
                    groups.len() - 1
                });
            }
            groups[last].rows.push(row as u32);
        }
        Ok((groups, absent))
    }

    fn header<'a>(&self, message: &'a [u8]) -> Result<&'a [u8], ConvertError> {
        match message {
            [MAGIC, _, _, _, _, body @ ..] => {
                let selector = self.format.selector(body).map_err(ConvertError::new)?;
                Ok(&message[..HEADER + selector])
            }
            _ => Err(ConvertError::new("Unknown magic byte!")),
        }
    }

    fn read_group(
        &self,
        topic: &str,
        bytes: &BinaryArray,
        group: Group<'_>,
        absent: Vec<u32>,
        is_only: bool,
    ) -> Result<Converted, ConvertError> {
        let (id, selector) = (id_of(group.header), &group.header[HEADER..]);
        let reader = match self.readers.get(&(topic.to_owned(), id)) {
            Some(Ok(reader)) => reader,
            Some(Err(refusal)) => return Err(ConvertError::new(format!("schema id {id}: {refusal}"))),
            None => {
                return Err(ConvertError::new(format!(
                    "schema id {id} was not asked for: more than {LOOKUPS_MAX} unknown ids came at once"
                )));
            }
        };
        let mut rows = group.rows;
        if !absent.is_empty() {
            rows.extend_from_slice(&absent);
            rows.sort_unstable();
        }
        let messages = Messages { bytes, rows: &rows, header: group.header.len() };
        let (field, values) = self.format.read(&reader, selector, &messages)?;
        let tombstones = (values.null_count() != absent.len())
            .then(|| BooleanArray::from_iter(rows.iter().map(|row| Some(absent.binary_search(row).is_ok()))));
        let field = Arc::new(if absent.is_empty() { field } else { with_tombstones(field) });
        Ok(Converted { rows: (!is_only).then_some(rows), field, values, tombstones })
    }
}

struct Group<'a> {
    header: &'a [u8],
    rows: Vec<u32>,
}

fn id_of(header: &[u8]) -> u32 {
    u32::from_be_bytes([header[1], header[2], header[3], header[4]])
}

#[async_trait::async_trait]
impl<F: Format> Converter for RegistryConverter<F> {
    async fn prepare_from_connect(&self, topic: &str, field: &Field) -> Result<(), ConnectError> {
        let key = (topic.to_owned(), field.clone());
        if field.data_type() == &DataType::Null || !self.writers.is_missing(&key) {
            return Ok(());
        }
        match self.learn_writer(topic, field).await {
            Ok(writer) => self.writers.insert(key, Ok(writer)),
            Err(Failure::Refused(reason)) => self.writers.insert(key, Err(reason)),
            Err(Failure::Registry(error)) => return Err(error),
        }
        Ok(())
    }

    async fn prepare_to_connect(&self, topic: &str, bytes: &BinaryArray) -> Result<(), ConnectError> {
        let (mut seen, mut last, mut lookups) = (HashSet::new(), None, 0);
        for message in bytes.iter().flatten() {
            let Some((MAGIC, id)) = message.split_first_chunk::<HEADER>().map(|(header, _)| (header[0], id_of(header)))
            else {
                continue;
            };
            if last == Some(id) || !seen.insert(id) {
                continue;
            }
            last = Some(id);
            let key = (topic.to_owned(), id);
            if !self.readers.is_missing(&key) {
                continue;
            }
            lookups += 1;
            if lookups > LOOKUPS_MAX {
                return Ok(());
            }
            match self.learn_reader(topic, id).await {
                Ok(reader) => self.readers.insert(key, Ok(reader)),
                Err(Failure::Refused(reason)) => self.readers.insert(key, Err(reason)),
                Err(Failure::Registry(error)) => return Err(error),
            }
        }
        Ok(())
    }

    fn from_connect_data(
        &self,
        topic: &str,
        field: &Field,
        values: &ArrayRef,
        tombstones: Option<&BooleanArray>,
    ) -> Result<BinaryArray, ConvertError> {
        let failed = |reason: &str| {
            ConvertError::new(format!("Failed to serialize {} data from topic {topic}: {reason}", F::NAME))
        };
        let writer = match self.writers.get(&(topic.to_owned(), field.clone())) {
            Some(Ok(writer)) => writer,
            Some(Err(refusal)) => return Err(failed(&refusal)),
            None => return Err(failed("the schema was not registered first")),
        };
        let encoder = self.format.rows(&writer.writer, field, values).map_err(|error| failed(&error.message))?;
        let rows = values.len();
        let size = values.to_data().get_slice_memory_size().unwrap_or_default();
        let mut out = Vec::with_capacity(rows * (writer.header.len() + 8) + size);
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0i32);
        let mut nulls = NullBufferBuilder::new(rows);
        for row in 0..rows {
            if tombstones.is_some_and(|tombstones| tombstones.value(row)) || encoder.is_null(row) && field.is_nullable()
            {
                nulls.append_null();
            } else {
                out.extend_from_slice(&writer.header);
                encoder.write(row, &mut out).map_err(|error| failed(&error.message))?;
                nulls.append_non_null();
            }
            offsets.push(i32::try_from(out.len()).map_err(|_| failed("the batch is above 2 GiB"))?);
        }
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(BinaryArray::new(offsets, Buffer::from_vec(out), nulls.finish()))
    }

    fn to_connect_data(&self, topic: &str, bytes: &BinaryArray) -> Result<Vec<Converted>, ConvertError> {
        let failed = |error: ConvertError| {
            ConvertError::new(format!("Failed to deserialize data for topic {topic} to {}: {}", F::NAME, error.message))
        };
        let (groups, absent) = self.group(bytes).map_err(failed)?;
        if groups.is_empty() {
            let field = Arc::new(Field::new("value", DataType::Null, true));
            let values = Arc::new(NullArray::new(bytes.len()));
            return Ok(vec![Converted { rows: None, field, values, tombstones: None }]);
        }
        let is_only = groups.len() == 1;
        let mut absent = Some(absent);
        let read =
            |group| self.read_group(topic, bytes, group, absent.take().unwrap_or_default(), is_only).map_err(failed);
        groups.into_iter().map(read).collect()
    }
}
