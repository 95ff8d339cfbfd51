//! `sluice status`.

use crate::args::{Output, Remote};
use crate::client::Client;
use crate::exit::Exit;
use crate::output::{items, print, say, table, text};
use comfy_table::Table;
use serde_json::Value;

pub async fn run(json: bool, remote: Remote) -> Result<(), Exit> {
    let status = Client::new(&remote)?.get("/sluice/v1/status").await?;
    let output = if json { Output::Json } else { remote.output };
    print(output, &status, connectors_table);
    if output == Output::Table {
        let budget = &status["memory_budget"];
        say(&format!(
            "\nmemory budget: {} of {} MiB held",
            mebibytes(budget, "used_bytes"),
            mebibytes(budget, "limit_bytes")
        ));
    }
    Ok(())
}

fn connectors_table(json: &Value) -> Table {
    let mut rows = table(&["name", "state", "tasks", "lag", "time left", "next restart", "last error"]);
    for one in items(&json["connectors"]) {
        let tasks = items(&one["tasks"]);
        let running = tasks.iter().filter(|task| task["state"] == "RUNNING").count();
        rows.add_row([
            text(one, "name"),
            text(one, "state"),
            format!("{running}/{}", tasks.len()),
            text(one, "lag"),
            one["retention_seconds_left"].as_f64().map_or_else(String::new, duration),
            one["next_restart_ms"].as_f64().map_or_else(String::new, |ms| format!("in {}", duration(ms / 1e3))),
            text(one, "last_error"),
        ]);
    }
    rows
}

fn mebibytes(json: &Value, member: &str) -> String {
    format!("{:.1}", json[member].as_f64().unwrap_or_default() / f64::from(1 << 20))
}

/// In the two greatest units that it has.
fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = units.iter().position(|(unit, _)| seconds >= *unit).unwrap_or(3);
    let shown = |(unit, name): &(u64, &str), of: u64| format!("{}{name}", of / unit);
    match units.get(first + 1) {
        None => shown(&units[first], seconds),
        Some(next) => format!("{} {}", shown(&units[first], seconds), shown(next, seconds % units[first].0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_their_two_greatest_units() {
        let shown = [0.4, 59.0, 61.0, 7_322.0, 200_000.0].map(duration);
        assert_eq!(shown, ["0s", "59s", "1m 1s", "2h 2m", "2d 7h"]);
    }
}
