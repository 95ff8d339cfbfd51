//! Transactions of each client. Topics are named after it.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::client::Isolation;
use crate::records::{TIMESTAMP_STEP, first_timestamp};
use crate::scenarios::short;
use crate::{Client, Record};

const PER_TRANSACTION: i64 = 3;
const PASSED: i64 = 20;
/// Which transaction of `transform` is aborted, counted from 0.
const ABORTED: i64 = 1;

/// What its transactions wrote, readable by everyone.
pub fn topic_of(writer: &str) -> String {
    format!("{writer}-left")
}

/// What is committed there.
pub fn committed(writer: &str) -> Vec<Record> {
    [records(writer, 0), records(writer, 2)].concat()
}

/// The middle one of three transactions over two topics aborts: nothing of it is seen, except by those who read uncommitted records.
pub fn one_of_three_over_two_topics_aborts(client: &mut Client) -> Result<()> {
    let name = client.name().to_owned();
    let topics = [topic_of(&name), format!("{name}-right")];
    for topic in &topics {
        client.create_topic(topic, 1)?;
    }
    for (turn, commit) in [(0, true), (1, false), (2, true)] {
        let writes: Vec<Value> = topics.iter().map(|topic| part(topic, &records(&name, turn))).collect();
        let id = format!("{name}-transactions");
        client.call("transaction", json!({"transactional_id": id, "writes": writes, "commit": commit}))?;
    }
    let all = [records(&name, 0), records(&name, 1), records(&name, 2)].concat();
    client.read_ahead(&topics.clone().map(|topic| (topic, committed(&name).len())))?;
    for topic in &topics {
        what_is_read_is(client, topic, Isolation::Committed, &committed(&name))?;
    }
    what_is_read_is(client, &topics[0], Isolation::Uncommitted, &all)
}

pub fn what_another_committed_is_read(reader: &mut Client, writer: &str) -> Result<()> {
    what_is_read_is(reader, &topic_of(writer), Isolation::Committed, &committed(writer))
}

/// A second producer of the same transactional id: the first, with a transaction open, can not commit any more.
pub fn a_zombie_is_fenced(client: &mut Client) -> Result<()> {
    let name = client.name().to_owned();
    let topic = format!("{name}-fenced");
    client.create_topic(&topic, 1)?;
    let (first, second) = (records(&name, 0), records(&name, 1));
    let asked = json!({
        "transactional_id": format!("{name}-zombie"), "first": part(&topic, &first), "second": part(&topic, &second),
    });
    let answer = client.call("fence", asked)?;
    let error = answer["error"].as_str().context("an error is a text")?;
    let says = |word| error.to_lowercase().contains(word);
    // Sarama knows PRODUCER_FENCED by its number only.
    ensure!(
        says("fence") || says("epoch") || says("code = 90"),
        "not as a fenced producer, the first failed with {error}"
    );
    what_is_read_is(client, &topic, Isolation::Committed, &second)
}

/// Consume, transform, produce in transactions with their offsets, one of them aborted: each input is passed on once.
pub fn each_input_is_passed_on_once(client: &mut Client) -> Result<()> {
    let name = client.name().to_owned();
    let (input, output, group) = (format!("{name}-input"), format!("{name}-output"), format!("{name}-passer"));
    for topic in [&input, &output] {
        client.create_topic(topic, 1)?;
    }
    let inputs: Vec<Record> = (0..PASSED).map(|index| record(&format!("{name} input {index}"), index)).collect();
    let mut written = part(&input, &inputs);
    written["codec"] = json!("none");
    written["idempotent"] = json!(true);
    client.call("produce", written)?;
    let asked = json!({
        "transactional_id": group, "group": group, "input": input, "output": output, "count": PASSED, "abort": ABORTED,
    });
    let answer = client.call("transform", asked)?;
    let aborted = answer["aborted"].as_u64().context("a count of aborted records")?;
    ensure!(aborted > 0, "no transaction was aborted");
    let values = |records: Vec<Value>| records.into_iter().map(|record| record["value"].clone()).collect::<Vec<_>>();
    let expected = values(inputs.iter().map(Record::to_json).collect());
    let passed = values(client.read(&output, inputs.len(), Isolation::Committed)?);
    ensure!(passed == expected, "committed in the output: {passed:?}");
    let all = inputs.len() + usize::try_from(aborted)?;
    let all = values(client.read(&output, all, Isolation::Uncommitted)?);
    ensure!(expected.iter().all(|value| all.contains(value)), "in the output: {all:?}");
    let answer = client.call("committed", json!({"group": group, "topic": input, "partitions": 1}))?;
    ensure!(answer["offsets"]["0"] == json!(PASSED), "{} is committed", answer["offsets"]);
    Ok(())
}

fn what_is_read_is(reader: &mut Client, topic: &str, isolation: Isolation, expected: &[Record]) -> Result<()> {
    let read = reader.read(topic, expected.len(), isolation)?;
    ensure!(read.len() == expected.len(), "{topic}: {} of {} records", read.len(), expected.len());
    let mut last = -1;
    for (read, expected) in read.iter().zip(expected) {
        let offset = read["offset"].as_i64().context("a record has an offset")?;
        ensure!(offset > last, "{topic}: offset {offset} after {last}");
        last = offset;
        let read = Record::from_json(read)?;
        ensure!(read == *expected, "{topic}, {isolation:?}: read {}, expected {}", short(&read), short(expected));
    }
    Ok(())
}

fn part(topic: &str, records: &[Record]) -> Value {
    let records: Vec<Value> = records.iter().map(Record::to_json).collect();
    json!({"topic": topic, "partition": 0, "records": records})
}

fn records(writer: &str, turn: i64) -> Vec<Record> {
    let indexes = turn * PER_TRANSACTION..(turn + 1) * PER_TRANSACTION;
    indexes.map(|index| record(&format!("{writer}, transaction {turn}, {index}"), index)).collect()
}

fn record(value: &str, index: i64) -> Record {
    Record {
        key: Some(format!("key {index}").into_bytes()),
        value: Some(value.as_bytes().to_vec()),
        headers: vec![],
        timestamp: first_timestamp() + index * TIMESTAMP_STEP,
    }
}
