//! The demo: a shop's database and a web server's log flow through the hub into Parquet objects and a table, the hub is killed on
//! the way, and everything is counted at the end. Started by `cargo xtask demo`, which builds the binaries first.

mod progress;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sluice_harness::{Feed, Hub, Pipeline, free_port, target_folder};

use progress::Progress;

/// Primes, so that they are no multiple of any batch, flush or page size.
const LINES: u64 = 40_009;
const EVENTS: u64 = 6_007;
const LINES_A_TICK: u64 = 449;
const EVENTS_A_TICK: u64 = 67;
const TICK: Duration = Duration::from_millis(100);
const SEED: u64 = 20_261_121;
/// Generous: a busy machine is slow, and a hub that lost something never gets there.
const DELIVERY_LIMIT: Duration = Duration::from_secs(90);
/// Longer than the wall-clock rotation: whatever would come twice has come by then.
const SETTLE: Duration = Duration::from_millis(1_500);
/// Kafka Connect's.
const REST_PORT: u16 = 8083;

#[tokio::main]
async fn main() {
    let is_script = std::env::args().any(|argument| argument == "--exit");
    if let Err(error) = run(is_script).await {
        eprintln!("\nthe demo failed: {error:#}");
        std::process::exit(1);
    }
}

async fn run(is_script: bool) -> Result<()> {
    let begin = Instant::now();
    let folder = fresh_folder()?;
    let pipeline = Pipeline::in_folder(&folder);
    println!("A web server's log and a shop's database, both growing, in {}", folder.display());
    let mut feed = Feed::create(&pipeline, SEED).await?;
    let hub = Hub::at(folder.join("hub")).port(port()?).start().await?;
    println!("sluice answers on {} after {} ms", hub.rest().url("/"), hub.ready_after.as_millis());
    for (name, config) in pipeline.connectors() {
        hub.rest().create(name, &config).await?;
        println!("created {name}: {}", config["connector.class"].as_str().unwrap_or_default());
    }
    let mut progress = Progress::new(std::io::stdout().is_terminal());
    let hub = feed_and_kill(hub, &mut feed, &pipeline, &mut progress).await?;
    until_delivered(&hub, &feed, &pipeline, &mut progress).await?;
    tokio::time::sleep(SETTLE).await;
    let delivered = pipeline.delivered(&feed).await?;
    println!("\n{delivered}\n\n{:.1} s in all, one SIGKILL in the middle", begin.elapsed().as_secs_f64());
    if !delivered.is_exact() {
        bail!("what arrived is not what was sent; the hub's log: {}", folder.join("hub.log").display());
    }
    if is_script {
        return stop(hub).await;
    }
    println!("\n{}", next_steps(&folder, &pipeline, hub.rest().port()));
    tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")?;
    stop(hub).await
}

async fn feed_and_kill(mut hub: Hub, feed: &mut Feed, pipeline: &Pipeline, progress: &mut Progress) -> Result<Hub> {
    let begin = Instant::now();
    let mut was_killed = false;
    let mut ticks = tokio::time::interval(TICK);
    while !(was_killed && feed.lines() == LINES && feed.events() == EVENTS) {
        ticks.tick().await;
        grow(feed).await?;
        progress.show(&hub, feed).await?;
        pipeline.refuse_failures(&hub).await?;
        if begin.elapsed() > DELIVERY_LIMIT {
            bail!("nothing arrived within {} s\n{}", DELIVERY_LIMIT.as_secs(), pipeline.troubles(&hub).await?);
        }
        // Only when something has arrived everywhere: a kill before that would show nothing.
        let is_past_half = feed.lines() * 2 > LINES && feed.events() * 2 > EVENTS;
        if !was_killed && is_past_half && pipeline.arrived().await?.something_everywhere() {
            progress.note("SIGKILL to the hub; the log and the database go on growing");
            let port = hub.rest().port();
            let options = hub.kill()?.port(port);
            progress.hub_died();
            ticks.tick().await;
            grow(feed).await?;
            hub = options.start().await?;
            progress.note(&format!("the hub is back, REST answered after {} ms", hub.ready_after.as_millis()));
            was_killed = true;
        }
    }
    progress.note("the log and the database have stopped growing");
    Ok(hub)
}

async fn grow(feed: &mut Feed) -> Result<()> {
    feed.append(LINES_A_TICK.min(LINES - feed.lines()), EVENTS_A_TICK.min(EVENTS - feed.events())).await
}

async fn until_delivered(hub: &Hub, feed: &Feed, pipeline: &Pipeline, progress: &mut Progress) -> Result<()> {
    let begin = Instant::now();
    while !pipeline.arrived().await?.as_much_as(feed) {
        progress.show(hub, feed).await?;
        pipeline.refuse_failures(hub).await?;
        if begin.elapsed() > DELIVERY_LIMIT {
            let delivered = pipeline.delivered(feed).await?;
            let troubles = pipeline.troubles(hub).await?;
            bail!("not everything arrived within {} s\n{delivered}\n{troubles}", DELIVERY_LIMIT.as_secs());
        }
        tokio::time::sleep(TICK).await;
    }
    Ok(())
}

async fn stop(hub: Hub) -> Result<()> {
    let status = hub.terminate().await?;
    if !status.success() {
        bail!("the hub ended with {status} after SIGTERM");
    }
    println!("the hub ended cleanly");
    Ok(())
}

fn fresh_folder() -> Result<PathBuf> {
    let folder = target_folder()?.join("demo");
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot clear {}", folder.display()));
        }
        _ => std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?,
    }
    Ok(folder)
}

/// Kafka Connect's port when it is free, so that what the README says works; else any.
fn port() -> Result<u16> {
    match std::net::TcpListener::bind(("127.0.0.1", REST_PORT)) {
        Ok(_) => Ok(REST_PORT),
        Err(_) => free_port(),
    }
}

fn next_steps(folder: &Path, pipeline: &Pipeline, port: u16) -> String {
    let (folder, warehouse, log) = (folder.display(), pipeline.warehouse.display(), pipeline.access_log.display());
    format!(
        "The hub goes on until Ctrl-C. Try:
  curl -s 'http://127.0.0.1:{port}/connectors?expand=status'
  curl -s http://127.0.0.1:{port}/connectors/orders-warehouse/offsets
  curl -s -X PUT http://127.0.0.1:{port}/connectors/access-log/pause
  curl -s http://127.0.0.1:{port}/connector-plugins
  curl -s http://127.0.0.1:{port}/metrics
  echo 'a line of your own' >> {log}
  find {folder}/lake -name '*.parquet'
  sqlite3 {warehouse} 'SELECT status, COUNT(*) FROM order_events GROUP BY status'"
    )
}
