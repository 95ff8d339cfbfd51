//! Records that a database refuses: listed with their cause, tried without effect, edited, sent again, each once, also when
//! the hub dies in between.

use std::fmt::Write;
use std::fs;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use sluice_harness::{Hub, HubOptions, Scratch, Sqlite, until};

const LIMIT: Duration = Duration::from_secs(60);
const ERRORS: &str = "/sluice/v1/connectors/shop-db/errors";
const REDRIVE: &str = "/sluice/v1/connectors/shop-db/errors/redrive";

/// A record as JSON with its schema: an id and an amount.
fn order(id: i64, amount: i64) -> String {
    let fields = json!([{"field": "id", "type": "int64", "optional": false}, {"field": "amount", "type": "int64", "optional": false}]);
    let schema = json!({"type": "struct", "optional": false, "fields": fields});
    json!({"schema": schema, "payload": {"id": id, "amount": amount}}).to_string()
}

struct Shop {
    scratch: Scratch,
    database: Sqlite,
}

impl Shop {
    /// Twenty orders; the table takes no negative amounts, and numbers 7 and 13 are such.
    async fn new() -> Result<Shop> {
        let scratch = Scratch::new()?;
        let database = Sqlite::open(&scratch.path("shop.db")).await?;
        database
            .execute("CREATE TABLE orders (id INTEGER NOT NULL, amount INTEGER NOT NULL CHECK (amount >= 0))")
            .await?;
        let mut lines = String::new();
        for id in 1..=20 {
            writeln!(lines, "{}", order(id, if id == 7 || id == 13 { -id } else { id }))?;
        }
        fs::write(scratch.path("orders.txt"), lines)?;
        Ok(Shop { scratch, database })
    }

    fn options(&self) -> HubOptions {
        Hub::at(self.scratch.path("hub"))
    }

    /// Starts both connectors and waits for eighteen rows and two letters.
    async fn fill(&self, hub: &Hub, sink: &[(&str, &str)]) -> Result<()> {
        let source = json!({
            "connector.class": "FileStreamSource", "file": self.scratch.path("orders.txt"), "topic": "orders",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        });
        hub.rest().create("shop-file", &source).await?;
        let mut config = json!({
            "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector", "topics": "orders",
            "connection.url": format!("jdbc:sqlite:{}", self.scratch.path("shop.db").display()),
            "errors.tolerance": "all", "errors.deadletterqueue.topic.name": "refused",
            "errors.deadletterqueue.context.headers.enable": "true",
        });
        for (key, value) in sink {
            config[*key] = (*value).into();
        }
        hub.rest().create("shop-db", &config).await?;
        until("eighteen rows and two letters", LIMIT, || async {
            let (rows, letters) = (self.database.count("orders").await?, letters(hub).await?);
            if rows == 18 && letters.len() == 2 { Ok(()) } else { bail!("{rows} rows, {letters:?}") }
        })
        .await
    }

    async fn ids(&self) -> Result<Vec<i64>> {
        self.database.integers("SELECT id FROM orders ORDER BY id").await
    }
}

async fn letters(hub: &Hub) -> Result<Vec<Value>> {
    let answer = hub.rest().get(ERRORS).await?.ok()?;
    Ok(answer["errors"].as_array().cloned().unwrap_or_default())
}

#[tokio::test]
async fn dead_letters_are_listed_tried_edited_and_sent_again_once() -> Result<()> {
    let shop = Shop::new().await?;
    let hub = shop.options().start().await?;
    shop.fill(&hub, &[]).await?;
    let found = letters(&hub).await?;
    let first = &found[0];
    assert_eq!(first["record"], json!({"topic": "orders", "partition": 0, "offset": 6}));
    assert_eq!(
        (&first["stage"], &first["offset"], &first["queue"]),
        (&json!("TASK_PUT"), &json!(0), &json!("refused"))
    );
    assert_eq!(first["value"], order(7, -7));
    assert!(first["cause"].as_str().is_some_and(|cause| cause.contains("CHECK")), "{first}");

    let edited = json!([{"offset": 0, "value": order(7, 7)}]);
    let tried = hub.rest().post(REDRIVE, &json!({"letters": edited, "dry_run": true})).await?.ok()?;
    assert_eq!(tried["letters"][0]["records"][0]["value"]["payload"], json!({"id": 7, "amount": 7}));
    assert_eq!(shop.ids().await?.len(), 18);
    assert_eq!(letters(&hub).await?[0].get("redrive"), None);

    let sent = hub.rest().post(REDRIVE, &json!({"letters": edited})).await?.ok()?;
    assert_eq!((&sent["delivered"], &sent["failed"]), (&json!(1), &json!(0)), "{sent}");
    let again = hub.rest().post(REDRIVE, &json!({"letters": edited})).await?.ok()?;
    assert_eq!((&again["delivered"], &again["already_delivered"]), (&json!(0), &json!(1)), "{again}");
    assert_eq!(shop.ids().await?.iter().filter(|id| **id == 7).count(), 1);

    let rest = hub.rest().post(REDRIVE, &json!({})).await?.ok()?;
    assert_eq!((&rest["delivered"], &rest["failed"]), (&json!(0), &json!(1)), "{rest}");
    let states: Vec<Value> = letters(&hub).await?.iter().map(|letter| letter["redrive"]["state"].clone()).collect();
    assert_eq!(states, ["delivered", "failed"]);
    let records = hub.rest().get("/sluice/v1/topics/orders/records").await?.ok()?;
    assert_eq!(records.as_array().map(Vec::len), Some(20), "no other reader of the topic sees anything");
    Ok(())
}

#[tokio::test]
async fn a_letter_that_is_not_there_and_a_connector_without_a_queue_are_named() -> Result<()> {
    let shop = Shop::new().await?;
    let hub = shop.options().start().await?;
    shop.fill(&hub, &[]).await?;
    let answer = hub.rest().post(REDRIVE, &json!({"letters": [{"offset": 99}]})).await?;
    assert!(answer.status == 400 && answer.text.contains("refused-0 has no dead letter"), "{answer:?}");
    let answer = hub.rest().get("/sluice/v1/connectors/shop-file/errors").await?;
    assert!(answer.status == 400 && answer.text.contains("errors.deadletterqueue.topic.name"), "{answer:?}");
    assert_eq!(hub.rest().get("/sluice/v1/connectors/nobody/errors").await?.status, 404);
    Ok(())
}

/// The hub dies at `point` while it sends the first letter again, and starts anew. How often the order is there in the end.
async fn arrivals_through_a_death(point: &str, sink: &[(&str, &str)]) -> Result<usize> {
    let shop = Shop::new().await?;
    let hub = shop.options().fail_point(point).start().await?;
    shop.fill(&hub, sink).await?;
    let edited = json!({"letters": [{"offset": 0, "value": order(7, 7)}]});
    ensure!(hub.rest().post(REDRIVE, &edited).await.is_err(), "the hub did not die at {point}");
    let options = hub.options().without_environment("SLUICE_FAIL_POINT");
    hub.exit(LIMIT).await?;
    let hub = options.start().await?;
    until("the end of the letter", LIMIT, || async {
        let found = letters(&hub).await?;
        if found[0]["redrive"]["state"] == "delivered" { Ok(()) } else { bail!("{found:?}") }
    })
    .await?;
    Ok(shop.ids().await?.iter().filter(|id| **id == 7).count())
}

#[tokio::test]
async fn a_death_at_any_step_sends_a_letter_again_once() -> Result<()> {
    for point in ["redrive.after_request", "redrive.before_put", "redrive.after_put"] {
        assert_eq!(arrivals_through_a_death(point, &[]).await?, 1, "{point}");
    }
    Ok(())
}

#[tokio::test]
async fn without_the_offsets_table_a_death_behind_the_delivery_sends_it_twice() -> Result<()> {
    assert_eq!(arrivals_through_a_death("redrive.after_put", &[("sluice.offsets.table", "")]).await?, 2);
    Ok(())
}
