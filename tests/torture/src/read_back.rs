//! After the last kill: every partition from its beginning, compared with the account.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::{Offset, TopicPartitionList};

use crate::account::{Account, Ended, PLAIN, Place, STATE, STATE_KEYS, TRANSFERS, Transaction, places};
use crate::clients::consumer_config;
use crate::record::Record;

const LIMIT: Duration = Duration::from_secs(30);

/// How many records of each writer went where.
pub type Sent = HashMap<(u32, Place), u64>;

/// Reads everything; what does not agree becomes a violation.
pub fn compare(address: &str, account: &Account, sent: &Sent) -> Result<()> {
    let written = account.written();
    for place in places(&PLAIN) {
        let found = read(address, place, "read_uncommitted")?;
        compare_plain(account, place, &found, sent, &written);
    }
    compare_compacted(account, &read(address, STATE, "read_uncommitted")?, &written);
    let transactions = account.transactions();
    let mut visible: BTreeMap<(u32, u64), BTreeSet<(u16, Place)>> = BTreeMap::new();
    for place in places(&TRANSFERS) {
        let committed = read(address, place, "read_committed")?;
        let all = read(address, place, "read_uncommitted")?;
        for (found, view) in [(&committed, "committed"), (&all, "uncommitted")] {
            refuse_disorder(account, place, found, view);
        }
        let all: BTreeSet<(i64, Record)> = all.into_iter().collect();
        for (offset, record) in committed {
            if !all.contains(&(offset, record)) {
                account.violation(format!("{record:?} at {offset} of {place:?} is committed but not there"));
            }
            visible.entry((record.writer, record.number)).or_default().insert((record.part, place));
        }
    }
    compare_transactions(account, &transactions, &visible);
    Ok(())
}

/// Each record once, in its writer's order, at the offset that its acknowledgement named.
fn compare_plain(
    account: &Account,
    place: Place,
    found: &[(i64, Record)],
    sent: &Sent,
    written: &BTreeMap<(u32, Place), Vec<i64>>,
) {
    let mut next: HashMap<u32, u64> = HashMap::new();
    for (offset, record) in found {
        let expected = next.entry(record.writer).or_default();
        if record.number != *expected {
            let kind = if record.number < *expected { "again or too late" } else { "with others missing before it" };
            account.violation(format!("{record:?} stands at {offset} of {place:?} {kind}: {expected} was to come"));
        }
        *expected = record.number + 1;
        let told = written.get(&(record.writer, place)).and_then(|offsets| offsets.get(record.number as usize));
        if told != Some(offset) {
            account.violation(format!("{record:?} stands at {offset} of {place:?}, its producer was told {told:?}"));
        }
    }
    for ((writer, at), count) in sent.iter().filter(|((_, at), _)| *at == place) {
        let there = next.get(writer).copied().unwrap_or(0);
        if there != *count {
            account.violation(format!(
                "{count} records of producer {writer} were acknowledged in {at:?}, {there} are there"
            ));
        }
    }
}

/// Of each key the last record, and of the others what was not compacted yet, in their order and at their offsets.
fn compare_compacted(account: &Account, found: &[(i64, Record)], written: &BTreeMap<(u32, Place), Vec<i64>>) {
    let told = written.get(&(0, STATE)).map(Vec::as_slice).unwrap_or_default();
    let mut last = None;
    for (offset, record) in found {
        if last.is_some_and(|last| record.number <= last) {
            account.violation(format!("{record:?} stands at {offset} of {STATE:?} behind {last:?}"));
        }
        last = Some(record.number);
        if told.get(record.number as usize) != Some(offset) {
            account.violation(format!("{record:?} stands at {offset} of {STATE:?}, its producer was told another"));
        }
    }
    let there: BTreeSet<u64> = found.iter().map(|(_, record)| record.number).collect();
    let count = told.len() as u64;
    for number in (count.saturating_sub(STATE_KEYS)..count).filter(|number| !there.contains(number)) {
        account.violation(format!("record {number} of {STATE:?} is gone, though it is the last of its key"));
    }
}

/// A writer's records in one partition come in the order of its transactions, each once.
fn refuse_disorder(account: &Account, place: Place, found: &[(i64, Record)], view: &str) {
    let mut last: HashMap<u32, (u64, u16)> = HashMap::new();
    for (offset, record) in found {
        let this = (record.number, record.part);
        if let Some(before) = last.insert(record.writer, this)
            && before >= this
        {
            account.violation(format!("{record:?} stands at {offset} of {place:?} ({view}) behind {before:?}"));
        }
    }
}

fn compare_transactions(
    account: &Account,
    transactions: &BTreeMap<(u32, u64), Transaction>,
    visible: &BTreeMap<(u32, u64), BTreeSet<(u16, Place)>>,
) {
    for ((writer, number), transaction) in transactions {
        let whole: BTreeSet<(u16, Place)> = (0..).zip(transaction.places.iter().copied()).collect();
        let seen = visible.get(&(*writer, *number));
        let fits = match (&transaction.ended, seen) {
            (Ended::Committed, seen) => seen == Some(&whole),
            (Ended::Aborted, seen) => seen.is_none(),
            (Ended::InDoubt(_), seen) => seen.is_none_or(|seen| *seen == whole),
        };
        if !fits {
            let count = seen.map_or(0, BTreeSet::len);
            account.violation(format!(
                "transaction {number} of producer {writer} ended {:?}, and {count} of {} records can be seen",
                transaction.ended,
                whole.len()
            ));
        }
    }
    for unknown in visible.keys().filter(|key| !transactions.contains_key(key)) {
        account.violation(format!("transaction {unknown:?} was never written and can be seen"));
    }
}

/// A partition from its beginning to its end.
fn read(address: &str, place: Place, isolation: &str) -> Result<Vec<(i64, Record)>> {
    let mut config = consumer_config(address, "read-back");
    config.set("isolation.level", isolation).set("enable.partition.eof", "true");
    let consumer: BaseConsumer = config.create()?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(place.0, place.1, Offset::Beginning)?;
    consumer.assign(&list)?;
    let mut found = Vec::new();
    let mut progress = Instant::now();
    while progress.elapsed() < LIMIT {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => {
                let record = Record::read(message.payload().unwrap_or_default());
                let record = record.with_context(|| {
                    format!("offset {} of {place:?} holds bytes that nobody wrote", message.offset())
                })?;
                found.push((message.offset(), record));
                progress = Instant::now();
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(found),
            Some(Err(_)) | None => {}
        }
    }
    bail!("{place:?} could not be read to its end; {} records came", found.len())
}
