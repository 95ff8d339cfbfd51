//! `sluice connector errors` and `sluice connector redrive`.

use crate::args::Remote;
use crate::client::{Client, segment};
use crate::exit::Exit;
use crate::output::{items, print, table, text};
use comfy_table::Table;
use reqwest::Method;
use serde_json::{Value, json};

/// Partition and offset of a dead letter.
type Place = (i32, i64);

pub async fn errors(client: &Client, remote: &Remote, name: &str, limit: u32, from: Option<Place>) -> Result<(), Exit> {
    let (partition, offset) = from.unwrap_or_default();
    let query = format!("limit={limit}&partition={partition}&offset={offset}");
    let answer = client.get(&format!("{}?{query}", path(name))).await?;
    print(remote.output, &answer, errors_table);
    if let Some(next) = answer.get("next") {
        eprintln!("more: --from {}/{}", next["partition"], next["offset"]);
    }
    Ok(())
}

/// Sends letters again; with a `value` there must be exactly one.
pub async fn redrive(
    client: &Client,
    remote: &Remote,
    name: &str,
    (letters, value): (Vec<Place>, Option<String>),
    dry_run: bool,
) -> Result<(), Exit> {
    if value.is_some() && letters.len() != 1 {
        return Err(Exit::Usage { message: "--value is for one dead letter: name it, as in 0/12".to_owned() });
    }
    let mut request = json!({ "dry_run": dry_run });
    if !letters.is_empty() {
        let letter = |(partition, offset): &Place| json!({ "partition": partition, "offset": offset });
        request["letters"] = letters.iter().map(letter).collect();
    }
    if let Some(value) = value {
        request["letters"][0]["value"] = value.into();
    }
    let answer = client.send(Method::POST, &format!("{}/redrive", path(name)), Some(&request)).await?.body;
    print(remote.output, &answer, redrive_table);
    match answer["failed"].as_u64() {
        Some(0) | None => Ok(()),
        Some(failed) => Err(Exit::Invalid { message: format!("{failed} dead letter(s) failed again") }),
    }
}

fn path(name: &str) -> String {
    format!("/sluice/v1/connectors/{}/errors", segment(name))
}

fn errors_table(json: &Value) -> Table {
    let mut rows = table(&["letter", "record", "stage", "cause", "value", "redrive"]);
    for letter in items(&json["errors"]) {
        let record = &letter["record"];
        let offset = text(record, "offset");
        let of_log = if offset.is_empty() {
            text(record, "topic")
        } else {
            format!("{}-{}@{offset}", text(record, "topic"), record["partition"])
        };
        let value = text(letter, "value").chars().take(60).collect::<String>();
        let cells = [
            place(letter),
            of_log,
            text(letter, "stage"),
            text(letter, "cause"),
            value,
            text(&letter["redrive"], "state"),
        ];
        rows.add_row(cells);
    }
    rows
}

fn redrive_table(json: &Value) -> Table {
    let mut rows = table(&["letter", "result", "what"]);
    for letter in items(&json["letters"]) {
        let what = match letter["result"].as_str() {
            Some("failed") => format!("{}: {}", text(letter, "stage"), text(letter, "cause")),
            Some("preview") => letter["records"].to_string(),
            _ => String::new(),
        };
        rows.add_row([place(letter), text(letter, "result"), what]);
    }
    rows
}

fn place(letter: &Value) -> String {
    format!("{}/{}", letter["partition"], letter["offset"])
}
