//! Claims: REST creates and deletes 200 connectors a second, and lists 10,000 with `expand` in 200 ms.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use sluice_harness::{Hub, Rest, Scratch, until};
use tokio::task::JoinSet;

use crate::{Bar, Options, Report};

const CREATED: u64 = 1_000;
const LISTED: u64 = 10_000;
const CLIENTS: u64 = 8;
/// A hub has a limit for instances of guests (4,000); connectors that were created paused have no task yet, and need none.
const STARTED_MAX: u64 = 2_000;
const LISTS: usize = 11;
const EXPANDED: &str = "/connectors?expand=status&expand=info";
const STATE: &str = "/status/connector/state";
const TASK_STATE: &str = "/status/tasks/0/state";
const PAUSE: Duration = Duration::from_millis(300);
const LIMIT: Duration = Duration::from_secs(600);

pub async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let (created, listed) = (options.sized(CREATED), options.sized(LISTED));
    let (mut one, mut eight, mut creating, mut deleting) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut lists = Vec::new();
    for run in 0..options.runs {
        for (clients, both) in [(1, &mut one), (CLIENTS, &mut eight)] {
            let (create, delete) = create_and_delete(created, clients).await?;
            eprintln!("run {run}, {clients} clients: created in {create:.2} s, deleted in {delete:.2} s");
            both.push(created as f64 / (create + delete));
            if clients == 1 {
                creating.push(created as f64 / create);
                deleting.push(created as f64 / delete);
            }
        }
        lists.push(list(listed).await?);
        eprintln!("run {run}: {listed} listed in {:.1} ms", lists[run]);
    }
    report.row("REST, one client: create and delete", "/s", &one, Bar::AtLeast(200.0));
    report.row("REST, one client: create", "/s", &creating, Bar::None);
    report.row("REST, one client: delete", "/s", &deleting, Bar::None);
    report.row("REST, eight clients: create and delete", "/s", &eight, Bar::AtLeast(200.0));
    report.row("REST: list of 10,000 with expand", "ms", &lists, Bar::AtMost(200.0));
    Ok(())
}

/// Seconds of each; every connector is looked for in between, and none is left.
async fn create_and_delete(connectors: u64, clients: u64) -> Result<(f64, f64)> {
    let scratch = Scratch::new()?;
    let hub = Hub::at(scratch.path("data")).start().await?;
    let file = scratch.text("none.txt");
    let begin = Instant::now();
    create(hub.rest(), 0..connectors, clients, "RUNNING", &file).await?;
    let create = begin.elapsed().as_secs_f64();
    until_all_are(hub.rest(), connectors, TASK_STATE, "RUNNING").await?;
    let begin = Instant::now();
    by_clients(hub.rest(), 0..connectors, clients, |rest, name| async move {
        rest.delete(&format!("/connectors/{name}")).await?.ok()
    })
    .await?;
    let delete = begin.elapsed().as_secs_f64();
    let left = hub.rest().connectors().await?;
    ensure!(left.is_empty(), "{} connectors are left", left.len());
    Ok((create, delete))
}

/// Milliseconds of one answer, the median of several on one hub. All are paused, so that nothing but the listing is measured.
async fn list(connectors: u64) -> Result<f64> {
    let scratch = Scratch::new()?;
    let hub = Hub::at(scratch.path("data")).start().await?;
    let file = scratch.text("none.txt");
    let started = connectors.min(STARTED_MAX);
    create(hub.rest(), 0..started, CLIENTS, "RUNNING", &file).await?;
    until_all_are(hub.rest(), started, TASK_STATE, "RUNNING").await?;
    by_clients(hub.rest(), 0..started, CLIENTS, |rest, name| async move { rest.command(&name, "pause").await }).await?;
    until_all_are(hub.rest(), started, TASK_STATE, "PAUSED").await?;
    create(hub.rest(), started..connectors, CLIENTS, "PAUSED", &file).await?;
    until_all_are(hub.rest(), connectors, STATE, "PAUSED").await?;
    let mut milliseconds = Vec::new();
    for _ in 0..LISTS {
        let begin = Instant::now();
        let answer = hub.rest().get(EXPANDED).await?;
        milliseconds.push(begin.elapsed().as_secs_f64() * 1e3);
        let listed = answer.ok()?;
        let with_config = listed.as_object().into_iter().flatten().filter(|(_, it)| it["info"]["config"].is_object());
        let (infos, paused) = (with_config.count() as u64, states(&listed, STATE, "PAUSED"));
        ensure!((infos, paused) == (connectors, connectors), "{infos} infos and {paused} states of {connectors}");
        let tasks = states(&listed, TASK_STATE, "PAUSED");
        ensure!(tasks == started, "{tasks} tasks of {started} connectors");
    }
    Ok(crate::median(&milliseconds))
}

/// File sources whose file is not there yet.
async fn create(rest: &Rest, connectors: Range<u64>, clients: u64, state: &str, file: &str) -> Result<()> {
    let config = json!({"connector.class": "FileStreamSource", "file": file, "topic": "t", "tasks.max": "1"});
    let body = json!({"config": config, "initial_state": state});
    by_clients(rest, connectors, clients, move |rest, name| {
        let mut body = body.clone();
        async move {
            body["name"] = name.into();
            rest.post("/connectors", &body).await?.ok()
        }
    })
    .await
}

/// Clients that each ask for every so-manieth connector, one after the other.
async fn by_clients<F>(
    rest: &Rest,
    connectors: Range<u64>,
    clients: u64,
    ask: impl Fn(Rest, String) -> F + Clone + Send + 'static,
) -> Result<()>
where
    F: Future<Output = Result<Value>> + Send,
{
    let mut asking = JoinSet::new();
    for client in 0..clients {
        let (rest, ask) = (rest.clone(), ask.clone());
        let connectors = connectors.clone().skip(client as usize).step_by(clients as usize);
        asking.spawn(async move {
            for number in connectors {
                ask(rest.clone(), format!("c{number}")).await?;
            }
            anyhow::Ok(())
        });
    }
    asking.join_all().await.into_iter().collect()
}

async fn until_all_are(rest: &Rest, connectors: u64, place: &str, state: &str) -> Result<()> {
    until(&format!("{place} of all is {state}"), LIMIT, || async {
        let found = states(&rest.get(EXPANDED).await?.ok()?, place, state);
        if found == connectors {
            return Ok(());
        }
        // The answer is large, and the hub has something to do.
        tokio::time::sleep(PAUSE).await;
        bail!("{found} of {connectors}")
    })
    .await
}

/// Connectors with this state at that place.
fn states(listed: &Value, place: &str, state: &str) -> u64 {
    let connectors = listed.as_object().into_iter().flatten();
    connectors.filter(|(_, it)| it.pointer(place).is_some_and(|found| found == state)).count() as u64
}
