//! Connector configs as files: flat JSON, Connect's `{"name", "config"}`, or `.properties`.

use crate::exit::Exit;
use serde_json::{Map, Value};
use sluice_connect_api::properties;
use std::path::Path;

/// One connector to be created.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectorFile {
    pub name: String,
    pub config: Map<String, Value>,
    pub initial_state: Option<String>,
}

/// # Errors
/// One line that names the file and what is wrong with it.
pub fn read_connector_file(path: &Path) -> Result<ConnectorFile, Exit> {
    let wrong = |reason: String| Exit::Usage { message: format!("connector file {}: {reason}", path.display()) };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let is_properties = path.extension().is_some_and(|extension| extension == "properties");
    let members = if is_properties {
        properties::parse(&text).into_iter().map(|(key, value)| (key, Value::String(value))).collect()
    } else {
        let json: Value = serde_json::from_str(&text).map_err(|error| wrong(format!("no JSON: {error}")))?;
        let Value::Object(members) = json else { return Err(wrong("must hold a JSON object".to_owned())) };
        members
    };
    let (name, config, initial_state) = match members.get("config") {
        Some(Value::Object(config)) => (text_of(&members, "name"), config.clone(), text_of(&members, "initial_state")),
        _ => (text_of(&members, "name"), members, None),
    };
    let name = name.or_else(|| text_of(&config, "name")).filter(|name| !name.trim().is_empty());
    let name = name.ok_or_else(|| wrong("has no \"name\"".to_owned()))?.trim().to_owned();
    Ok(ConnectorFile { name, config, initial_state })
}

fn text_of(members: &Map<String, Value>, key: &str) -> Option<String> {
    members.get(key).and_then(Value::as_str).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_three_forms_give_the_same_connector() {
        let folder = tempfile::tempdir().unwrap();
        let config = json!({ "name": "lines", "file": "/x" });
        let forms = [
            ("flat.json", config.to_string(), config.clone()),
            (
                "request.json",
                json!({ "name": "lines", "config": { "file": "/x" } }).to_string(),
                json!({ "file": "/x" }),
            ),
            ("c.properties", "name=lines\nfile=/x\n".to_owned(), config),
        ];
        for (file, text, expected) in forms {
            let path = folder.path().join(file);
            std::fs::write(&path, text).unwrap();
            let read = read_connector_file(&path).unwrap();
            assert_eq!((read.name.as_str(), Value::Object(read.config)), ("lines", expected), "{file}");
        }
        let path = folder.path().join("nameless.json");
        std::fs::write(&path, "{}").unwrap();
        let error = read_connector_file(&path).unwrap_err().to_string();
        assert!(error.contains("nameless.json") && error.contains("name"), "{error}");
    }
}
