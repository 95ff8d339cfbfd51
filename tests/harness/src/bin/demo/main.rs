//! The demo: a shop's database and a web server's log flow through the hub into Parquet objects and a table, the hub is killed on
//! the way, and everything is counted at the end. Started by `cargo xtask demo`, which builds the binaries first.
//!
//! `--kafka`: the log is an Apache Kafka, which is killed on the way too. `--exit`: ends when everything was counted.

mod log;
mod progress;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sluice_harness::{Feed, Hub, Pipeline, free_port, target_folder};

use log::Log;
use progress::Progress;

/// Primes, so that they are no multiple of any batch, flush or page size.
const LINES: u64 = 40_009;
const EVENTS: u64 = 6_007;
const LINES_A_TICK: u64 = 449;
const EVENTS_A_TICK: u64 = 67;
const TICK: Duration = Duration::from_millis(100);
const TICKS_BEFORE_KAFKA_DIES: u32 = 15;
const SEED: u64 = 20_261_121;
/// Generous: a busy machine is slow, and a hub that lost something never gets there.
const DELIVERY_LIMIT: Duration = Duration::from_secs(90);
/// Longer than the wall-clock rotation: whatever would come twice has come by then.
const SETTLE: Duration = Duration::from_millis(1_500);
/// Kafka Connect's.
const REST_PORT: u16 = 8083;

#[tokio::main]
async fn main() {
    let has = |option: &str| std::env::args().any(|argument| argument == option);
    if let Err(error) = run(has("--exit"), has("--kafka")).await {
        eprintln!("\nthe demo failed: {error:#}");
        std::process::exit(1);
    }
}

async fn run(is_script: bool, on_kafka: bool) -> Result<()> {
    let folder = fresh_folder()?;
    let log = if on_kafka { Log::kafka().await? } else { Log::embedded()? };
    let begin = Instant::now();
    let pipeline = Pipeline::in_folder(&folder);
    println!("A web server's log and a shop's database, both growing, in {}", folder.display());
    let mut feed = Feed::create(&pipeline, SEED).await?;
    let hub = log.told(Hub::at(folder.join("hub")).port(port()?), &folder)?.start().await?;
    println!("sluice answers on {} after {} ms", hub.rest().url("/"), hub.ready_after.as_millis());
    println!("{}", log.reading());
    for (name, config) in pipeline.connectors() {
        hub.rest().create(name, &config).await?;
        println!("created {name}: {}", config["connector.class"].as_str().unwrap_or_default());
    }
    let mut progress = Progress::new(std::io::stdout().is_terminal());
    let (hub, log) = feed_and_kill(hub, log, &mut feed, &pipeline, &mut progress).await?;
    until_delivered(&hub, &feed, &pipeline, &mut progress).await?;
    tokio::time::sleep(SETTLE).await;
    let delivered = pipeline.delivered(&feed).await?;
    let killed = if on_kafka { "one SIGKILL of the hub and one of Apache Kafka" } else { "one SIGKILL" };
    println!("\n{delivered}\n\n{:.1} s in all, {killed} in the middle", begin.elapsed().as_secs_f64());
    if !delivered.is_exact() {
        bail!("what arrived is not what was sent; the hub's log: {}", folder.join("hub.log").display());
    }
    if is_script {
        return stop(hub).await;
    }
    println!("\n{}\n{}", next_steps(&folder, &pipeline, hub.rest().port()), log.reading());
    tokio::signal::ctrl_c().await.context("cannot wait for Ctrl-C")?;
    stop(hub).await
}

async fn feed_and_kill(
    mut hub: Hub,
    mut log: Log,
    feed: &mut Feed,
    pipeline: &Pipeline,
    progress: &mut Progress,
) -> Result<(Hub, Log)> {
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
            log = kill_kafka(log, feed, progress).await?;
        }
    }
    progress.note("the log and the database have stopped growing");
    Ok((hub, log))
}

/// The hub runs and waits; what it reads goes on growing.
async fn kill_kafka(mut log: Log, feed: &mut Feed, progress: &mut Progress) -> Result<Log> {
    if let Log::Embedded { .. } = log {
        return Ok(log);
    }
    // Sources and sinks have to be at work when it dies.
    for _ in 0..TICKS_BEFORE_KAFKA_DIES {
        tokio::time::sleep(TICK).await;
        grow(feed).await?;
    }
    log.kill()?;
    progress.note("SIGKILL to Apache Kafka; the hub goes on running, the log and the database go on growing");
    let mut starting = std::pin::pin!(log.start_again());
    loop {
        tokio::select! {
            log = &mut starting => {
                progress.note("Apache Kafka is back");
                return log;
            }
            () = tokio::time::sleep(TICK) => grow(feed).await?,
        }
    }
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
