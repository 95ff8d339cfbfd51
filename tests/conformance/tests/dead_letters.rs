//! The same failing sinks in a real Connect worker and in the hub: their dead letter queues, byte for byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use sluice_conformance::dead_letters::{ALLOWED, Letter, Pipeline, compare, pipelines, table};
use sluice_conformance::rest::{ConnectWorker, PROPERTIES};
use sluice_contract::apache_kafka;
use sluice_harness::{Hub, Rest, Scratch, free_port};

/// Set: the README's table is written anew.
const BLESS: &str = "SLUICE_BLESS";

#[tokio::test]
async fn dead_letters_are_those_of_kafka_byte_for_byte() -> Result<()> {
    if apache_kafka::is_skipped() {
        return Ok(());
    }
    let pipelines = pipelines();
    let worker = ConnectWorker::start().await?;
    let scratch = Scratch::new()?;
    let theirs =
        Side { rest: worker.rest().clone(), servers: worker.bootstrap_servers() }.run(&pipelines, &scratch).await?;
    let config = scratch.path("worker.properties");
    fs::write(&config, PROPERTIES)?;
    let servers = format!("127.0.0.1:{}", free_port()?);
    let hub = Hub::at(scratch.path("data")).argument("--config").argument(config.to_string_lossy());
    let hub = hub.argument(format!("--kafka-listen={servers}")).start().await?;
    let ours = Side { rest: hub.rest().clone(), servers }.run(&pipelines, &scratch).await?;
    let (mut problems, mut used, mut letters) = (Vec::new(), vec![0; ALLOWED.len()], 0);
    for pipeline in &pipelines {
        let (theirs, ours) = (&theirs[pipeline.name], &ours[pipeline.name]);
        letters += theirs.len();
        let found = compare(theirs, ours, &mut used);
        problems.extend(found.into_iter().map(|problem| format!("{}: {problem}", pipeline.name)));
    }
    assert!(problems.is_empty(), "{} differences:\n{}", problems.len(), problems.join("\n"));
    assert!(used.iter().all(|count| *count > 0), "rows of ALLOWED that allow nothing: {used:?}");
    eprintln!("{letters} dead letters of {} sinks are the same; allowed differences: {used:?}", pipelines.len());
    Ok(())
}

/// A worker, or the hub.
struct Side {
    rest: Rest,
    servers: String,
}

impl Side {
    /// The queue of each pipeline.
    async fn run(&self, pipelines: &[Pipeline], scratch: &Scratch) -> Result<BTreeMap<&'static str, Vec<Letter>>> {
        for pipeline in pipelines {
            pipeline.feed(&self.servers).await?;
            let file = scratch.text(&format!("{}-{}.txt", self.rest.port(), pipeline.name));
            self.rest.create(pipeline.name, &pipeline.connector(&file)).await?;
        }
        let mut queues = BTreeMap::new();
        for pipeline in pipelines {
            let letters = pipeline.letters(&self.servers).await?;
            ensure!(!letters.is_empty(), "{} has no letters", pipeline.name);
            queues.insert(pipeline.name, letters);
        }
        Ok(queues)
    }
}

#[test]
fn the_readme_shows_what_may_differ_in_a_dead_letter() -> Result<()> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let text = fs::read_to_string(&file)?;
    let (begin, end) = ("<!-- dead letters: generated -->\n", "<!-- end of dead letters -->\n");
    let (before, rest) = text.split_once(begin).expect("the README has a place for the table");
    let (shown, after) = rest.split_once(end).expect("the table has an end");
    if std::env::var_os(BLESS).is_some() {
        return Ok(fs::write(&file, format!("{before}{begin}{}{end}{after}", table()))?);
    }
    assert_eq!(shown, table(), "write it anew with {BLESS}=1");
    Ok(())
}
