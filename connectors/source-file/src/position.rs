//! The stored offset: Kafka's `position`, and the file's identity so that a rotated file is noticed after a restart.
//!
//! `{"position": 4711, "identity": "66306:131"}`; `identity` may be missing, as in offsets that Kafka's own connector wrote.

use sluice_plugin_sdk::{Error, Result, Value, json};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Bytes from the start of the file, behind the last line end that was read.
    pub position: u64,
    pub identity: Option<String>,
}

impl Position {
    pub fn parse(offset: &Value) -> Option<Self> {
        let identity = offset["identity"].as_str().map(str::to_owned);
        Some(Self { position: offset["position"].as_u64()?, identity })
    }

    pub fn to_json(&self) -> Value {
        match &self.identity {
            Some(identity) => json!({ "position": self.position, "identity": identity }),
            None => json!({ "position": self.position }),
        }
    }
}

/// Where to begin in the file that the path names now.
#[derive(Debug, PartialEq, Eq)]
pub enum Start {
    /// The file is the one that was read before.
    At(u64),
    /// The same file became shorter: it was truncated, and its lines are new.
    Truncated,
    /// The path names another file: the rest of the old one is elsewhere, if anywhere.
    Replaced { old_position: u64, old_identity: String },
}

/// Decides from the stored position and what stands at the path.
pub fn start(stored: Option<&Position>, identity: &str, size_bytes: u64) -> Start {
    match stored {
        None => Start::At(0),
        Some(stored) => match &stored.identity {
            Some(old) if old != identity => {
                Start::Replaced { old_position: stored.position, old_identity: old.clone() }
            }
            _ if stored.position > size_bytes => Start::Truncated,
            _ => Start::At(stored.position),
        },
    }
}

/// Whether an offset that a user sets makes sense. Kafka: `FileStreamSourceConnector.alterOffsets`.
pub fn check(partition: &Value, offset: Option<&Value>) -> Result<()> {
    if partition.get("filename").is_none() {
        return Err(Error::fatal("offset.malformed", "Partition objects should contain the key 'filename'"));
    }
    let Some(offset) = offset.filter(|offset| !offset.is_null()) else { return Ok(()) };
    match offset.get("position") {
        None => {
            let message = "Offset objects should either be null or contain the key 'position'";
            Err(Error::fatal("offset.malformed", message))
        }
        Some(position) if position.as_i64().is_none() => {
            let message = "The value for the 'position' key in the offset is expected to be a Long value";
            Err(Error::fatal("offset.malformed", message))
        }
        Some(position) if position.as_u64().is_none() => {
            let message = "The value for the 'position' key in the offset should be a non-negative value";
            Err(Error::fatal("offset.malformed", message))
        }
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(position: u64, identity: Option<&str>) -> Position {
        Position { position, identity: identity.map(str::to_owned) }
    }

    #[test]
    fn offsets_survive_their_json_form() {
        for position in [at(0, None), at(9, Some("1:2"))] {
            assert_eq!(Position::parse(&position.to_json()), Some(position));
        }
        assert_eq!(Position::parse(&json!({"position": 5})), Some(at(5, None)));
        assert_eq!(Position::parse(&json!({"position": "5"})), None);
    }

    #[test]
    fn reading_begins_where_the_same_file_was_left() {
        assert_eq!(start(None, "1:2", 100), Start::At(0));
        assert_eq!(start(Some(&at(50, Some("1:2"))), "1:2", 100), Start::At(50));
        assert_eq!(start(Some(&at(50, None)), "1:2", 50), Start::At(50));
        assert_eq!(start(Some(&at(50, Some("1:2"))), "1:2", 49), Start::Truncated);
        let replaced = Start::Replaced { old_position: 50, old_identity: "1:2".to_owned() };
        assert_eq!(start(Some(&at(50, Some("1:2"))), "1:3", 100), replaced);
    }

    #[test]
    fn offsets_that_make_no_sense_are_refused() {
        let partition = json!({"filename": "f"});
        assert!(check(&partition, Some(&json!({"position": 3}))).is_ok());
        assert!(check(&partition, None).is_ok());
        assert!(check(&json!({"other": "f"}), None).is_err());
        assert!(check(&partition, Some(&json!({}))).is_err());
        assert!(check(&partition, Some(&json!({"position": -1}))).is_err());
        assert!(check(&partition, Some(&json!({"position": "3"}))).is_err());
    }
}
