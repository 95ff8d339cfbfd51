//! What a bench found: a table for people, JSON for what comes after.

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sluice_harness::target_folder;

use crate::{Options, median};

/// What a claim demands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    AtLeast(f64),
    AtMost(f64),
    /// Measured for its own sake.
    None,
}

impl Bar {
    fn is_met(self, value: f64) -> bool {
        match self {
            Bar::AtLeast(bar) => value >= bar,
            Bar::AtMost(bar) => value <= bar,
            Bar::None => true,
        }
    }

    fn text(self) -> String {
        match self {
            Bar::AtLeast(bar) => format!(">= {bar}"),
            Bar::AtMost(bar) => format!("<= {bar}"),
            Bar::None => "-".to_owned(),
        }
    }
}

/// The rows of one bench, with every run's value behind each.
#[derive(Debug)]
pub struct Report {
    name: &'static str,
    options: Options,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    what: String,
    unit: &'static str,
    values: Vec<f64>,
    bar: Bar,
}

impl Report {
    pub fn new(name: &'static str, options: Options) -> Report {
        Report { name, options, rows: Vec::new() }
    }

    pub fn row(&mut self, what: &str, unit: &'static str, values: &[f64], bar: Bar) {
        self.rows.push(Row { what: what.to_owned(), unit, values: values.to_vec(), bar });
    }

    /// Prints the table and writes `<target>/bench/<name>.json`.
    pub fn finish(self) -> Result<()> {
        println!("{}", self.table());
        let folder = target_folder()?.join("bench");
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join(format!("{}.json", self.name));
        fs::write(&path, format!("{:#}\n", self.json())).with_context(|| format!("cannot write {}", path.display()))?;
        println!("written to {}", path.display());
        Ok(())
    }

    fn table(&self) -> String {
        let head = format!("{} ({} runs, scale {}, {})", self.name, self.options.runs, self.options.scale, machine());
        let width = self.rows.iter().map(|row| row.what.chars().count()).fold(44, usize::max);
        let mut lines = vec![head, format!("  {:<width$} {:>14} {:>14} {:>8}", "what", "median", "bar", "")];
        for row in &self.rows {
            let value = median(&row.values);
            let verdict = if row.bar.is_met(value) { "" } else { "MISSED" };
            let (value, bar) = (format!("{} {}", short(value), row.unit), row.bar.text());
            lines.push(format!("  {:<width$} {value:>14} {bar:>14} {verdict:>8}", row.what));
        }
        lines.join("\n")
    }

    fn json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                let value = median(&row.values);
                json!({"what": row.what, "unit": row.unit, "median": value, "values": row.values,
                       "bar": row.bar.text(), "met": row.bar.is_met(value)})
            })
            .collect();
        json!({"bench": self.name, "runs": self.options.runs, "scale": self.options.scale, "machine": machine(), "rows": rows})
    }
}

fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 1_000.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores of {}", model.trim_start_matches([' ', '\t', ':']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_bar_is_shown_and_a_met_one_is_not() {
        let mut report = Report::new("toy", Options { runs: 3, scale: 1.0 });
        report.row("rate", "M/s", &[0.9, 1.2, 0.8], Bar::AtLeast(1.0));
        report.row("memory", "MB", &[50.0], Bar::AtMost(100.0));
        let table = report.table();
        let lines: Vec<&str> = table.lines().collect();
        assert!(lines[2].contains("0.900 M/s") && lines[2].ends_with("MISSED"), "{table}");
        assert!(lines[3].contains("50.0 MB") && !lines[3].ends_with("MISSED"), "{table}");
        assert_eq!(report.json()["rows"][0]["met"], false);
    }
}
