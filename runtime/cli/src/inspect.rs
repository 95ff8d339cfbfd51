//! `sluice connector inspect`.

use crate::args::Remote;
use crate::client::{Client, segment};
use crate::exit::Exit;
use crate::output::{items, print, table, text};
use comfy_table::Table;
use serde_json::Value;

pub async fn run(client: &Client, remote: &Remote, name: &str, (records, wait_ms): (u32, u32)) -> Result<(), Exit> {
    let path = format!("/sluice/v1/connectors/{}/inspect?records={records}&wait_ms={wait_ms}", segment(name));
    let answer = client.get(&path).await?;
    print(remote.output, &answer, stages_table);
    let tasks = items(&answer["tasks"]);
    if tasks.is_empty() {
        eprintln!("{name} has no tasks");
    } else if tasks.iter().all(|task| items(&task["stages"]).is_empty()) {
        eprintln!("no records passed within {wait_ms} ms; --wait-ms waits longer");
    }
    Ok(())
}

fn stages_table(json: &Value) -> Table {
    let mut rows = table(&["task", "stage", "record", "key", "value"]);
    for task in items(&json["tasks"]) {
        for stage in items(&task["stages"]) {
            for record in items(&stage["records"]) {
                let row = [
                    text(task, "task"),
                    text(stage, "stage"),
                    place(record),
                    shown(record, "key"),
                    shown(record, "value"),
                ];
                rows.add_row(row);
            }
            if items(&stage["records"]).is_empty() {
                let none = String::new();
                rows.add_row([text(task, "task"), text(stage, "stage"), "(none left)".to_owned(), none.clone(), none]);
            }
        }
    }
    rows
}

/// `topic-partition@offset`, as far as it is known.
fn place(record: &Value) -> String {
    let mut place = text(record, "topic");
    for (sign, member) in [("-", "partition"), ("@", "offset")] {
        if record[member].is_number() {
            place += &format!("{sign}{}", record[member]);
        }
    }
    place
}

/// What JSON with a schema holds; bytes that are no text as base64.
fn shown(record: &Value, member: &str) -> String {
    let value = &record[member];
    match value.get("payload") {
        Some(_) => text(value, "payload"),
        None if value.is_null() => text(record, &format!("{member}_base64")),
        None => text(record, member),
    }
}
