//! How answers look: tables for people, JSON for scripts.

use crate::args::Output;
use comfy_table::Table;
use comfy_table::presets;
use serde_json::Value;
use std::io::Write;

/// Prints `json` as it is, or a table made of it.
pub fn print(output: Output, json: &Value, table: impl FnOnce(&Value) -> Table) {
    match output {
        Output::Json => say(&format!("{json:#}")),
        Output::Table => say(&table(json).trim_fmt()),
    }
}

/// A line on the standard output. Who closed it has seen enough, and the command is done.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
        std::process::exit(if error.kind() == std::io::ErrorKind::BrokenPipe { 0 } else { 1 });
    }
}

/// An empty table with this head.
pub fn table(head: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head.iter().map(|name| name.to_uppercase()).collect::<Vec<_>>());
    table
}

/// A member as text; nothing for null and absent ones.
pub fn text(value: &Value, member: &str) -> String {
    match &value[member] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The elements of an array; none for anything else.
pub fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
