//! `sluice connector …`.

use crate::args::{ConnectorCommand, Remote};
use crate::client::{Client, Reply, segment};
use crate::connector_files::read_connector_file;
use crate::exit::Exit;
use crate::output::{items, print, table, text};
use comfy_table::Table;
use reqwest::Method;
use serde_json::{Value, json};
use std::path::Path;

pub async fn run(command: ConnectorCommand, remote: &Remote) -> Result<(), Exit> {
    let client = Client::new(remote)?;
    let of = |name: &str| format!("/connectors/{}", segment(name));
    match command {
        ConnectorCommand::List => {
            let all = client.get("/connectors?expand=status&expand=info").await?;
            print(remote.output, &all, list_table);
        }
        ConnectorCommand::Get { name } => print(remote.output, &client.get(&of(&name)).await?, config_table),
        ConnectorCommand::Create { file, initial_state } => create(&client, &file, initial_state).await?,
        ConnectorCommand::Apply { files } => apply(&client, &files).await?,
        ConnectorCommand::Delete { name } => done(&client, Method::DELETE, &of(&name), &name, "deleted").await?,
        ConnectorCommand::Pause { name } => {
            done(&client, Method::PUT, &format!("{}/pause", of(&name)), &name, "pausing").await?;
        }
        ConnectorCommand::Resume { name } => {
            done(&client, Method::PUT, &format!("{}/resume", of(&name)), &name, "resuming").await?;
        }
        ConnectorCommand::Stop { name } => {
            done(&client, Method::PUT, &format!("{}/stop", of(&name)), &name, "stopped").await?;
        }
        ConnectorCommand::Restart { name, include_tasks, only_failed, task } => {
            let path = match task {
                Some(task) => format!("{}/tasks/{task}/restart", of(&name)),
                None => format!("{}/restart?includeTasks={include_tasks}&onlyFailed={only_failed}", of(&name)),
            };
            done(&client, Method::POST, &path, &name, "restarting").await?;
        }
        ConnectorCommand::Status { name } => {
            print(remote.output, &client.get(&format!("{}/status", of(&name))).await?, status_table);
        }
        ConnectorCommand::Offsets { name, alter, reset } => {
            offsets(&client, remote, &format!("{}/offsets", of(&name)), alter.as_deref(), reset).await?;
        }
        ConnectorCommand::Inspect { name, records, wait_ms } => {
            crate::inspect::run(&client, remote, &name, (records, wait_ms)).await?;
        }
        ConnectorCommand::Errors { name, limit, from } => {
            crate::redrive::errors(&client, remote, &name, limit, from).await?;
        }
        ConnectorCommand::Redrive { name, letters, value, dry_run } => {
            crate::redrive::redrive(&client, remote, &name, (letters, value), dry_run).await?;
        }
        ConnectorCommand::Validate { file } => validate(&client, remote, &file).await?,
        // It reads from a Kafka first, which blocks.
        ConnectorCommand::Import(_) => {}
    }
    Ok(())
}

async fn done(client: &Client, method: Method, path: &str, name: &str, what: &str) -> Result<(), Exit> {
    client.send(method, path, None).await?;
    println!("{name} {what}");
    Ok(())
}

async fn create(client: &Client, file: &Path, initial_state: Option<String>) -> Result<(), Exit> {
    let connector = read_connector_file(file)?;
    let mut request = json!({ "name": connector.name, "config": connector.config });
    if let Some(state) = initial_state.or(connector.initial_state) {
        request["initial_state"] = json!(state.to_uppercase());
    }
    let reply = client.send(Method::POST, "/connectors", Some(&request)).await?;
    println!("{} created", connector.name);
    warn_ignored(&reply);
    Ok(())
}

async fn apply(client: &Client, files: &[std::path::PathBuf]) -> Result<(), Exit> {
    let mut failed = None;
    for file in files {
        let applied = async {
            let connector = read_connector_file(file)?;
            let path = format!("/connectors/{}/config", segment(&connector.name));
            let reply = client.send(Method::PUT, &path, Some(&Value::Object(connector.config))).await?;
            println!("{} applied", connector.name);
            warn_ignored(&reply);
            Ok(())
        };
        // One bad file does not keep the others from being applied.
        if let Err(exit) = applied.await {
            if files.len() > 1 {
                eprintln!("error: {}: {exit}", file.display());
            }
            failed.get_or_insert(exit);
        }
    }
    failed.map_or(Ok(()), Err)
}

fn warn_ignored(reply: &Reply) {
    if let Some(keys) = &reply.ignored_keys {
        eprintln!("warning: keys without effect: {keys}");
    }
}

async fn offsets(client: &Client, remote: &Remote, path: &str, alter: Option<&Path>, reset: bool) -> Result<(), Exit> {
    if let Some(file) = alter {
        let wrong = |reason: String| Exit::Usage { message: format!("offsets file {}: {reason}", file.display()) };
        let text = std::fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
        let body = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let reply = client.send(Method::PATCH, path, Some(&body)).await?;
        println!("{}", text_of_message(&reply.body));
    } else if reset {
        println!("{}", text_of_message(&client.send(Method::DELETE, path, None).await?.body));
    } else {
        print(remote.output, &client.get(path).await?, |json| {
            let mut rows = table(&["partition", "offset"]);
            for one in items(&json["offsets"]) {
                rows.add_row([one["partition"].to_string(), one["offset"].to_string()]);
            }
            rows
        });
    }
    Ok(())
}

fn text_of_message(body: &Value) -> String {
    text(body, "message")
}

async fn validate(client: &Client, remote: &Remote, file: &Path) -> Result<(), Exit> {
    let connector = read_connector_file(file)?;
    let mut config = connector.config;
    config.entry("name").or_insert_with(|| json!(connector.name));
    let class = config.get("connector.class").and_then(Value::as_str).unwrap_or("unknown").to_owned();
    let path = format!("/connector-plugins/{}/config/validate", segment(&class));
    let reply = client.send(Method::PUT, &path, Some(&Value::Object(config))).await?;
    print(remote.output, &reply.body, |infos| {
        let mut rows = table(&["key", "value", "error"]);
        for config in items(&infos["configs"]) {
            for error in items(&config["value"]["errors"]) {
                let error = error.as_str().unwrap_or_default().to_owned();
                rows.add_row([text(&config["value"], "name"), text(&config["value"], "value"), error]);
            }
        }
        rows
    });
    warn_ignored(&reply);
    match reply.body["error_count"].as_u64() {
        Some(0) => {
            eprintln!("{} is valid", connector.name);
            Ok(())
        }
        count => Err(Exit::Invalid { message: format!("{} error(s) in {}", count.unwrap_or(0), file.display()) }),
    }
}

fn list_table(json: &Value) -> Table {
    let mut rows = table(&["name", "type", "state", "tasks", "class"]);
    for (name, one) in json.as_object().into_iter().flatten() {
        let (status, info) = (&one["status"], &one["info"]);
        let tasks = items(&status["tasks"]);
        let running = tasks.iter().filter(|task| task["state"] == "RUNNING").count();
        let class = text(&info["config"], "connector.class");
        let class = class.rsplit('.').next().unwrap_or_default().to_owned();
        let state = text(&status["connector"], "state");
        rows.add_row([name.clone(), text(info, "type"), state, format!("{running}/{}", tasks.len()), class]);
    }
    rows
}

fn config_table(json: &Value) -> Table {
    let mut rows = table(&["key", "value"]);
    for key in json["config"].as_object().into_iter().flat_map(|config| config.keys()) {
        rows.add_row([key.clone(), text(&json["config"], key)]);
    }
    rows
}

fn status_table(json: &Value) -> Table {
    let mut rows = table(&["part", "state", "worker", "reason"]);
    let row =
        |part: String, state: &Value| [part, text(state, "state"), text(state, "worker_id"), text(state, "trace")];
    rows.add_row(row(text(json, "name"), &json["connector"]));
    for task in items(&json["tasks"]) {
        rows.add_row(row(format!("task {}", text(task, "id")), task));
    }
    rows
}
