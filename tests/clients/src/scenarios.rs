//! What each client is put through. Topics are named after the client, so that all clients can run at once on one broker.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::client::Member;
use crate::records::{TIMESTAMP_STEP, first_timestamp, records_of};
use crate::{Client, Record, wire};

/// Codecs by their number in a batch's attributes.
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const GROUP_PARTITIONS: i64 = 6;
const RECORDS_PER_ROUND: i64 = 10;

/// A topic for each codec, because some clients read whole topics only and do not have every codec.
fn topic_of(writer: &str, codec: &str) -> String {
    format!("{writer}-{codec}")
}

fn number_of(codec: &str) -> Result<i16> {
    let index = CODECS.iter().position(|it| *it == codec).context("a codec that Kafka has")?;
    Ok(i16::try_from(index)?)
}

pub fn a_topic_is_created_listed_and_deleted(client: &mut Client) -> Result<()> {
    let topic = format!("{}-short-lived", client.name());
    let is_listed = |client: &mut Client| -> Result<bool> {
        let answer = client.call("list_topics", json!({}))?;
        Ok(answer["topics"].as_array().context("topics are a list")?.contains(&json!(topic)))
    };
    client.call("create_topic", json!({"topic": topic, "partitions": 3}))?;
    ensure!(is_listed(client)?, "{topic} is not listed");
    client.call("delete_topic", json!({"topic": topic}))?;
    ensure!(!is_listed(client)?, "{topic} is still listed");
    Ok(())
}

/// Writes the records with every codec, with idempotence except for `none`, and looks at the batches in the log.
pub fn each_codec_is_written(client: &mut Client, broker: &str) -> Result<()> {
    let records: Vec<Value> = records_of(client).iter().map(Record::to_json).collect();
    for codec in client.codecs() {
        let topic = topic_of(client.name(), &codec);
        client.call("create_topic", json!({"topic": topic, "partitions": 1}))?;
        let idempotent = client.is_able("idempotent") && codec != "none";
        let command =
            json!({"topic": topic, "partition": 0, "codec": codec, "idempotent": idempotent, "records": records});
        client.call("produce", command)?;
        let batches = wire::batches(broker, &topic, 0)?;
        let number = number_of(&codec)?;
        // kafka-python leaves a batch as it is where its codec would make it larger.
        ensure!(batches.iter().any(|batch| batch.codec == number), "nothing was written with {codec}: {batches:?}");
        for batch in batches {
            ensure!(batch.codec == number || batch.codec == 0, "not {codec}: {batch:?}");
            ensure!((batch.producer_id >= 0) == idempotent, "idempotent: {idempotent}, but {batch:?}");
        }
    }
    Ok(())
}

/// Reads what a client wrote, alone: without a group where the client can.
///
/// `turn` chooses the one codec that is read by a client for which each reading is a group of its own (three seconds each), unless
/// `SLUICE_TEST_FULL` is set.
pub fn what_was_written_is_read(reader: &mut Client, writer: &Writer, turn: usize) -> Result<()> {
    let known = reader.codecs();
    let mut codecs: Vec<&String> = writer
        .codecs
        .iter()
        .filter(|codec| known.contains(codec) && !reader.cannot(&format!("read-{codec}-of-{}", writer.name)))
        .collect();
    if reader.cannot("read-without-group") && std::env::var_os("SLUICE_TEST_FULL").is_none() {
        codecs = vec![codecs[turn % codecs.len()]];
    }
    let expected: Vec<Record> = writer.records.iter().map(|record| record.as_read_by(reader)).collect();
    for codec in codecs {
        let topic = topic_of(&writer.name, codec);
        let asked = json!({"topic": topic, "partition": 0, "offset": 0, "count": expected.len()});
        let answer = reader.call("consume", asked)?;
        let read = answer["records"].as_array().context("records are a list")?;
        ensure!(read.len() == expected.len(), "{codec}: {} of {} records", read.len(), expected.len());
        for (index, (read, expected)) in read.iter().zip(&expected).enumerate() {
            ensure!(read["offset"] == json!(index), "{codec}: offset {} in place {index}", read["offset"]);
            let read = Record::from_json(read)?.as_read_by(reader);
            if read != *expected {
                bail!("{codec}: record {index} differs\nread     {}\nexpected {}", short(&read), short(expected));
            }
        }
    }
    Ok(())
}

/// What readers have to know of a client that wrote.
#[derive(Debug, Clone)]
pub struct Writer {
    pub name: String,
    pub codecs: Vec<String>,
    pub records: Vec<Record>,
}

impl Writer {
    pub fn of(client: &Client) -> Writer {
        Writer { name: client.name().to_owned(), codecs: client.codecs(), records: records_of(client) }
    }
}

/// Uncompressed, so that the broker's answer is the record itself and not its batch.
pub fn a_time_leads_to_its_record(client: &mut Client) -> Result<()> {
    let topic = topic_of(client.name(), "none");
    let records = records_of(client);
    for wanted in [0, 3, records.len() - 1] {
        // Half a step before the record: the first record at or after that time.
        let time = first_timestamp() + i64::try_from(wanted)? * TIMESTAMP_STEP - TIMESTAMP_STEP / 2;
        let answer = client.call("offset_for_time", json!({"topic": topic, "partition": 0, "timestamp": time}))?;
        ensure!(answer["offset"] == json!(wanted), "at {time}: offset {}, not {wanted}", answer["offset"]);
        let count = records.len() - wanted;
        let asked = json!({"topic": topic, "partition": 0, "offset": wanted, "count": count});
        let answer = client.call("consume", asked)?;
        let first = Record::from_json(&answer["records"][0])?.as_read_by(client);
        ensure!(first == records[wanted].as_read_by(client), "from offset {wanted} came {}", short(&first));
    }
    Ok(())
}

/// Three members share six partitions; one leaves, two go on; nothing is read twice, and all is committed.
pub fn a_group_of_three_goes_on_after_one_leaves(client: &mut Client) -> Result<()> {
    let (topic, group) = (format!("{}-shared", client.name()), format!("{}-group", client.name()));
    client.call("create_topic", json!({"topic": topic, "partitions": GROUP_PARTITIONS}))?;
    for member in ["a", "b", "c"] {
        client.call("join", json!({"member": member, "group": group, "topic": topic}))?;
    }
    client.until("three members with two partitions each", |members| is_shared(members, 3))?;
    write_round(client, &topic, 0)?;
    client.until("all of the first round", |members| count(members) >= total(1))?;
    client.call("leave", json!({"member": "b"}))?;
    let left = client.forget("b").context("b was a member")?;
    client.until("two members with three partitions each", |members| is_shared(members, 2))?;
    write_round(client, &topic, 1)?;
    client.until("all of the second round", |members| {
        let mut all = members.clone();
        all.insert("b".to_owned(), left.clone());
        count(&all) >= total(2)
    })?;
    for member in ["a", "c"] {
        client.call("leave", json!({"member": member}))?;
    }
    let members = [Some(left), client.forget("a"), client.forget("c")];
    each_record_came(members.iter().flatten(), client.cannot("deliver-once"))?;
    let answer = client.call("committed", json!({"group": group, "topic": topic, "partitions": GROUP_PARTITIONS}))?;
    for partition in 0..GROUP_PARTITIONS {
        let offset = &answer["offsets"][partition.to_string()];
        ensure!(*offset == json!(2 * RECORDS_PER_ROUND), "partition {partition}: {offset} is committed");
    }
    Ok(())
}

fn write_round(client: &mut Client, topic: &str, round: i64) -> Result<()> {
    for partition in 0..GROUP_PARTITIONS {
        let records: Vec<Value> = (0..RECORDS_PER_ROUND)
            .map(|index| {
                let value = format!("{partition}/{}", round * RECORDS_PER_ROUND + index).into_bytes();
                Record { key: None, value: Some(value), headers: vec![], timestamp: first_timestamp() }.to_json()
            })
            .collect();
        let idempotent = client.is_able("idempotent");
        client.call(
            "produce",
            json!({
                "topic": topic, "partition": partition, "codec": "none", "idempotent": idempotent, "records": records,
            }),
        )?;
    }
    Ok(())
}

fn is_shared(members: &BTreeMap<String, Member>, count: usize) -> bool {
    let all: BTreeSet<i64> = members.values().flat_map(|member| member.assigned.iter().copied()).collect();
    let each = usize::try_from(GROUP_PARTITIONS).unwrap_or_default() / count;
    members.len() == count && all.len() == each * count && members.values().all(|member| member.assigned.len() == each)
}

fn count(members: &BTreeMap<String, Member>) -> i64 {
    let places = members.values().flat_map(|member| &member.records).map(|(partition, offset, _)| (partition, offset));
    places.collect::<BTreeSet<_>>().len() as i64
}

fn total(rounds: i64) -> i64 {
    rounds * GROUP_PARTITIONS * RECORDS_PER_ROUND
}

/// Once; or at least once, where the client fetches across a rebalance what it already has.
fn each_record_came<'a>(members: impl Iterator<Item = &'a Member>, again: bool) -> Result<()> {
    let mut values: BTreeMap<(i64, i64), String> = BTreeMap::new();
    for (partition, offset, value) in members.flat_map(|member| &member.records) {
        if values.insert((*partition, *offset), value.clone()).is_some() && !again {
            bail!("partition {partition}, offset {offset} came twice");
        }
    }
    for ((partition, offset), value) in &values {
        let expected: String = format!("{partition}/{offset}").bytes().map(|byte| format!("{byte:02x}")).collect();
        ensure!(*value == expected, "partition {partition}, offset {offset} holds {value}");
    }
    ensure!(values.len() as i64 == total(2), "{} records instead of {}", values.len(), total(2));
    Ok(())
}

/// A record in one line, however long its value is.
fn short(record: &Record) -> String {
    let text = record.to_json().to_string();
    let cut = text.char_indices().nth(700).map_or(text.len(), |(index, _)| index);
    text[..cut].to_owned()
}
