//! The API as an OpenAPI document. The schemas are made from the types in [`crate::dto`], the operations stand in [`operations`].

mod operations;

use crate::dto;
use axum::Json;
use operations::{Body, OPERATIONS, Operation};
use serde_json::{Map, Value, json};
use sluice_herder::KAFKA_VERSION;
use std::sync::LazyLock;
use utoipa::{PartialSchema, ToSchema};

static DOCUMENT: LazyLock<Value> = LazyLock::new(openapi);

pub async fn document() -> Json<&'static Value> {
    Json(&DOCUMENT)
}

/// The whole document.
#[must_use]
pub fn openapi() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = described(operation);
    }
    let about = format!(
        "Kafka Connect's REST API as of {KAFKA_VERSION}, and additions of Sluice: what stands under /sluice/v1, /metrics and this document."
    );
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Sluice", "version": env!("CARGO_PKG_VERSION"), "description": about, "license": {"name": "Apache-2.0"}},
        "paths": paths,
        "components": {"schemas": schemas()},
    })
}

fn described(operation: &Operation) -> Value {
    let mut parameters: Vec<Value> = names_in(operation.path)
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    parameters.extend(operation.query.iter().map(|(name, what)| {
        json!({"name": name, "in": "query", "required": false, "description": what, "schema": {"type": "string"}})
    }));
    let mut responses = Map::new();
    for (status, body) in operation.answers {
        let mut response = json!({"description": meaning(*status)});
        if let Some(content) = content(body) {
            response["content"] = content;
        }
        responses.insert(status.to_string(), response);
    }
    for status in operation.errors {
        let content = content(&Body::One("ErrorMessage"));
        responses.insert(status.to_string(), json!({"description": meaning(*status), "content": content}));
    }
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [if operation.path.starts_with("/sluice/") { "Sluice" } else { "Kafka Connect" }],
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(content) = content(&operation.body) {
        described["requestBody"] = json!({"required": true, "content": content});
    }
    described
}

/// What stands in braces in a path.
fn names_in(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split('}').next())
}

fn content(body: &Body) -> Option<Value> {
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let schema = match body {
        Body::None => return None,
        Body::Text => return Some(json!({"text/plain": {"schema": {"type": "string"}}})),
        Body::Object => json!({"type": "object"}),
        Body::Names => json!({"type": "array", "items": {"type": "string"}}),
        Body::Config => json!({"type": "object", "additionalProperties": {"type": ["string", "null"]}}),
        Body::One(name) => reference(name),
        Body::Many(name) => json!({"type": "array", "items": reference(name)}),
        Body::ByName(name) => json!({"type": "object", "additionalProperties": reference(name)}),
        Body::NamesOrByName(name) => {
            let names = json!({"type": "array", "items": {"type": "string"}});
            json!({"oneOf": [names, {"type": "object", "additionalProperties": reference(name)}]})
        }
    };
    Some(json!({"application/json": {"schema": schema}}))
}

fn meaning(status: u16) -> &'static str {
    match status {
        200 => "Done",
        201 => "Created",
        202 => "Accepted; it is under way",
        204 => "Done; there is nothing to say",
        400 => "The request is wrong, and the message says what",
        403 => "Switched off in the worker's configuration",
        404 => "There is no such thing",
        409 => "It is there already",
        _ => "It failed, and the message says why",
    }
}

fn schemas() -> Map<String, Value> {
    let mut schemas = Map::new();
    macro_rules! add {
        ($($schema:ident),+ $(,)?) => {$(
            let schema = serde_json::to_value(dto::$schema::schema()).expect("a schema is JSON");
            schemas.insert(dto::$schema::name().into_owned(), schema);
        )+};
    }
    add!(
        ActiveTopics,
        ConfigInfo,
        ConfigInfos,
        ConfigKeyInfo,
        ConfigValueInfo,
        ConnectorInfo,
        ConnectorOffset,
        ConnectorOffsets,
        ConnectorState,
        ConnectorStateInfo,
        ConnectorTaskId,
        CreateConnectorRequest,
        CreateTopicRequest,
        ErrorMessage,
        Expanded,
        LoggerLevel,
        Message,
        PartitionOffsets,
        PluginInfo,
        Record,
        RecordHeader,
        ServerInfo,
        TaskInfo,
        TaskState,
        Topic,
        WorkerStatus,
    );
    schemas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_leads_to_a_schema() {
        let document = openapi();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        let text = document.to_string();
        let references: Vec<&str> =
            text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(references.len() > 30, "{}", references.len());
        for name in references {
            assert!(schemas.contains_key(name), "{name}");
        }
        assert!(schemas["ConnectorInfo"]["properties"]["type"].is_object());
    }

    #[test]
    fn operations_have_names_of_their_own() {
        let mut ids: Vec<&str> = OPERATIONS.iter().map(|operation| operation.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), OPERATIONS.len());
    }
}
