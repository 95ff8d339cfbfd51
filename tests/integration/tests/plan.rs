//! The journalled batch plan: a crash between plan, delivery and commit, under wall-clock rotation, repeats the same objects. Without
//! the plan the batches end elsewhere, and the same test sees it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use sluice_harness::{AccessLog, Feed, Hub, HubOptions, Pipeline, Scratch, object_names, parquet_strings, until};

const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_crash_after_the_plan_delivers_the_same_objects() -> Result<()> {
    let outcome = crash_and_restart("sink.after_plan:2", |options| options).await?;
    outcome.assert_same_objects();
    Ok(())
}

#[tokio::test]
async fn a_crash_after_the_delivery_delivers_the_same_objects() -> Result<()> {
    let outcome = crash_and_restart("sink.after_put:2", |options| options).await?;
    outcome.assert_same_objects();
    Ok(())
}

#[tokio::test]
async fn a_crash_before_the_commit_delivers_the_same_objects() -> Result<()> {
    let outcome = crash_and_restart("sink.before_commit:2", |options| options).await?;
    outcome.assert_same_objects();
    Ok(())
}

#[tokio::test]
async fn without_the_plan_a_crash_after_the_delivery_changes_what_was_delivered() -> Result<()> {
    let outcome = crash_and_restart("sink.after_put:2", |options| options.environment("SLUICE_PLAN", "off")).await?;
    assert!(!outcome.changed.is_empty(), "the plan was off, and yet every delivered object kept its rows");
    Ok(())
}

/// What a reader of the bucket saw right after the crash against what lies there in the end.
struct Outcome {
    at_crash: usize,
    changed: Vec<String>,
    delivered: sluice_harness::Delivered,
}

impl Outcome {
    #[track_caller]
    fn assert_same_objects(&self) {
        assert!(self.at_crash > 0, "nothing was delivered before the crash, so nothing was tested");
        assert!(self.changed.is_empty(), "delivered objects changed: {:?}", self.changed);
        assert!(self.delivered.lines_in_parquet.is_exact(), "{}", self.delivered);
    }
}

async fn crash_and_restart(point: &str, with: impl Fn(HubOptions) -> HubOptions) -> Result<Outcome> {
    let scratch = Scratch::new()?;
    let pipeline = Pipeline::in_folder(scratch.root());
    let mut feed = Feed::create(&pipeline, 3).await?;
    feed.append(101, 0).await?;
    let mut hub = with(Hub::at(scratch.path("hub"))).fail_point(point).start().await?;
    for (name, config) in pipeline.connectors().into_iter().filter(|(name, _)| name.starts_with("access-log")) {
        hub.rest().create(name, &config).await?;
    }
    while hub.ended()?.is_none() {
        feed.append(37, 0).await?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let options = hub.options().without_environment("SLUICE_FAIL_POINT");
    let at_crash = objects(&pipeline)?;
    // The log has grown meanwhile: a batch that is cut anew would end elsewhere.
    feed.append(2_003, 0).await?;
    let hub = options.start().await?;
    until("all lines in Parquet", LIMIT, || async {
        let arrived = pipeline.arrived().await?.lines_in_parquet;
        let failure = hub.rest().status("access-log-parquet").await?;
        if arrived >= feed.lines() { Ok(()) } else { bail!("{arrived} of {}; {failure}", feed.lines()) }
    })
    .await?;
    let after = objects(&pipeline)?;
    let is_changed = |(name, ids): &(&PathBuf, &Vec<i64>)| after.get(*name) != Some(*ids);
    let changed = at_crash.iter().filter(is_changed).map(|(name, _)| name.display().to_string()).collect();
    Ok(Outcome { at_crash: at_crash.len(), changed, delivered: pipeline.delivered(&feed).await? })
}

/// Every object of the log's lines with the ids of its rows.
fn objects(pipeline: &Pipeline) -> Result<BTreeMap<PathBuf, Vec<i64>>> {
    let mut objects = BTreeMap::new();
    for path in object_names(&pipeline.line_objects(), ".parquet")? {
        let lines = parquet_strings(&path, "line")?;
        objects.insert(path, lines.iter().filter_map(|line| AccessLog::id_of(line)).collect());
    }
    Ok(objects)
}
