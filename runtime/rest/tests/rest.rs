//! Connect's REST API over a hub in this process: status codes, bodies and texts.

#[path = "../../herder/tests/support/mod.rs"]
mod support;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use sluice_rest::{RestConfig, RestContext, router};
use sluice_telemetry::Loggers;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use support::*;
use tower::ServiceExt;

struct Api {
    hub: Hub,
    router: Router,
    _folder: tempfile::TempDir,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

impl Api {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let hub = Hub::start(folder.path()).await;
        let context = RestContext {
            herder: hub.herder.clone(),
            config: Arc::new(RestConfig::default()),
            loggers: Arc::new(Loggers::new("info", Box::new(|_| {}))),
            metrics: Arc::new(|| "sluice_up 1\n".to_owned()),
        };
        Self { hub, router: router(context), _folder: folder }
    }

    async fn send(&self, request: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
        let (method, path) = request.split_once(' ').unwrap();
        let mut builder = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let response = self.router.clone().oneshot(builder.body(Body::from(body.to_owned())).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    async fn call(&self, request: &str, body: Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(request, &body, &[("content-type", "application/json")]).await
    }

    /// One request, its status, and the whole body.
    #[track_caller]
    fn check<'a>(
        &'a self,
        request: &'a str,
        body: Value,
        status: u16,
        expected: Value,
    ) -> impl Future<Output = ()> + 'a {
        let at = std::panic::Location::caller();
        async move {
            let answer = self.call(request, body).await;
            assert_eq!(answer.status.as_u16(), status, "{request} at {at}: {}", answer.body);
            let body = if answer.body.is_empty() { Value::Null } else { answer.json() };
            assert_eq!(body, expected, "{request} at {at}");
        }
    }

    /// One request that fails with Connect's error body.
    async fn refused(&self, request: &str, body: Value, status: u16, message: &str) {
        let expected = json!({ "error_code": status, "message": message });
        self.check(request, body, status, expected).await;
    }
}

fn a_source() -> Value {
    json!({ "connector.class": SOURCE, "topic": "lines" })
}

fn created(name: &str) -> Value {
    json!({ "name": name, "config": { "connector.class": SOURCE, "topic": "lines", "name": name }, "tasks": [], "type": "source" })
}

#[tokio::test]
async fn the_life_of_a_connector_has_connects_codes_and_bodies() {
    let api = Api::start().await;
    let (version, id) = ("4.3.1", api.hub.herder.cluster_id());
    api.check("GET /", Value::Null, 200, json!({ "version": version, "commit": "unknown", "kafka_cluster_id": id }))
        .await;
    let healthy =
        json!({ "status": "healthy", "message": "Worker has completed startup and is ready to handle requests." });
    api.check("GET /health", Value::Null, 200, healthy).await;
    api.check("GET /connectors", Value::Null, 200, json!([])).await;
    let body = json!({ "name": " orders ", "config": a_source() });
    api.check("POST /connectors", body.clone(), 201, created("orders")).await;
    api.refused("POST /connectors", body, 409, "Connector orders already exists").await;
    api.hub.until_running("orders", 1).await;

    let state = json!({ "state": "RUNNING", "worker_id": "127.0.0.1:8083", "version": "1.2.3" });
    let task = json!({ "id": 0, "state": "RUNNING", "worker_id": "127.0.0.1:8083", "version": "1.2.3" });
    let status = json!({ "name": "orders", "connector": state, "tasks": [task], "type": "source" });
    api.check("GET /connectors/orders/status", Value::Null, 200, status.clone()).await;
    api.check("GET /connectors/orders/tasks/0/status", Value::Null, 200, task).await;
    let mut info = created("orders");
    info["tasks"] = json!([{ "connector": "orders", "task": 0 }]);
    api.check("GET /connectors/orders", Value::Null, 200, info.clone()).await;
    api.check("GET /connectors/orders/config", Value::Null, 200, info["config"].clone()).await;
    let tasks = json!([{ "id": { "connector": "orders", "task": 0 }, "config": info["config"] }]);
    api.check("GET /connectors/orders/tasks", Value::Null, 200, tasks).await;
    api.check("GET /connectors", Value::Null, 200, json!(["orders"])).await;
    let expanded = json!({ "orders": { "status": status, "info": info } });
    api.check("GET /connectors?expand=status&expand=info", Value::Null, 200, expanded).await;
    api.check("GET /connectors?expand=nothing", Value::Null, 200, json!({ "orders": {} })).await;

    api.check("PUT /connectors/orders/pause", Value::Null, 202, Value::Null).await;
    api.check("PUT /connectors/orders/resume", Value::Null, 202, Value::Null).await;
    api.hub.until_running("orders", 1).await;
    api.check("POST /connectors/orders/restart", Value::Null, 204, Value::Null).await;
    let answer = api.call("POST /connectors/orders/restart?includeTasks=True", Value::Null).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["tasks"][0]["state"]), (202, &json!("RESTARTING")));
    api.hub.until_running("orders", 1).await;
    api.check("POST /connectors/orders/tasks/0/restart", Value::Null, 204, Value::Null).await;
    api.check("PUT /connectors/orders/stop", Value::Null, 204, Value::Null).await;
    let stopped = json!({ "state": "STOPPED", "worker_id": "127.0.0.1:8083", "version": "1.2.3" });
    let status = json!({ "name": "orders", "connector": stopped, "tasks": [], "type": "source" });
    api.check("GET /connectors/orders/status", Value::Null, 200, status).await;
    api.check("GET /connectors/orders/topics", Value::Null, 200, json!({ "orders": { "topics": [] } })).await;
    api.check("PUT /connectors/orders/topics/reset", Value::Null, 202, Value::Null).await;
    api.check("DELETE /connectors/orders", Value::Null, 204, Value::Null).await;
    api.hub.stop().await;
}

#[tokio::test]
async fn unknown_names_get_connects_texts() {
    let api = Api::start().await;
    for (request, message) in [
        ("GET /connectors/x", "Connector x not found"),
        ("GET /connectors/x/config", "Connector x not found"),
        ("GET /connectors/x/tasks", "Connector x not found"),
        ("DELETE /connectors/x", "Connector x not found"),
        ("GET /connectors/x/offsets", "Connector x not found"),
        ("PUT /connectors/x/pause", "Unknown connector x"),
        ("PUT /connectors/x/resume", "Unknown connector x"),
        ("PUT /connectors/x/stop", "Unknown connector x"),
        ("POST /connectors/x/restart", "Unknown connector: x"),
        ("POST /connectors/x/tasks/0/restart", "Unknown connector: x"),
        ("GET /connectors/x/status", "No status found for connector x"),
        ("GET /connectors/x/tasks/0/status", "No status found for task x-0"),
        ("GET /connectors/x/tasks/one/status", "HTTP 404 Not Found"),
        ("GET /connectors/x/tasks-config", "HTTP 404 Not Found"),
        ("GET /nothing", "HTTP 404 Not Found"),
    ] {
        api.refused(request, Value::Null, 404, message).await;
    }
    api.refused("PATCH /connectors/x/config", json!({}), 404, "Connector x not found").await;
    api.refused("POST /connectors/x", json!({}), 405, "HTTP 405 Method Not Allowed").await;
    api.check("GET /connectors/x/topics", Value::Null, 200, json!({ "x": { "topics": [] } })).await;
    api.hub.stop().await;
}

#[tokio::test]
async fn bad_requests_name_what_is_wrong() {
    let api = Api::start().await;
    let mismatch = json!({ "name": "a", "config": { "connector.class": SOURCE, "name": "b" } });
    let message = "Connector name configuration (b) doesn't match connector name in the URL (a)";
    api.refused("POST /connectors", mismatch, 400, message).await;
    let message = "Connector config {name=a, topic=x} contains no connector type";
    api.refused("PUT /connectors/a/config", json!({ "topic": "x" }), 400, message).await;
    let unknown = json!({ "name": "a", "config": { "connector.class": "TestSuorceConnector" } });
    let answer = api.call("POST /connectors", unknown).await;
    assert_eq!(answer.status.as_u16(), 400);
    assert!(answer.body.contains(&format!("Did you mean {SOURCE}?")), "{}", answer.body);

    let wrong = json!({ "connector.class": SOURCE, "tasks.max": 0, "batch.size": "many", "topic": "wrong", "key.converter": "Nope", "x": null });
    let answer = api.call("PUT /connectors/a/config", wrong).await;
    let message = answer.json()["message"].as_str().unwrap().to_owned();
    assert_eq!(answer.status.as_u16(), 400, "{message}");
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines[0], "Connector configuration is invalid and contains the following 5 error(s):");
    let endpoint = "You can also find the above list of errors at the endpoint `/connector-plugins/{connectorType}/config/validate`";
    assert_eq!(lines[6], endpoint);
    for expected in [
        "Invalid value 0 for configuration tasks.max: Value must be at least 1",
        "Invalid value many for configuration batch.size: Not a number of type INT",
        "topic must not be wrong",
        "Invalid value Nope for configuration key.converter: Class Nope could not be found.",
        "Null value can not be supplied as the configuration value.",
    ] {
        assert!(lines.contains(&expected), "{expected} is not in {message}");
    }
    for (body, status, start) in [
        ("{", 400, "the request body is no JSON"),
        ("[]", 400, "Cannot deserialize value"),
        (r#"{"name":"a","config":{},"extra":1}"#, 400, "Unrecognized field"),
        (r#"{"name":"a","config":{"k":{}}}"#, 400, "Cannot deserialize value"),
        (r#"{"name":"a","config":{},"initial_state":"HOT"}"#, 400, "Cannot deserialize value"),
    ] {
        let answer = api.send("POST /connectors", body, &[("content-type", "application/json")]).await;
        assert_eq!(answer.status.as_u16(), status, "{body}");
        assert!(answer.json()["message"].as_str().unwrap().starts_with(start), "{}", answer.body);
    }
    let answer = api.send("POST /connectors", "{}", &[("content-type", "text/plain")]).await;
    assert_eq!(answer.status.as_u16(), 415);
    let answer = api.send("GET /connectors", "", &[("accept", "text/html")]).await;
    assert_eq!(answer.status.as_u16(), 406);
    let huge = format!(r#"{{"name":"{}"}}"#, "x".repeat(5 << 20));
    let answer = api.send("POST /connectors", &huge, &[]).await;
    assert_eq!(answer.status.as_u16(), 413);
    api.hub.stop().await;
}

#[tokio::test]
async fn names_may_hold_anything_but_control_characters() {
    let api = Api::start().await;
    let body = json!({ "name": "a b/ü?", "config": a_source() });
    let answer = api.call("POST /connectors", body).await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.body);
    assert_eq!(answer.headers["location"], "/connectors/a%20b%2F%C3%BC%3F");
    api.hub.until_running("a b/ü?", 1).await;
    let answer = api.call("GET /connectors/a%20b%2F%C3%BC%3F", Value::Null).await;
    assert_eq!(answer.json()["name"], "a b/ü?");
    let answer = api.call("POST /connectors", json!({ "name": "a\u{1}b", "config": a_source() })).await;
    assert!(answer.status.as_u16() == 400 && answer.body.contains("control sequences"), "{}", answer.body);
    let answer = api.call("POST /connectors", json!({ "config": a_source() })).await;
    assert!(answer.status.as_u16() == 400 && answer.body.contains("String may not be empty"), "{}", answer.body);
    api.hub.stop().await;
}

#[tokio::test]
async fn validate_answers_200_with_every_error_inside() {
    let api = Api::start().await;
    let request = "PUT /connector-plugins/TestSink/config/validate";
    let body = json!({ "connector.class": SINK, "name": "s", "batch.size": "x", "connection.password": "geheim", "colour": "red" });
    let answer = api.call(request, body).await;
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(answer.headers["sluice-ignored-keys"], "colour: no part of this connector has such a key");
    assert!(!answer.body.contains("geheim"));
    let infos = answer.json();
    assert_eq!((&infos["name"], &infos["error_count"]), (&json!(SINK), &json!(3)));
    assert_eq!(infos["groups"], json!(["Common", "Transforms", "Predicates", "Error Handling"]));
    let of = |name: &str| infos["configs"].as_array().unwrap().iter().find(|one| one["value"]["name"] == name).unwrap();
    let definition = json!({
        "name": "tasks.max", "type": "INT", "required": false, "default_value": "1", "importance": "HIGH",
        "documentation": "How many tasks the connector may have at most.", "group": "Common", "width": "SHORT",
        "display_name": "Tasks max", "dependents": [], "order_in_group": 4
    });
    let value = json!({ "name": "tasks.max", "value": "1", "recommended_values": [], "errors": [], "visible": true });
    assert_eq!(of("tasks.max"), &json!({ "definition": definition, "value": value }));
    assert_eq!(of("connection.password")["value"]["value"], "[hidden]");
    assert_eq!(of("topics")["value"]["errors"], json!(["Must configure one of topics or topics.regex"]));
    let both = json!({ "connector.class": SINK, "name": "s", "topics": "a", "topics.regex": "b", "transforms": "t" });
    let infos = api.call(request, both).await.json();
    assert_eq!(infos["error_count"], 3, "{infos:#}");
    let message = "Included connector type org.example.TestSourceConnector does not match request type TestSink";
    api.refused(request, a_source(), 400, message).await;
    api.hub.stop().await;
}

#[tokio::test]
async fn a_server_that_hangs_is_an_error_of_validate_and_none_of_create() {
    let api = Api::start().await;
    api.hub.behaviour.check_hangs.store(true, Ordering::SeqCst);
    let mut config = a_source();
    config["name"] = json!("c");
    let answer = api.call("PUT /connector-plugins/TestSource/config/validate", config.clone()).await;
    assert_eq!(answer.json()["error_count"], 1);
    assert!(answer.body.contains("live check did not end"), "{}", answer.body);
    assert_eq!(api.call("PUT /connectors/c/config", config).await.status.as_u16(), 201);
    api.hub.stop().await;
}

#[tokio::test]
async fn plugins_are_listed_and_described() {
    let api = Api::start().await;
    let plugins = json!([
        { "class": SINK, "type": "sink", "version": "1.2.3" },
        { "class": SOURCE, "type": "source", "version": "1.2.3" }
    ]);
    api.check("GET /connector-plugins", Value::Null, 200, plugins).await;
    let all = api.call("GET /connector-plugins?connectorsOnly=false", Value::Null).await.json();
    assert!(all.as_array().unwrap().iter().any(|plugin| plugin["type"] == "converter"));
    let keys = api.call("GET /connector-plugins/TestSource/config", Value::Null).await.json();
    assert_eq!(keys[0]["name"], "topic");
    let answer = api.call("GET /connector-plugins/TestSuorce/config", Value::Null).await;
    assert!(answer.status.as_u16() == 404 && answer.body.contains("Unknown plugin TestSuorce."), "{}", answer.body);
    api.hub.stop().await;
}

#[tokio::test]
async fn offsets_speak_connects_language() {
    let api = Api::start().await;
    api.call("POST /connectors", json!({ "name": "c", "config": a_source() })).await;
    api.hub.until_running("c", 1).await;
    let path = "/connectors/c/offsets";
    let body = json!({ "offsets": [{ "partition": { "filename": "/x" }, "offset": { "position": 7 } }] });
    let answer = api.call(&format!("PATCH {path}"), body.clone()).await;
    assert_eq!(answer.status.as_u16(), 400);
    assert!(answer.body.contains("Connectors must be in the STOPPED state"), "{}", answer.body);
    api.check("PUT /connectors/c/stop", Value::Null, 204, Value::Null).await;
    let message = json!({ "message": "The offsets for this connector have been altered successfully" });
    api.check(&format!("PATCH {path}"), body.clone(), 200, message).await;
    api.check(&format!("GET {path}"), Value::Null, 200, body).await;
    let message = "Partitions / offsets need to be provided for an alter offsets request";
    api.refused(&format!("PATCH {path}"), json!({ "offsets": [] }), 400, message).await;
    let message = json!({ "message": "The offsets for this connector have been reset successfully" });
    api.check(&format!("DELETE {path}"), Value::Null, 200, message).await;
    api.check(&format!("GET {path}"), Value::Null, 200, json!({ "offsets": [] })).await;
    api.hub.stop().await;
}

#[tokio::test]
async fn initial_states_patches_and_secrets() {
    let api = Api::start().await;
    let mut config = a_source();
    config["connection.password"] = json!("geheim");
    config["batch.size"] = json!(7);
    let body = json!({ "name": "p", "config": config, "initial_state": "paused" });
    let info = api.call("POST /connectors", body).await.json();
    assert_eq!(
        (&info["config"]["connection.password"], &info["config"]["batch.size"]),
        (&json!("********"), &json!("7"))
    );
    let status = api.hub.until("p", |status| status.connector.state == sluice_herder::State::Paused).await;
    // As in Kafka: nobody has asked it for tasks yet.
    assert_eq!(status.tasks.len(), 0);
    assert_eq!(api.hub.behaviour.starts.load(Ordering::SeqCst), 0);
    let patched = api.call("PATCH /connectors/p/config", json!({ "batch.size": null, "topic": "other" })).await;
    assert_eq!(patched.status.as_u16(), 200, "{}", patched.body);
    let config = patched.json()["config"].clone();
    let expected =
        json!({ "connector.class": SOURCE, "name": "p", "topic": "other", "connection.password": "********" });
    assert_eq!(config, expected);
    let answer = api.call("PUT /connectors/q/config", expected).await;
    assert!(answer.status.as_u16() == 400, "another connector's mask is no value: {}", answer.body);
    api.hub.stop().await;
}

#[tokio::test]
async fn topics_of_the_log_can_be_made_seen_and_deleted() {
    let api = Api::start().await;
    let answer = api.call("POST /sluice/v1/topics", json!({ "name": "lines", "partitions": 2 })).await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.body);
    let answer = api.call("POST /sluice/v1/topics", json!({ "name": "lines" })).await;
    assert_eq!(answer.status.as_u16(), 409);
    let topic = api.call("GET /sluice/v1/topics/lines", Value::Null).await.json();
    assert_eq!(topic["offsets"][1], json!({ "partition": 1, "log_start_offset": 0, "high_watermark": 0 }));
    let names =
        |topics: Value| topics.as_array().unwrap().iter().map(|topic| topic["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(api.call("GET /sluice/v1/topics", Value::Null).await.json()), ["lines"]);
    let all = names(api.call("GET /sluice/v1/topics?internal=true", Value::Null).await.json());
    assert!(all.contains(&json!("_sluice_configs")));
    let answer = api.call("DELETE /sluice/v1/topics/_sluice_configs", Value::Null).await;
    assert_eq!(answer.status.as_u16(), 400);
    let records = api.call("GET /sluice/v1/topics/_sluice_configs/records?limit=5", Value::Null).await;
    assert_eq!(records.status.as_u16(), 200);
    api.check("DELETE /sluice/v1/topics/lines", Value::Null, 204, Value::Null).await;
    api.check(
        "GET /sluice/v1/topics/lines/records",
        Value::Null,
        404,
        json!({ "error_code": 404, "message": "topic lines does not exist" }),
    )
    .await;
    let metrics = api.send("GET /metrics", "", &[]).await;
    assert!(metrics.status == StatusCode::OK && metrics.body.ends_with("\nsluice_up 1\n"), "{}", metrics.body);
    api.hub.stop().await;
}

#[tokio::test]
async fn what_can_be_seen_of_a_connector_holds_none_of_its_secrets() {
    let api = Api::start().await;
    let config = json!({ "connector.class": SOURCE, "topic": "lines", "connection.password": "hunter2" });
    api.call("POST /connectors", json!({ "name": "c", "config": config })).await;
    api.hub.until_running("c", 1).await;
    let status = api.call("GET /sluice/v1/status", Value::Null).await;
    let one = &status.json()["connectors"][0];
    assert_eq!((&one["name"], &one["state"], &one["class"]), (&json!("c"), &json!("RUNNING"), &json!(SOURCE)));
    assert_eq!((&one["tasks"], &one["lag"]), (&json!([{ "id": 0, "state": "RUNNING" }]), &Value::Null));
    assert_eq!(status.json()["memory_budget"], json!({ "used_bytes": 0, "limit_bytes": 64 << 20 }));
    let seen = api.call("GET /sluice/v1/connectors/c/inspect?records=3&wait_ms=0", Value::Null).await;
    let expected = json!({ "connector": "c", "tasks": [{ "task": 0, "complete": false, "stages": [] }] });
    assert_eq!(seen.json(), expected);
    let metrics = api.send("GET /metrics", "", &[]).await;
    assert!(metrics.body.contains("kafka_connect_connector_status{connector=\"c\",status=\"running\"} 1\n"));
    assert!(metrics.body.contains("kafka_connect_app_info{version="), "{}", metrics.body);
    for answer in [status, seen, metrics] {
        assert!(!answer.body.contains("hunter2"), "{}", answer.body);
    }
    let missing = "GET /sluice/v1/connectors/none/inspect";
    assert_eq!(api.call(missing, Value::Null).await.status.as_u16(), 404);
    api.hub.stop().await;
}

#[tokio::test]
async fn log_levels_change_under_kafkas_names() {
    let api = Api::start().await;
    api.check("GET /admin/loggers/root", Value::Null, 200, json!({ "level": "INFO", "last_modified": null })).await;
    let changed = api.call("PUT /admin/loggers/org.apache.kafka.connect.runtime", json!({ "level": "debug" })).await;
    assert_eq!(changed.json(), json!(["org.apache.kafka.connect.runtime"]));
    let below = "GET /admin/loggers/org.apache.kafka.connect.runtime.rest";
    api.check(below, Value::Null, 200, json!({ "level": "DEBUG", "last_modified": null })).await;
    let all = api.call("GET /admin/loggers", Value::Null).await.json();
    assert!(all["org.apache.kafka.connect.runtime"]["last_modified"].is_i64(), "{all}");
    let cluster = api.call("PUT /admin/loggers/root?scope=cluster", json!({ "level": "WARN" })).await;
    assert_eq!(cluster.status.as_u16(), 204);
    api.refused("GET /admin/loggers/org.example.X", Value::Null, 404, "Logger org.example.X not found.").await;
    api.refused("PUT /admin/loggers/root", json!({ "level": "LOUD" }), 404, "invalid log level 'LOUD'.").await;
    let message = "Desired 'level' parameter was not specified in request.";
    api.refused("PUT /admin/loggers/root", json!({}), 400, message).await;
    api.hub.stop().await;
}

#[tokio::test]
async fn the_document_says_what_the_server_does() {
    let api = Api::start().await;
    api.call("POST /connectors", json!({ "name": "c", "config": a_source() })).await;
    api.hub.until_running("c", 1).await;
    api.call("POST /sluice/v1/topics", json!({ "name": "lines" })).await;
    let document = api.call("GET /openapi.json", Value::Null).await.json();
    let mut operations = 0;
    for (path, described) in document["paths"].as_object().unwrap() {
        // Once with what there is, once with what there is not.
        for [connector, task, plugin, logger, topic] in
            [["c", "0", "TestSource", "root", "lines"], ["none", "7", "Nope", "none", "none"]]
        {
            let concrete = path
                .replace("{connector}", connector)
                .replace("{task}", task)
                .replace("{plugin}", plugin)
                .replace("{logger}", logger)
                .replace("{topic}", topic);
            let mut methods: Vec<String> = described.as_object().unwrap().keys().map(|it| it.to_uppercase()).collect();
            methods.sort();
            assert_eq!(allowed(&api, &concrete).await, methods, "{path}");
            for method in &methods {
                // What would end the connector or the topic that the others look at is asked for only where there is none.
                if method == "DELETE" && topic == "lines" {
                    continue;
                }
                operations += 1;
                answers_as_documented(&api, &document, method, path, &concrete).await;
            }
        }
    }
    assert!(operations > 50, "{operations}");
    api.hub.stop().await;
}

/// What OPTIONS says beyond what every path has.
async fn allowed(api: &Api, path: &str) -> Vec<String> {
    let answer = api.send(&format!("OPTIONS {path}"), "", &[]).await;
    assert_eq!(answer.status.as_u16(), 200, "{path}");
    let allowed = answer.headers["allow"].to_str().unwrap();
    let mut methods: Vec<String> = allowed.split(',').map(str::to_owned).collect();
    methods.retain(|method| method != "HEAD" && method != "OPTIONS");
    methods.sort();
    methods
}

async fn answers_as_documented(api: &Api, document: &Value, method: &str, path: &str, concrete: &str) {
    let operation = &document["paths"][path][method.to_lowercase()];
    let body = if operation["requestBody"].is_object() {
        json!({ "connector.class": SOURCE, "name": "c" })
    } else {
        Value::Null
    };
    let answer = api.call(&format!("{method} {concrete}"), body).await;
    let response = &operation["responses"][answer.status.as_str()];
    assert!(response.is_object(), "{method} {concrete}: {} is not documented: {}", answer.status, answer.body);
    let schema = &response["content"]["application/json"]["schema"];
    if schema.is_object() {
        let problem = mismatch(document, schema, &answer.json());
        assert!(problem.is_none(), "{method} {concrete}: {} in {}", problem.unwrap(), answer.body);
    } else if !response["content"].is_object() {
        assert_eq!(answer.body, "", "{method} {concrete}");
    }
}

/// Where a value is not as its schema says: types, required members, members that nobody described.
fn mismatch(document: &Value, schema: &Value, value: &Value) -> Option<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return mismatch(document, document.pointer(reference.trim_start_matches('#')).unwrap(), value);
    }
    if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        let fits = choices.iter().any(|choice| mismatch(document, choice, value).is_none());
        return (!fits).then(|| format!("{value} is none of {choices:?}"));
    }
    if let Some(parts) = schema["allOf"].as_array() {
        // What one part says nothing about, another describes.
        let of = |part: &Value| {
            part["$ref"]
                .as_str()
                .map_or(part.clone(), |it| document.pointer(it.trim_start_matches('#')).unwrap().clone())
        };
        return parts.iter().map(of).find_map(|part| missing(&part, value));
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_kind = |wanted: &Value| wanted == kind || (wanted == "number" && kind == "integer");
    let types = schema["type"].as_array().cloned().unwrap_or_else(|| vec![schema["type"].clone()]);
    if schema["type"] != Value::Null && !types.iter().any(is_kind) {
        return Some(format!("{value} is no {}", schema["type"]));
    }
    if let Some(items) = value.as_array() {
        return items.iter().find_map(|item| mismatch(document, &schema["items"], item));
    }
    let members = value.as_object()?;
    missing(schema, value).or_else(|| {
        members.iter().find_map(|(name, member)| {
            let described = schema["properties"].get(name).or(schema.get("additionalProperties"));
            match described {
                Some(described) => mismatch(document, described, member),
                None if schema["properties"].is_object() => Some(format!("{name} is not described")),
                None => None,
            }
        })
    })
}

fn missing(schema: &Value, value: &Value) -> Option<String> {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    required.into_iter().find(|name| value.get(name).is_none()).map(|name| format!("{name} is missing"))
}
