//! Transactional producers: records in several partitions and offsets of a group, all or nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};
use sluice_harness::Random;

use crate::account::{Account, Ended, PLAIN, Place, TRANSFERS, Transaction, count, places};
use crate::clients::{consumer_config, producer_config};
use crate::record::Record;
use crate::run::Load;

/// One attempt; the next follows while the library says that one may.
const ATTEMPT: Duration = Duration::from_secs(5);
/// A transaction is settled this long after it began, kills or not.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);
/// Every so many, a producer goes in the middle of a transaction and the next takes its id over.
const ABANDON_EVERY: u64 = 40;
const ABORT_EVERY: u64 = 5;
const OFFSETS_EVERY: u64 = 3;
/// Where the groups of the transactions say they are.
const INPUT: Place = (PLAIN[0].0, 0);

/// One that takes its acknowledgements by itself: an abort waits for them.
type TransactionalProducer = ThreadedProducer<DefaultProducerContext>;

/// How one went, and whether its producer can go on.
struct Settled {
    ended: Ended,
    fatal: bool,
}

/// A transaction to be.
struct Wanted<'p> {
    number: u64,
    places: &'p [Place],
    /// To be sent with it.
    offset: Option<i64>,
    ending: Ending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Commit,
    Abort,
    /// Its producer goes and leaves it open.
    Leave,
}

impl Ending {
    fn of(number: u64) -> Ending {
        match number {
            number if number.is_multiple_of(ABANDON_EVERY) => Ending::Leave,
            number if number.is_multiple_of(ABORT_EVERY) => Ending::Abort,
            _ => Ending::Commit,
        }
    }
}

/// A writer of transactions, and the group whose offsets it sends with some of them.
struct Transactor<'l> {
    load: &'l Load,
    account: Arc<Account>,
    writer: u32,
    group: &'static str,
    consumer: BaseConsumer,
    producer: TransactionalProducer,
    /// The group's offset after the last transaction that committed one; `None`: in doubt.
    offset: Option<i64>,
}

/// Writes until the load stops.
pub fn transact(load: &Load, writer: u32, group: &'static str) -> Result<()> {
    let mut transactor = Transactor {
        load,
        account: load.account.clone(),
        writer,
        group,
        consumer: consumer_config(&load.address, group).create().context("cannot make a consumer")?,
        producer: initialised(load, writer)?,
        offset: Some(0),
    };
    let mut random = Random::new(load.seed ^ (u64::from(writer) << 8));
    let mut number = 0;
    while !load.is_over() {
        number += 1;
        transactor.one(number, &mut random)?;
        std::thread::sleep(Duration::from_millis(random.below(20)));
    }
    Ok(())
}

fn initialised(load: &Load, writer: u32) -> Result<TransactionalProducer> {
    let mut config = producer_config(&load.address);
    config.set("transactional.id", format!("transfers-{writer}"));
    let producer: TransactionalProducer = config.create().context("cannot make a transactional producer")?;
    let begin = Instant::now();
    loop {
        match producer.init_transactions(ATTEMPT) {
            Ok(()) => return Ok(producer),
            Err(error) if is_retriable(&error) && begin.elapsed() < SETTLE_LIMIT => {}
            Err(error) => return Err(error).context("a transactional id cannot be taken over"),
        }
    }
}

impl Transactor<'_> {
    fn one(&mut self, number: u64, random: &mut Random) -> Result<()> {
        let everywhere: Vec<Place> = places(&TRANSFERS).collect();
        let parts = 2 + random.below(7) as u16;
        let places: Vec<Place> = (0..parts).map(|_| *random.pick(&everywhere)).collect();
        let offset = number.is_multiple_of(OFFSETS_EVERY).then_some(number as i64);
        let ending = Ending::of(number);
        let settled = self.run(&Wanted { number, places: &places, offset, ending })?;
        if let Some(offset) = offset {
            match settled.ended {
                Ended::Committed => {
                    count(&self.account.counted.with_offsets);
                    self.offset = Some(offset);
                }
                Ended::Aborted => {}
                Ended::InDoubt(_) => self.offset = None,
            }
        }
        let ended = Transaction { places, ended: settled.ended };
        self.account.transaction_ended(self.writer, number, ended);
        if settled.fatal || ending == Ending::Leave {
            self.producer = initialised(self.load, self.writer)?;
        }
        if offset.is_some() { self.compare_offset(number) } else { Ok(()) }
    }

    fn run(&self, wanted: &Wanted<'_>) -> Result<Settled> {
        let Wanted { number, places, offset, ending } = *wanted;
        let begin = Instant::now();
        self.producer.begin_transaction().context("a transaction cannot begin")?;
        for (part, place) in places.iter().enumerate() {
            let record = Record { writer: self.writer, number, part: part as u16, parts: places.len() as u16 };
            let value = record.value(self.load.filler_max);
            let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(place.0).partition(place.1).payload(&value);
            if let Err((error, _)) = self.producer.send(record) {
                return self.abort(begin, Some(&error));
            }
        }
        if let Some(offset) = offset
            && let Err(error) = self.send_offset(begin, offset)
        {
            return self.abort(begin, Some(&error));
        }
        match ending {
            Ending::Commit => self.commit(begin),
            Ending::Abort => self.abort(begin, None),
            Ending::Leave => {
                // The records are in the log, and nobody ends them but the next producer of this id.
                let _ = self.producer.flush(Duration::from_millis(50));
                count(&self.account.counted.abandoned);
                Ok(Settled { ended: Ended::Aborted, fatal: false })
            }
        }
    }

    fn send_offset(&self, begin: Instant, offset: i64) -> Result<(), KafkaError> {
        let mut offsets = TopicPartitionList::new();
        offsets.add_partition_offset(INPUT.0, INPUT.1, Offset::Offset(offset))?;
        let group: ConsumerGroupMetadata = self.consumer.group_metadata().expect("the consumer has a group.id");
        loop {
            match self.producer.send_offsets_to_transaction(&offsets, &group, ATTEMPT) {
                Err(error) if is_retriable(&error) && begin.elapsed() < SETTLE_LIMIT => {}
                outcome => return outcome,
            }
        }
    }

    fn commit(&self, begin: Instant) -> Result<Settled> {
        loop {
            match self.producer.commit_transaction(ATTEMPT) {
                Ok(()) => return Ok(Settled { ended: Ended::Committed, fatal: false }),
                Err(error) if needs_abort(&error) => return self.abort(begin, Some(&error)),
                Err(error) if is_retriable(&error) && begin.elapsed() < SETTLE_LIMIT => {}
                Err(error) => return Ok(Settled { ended: Ended::InDoubt(error.to_string()), fatal: true }),
            }
        }
    }

    /// It was never asked to commit, so whatever happens nothing of it is seen.
    fn abort(&self, begin: Instant, because: Option<&KafkaError>) -> Result<Settled> {
        loop {
            match self.producer.abort_transaction(ATTEMPT) {
                Ok(()) => return Ok(Settled { ended: Ended::Aborted, fatal: false }),
                Err(error) if is_retriable(&error) && begin.elapsed() < SETTLE_LIMIT => {}
                Err(error) if begin.elapsed() < SETTLE_LIMIT => {
                    if std::env::var_os("SLUICE_TORTURE_LOUD").is_some() {
                        eprintln!("producer {}: {error}, after {because:?}", self.writer);
                    }
                    return Ok(Settled { ended: Ended::Aborted, fatal: true });
                }
                Err(error) => bail!("a transaction could not be ended within {SETTLE_LIMIT:?}: {error}"),
            }
        }
    }

    /// Nobody else moves this group, so its offset is exactly that of the last transaction that committed one.
    fn compare_offset(&mut self, number: u64) -> Result<()> {
        let begin = Instant::now();
        let stored = loop {
            let mut wanted = TopicPartitionList::new();
            wanted.add_partition(INPUT.0, INPUT.1);
            match self.consumer.committed_offsets(wanted, ATTEMPT) {
                Ok(found) => break found.elements()[0].offset().to_raw().unwrap_or(-1).max(0),
                Err(_) if begin.elapsed() < SETTLE_LIMIT => {}
                Err(error) => return Err(error).context("a group's offsets cannot be read"),
            }
        };
        count(&self.account.counted.audits);
        if self.offset.is_some_and(|offset| offset != stored) {
            self.account.violation(format!(
                "group {} stands at {stored} after transaction {number}, the last committed offset is {:?}",
                self.group, self.offset
            ));
        }
        self.offset = Some(stored);
        Ok(())
    }
}

fn is_retriable(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => error.is_retriable(),
        // Not everything was acknowledged yet.
        KafkaError::Flush(_) => true,
        _ => false,
    }
}

fn needs_abort(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(error) if error.txn_requires_abort())
}
