//! Keys and values of the topic `_schemas`, in Confluent's own form: JSON, its members in Jackson's order.
//!
//! | key | value | a tombstone means |
//! | --- | --- | --- |
//! | `{"keytype":"SCHEMA","subject":s,"version":n,"magic":1}` | `{"subject","version","id","schemaType"?,"references"?,"schema","deleted"}` | the version is gone for good |
//! | `{"keytype":"CONFIG","subject":s or null,"magic":0}` | `{"compatibilityLevel":"BACKWARD"}` | the subject has no level of its own |
//! | `{"keytype":"MODE","subject":s or null,"magic":0}` | `{"mode":"READWRITE"}` | the subject has no mode of its own |
//! | `{"keytype":"DELETE_SUBJECT","subject":s,"magic":0}` | `{"subject":s,"version":n}`: versions up to n are soft-deleted (read only) | – |
//! | `{"keytype":"NOOP","magic":0}` | `{"idMax":n}`: ids up to n were given, also those of versions that are gone (ours; Confluent's registry passes over it) | – |
//!
//! Other keys (contexts, rules) are left alone. Source: Confluent `storage.{SchemaKey, SchemaValue, ConfigKey, …}`.

use crate::store::{Mode, StoredVersion};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use sluice_connect_api::schema_registry::{CompatibilityLevel, SchemaKind, SchemaReference, SchemaText};
use sluice_storage::TopicLogEntry;

/// What one record says.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    Schema(StoredVersion),
    Config { subject: Option<String>, level: CompatibilityLevel },
    Mode { subject: Option<String>, mode: Mode },
    DeleteSubject { subject: String, version: u32 },
    IdMax(u32),
}

#[derive(Deserialize)]
struct Key {
    keytype: String,
    #[serde(default)]
    subject: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaValue {
    subject: String,
    version: u32,
    id: u32,
    #[serde(default)]
    schema_type: Option<String>,
    #[serde(default)]
    references: Option<Vec<ReferenceValue>>,
    schema: String,
    #[serde(default)]
    deleted: bool,
}

#[derive(Deserialize)]
struct ReferenceValue {
    name: String,
    subject: String,
    version: u32,
}

/// `None`: a record that says nothing to this registry.
///
/// # Errors
/// What cannot be read, for the log.
pub fn read(key: &[u8], value: &[u8]) -> Result<Option<Record>, String> {
    let key: Key = serde_json::from_slice(key).map_err(|error| format!("its key: {error}"))?;
    let json: Value = serde_json::from_slice(value).map_err(|error| format!("its value: {error}"))?;
    let text = |name: &str| json.get(name).and_then(Value::as_str);
    let subject = key.subject;
    Ok(match (key.keytype.as_str(), subject) {
        ("SCHEMA", _) => {
            let value: SchemaValue = serde_json::from_value(json).map_err(|error| error.to_string())?;
            Some(Record::Schema(value.into_stored()?))
        }
        ("CONFIG", subject) => {
            let level = text("compatibilityLevel").map(str::parse::<CompatibilityLevel>).transpose();
            let level = level.map_err(|error| error.to_string())?;
            level.map(|level| Record::Config { subject, level })
        }
        ("MODE", subject) => {
            let mode = text("mode").map(str::parse::<Mode>).transpose().map_err(|error| error.to_string())?;
            mode.map(|mode| Record::Mode { subject, mode })
        }
        ("DELETE_SUBJECT", Some(subject)) => {
            let version = json.get("version").and_then(Value::as_u64).and_then(|version| u32::try_from(version).ok());
            Some(Record::DeleteSubject { subject, version: version.ok_or("it has no version")? })
        }
        ("NOOP", _) => {
            let id_max = json.get("idMax").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
            id_max.map(Record::IdMax)
        }
        _ => None,
    })
}

impl SchemaValue {
    fn into_stored(self) -> Result<StoredVersion, String> {
        let kind = self.schema_type.as_deref().unwrap_or("AVRO").parse::<SchemaKind>();
        let references = self.references.unwrap_or_default().into_iter();
        let references = references.map(|reference| SchemaReference {
            name: reference.name,
            subject: reference.subject,
            version: reference.version,
        });
        Ok(StoredVersion {
            subject: self.subject,
            version: self.version,
            id: self.id,
            schema: SchemaText {
                kind: kind.map_err(|error| error.to_string())?,
                text: self.schema,
                references: references.collect(),
            },
            deleted: self.deleted,
        })
    }
}

#[must_use]
pub fn schema_key(subject: &str, version: u32) -> Bytes {
    format!(r#"{{"keytype":"SCHEMA","subject":{},"version":{version},"magic":1}}"#, quoted(subject)).into()
}

#[must_use]
pub fn schema_entry(stored: &StoredVersion) -> TopicLogEntry {
    let StoredVersion { subject, version, id, schema, deleted } = stored;
    let mut value = format!(r#"{{"subject":{},"version":{version},"id":{id}"#, quoted(subject));
    if schema.kind != SchemaKind::Avro {
        value.push_str(&format!(r#","schemaType":"{}""#, schema.kind));
    }
    if !schema.references.is_empty() {
        let references = schema.references.iter().map(|reference| {
            let (name, subject) = (quoted(&reference.name), quoted(&reference.subject));
            format!(r#"{{"name":{name},"subject":{subject},"version":{}}}"#, reference.version)
        });
        let references: Vec<String> = references.collect();
        value.push_str(&format!(r#","references":[{}]"#, references.join(",")));
    }
    value.push_str(&format!(r#","schema":{},"deleted":{deleted}}}"#, quoted(&schema.text)));
    TopicLogEntry::new(schema_key(subject, *version), Some(value.into()))
}

#[must_use]
pub fn schema_removed(subject: &str, version: u32) -> TopicLogEntry {
    TopicLogEntry::new(schema_key(subject, version), None)
}

#[must_use]
pub fn config_entry(subject: Option<&str>, level: Option<CompatibilityLevel>) -> TopicLogEntry {
    let value = level.map(|level| Bytes::from(json!({ "compatibilityLevel": level.name() }).to_string()));
    TopicLogEntry::new(setting_key("CONFIG", subject), value)
}

#[must_use]
pub fn mode_entry(subject: Option<&str>, mode: Option<Mode>) -> TopicLogEntry {
    let value = mode.map(|mode| Bytes::from(json!({ "mode": mode.name() }).to_string()));
    TopicLogEntry::new(setting_key("MODE", subject), value)
}

#[must_use]
pub fn id_max_entry(id_max: u32) -> TopicLogEntry {
    let key = Bytes::from_static(br#"{"keytype":"NOOP","magic":0}"#);
    TopicLogEntry::new(key, Some(json!({ "idMax": id_max }).to_string().into()))
}

fn setting_key(kind: &str, subject: Option<&str>) -> String {
    let subject = subject.map_or_else(|| "null".to_owned(), quoted);
    format!(r#"{{"keytype":"{kind}","subject":{subject},"magic":0}}"#)
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
