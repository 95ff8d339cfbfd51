//! What a running hub shows of itself: metrics, the dashboard on them, `sluice status`, `sluice connector inspect`.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde_json::Value;
use sluice_harness::{Hub, Scratch, binary, until};

const LIMIT: Duration = Duration::from_secs(60);
const SOURCE: &str = "local-file-source";
const SINK: &str = "local-file-sink";

fn configs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs")
}

fn append(path: &Path, text: &str) -> Result<()> {
    Ok(fs::OpenOptions::new().append(true).open(path)?.write_all(text.as_bytes())?)
}

/// A hub with the quickstart's source and sink, once both lines of the file have been delivered and committed.
async fn hub(scratch: &Scratch) -> Result<Hub> {
    fs::write(scratch.path("test.txt"), "foo\nbar\n")?;
    let mut hub = Hub::at(scratch.path("data")).folder(scratch.root());
    for name in ["file-source.json", "file-sink.json"] {
        hub = hub.argument(configs().join("connectors").join(name).to_string_lossy());
    }
    let hub = hub.start().await?;
    until("both lines are committed", LIMIT, || async {
        let offsets = hub.rest().offsets(SINK).await?;
        if offsets["offsets"][0]["offset"]["kafka_offset"] == 2 { Ok(()) } else { bail!("{offsets}") }
    })
    .await?;
    Ok(hub)
}

fn command(hub: &Hub, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(binary()?);
    command.args(arguments).env("SLUICE_URL", hub.rest().url("")).stdin(Stdio::null());
    Ok(command)
}

fn stdout(output: Output) -> Result<String> {
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

fn value(metrics: &str, series: &str) -> Result<f64> {
    let found = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let Some(found) = found else { bail!("{series} is not in\n{metrics}") };
    Ok(found.parse()?)
}

/// Every name of a metric in a dashboard's queries.
fn metric_names(dashboard: &Value) -> Vec<String> {
    let mut queries = vec![&dashboard["templating"]["list"][1]["query"]["query"]];
    for panel in dashboard["panels"].as_array().into_iter().flatten() {
        queries.extend(panel["targets"].as_array().into_iter().flatten().map(|target| &target["expr"]));
    }
    let words = queries.iter().flat_map(|query| {
        let query = query.as_str().expect("a query is text");
        query.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '_')
    });
    let is_metric = |word: &&str| word.starts_with("kafka_") || word.starts_with("sluice_");
    let mut names: Vec<String> = words.filter(is_metric).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

#[tokio::test]
async fn every_metric_of_the_dashboard_is_served_and_those_of_a_connector_go_with_it() -> Result<()> {
    let scratch = Scratch::new()?;
    let hub = hub(&scratch).await?;
    let dashboard: Value = serde_json::from_str(&fs::read_to_string(configs().join("grafana/sluice.json"))?)?;
    let names = metric_names(&dashboard);
    assert!(names.len() > 35, "{names:?}");
    let metrics = hub.rest().metrics().await?;
    let is_served = |name: &&String| {
        metrics.lines().filter_map(|line| line.strip_prefix(name.as_str())).any(|rest| rest.starts_with(['{', ' ']))
    };
    let missing: Vec<&String> = names.iter().filter(|name| !is_served(name)).collect();
    assert!(missing.is_empty(), "{missing:?} are not in\n{metrics}");
    println!("{} metrics of the dashboard, {} lines of /metrics", names.len(), metrics.lines().count());

    // Its connectors are WebAssembly: some of their tasks' time is the guests'.
    for name in [SOURCE, SINK] {
        let of = |metric: &str| {
            value(&metrics, &format!("sluice_task_metrics_{metric}_seconds_total{{connector=\"{name}\",task=\"0\"}}"))
        };
        let (guest, busy) = (of("guest")?, of("busy")?);
        println!("{name}: {guest:.4} s of {busy:.4} s in the guest");
        assert!(guest > 0.0 && guest < busy, "{name}: {guest} of {busy}");
    }
    let mut heads: Vec<&str> = metrics.lines().filter(|line| line.starts_with("# TYPE ")).collect();
    let count = heads.len();
    heads.sort_unstable();
    heads.dedup();
    assert_eq!(heads.len(), count, "no metric is begun twice");

    hub.rest().delete(&format!("/connectors/{SINK}")).await?;
    let metrics = hub.rest().metrics().await?;
    let of = |name: &str| format!("connector=\"{name}\"");
    assert!(!metrics.contains(&of(SINK)) && metrics.contains(&of(SOURCE)), "{metrics}");
    Ok(())
}

#[tokio::test]
async fn the_lag_of_a_paused_sink_grows_and_status_shows_the_time_that_is_left() -> Result<()> {
    let scratch = Scratch::new()?;
    let hub = hub(&scratch).await?;
    hub.rest().command(SINK, "pause").await?;
    hub.rest().until_state(SINK, "PAUSED", 1).await?;
    append(&scratch.path("test.txt"), "more\nand more\n")?;
    let status = until("the lag of the paused sink", LIMIT, || async {
        let shown = stdout(command(&hub, &["status", "--json"])?.output()?)?;
        let status: Value = serde_json::from_str(&shown)?;
        if status["connectors"][0]["lag"] == 2 { Ok(status) } else { bail!("{shown}") }
    })
    .await?;
    let sink = &status["connectors"][0];
    assert_eq!((&sink["name"], &sink["state"]), (&SINK.into(), &"PAUSED".into()));
    // A week, and the topic has just been written.
    let left = sink["retention_seconds_left"].as_f64().unwrap_or_default();
    assert!(left > 604_000.0 && left <= 604_800.0, "{left}");
    let series =
        format!("sluice_sink_retention_seconds_left{{connector=\"{SINK}\",topic=\"connect-test\",partition=\"0\"}}");
    assert!(value(&hub.rest().metrics().await?, &series)? > 604_000.0);
    let shown = stdout(command(&hub, &["status"])?.output()?)?;
    println!("{shown}");
    let row = shown.lines().find(|line| line.trim_start().starts_with(SINK)).unwrap_or_default();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(words, [SINK, "PAUSED", "0/1", "2", "6d", "23h"], "{shown}");
    assert!(shown.contains("memory budget: 0.0 of "), "{shown}");
    Ok(())
}

#[tokio::test]
async fn inspect_shows_what_passes_while_it_looks() -> Result<()> {
    let scratch = Scratch::new()?;
    let hub = hub(&scratch).await?;
    let arguments = ["connector", "inspect", SOURCE, "-n", "1", "--wait-ms", "30000"];
    let mut looking = command(&hub, &arguments)?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    // It looks at what passes from some moment on: lines come until it has seen one.
    until("inspect has seen a record", LIMIT, || {
        let ended = append(&scratch.path("test.txt"), "a line to look at\n").and_then(|()| Ok(looking.try_wait()?));
        async move { if ended?.is_some() { Ok(()) } else { bail!("it looks on") } }
    })
    .await?;
    let shown = stdout(looking.wait_with_output()?)?;
    println!("{shown}");
    let rows: Vec<Vec<&str>> = shown.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    let stages: Vec<&str> = rows.iter().map(|row| row[1]).collect();
    assert_eq!(stages, ["polled", "converted"], "{shown}");
    assert!(rows.iter().all(|row| row.join(" ").contains("a line to look at")), "{shown}");
    Ok(())
}
