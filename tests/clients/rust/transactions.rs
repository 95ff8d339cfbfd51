//! Transactions: written, fenced, and fed from a topic together with its offsets.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseRecord, Producer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use serde_json::{Value, json};

use crate::{TIMEOUT, Writer, number, text};

/// Records of one transaction of `transform`.
const AT_ONCE: usize = 5;

pub fn write(settings: &ClientConfig, command: &Value) -> Result<()> {
    let writer = begun(settings, text(command, "transactional_id")?)?;
    for part in command["writes"].as_array().context("writes are a list")? {
        writer.write(part)?;
    }
    writer.flush()?;
    match command["commit"].as_bool() {
        Some(true) => writer.producer.commit_transaction(TIMEOUT)?,
        _ => writer.producer.abort_transaction(TIMEOUT)?,
    }
    Ok(())
}

/// Two producers of one transactional id: what the first gets when it commits after the second.
pub fn fence(settings: &ClientConfig, command: &Value) -> Result<Value> {
    let id = text(command, "transactional_id")?;
    let first = begun(settings, id)?;
    first.write(&command["first"])?;
    first.flush()?;
    let second = begun(settings, id)?;
    second.write(&command["second"])?;
    second.producer.commit_transaction(TIMEOUT)?;
    match first.producer.commit_transaction(TIMEOUT) {
        Ok(()) => bail!("the first committed"),
        Err(error) => Ok(json!({"error": error.to_string()})),
    }
}

/// Consume, transform, produce: each transaction takes the offsets of what it read with it; one of them is aborted.
pub fn transform(settings: &ClientConfig, command: &Value) -> Result<Value> {
    let (input, output) = (text(command, "input")?, text(command, "output")?);
    let consumer: BaseConsumer = settings
        .clone()
        .set("group.id", text(command, "group")?)
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .create()?;
    consumer.subscribe(&[input])?;
    let writer = initialized(settings, text(command, "transactional_id")?)?;
    let (count, abort) = (usize::try_from(number(command, "count")?)?, number(command, "abort")?);
    let (mut done, mut aborted, begin) = (0, 0, Instant::now());
    for turn in 0.. {
        if done >= count {
            break;
        }
        let mut next: BTreeMap<i32, i64> = BTreeMap::new();
        let mut taken = 0;
        writer.producer.begin_transaction()?;
        while taken < AT_ONCE.min(count - done) {
            // A rebalance ends a poll too.
            let Some(message) = consumer.poll(Duration::from_millis(100)) else {
                ensure!(begin.elapsed() < TIMEOUT, "{done} of {count} records within {TIMEOUT:?}");
                continue;
            };
            let message = message?;
            let mut record = BaseRecord::<[u8], [u8]>::to(output).partition(message.partition());
            record.key = message.key();
            record.payload = message.payload();
            writer.producer.send(record).map_err(|(error, _)| error)?;
            next.insert(message.partition(), message.offset() + 1);
            taken += 1;
        }
        let mut offsets = TopicPartitionList::new();
        for (partition, offset) in next {
            offsets.add_partition_offset(input, partition, Offset::Offset(offset))?;
        }
        let member = consumer.group_metadata().context("a member of a group")?;
        writer.producer.send_offsets_to_transaction(&offsets, &member, TIMEOUT)?;
        writer.flush()?;
        if turn == abort {
            writer.producer.abort_transaction(TIMEOUT)?;
            rewind(&consumer)?;
            aborted += taken;
        } else {
            writer.producer.commit_transaction(TIMEOUT)?;
            done += taken;
        }
    }
    Ok(json!({"aborted": aborted}))
}

/// Back to what is committed.
fn rewind(consumer: &BaseConsumer) -> Result<()> {
    for place in consumer.committed_offsets(consumer.assignment()?, TIMEOUT)?.elements() {
        let offset = match place.offset() {
            Offset::Invalid => Offset::Beginning,
            committed => committed,
        };
        consumer.seek(place.topic(), place.partition(), offset, Duration::from_secs(10))?;
    }
    Ok(())
}

fn begun(settings: &ClientConfig, id: &str) -> Result<Writer> {
    let writer = initialized(settings, id)?;
    writer.producer.begin_transaction()?;
    Ok(writer)
}

fn initialized(settings: &ClientConfig, id: &str) -> Result<Writer> {
    let writer = Writer::create(settings.clone().set("transactional.id", id).set("linger.ms", "20"))?;
    writer.producer.init_transactions(TIMEOUT)?;
    Ok(writer)
}
