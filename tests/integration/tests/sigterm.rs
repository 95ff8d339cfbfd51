//! SIGTERM to a loaded hub: planned batches are finished, offsets committed, exit 0; the next start delivers none of it again.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use sluice_harness::{Feed, Hub, Pipeline, Scratch, object_names, until};

const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test]
async fn sigterm_ends_a_loaded_hub_cleanly_and_nothing_is_delivered_again() -> Result<()> {
    let scratch = Scratch::new()?;
    let pipeline = Pipeline::in_folder(scratch.root());
    let mut feed = Feed::create(&pipeline, 11).await?;
    let hub = Hub::at(scratch.path("hub")).start().await?;
    pipeline.deploy(&hub).await?;
    while !pipeline.arrived().await?.something_everywhere() {
        feed.append(997, 131).await?;
        pipeline.refuse_failures(&hub).await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    feed.append(4_999, 1_009).await?;
    let options = hub.options();
    let status = hub.terminate().await?;
    assert_eq!(status.code(), Some(0), "{status}");
    assert!(!scratch.path("hub.log").exists() || !fs::read_to_string(scratch.path("hub.log"))?.contains("panicked"));
    let before = objects(&pipeline)?;
    assert!(!before.is_empty());

    let hub = options.start().await?;
    until("the rest at every destination", LIMIT, || async {
        pipeline.refuse_failures(&hub).await?;
        let arrived = pipeline.arrived().await?;
        if arrived.as_much_as(&feed) { Ok(()) } else { bail!("{arrived:?}") }
    })
    .await?;
    let delivered = pipeline.delivered(&feed).await?;
    assert!(delivered.is_exact(), "{delivered}");
    let after = objects(&pipeline)?;
    for (name, modified) in &before {
        assert_eq!(after.get(name), Some(modified), "{} was written again", name.display());
    }
    Ok(())
}

fn objects(pipeline: &Pipeline) -> Result<BTreeMap<PathBuf, std::time::SystemTime>> {
    let mut objects = BTreeMap::new();
    for folder in [pipeline.line_objects(), pipeline.event_objects()] {
        for path in object_names(&folder, ".parquet")? {
            let modified = fs::metadata(&path)?.modified()?;
            objects.insert(path, modified);
        }
    }
    Ok(objects)
}
