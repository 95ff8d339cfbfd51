//! Claims of issue 5: the runtime beside a real Kafka Connect worker, and what it is to reach alone. `runtime [ROW…] [--runs N] [--scale F]`.

use anyhow::{Context, Result};
use sluice_bench::{Options, Report, runtime};

#[tokio::main]
async fn main() -> Result<()> {
    let (options, rows) = Options::with_rows(&runtime::ROWS)?;
    let mut report = Report::new("runtime", options);
    for row in rows {
        eprintln!("{row}");
        runtime::measure(row, &options, &mut report).await.with_context(|| row.to_owned())?;
    }
    report.finish()
}
