//! The hub whose log is an Apache Kafka: through the binary, against a real one.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use sluice_client::{Broker, NewTopic, TopicPartition};
use sluice_client_kafka::{KafkaBroker, KafkaConfig};
use sluice_harness::{ApacheKafka, Feed, Hub, HubOptions, Pipeline, Scratch, apache_kafka, free_port, until};
use sluice_storage::{TopicLog, TopicLogConfig, TopicLogEntry};

const LIMIT: Duration = Duration::from_secs(90);
/// Longer than the wall-clock rotation: what would come twice has come by then.
const SETTLE: Duration = Duration::from_millis(1_500);

/// A hub on this Kafka, with the example's worker config and `more`.
fn hub_on(servers: &str, scratch: &Scratch, more: &str) -> Result<HubOptions> {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/worker-kafka.properties");
    let text = fs::read_to_string(example)?.replace("localhost:9092", servers);
    let worker = scratch.path("worker.properties");
    fs::write(&worker, text + more)?;
    Ok(Hub::at(scratch.path("hub")).argument("--config").argument(worker.to_string_lossy()))
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_when_the_hub_and_its_apache_kafka_are_killed() -> Result<()> {
    let Some(kafka) = apache_kafka::own() else { return Ok(()) };
    let scratch = Scratch::new()?;
    let pipeline = Pipeline::in_folder(scratch.root());
    let mut feed = Feed::create(&pipeline, 11).await?;
    feed.append(1_013, 211).await?;
    let hub = hub_on(&kafka.bootstrap_servers(), &scratch, "")?.start().await?;
    pipeline.deploy(&hub).await?;
    until("the first rows at every destination", LIMIT, || async {
        pipeline.refuse_failures(&hub).await?;
        let arrived = pipeline.arrived().await?;
        if arrived.something_everywhere() { Ok(()) } else { bail!("{arrived:?}") }
    })
    .await?;
    // While it appends and delivers, and what it reads grows on while it is dead.
    feed.append(2_003, 401).await?;
    let options = hub.kill()?;
    feed.append(101, 19).await?;
    let hub = options.start().await?;
    feed.append(503, 101).await?;
    let (kafka, hub) = outage(kafka, hub, &mut feed).await?;
    feed.append(101, 19).await?;
    let arrived = until("all rows at every destination", LIMIT, || async {
        pipeline.refuse_failures(&hub).await?;
        let arrived = pipeline.arrived().await?;
        if arrived.as_much_as(&feed) { Ok(()) } else { bail!("{arrived:?}") }
    })
    .await;
    tokio::time::sleep(SETTLE).await;
    let delivered = pipeline.delivered(&feed).await?;
    assert!(arrived.is_ok() && delivered.is_exact(), "{arrived:?}\n{delivered}\n{}", hub.log_text());
    let status = hub.terminate().await?;
    assert!(status.success(), "the hub ended with {status}");
    drop(kafka);
    Ok(())
}

/// Kafka is killed and comes back; meanwhile the hub says so, and its tasks neither fail nor stop.
async fn outage(mut kafka: ApacheKafka, hub: Hub, feed: &mut Feed) -> Result<(ApacheKafka, Hub)> {
    kafka.kill()?;
    feed.append(307, 53).await?;
    until("the hub to say that Kafka is away", LIMIT, || async {
        let health = hub.rest().get("/health").await?;
        let status = hub.rest().get("/connectors/access-log/status").await?;
        if health.status == 500 && health.text.contains("Tasks wait") && status.text.contains("it waits") {
            return Ok(());
        }
        bail!("{health:?} {status:?}")
    })
    .await?;
    let kafka = tokio::task::spawn_blocking(move || kafka.start_again().map(|()| kafka)).await??;
    until("the hub to be well again", LIMIT, || async {
        let health = hub.rest().get("/health").await?;
        if health.status == 200 { Ok(()) } else { bail!("{health:?}") }
    })
    .await?;
    Ok((kafka, hub))
}

#[tokio::test]
async fn an_apache_kafka_that_does_not_answer_is_named_and_no_hub_starts() -> Result<()> {
    let scratch = Scratch::new()?;
    let servers = format!("127.0.0.1:{}", free_port()?);
    let secret = "sasl.mechanism=PLAIN\nsecurity.protocol=SASL_PLAINTEXT\nsasl.username=me\nsasl.password=hunter2\n";
    let options = hub_on(&servers, &scratch, &format!("request.timeout.ms=1500\n{secret}"))?;
    let log = scratch.path("hub.log");
    let status = options.start_without_waiting()?.exit(LIMIT).await?;
    let said = fs::read_to_string(log)?;
    assert_eq!(status.code(), Some(3), "{said}");
    assert!(said.contains(&servers) && said.contains("Connection refused"), "{said}");
    assert!(said.contains("check bootstrap.servers"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    Ok(())
}

/// What a killed hub leaves: the open transaction of one task, and behind it what another task has committed.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_committed_behind_an_open_transaction_is_seen_when_that_is_ended() -> Result<()> {
    let Some(kafka) = apache_kafka::own() else { return Ok(()) };
    let broker = KafkaBroker::connect(KafkaConfig::new(kafka.bootstrap_servers())).await?;
    let compacted = [("cleanup.policy".to_owned(), "compact".to_owned())].into();
    broker.admin().create_topic(NewTopic { name: "offsets".into(), partitions: 1, config: compacted }).await?;
    let dead = tokio::task::spawn_blocking({
        let servers = kafka.bootstrap_servers();
        move || leave_open(&servers, "dead-task")
    });
    let _dead = dead.await??;
    let committed = TopicLogConfig::new("offsets", 1);
    let entry = TopicLogEntry::new("key", Some("committed".into()));
    TopicLog::open(&broker, committed.clone()).await?.put(&[entry]).await?;
    let stale = TopicLog::open(&broker, committed.clone()).await?;
    assert_eq!(stale.get(b"key"), None, "the open transaction hides it");
    let opened = TopicLog::open(&broker, TopicLogConfig { awaits_transactions: true, ..committed });
    let (opened, fencing) = tokio::join!(opened, broker.producer("dead-task"));
    drop(fencing?);
    assert_eq!(opened?.get(b"key").as_deref(), Some(&b"committed"[..]));
    let end = broker.consumer().end_offset(&TopicPartition::new("offsets", 0)).await?;
    assert!(end > 2, "all is decided: {end}");
    Ok(())
}

/// Begins a transaction with one record in it, and goes no further.
fn leave_open(servers: &str, transactional_id: &str) -> Result<BaseProducer> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", servers).set("transactional.id", transactional_id);
    let producer: BaseProducer = config.create()?;
    producer.init_transactions(LIMIT)?;
    producer.begin_transaction()?;
    producer.send(BaseRecord::to("offsets").key("other").payload("open")).map_err(|(error, _)| error)?;
    producer.flush(LIMIT)?;
    Ok(producer)
}
