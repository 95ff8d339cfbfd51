//! `sluice connector import`: the connectors of a Kafka Connect cluster, from its internal topics into a hub.
//!
//! [`source`] says where they are, [`read`] reads them, [`target`] makes them in the hub over REST.
//!
//! What it is not: a copy of records. Topics stay where they are; a sink's offsets are of use where its topics are.

mod read;
mod source;
mod target;

use crate::args::{ImportOptions, Output, Remote};
use crate::client;
use crate::exit::Exit;
use crate::output::{items, print, table, text};
use read::Found;
use serde_json::{Value, json};
use source::Source;
use target::Target;

pub fn run(options: &ImportOptions, remote: &Remote) -> Result<(), Exit> {
    let source = Source::open(options)?;
    let running = source.workers()?;
    if running > 0 && !options.dry_run {
        let message = format!(
            "{running} worker(s) of the group {} still run; stop them first, or both would run the same connectors",
            source.group_id.as_deref().unwrap_or_default()
        );
        return Err(Exit::Conflict { message });
    }
    let mut found = read::read(&source)?;
    if let Some(missing) = options.connectors.iter().find(|name| !found.contains_key(*name)) {
        return Err(Exit::NotFound { message: format!("{} holds no connector {missing}", source.configs) });
    }
    if !options.connectors.is_empty() {
        found.retain(|name, _| options.connectors.contains(name));
    }
    client::run(import(found, &source, options.dry_run, remote))?;
    if options.dry_run {
        eprintln!("nothing was changed; without --dry-run it is done");
        if running > 0 {
            eprintln!("{running} worker(s) still run; stop them before");
        }
    } else if source.group_id.is_none() {
        eprintln!("without --group-id nobody looked whether the workers are stopped");
    }
    Ok(())
}

async fn import(
    found: std::collections::BTreeMap<String, Found>,
    source: &Source,
    dry_run: bool,
    remote: &Remote,
) -> Result<(), Exit> {
    let target = Target::open(remote, source.cluster_id.as_deref()).await?;
    let mut rows = Vec::new();
    let mut refused = 0;
    for (name, connector) in &found {
        let taken = if dry_run { target.check(name, connector).await } else { target.import(name, connector).await };
        let (result, notes) = match taken {
            Ok(notes) => (if dry_run { "would be imported" } else { "imported" }, notes),
            // Without a hub there is nothing to go on with.
            Err(exit @ (Exit::Unreachable { .. } | Exit::Usage { .. })) => return Err(exit),
            Err(exit) => {
                refused += 1;
                ("refused", vec![exit.to_string()])
            }
        };
        rows.push(json!({
            "name": name,
            "class": connector.class(),
            "state": connector.state.name(),
            "last_status": connector.status(),
            "offsets": connector.offsets().len(),
            "result": result,
            "notes": notes,
        }));
    }
    print(remote.output, &json!({ "connectors": rows }), |json| {
        let mut rows = table(&["connector", "state", "was", "offsets", "result", "notes"]);
        for row in items(&json["connectors"]) {
            let notes: Vec<&str> = items(&row["notes"]).iter().filter_map(Value::as_str).collect();
            let cells = ["name", "state", "last_status", "offsets", "result"].map(|member| text(row, member));
            rows.add_row(cells.into_iter().chain([notes.join("\n")]));
        }
        rows
    });
    if found.is_empty() && remote.output == Output::Table {
        eprintln!("{} holds no connectors", source.configs);
    }
    match refused {
        0 => Ok(()),
        _ => Err(Exit::Invalid { message: format!("{refused} of {} connector(s) cannot be imported", found.len()) }),
    }
}
