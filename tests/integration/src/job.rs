//! The pipeline with its feed, started and killed again and again.

use std::time::{Duration, SystemTime};

use anyhow::{Result, bail};
use sluice_harness::{Feed, Hub, HubOptions, Pipeline, Random, Scratch, until};

const DELIVERY_LIMIT: Duration = Duration::from_secs(120);
/// Longer than the wall-clock rotation: what would come twice has come by then.
const SETTLE: Duration = Duration::from_millis(1_500);

/// The hub is dead between the steps.
pub struct Job {
    pub scratch: Scratch,
    pub pipeline: Pipeline,
    pub feed: Feed,
    pub options: HubOptions,
}

impl Job {
    /// Deploys the connectors, waits until something has arrived everywhere, and kills the hub.
    ///
    /// # Errors
    /// Nothing arrives, or a connector has failed.
    pub async fn start(seed: u64, with: impl FnOnce(HubOptions, &Scratch) -> Result<HubOptions>) -> Result<Job> {
        let scratch = Scratch::new()?;
        let pipeline = Pipeline::in_folder(scratch.root());
        let mut feed = Feed::create(&pipeline, seed).await?;
        feed.append(1_013, 211).await?;
        let hub = with(Hub::at(scratch.path("hub")), &scratch)?.start().await?;
        pipeline.deploy(&hub).await?;
        until("the first rows at every destination", DELIVERY_LIMIT, || async {
            pipeline.refuse_failures(&hub).await?;
            let arrived = pipeline.arrived().await?;
            if arrived.something_everywhere() { Ok(()) } else { bail!("{arrived:?}") }
        })
        .await?;
        let options = hub.kill()?;
        Ok(Job { scratch, pipeline, feed, options })
    }

    /// Starts the hub for good, lets it deliver everything, counts.
    ///
    /// # Errors
    /// The hub does not start. Something lost or doubled is a panic.
    pub async fn finish(mut self) -> Result<()> {
        let hub = self.options.clone().start().await?;
        self.delivers_exactly(&hub).await
    }

    /// Lets a running hub deliver everything, and counts.
    ///
    /// # Errors
    /// What was written cannot be read. Something lost or doubled is a panic.
    pub async fn delivers_exactly(&mut self, hub: &Hub) -> Result<()> {
        self.feed.append(101, 19).await?;
        let arrived = until("all rows at every destination", DELIVERY_LIMIT, || async {
            self.pipeline.refuse_failures(hub).await?;
            let arrived = self.pipeline.arrived().await?;
            if arrived.as_much_as(&self.feed) { Ok(()) } else { bail!("{arrived:?}") }
        })
        .await;
        tokio::time::sleep(SETTLE).await;
        let delivered = self.pipeline.delivered(&self.feed).await?;
        eprintln!("{delivered}");
        assert!(
            arrived.is_ok() && delivered.is_exact(),
            "{arrived:?}\n{delivered}\nin {}",
            self.scratch.root().display()
        );
        Ok(())
    }
}

/// How often to kill: a few times, or many with `--full`.
#[must_use]
pub fn cycles(usual: u64, full: u64) -> u64 {
    if std::env::var_os("SLUICE_TEST_FULL").is_some() { full } else { usual }
}

/// `SLUICE_TEST_SEED`, or one that is new each time.
#[must_use]
pub fn seed() -> u64 {
    let given = std::env::var("SLUICE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64);
    given.unwrap_or(now)
}

/// Choices of a seed that the test's output names.
#[must_use]
pub fn random(seed: u64) -> Random {
    eprintln!("seed {seed}: SLUICE_TEST_SEED={seed} repeats the choices");
    Random::new(seed)
}
