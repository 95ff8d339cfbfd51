//! Source offsets: where a source connector stands in its system, as pairs of JSON objects.

use serde_json::{Map, Value};

/// Names one independent stream inside a source (a file, a table). Serialised canonically: member names sorted at
/// every level, no blanks, so that equal partitions have equal bytes (Kafka compares the serialised key).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourcePartition(String);

/// A position in one [`SourcePartition`].
pub type SourceOffset = Map<String, Value>;

impl SourcePartition {
    #[must_use]
    pub fn new(partition: &Map<String, Value>) -> Self {
        let mut text = String::new();
        write_canonical(&Value::Object(partition.clone()), &mut text);
        Self(text)
    }

    /// # Errors
    /// When `json` is not a JSON object.
    pub fn parse(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str::<Map<String, Value>>(json).map(|map| Self::new(&map))
    }

    /// The canonical JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn to_map(&self) -> Map<String, Value> {
        serde_json::from_str(&self.0).expect("a source partition is built from a JSON object")
    }
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut names: Vec<&String> = map.keys().collect();
            names.sort();
            out.push('{');
            for (index, name) in names.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::String(name.clone()).to_string());
                out.push(':');
                write_canonical(&map[name], out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::SourcePartition;

    #[test]
    fn partitions_with_the_same_members_are_equal_whatever_their_order() {
        let one = SourcePartition::parse(r#"{"b": {"y":1,"x":[2, null]}, "a": "é\n"}"#).unwrap();
        let two = SourcePartition::parse(r#"{"a":"é\n","b":{"x":[2,null],"y":1}}"#).unwrap();
        assert_eq!(one, two);
        assert_eq!(one.as_str(), r#"{"a":"é\n","b":{"x":[2,null],"y":1}}"#);
    }
}
