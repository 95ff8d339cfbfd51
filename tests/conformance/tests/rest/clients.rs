//! What only the hub promises, and clients that other people wrote.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_conformance::rest::{node_client, python_client};
use sluice_harness::{Hub, Rest, Scratch};
use tokio::task::JoinSet;

const CLIENTS: usize = 20;

/// Kafka lets several through: it looks and writes without holding anything meanwhile.
#[tokio::test]
async fn of_twenty_clients_that_create_or_delete_one_name_one_succeeds() -> Result<()> {
    let scratch = Scratch::new()?;
    let hub = Hub::at(scratch.path("data")).start().await?;
    let config = json!({"connector.class": "FileStreamSource", "file": scratch.text("a.txt"), "topic": "t"});
    let body = json!({"name": "one", "config": config});
    let create = |rest: Rest| {
        let body = body.clone();
        async move { rest.post("/connectors", &body).await }
    };
    ensure!(at_once(hub.rest(), create).await? == sorted(201, 409), "creating");
    let delete = |rest: Rest| async move { rest.delete("/connectors/one").await };
    ensure!(at_once(hub.rest(), delete).await? == sorted(204, 404), "deleting");
    Ok(())
}

async fn at_once<F>(rest: &Rest, request: impl Fn(Rest) -> F) -> Result<Vec<u16>>
where
    F: Future<Output = Result<sluice_harness::Answer>> + Send + 'static,
{
    let mut requests = JoinSet::new();
    for _ in 0..CLIENTS {
        requests.spawn(request(rest.clone()));
    }
    let mut statuses = Vec::new();
    while let Some(answer) = requests.join_next().await {
        statuses.push(answer??.status);
    }
    statuses.sort_unstable();
    Ok(statuses)
}

fn sorted(one: u16, others: u16) -> Vec<u16> {
    let mut statuses = vec![others; CLIENTS - 1];
    statuses.push(one);
    statuses.sort_unstable();
    statuses
}

#[tokio::test]
async fn the_python_client_kafka_connect_py_works_as_it_does_with_kafka() -> Result<()> {
    let mut client = match python_client()? {
        Ok(client) => client,
        Err(missing) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "SKIPPED: {missing}");
            eprintln!("SKIPPED the_python_client_kafka_connect_py_works_as_it_does_with_kafka: {missing}");
            return Ok(());
        }
    };
    let scratch = Scratch::new()?;
    fs::write(scratch.path("in.txt"), "a\nb\n")?;
    let hub = Hub::at(scratch.path("data")).start().await?;
    let (url, file) = (hub.rest().url(""), scratch.text("in.txt"));
    client.args([&url, &file, "py-lines"]);
    let output = tokio::task::spawn_blocking(move || client.output()).await?.context("cannot start Python")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_slice(&output.stdout)?;
    let class = "org.apache.kafka.connect.file.FileStreamSourceConnector";
    assert_eq!(seen["version"], "4.3.1");
    assert_eq!(seen["connectors"], json!(["py"]));
    let config = json!({"name": "py", "connector.class": class, "tasks.max": "1", "file": file, "topic": "py-lines"});
    assert_eq!(seen["config"], config);
    assert_eq!((&seen["updated"], &seen["tasks"], &seen["left"]), (&json!("7"), &json!(1), &json!([])));
    Ok(())
}

#[tokio::test]
async fn the_npm_client_kafka_connect_client_works_as_it_does_with_kafka() -> Result<()> {
    let mut client = match node_client()? {
        Ok(client) => client,
        Err(missing) => {
            assert!(std::env::var("CI").as_deref() != Ok("true"), "SKIPPED: {missing}");
            eprintln!("SKIPPED the_npm_client_kafka_connect_client_works_as_it_does_with_kafka: {missing}");
            return Ok(());
        }
    };
    let scratch = Scratch::new()?;
    fs::write(scratch.path("in.txt"), "a\nb\n")?;
    let hub = Hub::at(scratch.path("data")).start().await?;
    client.args([&hub.rest().port().to_string(), &scratch.text("in.txt"), "js-lines"]);
    let output = tokio::task::spawn_blocking(move || client.output()).await?.context("cannot start Node")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_slice(&output.stdout)?;
    let expected = json!({
        "version": "4.3.1", "created": 201, "connectors": ["js"], "type": "source", "restarted": 204, "task": 0, "updated": "7",
        "errors": 1, "altered": 2, "reset": [], "sources": true, "deleted": 204, "left": [],
        "gone": {"error_code": 404, "message": "Connector js not found"},
    });
    assert_eq!(seen, expected);
    Ok(())
}
