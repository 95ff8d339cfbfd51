//! Twenty clients create, change and delete connectors at once; one sends a config of a megabyte.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use sluice_harness::{Hub, Random, Rest, Scratch, until};
use sluice_integration::{cycles, random, seed};

const CLIENTS: u64 = 20;
/// Connectors of each client, of `cargo xtask test` and of `--full`.
const EACH: u64 = 10;
const EACH_FULL: u64 = 50;
/// Everybody writes to these.
const CONTESTED: u64 = 5;
const LIMIT: Duration = Duration::from_secs(120);

fn generator(rate: u64) -> Value {
    json!({
        "connector.class": "Datagen", "kafka.topic": "rows", "quickstart": "orders", "rows.per.second": rate.to_string(),
    })
}

/// Makes connectors, changes each, deletes some; the rates of those that are left.
async fn work(rest: Rest, client: u64, each: u64, mut random: Random) -> Result<BTreeMap<String, String>> {
    let mut left = BTreeMap::new();
    for number in 0..each {
        let name = format!("c{client}-{number}");
        rest.create(&name, &generator(1)).await?;
        let contested = format!("contested-{}", random.below(CONTESTED));
        let answer = rest.put(&format!("/connectors/{contested}/config"), &generator(1 + client)).await?;
        ensure!(matches!(answer.status, 200 | 201), "PUT of {contested}: {} {}", answer.status, answer.text);
        let rate = 2 + random.below(5);
        rest.put(&format!("/connectors/{name}/config"), &generator(rate)).await?.ok()?;
        let answer = rest.delete(&format!("/connectors/contested-{}", random.below(CONTESTED))).await?;
        ensure!(matches!(answer.status, 204 | 404), "DELETE: {} {}", answer.status, answer.text);
        if random.below(2) == 0 {
            rest.delete(&format!("/connectors/{name}")).await?.ok()?;
        } else {
            left.insert(name, rate.to_string());
        }
    }
    Ok(left)
}

/// Name → rate, of the connectors that only one client has changed; and how many others there are.
async fn found(rest: &Rest) -> Result<(BTreeMap<String, String>, usize)> {
    let all = rest.get("/connectors?expand=info").await?.ok()?;
    let all = all.as_object().context("connectors by name")?;
    let rate = |one: &Value| one["info"]["config"]["rows.per.second"].as_str().unwrap_or_default().to_owned();
    let own = all.iter().filter(|(name, _)| !name.starts_with("contested"));
    let own: BTreeMap<String, String> = own.map(|(name, one)| (name.clone(), rate(one))).collect();
    let contested = all.len() - own.len();
    Ok((own, contested))
}

/// Each connector runs, with its task.
async fn until_all_run(rest: &Rest) -> Result<()> {
    until("running connectors", LIMIT, || async {
        let all = rest.get("/connectors?expand=status").await?.ok()?;
        for (name, one) in all.as_object().context("connectors by name")? {
            let status = &one["status"];
            let runs = status["connector"]["state"] == "RUNNING" && status["tasks"][0]["state"] == "RUNNING";
            ensure!(runs, "{name}: {status}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn connectors_are_as_their_client_left_them_however_many_change_others_meanwhile() -> Result<()> {
    let scratch = Scratch::new()?;
    let hub = Hub::at(scratch.path("hub")).start().await?;
    let each = cycles(EACH, EACH_FULL);
    let seed = seed();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| tokio::spawn(work(Rest::at(hub.rest().port()), client, each, random(seed + client))))
        .collect();
    let mut expected = BTreeMap::new();
    for client in clients {
        expected.extend(client.await??);
    }
    ensure!(!expected.is_empty(), "every connector was deleted");
    let (own, contested) = found(hub.rest()).await?;
    assert_eq!(own, expected);
    assert!(contested <= CONTESTED as usize);
    until_all_run(hub.rest()).await?;

    let hub = hub.kill_and_restart().await?;
    assert_eq!(found(hub.rest()).await?, (expected, contested));
    until_all_run(hub.rest()).await?;
    hub.terminate().await?;
    Ok(())
}

#[tokio::test]
async fn a_config_of_a_megabyte_is_kept_and_one_that_the_log_cannot_hold_is_refused() -> Result<()> {
    let scratch = Scratch::new()?;
    let hub = Hub::at(scratch.path("hub")).start().await?;
    let with_note = |bytes: usize| {
        let mut config = generator(1);
        config["note"] = "n".repeat(bytes).into();
        config
    };
    let config = with_note(1_000_000);
    hub.rest().create("large", &config).await?;
    hub.rest().until_running("large", 1).await?;
    let answer = hub.rest().put("/connectors/large/config", &with_note(40 << 20)).await?;
    ensure!(answer.status == 413, "{} {:.300}", answer.status, answer.text);
    let hub = hub.kill_and_restart().await?;
    hub.rest().until_running("large", 1).await?;
    let kept = hub.rest().get("/connectors/large/config").await?.ok()?;
    assert_eq!(kept["note"], config["note"]);
    hub.terminate().await?;
    Ok(())
}
