//! rdkafka: librdkafka, from Rust. README.md beside the crate says what each command means.

mod member;
mod transactions;

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, DeliveryResult, Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};
use serde_json::{Value, json};

use member::Member;

/// As the workspace pins it; the crate does not tell.
const VERSION: &str = "0.39";
const TIMEOUT: Duration = Duration::from_secs(30);

fn main() -> Result<()> {
    let broker = std::env::args().nth(1).context("usage: rdkafka-client <host:port>")?;
    let mut program = Program::new(broker)?;
    for line in std::io::stdin().lock().lines() {
        let command: Value = serde_json::from_str(&line?)?;
        match program.answer(&command) {
            Ok(ok) => say(&json!({"id": command["id"], "ok": ok})),
            Err(error) => say(&json!({"id": command["id"], "error": format!("{error:#}")})),
        }
    }
    Ok(())
}

/// Writes one line; members' threads and the main thread take turns.
fn say(line: &Value) {
    let mut output = std::io::stdout().lock();
    // The driver has gone when it cannot be told; the input ends then too.
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}

struct Program {
    settings: ClientConfig,
    admin: AdminClient<DefaultClientContext>,
    runtime: tokio::runtime::Runtime,
    members: BTreeMap<String, Member>,
}

impl Program {
    fn new(broker: String) -> Result<Program> {
        let mut settings = ClientConfig::new();
        settings.set("bootstrap.servers", broker);
        let admin = settings.create()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Program { settings, admin, runtime, members: BTreeMap::new() })
    }

    fn answer(&mut self, command: &Value) -> Result<Value> {
        match text(command, "op")? {
            "info" => return Ok(info()),
            "create_topic" => self.create_topic(command)?,
            "list_topics" => return self.list_topics(),
            "delete_topic" => {
                let options = AdminOptions::new();
                let deleted = self.runtime.block_on(self.admin.delete_topics(&[text(command, "topic")?], &options))?;
                each_done(deleted)?;
            }
            "produce" => self.produce(command)?,
            "transaction" => transactions::write(&self.settings, command)?,
            "fence" => return transactions::fence(&self.settings, command),
            "transform" => return transactions::transform(&self.settings, command),
            "consume" => return self.consume(command),
            "offset_for_time" => return self.offset_for_time(command),
            "join" => {
                let member = Member::join(self.settings.clone(), command)?;
                self.members.insert(text(command, "member")?.to_owned(), member);
            }
            "leave" => {
                let name = text(command, "member")?;
                self.members.remove(name).context("no such member")?.leave(name)?;
            }
            "committed" => return self.committed(command),
            other => bail!("unknown command {other}"),
        }
        Ok(Value::Null)
    }

    fn create_topic(&self, command: &Value) -> Result<()> {
        let partitions = i32::try_from(number(command, "partitions")?)?;
        let topic = NewTopic::new(text(command, "topic")?, partitions, TopicReplication::Fixed(1));
        each_done(self.runtime.block_on(self.admin.create_topics(&[topic], &AdminOptions::new()))?)
    }

    fn list_topics(&self) -> Result<Value> {
        let metadata = self.admin.inner().fetch_metadata(None, TIMEOUT)?;
        let names: Vec<&str> = metadata.topics().iter().map(|topic| topic.name()).collect();
        Ok(json!({"topics": names}))
    }

    fn produce(&self, command: &Value) -> Result<()> {
        let mut settings = self.settings.clone();
        settings.set("compression.type", text(command, "codec")?).set("linger.ms", "20");
        settings.set("enable.idempotence", command["idempotent"].to_string());
        let producer = Writer::create(&settings)?;
        producer.write(command)?;
        producer.flush()
    }

    fn consume(&self, command: &Value) -> Result<Value> {
        let mut settings = self.settings.clone();
        settings.set("group.id", "alone").set("enable.auto.commit", "false");
        settings.set("isolation.level", command["isolation"].as_str().unwrap_or("read_committed"));
        let consumer: BaseConsumer = settings.create()?;
        let mut places = TopicPartitionList::new();
        let offset = Offset::Offset(number(command, "offset")?);
        places.add_partition_offset(text(command, "topic")?, partition(command)?, offset)?;
        consumer.assign(&places)?;
        let count = usize::try_from(number(command, "count")?)?;
        let deadline = Instant::now() + TIMEOUT;
        let mut records = Vec::new();
        while records.len() < count {
            ensure!(Instant::now() < deadline, "{} of {count} records within {TIMEOUT:?}", records.len());
            if let Some(message) = consumer.poll(Duration::from_millis(100)) {
                records.push(told(&message?));
            }
        }
        Ok(json!({"records": records}))
    }

    fn offset_for_time(&self, command: &Value) -> Result<Value> {
        let consumer: BaseConsumer = self.settings.clone().set("group.id", "alone").create()?;
        let (topic, partition) = (text(command, "topic")?, partition(command)?);
        let mut places = TopicPartitionList::new();
        places.add_partition_offset(topic, partition, Offset::Offset(number(command, "timestamp")?))?;
        let found = consumer.offsets_for_times(places, TIMEOUT)?;
        let place = found.find_partition(topic, partition).context("an answer for the partition")?;
        Ok(json!({"offset": place.offset().to_raw()}))
    }

    fn committed(&self, command: &Value) -> Result<Value> {
        let consumer: BaseConsumer = self.settings.clone().set("group.id", text(command, "group")?).create()?;
        let mut places = TopicPartitionList::new();
        for partition in 0..i32::try_from(number(command, "partitions")?)? {
            places.add_partition(text(command, "topic")?, partition);
        }
        let found = consumer.committed_offsets(places, TIMEOUT)?;
        let offsets: serde_json::Map<String, Value> = found
            .elements()
            .iter()
            .map(|place| (place.partition().to_string(), json!(place.offset().to_raw())))
            .collect();
        Ok(json!({"offsets": offsets}))
    }
}

fn info() -> Value {
    let (_, librdkafka) = rdkafka::util::get_rdkafka_version();
    json!({
        "version": format!("{} (librdkafka {librdkafka})", VERSION),
        "codecs": ["none", "gzip", "snappy", "lz4", "zstd"],
        "idempotent": true, "transactions": true, "cannot": [],
        "strategies": ["range", "cooperative-sticky"], "static_members": true,
    })
}

fn each_done(results: Vec<rdkafka::admin::TopicResult>) -> Result<()> {
    for result in results {
        result.map_err(|(topic, code)| anyhow::anyhow!("{topic}: {code}"))?;
    }
    Ok(())
}

/// A producer that keeps what went wrong with its records.
struct Writer {
    producer: BaseProducer<Failures>,
    failures: Failures,
}

#[derive(Clone, Default)]
struct Failures(Arc<Mutex<Vec<KafkaError>>>);

impl ClientContext for Failures {}

impl ProducerContext for Failures {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.0.lock().expect("nobody panics with it").push(error.clone());
        }
    }
}

impl Writer {
    fn create(settings: &ClientConfig) -> Result<Writer> {
        let failures = Failures::default();
        Ok(Writer { producer: settings.create_with_context(failures.clone())?, failures })
    }

    /// Hands over the command's records.
    fn write(&self, command: &Value) -> Result<()> {
        let (topic, partition) = (text(command, "topic")?, partition(command)?);
        for record in command["records"].as_array().context("records are a list")? {
            let (key, value) = (bytes(&record["key"])?, bytes(&record["value"])?);
            let mut headers = OwnedHeaders::new();
            for header in record["headers"].as_array().context("headers are a list")? {
                let key = header[0].as_str().context("a header has a name")?;
                headers = headers.insert(Header { key, value: bytes(&header[1])?.as_deref() });
            }
            let mut message = BaseRecord::<[u8], [u8]>::to(topic).partition(partition).headers(headers);
            message = message.timestamp(number(record, "timestamp")?);
            message.key = key.as_deref();
            message.payload = value.as_deref();
            self.producer.send(message).map_err(|(error, _)| error)?;
        }
        Ok(())
    }

    /// Waits until all are delivered.
    fn flush(&self) -> Result<()> {
        self.producer.flush(TIMEOUT)?;
        let failures = std::mem::take(&mut *self.failures.0.lock().expect("nobody panics with it"));
        ensure!(failures.is_empty(), "not delivered: {failures:?}");
        Ok(())
    }
}

/// A record as it is told to the driver.
fn told(message: &BorrowedMessage<'_>) -> Value {
    let headers: Vec<Value> = message
        .headers()
        .map(|headers| headers.iter().map(|header| json!([header.key, hex(header.value)])).collect())
        .unwrap_or_default();
    json!({
        "offset": message.offset(), "key": hex(message.key()), "value": hex(message.payload()),
        "headers": headers, "timestamp": message.timestamp().to_millis(),
    })
}

fn text<'a>(command: &'a Value, name: &str) -> Result<&'a str> {
    command[name].as_str().with_context(|| format!("{name} is a text"))
}

fn number(command: &Value, name: &str) -> Result<i64> {
    command[name].as_i64().with_context(|| format!("{name} is a number"))
}

fn partition(command: &Value) -> Result<i32> {
    Ok(i32::try_from(number(command, "partition")?)?)
}

fn hex(bytes: Option<&[u8]>) -> Option<String> {
    bytes.map(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn bytes(digits: &Value) -> Result<Option<Vec<u8>>> {
    let Some(digits) = digits.as_str() else {
        return Ok(None);
    };
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| Ok(u8::from_str_radix(std::str::from_utf8(pair)?, 16)?)).collect::<Result<_>>().map(Some)
}
