//! The schema registry over HTTP: every path with its bodies and codes, and our own client against it.

use serde_json::{Value, json};
use sluice_client::Broker;
use sluice_connect_api::schema_registry::{CompatibilityLevel, SchemaKind, SchemaText, VersionSelector};
use sluice_connect_api::{ConfigMap, SchemaRegistry};
use sluice_embedded::{EmbeddedBroker, EmbeddedConfig};
use sluice_rest::schema_registry_router;
use sluice_schema_registry::{EmbeddedRegistry, HttpRegistry};
use std::sync::Arc;
use tokio::net::TcpListener;
use tower::ServiceExt;

struct Served {
    router: axum::Router,
    _folder: tempfile::TempDir,
}

async fn served() -> Served {
    let folder = tempfile::tempdir().unwrap();
    let broker: Arc<dyn Broker> = EmbeddedBroker::open(EmbeddedConfig::new(folder.path().join("data"))).unwrap();
    let registry = EmbeddedRegistry::open(&*broker).await.unwrap();
    Served { router: schema_registry_router(Arc::new(registry)), _folder: folder }
}

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

impl Served {
    async fn ask(&self, request: &str, body: Option<Value>) -> (u16, Value) {
        let (method, path) = request.split_once(' ').unwrap();
        let body = body.map_or_else(String::new, |body| body.to_string());
        let request = axum::http::Request::builder()
            .method(method)
            .uri(path)
            .header("Content-Type", MEDIA_TYPE)
            .header("Accept", MEDIA_TYPE)
            .body(axum::body::Body::from(body))
            .unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let media_type = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        if status != 404 || !bytes.is_empty() {
            assert_eq!(media_type.as_deref(), Some(MEDIA_TYPE), "{path}");
        }
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn check(&self, script: &[(&str, Option<Value>, u16, Value)]) {
        for (request, body, status, expected) in script {
            let (found, answer) = self.ask(request, body.clone()).await;
            assert_eq!((found, &answer), (*status, expected), "{request} {body:?}");
        }
    }
}

fn schema(text: &str) -> Option<Value> {
    Some(json!({ "schema": text }))
}

const R: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#;
const R2: &str =
    r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"b","type":"int","default":1}]}"#;
const R3: &str = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"string"}]}"#;

#[tokio::test]
async fn subjects_and_schemas_answer_as_confluents_registry_does() {
    let version =
        |version: u32, id: u32, text: &str| json!({"subject": "a/b c", "version": version, "id": id, "schema": text});
    let script: Vec<(&str, Option<Value>, u16, Value)> = vec![
        ("GET /subjects", None, 200, json!([])),
        ("GET /schemas/types", None, 200, json!(["JSON", "PROTOBUF", "AVRO"])),
        ("GET /contexts", None, 200, json!(["."])),
        ("POST /subjects/a%2Fb%20c/versions", schema(R), 200, json!({"id": 1, "version": 1, "schema": R})),
        (
            "POST /subjects/a%2Fb%20c/versions",
            schema(&format!(" {R} ")),
            200,
            json!({"id": 1, "version": 1, "schema": R}),
        ),
        ("POST /subjects/a%2Fb%20c/versions", schema(R2), 200, json!({"id": 2, "version": 2, "schema": R2})),
        ("GET /subjects", None, 200, json!(["a/b c"])),
        ("GET /subjects?subjectPrefix=x", None, 200, json!([])),
        ("GET /subjects/a%2Fb%20c/versions", None, 200, json!([1, 2])),
        ("GET /subjects/a%2Fb%20c/versions/1", None, 200, version(1, 1, R)),
        ("GET /subjects/a%2Fb%20c/versions/latest", None, 200, version(2, 2, R2)),
        ("GET /subjects/a%2Fb%20c/versions/-1", None, 200, version(2, 2, R2)),
        ("GET /subjects/a%2Fb%20c/versions/1/schema", None, 200, serde_json::from_str(R).unwrap()),
        ("GET /subjects/a%2Fb%20c/versions/1/referencedby", None, 200, json!([])),
        ("POST /subjects/a%2Fb%20c", schema(R), 200, version(1, 1, R)),
        ("GET /schemas/ids/1", None, 200, json!({ "schema": R })),
        ("GET /schemas/ids/1?fetchMaxId=true", None, 200, json!({"schema": R, "maxId": 2})),
        ("GET /schemas/ids/1/schema", None, 200, serde_json::from_str(R).unwrap()),
        ("GET /schemas/ids/1/subjects", None, 200, json!(["a/b c"])),
        ("GET /schemas/ids/2/versions", None, 200, json!([{"subject": "a/b c", "version": 2}])),
        ("GET /schemas?latestOnly=true", None, 200, json!([version(2, 2, R2)])),
        ("GET /schemas?offset=1&limit=5", None, 200, json!([version(2, 2, R2)])),
        ("DELETE /subjects/a%2Fb%20c/versions/2", None, 200, json!(2)),
        ("DELETE /subjects/a%2Fb%20c/versions/2?permanent=true", None, 200, json!(2)),
        ("DELETE /subjects/a%2Fb%20c", None, 200, json!([1])),
        ("GET /subjects?deleted=true", None, 200, json!(["a/b c"])),
        ("GET /subjects", None, 200, json!([])),
        ("DELETE /subjects/a%2Fb%20c?permanent=True", None, 200, json!([1])),
        ("GET /subjects?deleted=true", None, 200, json!([])),
    ];
    served().await.check(&script).await;
}

#[tokio::test]
async fn levels_modes_and_checks_answer_as_confluents_registry_does() {
    let level = |level: &str| json!({ "compatibilityLevel": level });
    let set = |level: &str| json!({ "compatibility": level });
    let mode = |mode: &str| json!({ "mode": mode });
    let refused = |code: u32, message: &str| json!({"error_code": code, "message": message});
    let yes = json!({"is_compatible": true});
    let script: Vec<(&str, Option<Value>, u16, Value)> = vec![
        ("GET /config", None, 200, level("BACKWARD")),
        ("PUT /config", Some(set("FULL")), 200, set("FULL")),
        ("GET /config", None, 200, level("FULL")),
        ("DELETE /config", None, 200, level("FULL")),
        (
            "GET /config/s",
            None,
            404,
            refused(40408, "Subject 's' does not have subject-level compatibility configured"),
        ),
        ("GET /config/s?defaultToGlobal=true", None, 200, level("BACKWARD")),
        ("PUT /config/s", Some(set("none")), 200, set("none")),
        ("GET /config/s", None, 200, level("NONE")),
        ("DELETE /config/s", None, 200, level("NONE")),
        (
            "PUT /config",
            Some(set("x")),
            422,
            refused(
                42203,
                "Invalid compatibility level. Valid values are none, backward, backward_transitive, forward, forward_transitive, full, full_transitive",
            ),
        ),
        ("GET /mode", None, 200, mode("READWRITE")),
        ("PUT /mode/s", Some(mode("READONLY")), 200, mode("READONLY")),
        ("POST /subjects/s/versions", schema(R), 422, refused(42205, "Subject s in context . is in read-only mode")),
        ("DELETE /mode/s", None, 200, mode("READONLY")),
        (
            "PUT /mode",
            Some(mode("x")),
            422,
            refused(42204, "Invalid mode. Valid values are READWRITE, READONLY, READONLY_OVERRIDE, IMPORT"),
        ),
        ("POST /subjects/s/versions", schema(R), 200, json!({"id": 1, "version": 1, "schema": R})),
        ("POST /compatibility/subjects/s/versions/latest", schema(R2), 200, yes.clone()),
        ("POST /compatibility/subjects/s/versions", schema(R2), 200, yes.clone()),
        ("POST /compatibility/subjects/s/versions/1", schema(R3), 200, json!({"is_compatible": false})),
        ("POST /compatibility/subjects/none/versions", schema(R3), 200, yes),
        ("POST /compatibility/subjects/none/versions/1", schema(R3), 404, refused(40401, "Subject 'none' not found.")),
        ("GET /subjects/none/versions", None, 404, refused(40401, "Subject 'none' not found.")),
        ("GET /subjects/s/versions/9", None, 404, refused(40402, "Version 9 not found.")),
        (
            "GET /subjects/s/versions/x",
            None,
            422,
            refused(
                42202,
                "The specified version 'x' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\"",
            ),
        ),
        ("GET /schemas/ids/7", None, 404, refused(40403, "Schema 7 not found")),
        ("POST /subjects/s", schema(R3), 404, refused(40403, "Schema not found")),
        ("POST /subjects/s/versions", Some(json!({})), 422, refused(42201, "Empty schema")),
        (
            "POST /subjects/s/versions",
            Some(json!({"schema": "x", "schemaType": "XML"})),
            422,
            refused(422, "Invalid schema type XML"),
        ),
        ("PATCH /subjects", None, 405, refused(405, "HTTP 405 Method Not Allowed")),
    ];
    let served = served().await;
    served.check(&script).await;
    let (status, answer) = served.ask("POST /compatibility/subjects/s/versions/1?verbose=true", schema(R3)).await;
    assert_eq!(status, 200);
    let messages = answer["messages"].as_array().unwrap();
    assert_eq!(
        messages[0],
        "{errorType:'TYPE_MISMATCH', description:'The type (path '/fields/0/type') of a field in the new schema does not match with the old schema', additionalInfo:'reader type: STRING not compatible with writer type: INT'}"
    );
    assert_eq!(messages[1], "{oldSchemaVersion: 1}");
    assert_eq!(messages[3], "{validateFields: 'false', compatibility: 'BACKWARD'}");
    let (status, answer) = served.ask("POST /subjects/s/versions", schema(R3)).await;
    assert_eq!((status, &answer["error_code"]), (409, &json!(409)));
}

async fn listen(served: &Served) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = served.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

fn config(pairs: &[(&str, &str)]) -> ConfigMap {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn our_client_speaks_to_our_registry() {
    let served = served().await;
    let url = listen(&served).await;
    // Nobody listens at the first; the second answers.
    let client =
        HttpRegistry::new(&config(&[("schema.registry.url", &format!("http://127.0.0.1:1, {url}/"))])).unwrap();
    let avro = |text: &str| SchemaText { kind: SchemaKind::Avro, text: text.to_owned(), references: Vec::new() };
    assert_eq!(client.register("x/y", &avro(R), false).await, Ok(1));
    assert_eq!(client.register("x/y", &avro(R2), true).await.map(|id| id > 1), Ok(true));
    assert_eq!(client.schema_by_id(1).await, Ok(avro(R)));
    let found = client.version("x/y", VersionSelector::Number(1)).await.unwrap();
    assert_eq!((found.version, found.id, found.schema), (1, 1, avro(R)));
    assert_eq!(client.version("x/y", VersionSelector::Latest).await.unwrap().version, 2);
    assert_eq!(client.lookup("x/y", &avro(R), false).await.unwrap().version, 1);
    assert_eq!(client.compatibility(Some("x/y")).await, Ok(CompatibilityLevel::Backward));
    client.set_compatibility(Some("x/y"), CompatibilityLevel::Full).await.unwrap();
    assert_eq!(client.compatibility(Some("x/y")).await, Ok(CompatibilityLevel::Full));
    assert_eq!(client.check_compatibility("x/y", VersionSelector::Latest, &avro(R2)).await, Ok(Vec::new()));
    let problems = client.check_compatibility("x/y", VersionSelector::Latest, &avro(R3)).await.unwrap();
    assert!(problems[0].contains("TYPE_MISMATCH"), "{problems:?}");
    let refused = client.register("x/y", &avro(R3), false).await.unwrap_err();
    assert_eq!((refused.code, refused.is_retriable()), (409, false));
    let refused = client.schema_by_id(99).await.unwrap_err();
    assert_eq!((refused.code, refused.to_string().as_str()), (40403, "Schema 99 not found"));
}

#[tokio::test]
async fn a_registry_that_is_away_is_retriable_and_credentials_go_along_but_never_into_words() {
    let away = HttpRegistry::new(&config(&[("schema.registry.url", "http://user:geheim@127.0.0.1:1")])).unwrap();
    let error = away.schema_by_id(1).await.unwrap_err();
    assert!(error.is_retriable(), "{error}");
    assert!(!error.to_string().contains("geheim"), "{error}");

    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let record = Arc::clone(&seen);
    let handler = move |headers: axum::http::HeaderMap| async move {
        let authorization = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        record.lock().unwrap().push(authorization);
        (axum::http::StatusCode::SERVICE_UNAVAILABLE, "later")
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().fallback(handler);
    tokio::spawn(async move { axum::serve(listener, router).await });
    let url = format!("http://{address}");
    let in_url = format!("http://u:p%40ss@{address}");
    for pairs in [
        vec![
            ("schema.registry.url", url.as_str()),
            ("basic.auth.credentials.source", "USER_INFO"),
            ("basic.auth.user.info", "u:p@ss"),
        ],
        vec![("schema.registry.url", in_url.as_str()), ("basic.auth.credentials.source", "URL")],
        vec![
            ("schema.registry.url", url.as_str()),
            ("bearer.auth.credentials.source", "STATIC_TOKEN"),
            ("bearer.auth.token", "tok"),
        ],
    ] {
        let error = HttpRegistry::new(&config(&pairs)).unwrap().schema_by_id(1).await.unwrap_err();
        assert!(error.is_retriable() && error.code == 503, "{error:?}");
    }
    // base64 of u:p@ss.
    let basic = Some("Basic dTpwQHNz".to_owned());
    assert_eq!(*seen.lock().unwrap(), [basic.clone(), basic, Some("Bearer tok".to_owned())]);
    for wrong in ["ftp://x", "no url", ""] {
        assert!(HttpRegistry::new(&config(&[("schema.registry.url", wrong)])).is_err());
    }
}
