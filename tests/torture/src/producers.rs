//! Idempotent producers: each record is acknowledged once, in its partition's order, however often the broker goes away.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use rdkafka::ClientContext;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::KafkaError;
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use sluice_harness::Random;

use crate::account::{Account, PLAIN, Place, STATE, STATE_KEYS, place_of, places};
use crate::clients::producer_config;
use crate::record::Record;
use crate::run::Load;

/// One for each producer in turn.
const CODECS: [&str; 4] = ["none", "lz4", "zstd", "snappy"];
/// Records that wait for their acknowledgement; while the broker is away no more are made.
const WAITING_MAX: i32 = 2_000;
/// Enough that the compacted topic is worth a compaction every few seconds.
const STATE_FILLER_MAX: usize = 8_000;
/// Everything that was sent is acknowledged this long after the last kill.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);

struct Deliveries {
    account: Arc<Account>,
    writer: u32,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        match result {
            Ok(message) => match place_of(message.topic(), message.partition()) {
                Some(place) => self.account.acknowledged(self.writer, place, number as u64, message.offset()),
                None => self.account.violation(format!("an acknowledgement of {}", message.topic())),
            },
            Err((error, _)) => {
                self.account.violation(format!("record {number} of producer {} was refused: {error}", self.writer));
            }
        }
    }
}

/// Writes until the load stops; returns how many records went where.
pub fn produce(load: &Load, writer: u32) -> Result<HashMap<Place, u64>> {
    let mut config = producer_config(&load.address);
    config.set("compression.type", CODECS[writer as usize % CODECS.len()]);
    let context = Deliveries { account: load.account.clone(), writer };
    let producer: BaseProducer<Deliveries> =
        BaseProducer::from_config_and_context(&config, context).context("cannot make a producer")?;
    let mut random = Random::new(load.seed ^ u64::from(writer));
    let mut everywhere: Vec<Place> = places(&PLAIN).collect();
    if writer == 0 {
        everywhere.push(STATE);
    }
    let mut sent: HashMap<Place, u64> = HashMap::new();
    while !load.is_over() {
        for _ in 0..random.below(load.burst_max) {
            let place = *random.pick(&everywhere);
            let number = sent.entry(place).or_default();
            let filler_max = if place == STATE { STATE_FILLER_MAX } else { load.filler_max };
            let value = Record { writer, number: *number, part: 0, parts: 1 }.value(filler_max);
            let key = (*number % STATE_KEYS).to_be_bytes();
            let mut record: BaseRecord<'_, [u8], [u8], usize> =
                BaseRecord::with_opaque_to(place.0, *number as usize).partition(place.1).payload(&value);
            if place == STATE {
                record = record.key(&key);
            }
            match producer.send(record) {
                Ok(()) => *number += 1,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), _)) => break,
                Err((error, _)) => return Err(error).context("an idempotent producer takes no more"),
            }
        }
        producer.poll(Duration::from_millis(2));
        while producer.in_flight_count() > WAITING_MAX && !load.is_over() {
            producer.poll(Duration::from_millis(5));
        }
    }
    producer.flush(SETTLE_LIMIT).with_context(|| {
        format!("{} records of producer {writer} were never acknowledged", producer.in_flight_count())
    })?;
    Ok(sent)
}
