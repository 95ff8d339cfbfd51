//! The whole script against a real Connect worker and against the hub.

use std::fs;
use std::path::{Path, PathBuf};

mod clients;

use anyhow::Result;
use sluice_conformance::rest::{
    ConnectWorker, Mismatch, PROPERTIES, Recording, Script, Server, compare, environment, judge, play, table,
};
use sluice_contract::apache_kafka;
use sluice_harness::{Hub, Scratch, target_folder};

/// Set: Kafka's answers are recorded anew.
const BLESS: &str = "SLUICE_BLESS";

#[tokio::test]
async fn the_recording_is_what_a_worker_answers() -> Result<()> {
    if let Some(reason) = apache_kafka::unavailable() {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "SKIPPED: {reason}");
        eprintln!("SKIPPED the_recording_is_what_a_worker_answers: {reason}");
        return Ok(());
    }
    let worker = ConnectWorker::start().await?;
    let now = play(&Script::read()?, worker.server()).await?;
    now.write(&target_folder()?.join("rest-kafka.jsonl"))?;
    if std::env::var_os(BLESS).is_some() {
        return now.write(&Recording::of_kafka());
    }
    let changed = compare(&Recording::read(&Recording::of_kafka())?, &now);
    assert!(changed.is_empty(), "{}; record anew with {BLESS}=1", listed(&changed));
    Ok(())
}

#[tokio::test]
async fn the_hub_answers_as_kafka_does() -> Result<()> {
    let scratch = Scratch::new()?;
    let files = scratch.path("files");
    fs::create_dir(&files)?;
    let config = scratch.path("worker.properties");
    fs::write(&config, PROPERTIES)?;
    let mut options = Hub::at(scratch.path("data")).argument("--config").argument(config.to_string_lossy());
    for (name, value) in environment(&files) {
        options = options.environment(name, &value);
    }
    let hub = options.start().await?;
    let server = Server::new(&format!("127.0.0.1:{}", hub.rest().port()), files);
    let ours = play(&Script::read()?, &server).await?;
    ours.write(&target_folder()?.join("rest-sluice.jsonl"))?;
    let judged = judge(compare(&Recording::read(&Recording::of_kafka())?, &ours));
    assert!(judged.unexpected.is_empty(), "{}", listed(&judged.unexpected));
    assert!(judged.unused.is_empty(), "rows of DIFFERENCES that allow nothing: {:#?}", judged.unused);
    Ok(())
}

#[test]
fn the_readme_shows_every_difference() -> Result<()> {
    let file: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(&file)?;
    let (begin, end) = ("<!-- rest differences: generated -->\n", "<!-- end -->\n");
    let (before, rest) = text.split_once(begin).expect("the README has a place for the table");
    let (shown, after) = rest.split_once(end).expect("the table has an end");
    if std::env::var_os(BLESS).is_some() {
        return Ok(fs::write(&file, format!("{before}{begin}{}{end}{after}", table()))?);
    }
    assert_eq!(shown, table(), "write it anew with {BLESS}=1");
    Ok(())
}

fn listed(mismatches: &[Mismatch]) -> String {
    let lines: Vec<String> = mismatches.iter().map(ToString::to_string).collect();
    format!("{} differences:\n{}", lines.len(), lines.join("\n"))
}
