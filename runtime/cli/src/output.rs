//! How answers look: tables for people, JSON for scripts.

use crate::args::Output;
use comfy_table::Table;
use comfy_table::presets;
use serde_json::Value;

/// Prints `json` as it is, or a table made of it.
pub fn print(output: Output, json: &Value, table: impl FnOnce(&Value) -> Table) {
    match output {
        Output::Json => println!("{json:#}"),
        Output::Table => {
            println!("{}", table(json).trim_fmt());
        }
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
