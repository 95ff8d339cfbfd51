//! What each client is put through. Topics are named after the client, so that all clients can run at once on one broker.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::broker::may_lag;
use crate::client::Isolation;
use crate::records::{TIMESTAMP_STEP, first_timestamp, records_of};
use crate::{Client, Record, wire};

/// Codecs by their number in a batch's attributes.
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];

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
    client.create_topic(&topic, 3)?;
    ensure!(client.lists(&topic)?, "{topic} is not listed");
    client.call("delete_topic", json!({"topic": topic}))?;
    while may_lag() && client.lists(&topic)? {}
    ensure!(!client.lists(&topic)?, "{topic} is still listed");
    Ok(())
}

/// Writes the records with every codec, with idempotence except for `none`, and looks at the batches in the log.
pub fn each_codec_is_written(client: &mut Client, broker: &str) -> Result<()> {
    let records: Vec<Value> = records_of(client).iter().map(Record::to_json).collect();
    for codec in client.codecs() {
        let topic = topic_of(client.name(), &codec);
        client.create_topic(&topic, 1)?;
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

/// The topics of a writer that this reader can read, each with the codec it was written with.
pub fn readable<'a>(reader: &Client, writer: &'a Writer) -> Vec<(&'a str, String)> {
    let known = reader.codecs();
    let codecs = writer
        .codecs
        .iter()
        .filter(|codec| known.contains(codec) && !reader.cannot(&format!("read-{codec}-of-{}", writer.name)));
    codecs.map(|codec| (codec.as_str(), topic_of(&writer.name, codec))).collect()
}

/// Reads what a client wrote, alone: without a group where the client can.
pub fn what_was_written_is_read(reader: &mut Client, writer: &Writer) -> Result<()> {
    let expected: Vec<Record> = writer.records.iter().map(|record| record.as_read_by(reader)).collect();
    for (codec, topic) in readable(reader, writer) {
        let read = reader.read(&topic, expected.len(), Isolation::Committed)?;
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
    // Three seconds each where every reading is a group of its own.
    let wanted = if client.cannot("read-without-group") { vec![3] } else { vec![0, 3, records.len() - 1] };
    for wanted in wanted {
        // Half a step before the record: the first record at or after that time.
        let time = first_timestamp() + i64::try_from(wanted)? * TIMESTAMP_STEP - TIMESTAMP_STEP / 2;
        let answer = client.call("offset_for_time", json!({"topic": topic, "partition": 0, "timestamp": time}))?;
        ensure!(answer["offset"] == json!(wanted), "at {time}: offset {}, not {wanted}", answer["offset"]);
        let count = records.len() - wanted;
        let asked = json!({"topic": topic, "partition": 0, "offset": wanted, "count": count, "isolation": Isolation::Committed});
        let answer = client.call("consume", asked)?;
        let first = Record::from_json(&answer["records"][0])?.as_read_by(client);
        ensure!(first == records[wanted].as_read_by(client), "from offset {wanted} came {}", short(&first));
    }
    Ok(())
}

/// A record in one line, however long its value is.
pub fn short(record: &Record) -> String {
    let text = record.to_json().to_string();
    let cut = text.char_indices().nth(700).map_or(text.len(), |(index, _)| index);
    text[..cut].to_owned()
}
