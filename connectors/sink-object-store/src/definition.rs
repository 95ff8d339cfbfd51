//! Class names and config keys.

use sluice_plugin_sdk::*;

/// Keys that Confluent's connector has and that change nothing here. Those that would change what is stored are refused instead.
pub const IGNORED: [(&str, &str); 22] = [
    ("s3.region", "the store is a local folder"),
    ("s3.path.style.access.enabled", "the store is a local folder"),
    ("s3.part.size", "parts are sized by the host"),
    ("s3.part.retries", "the runtime retries"),
    ("s3.retry.backoff.ms", "the runtime retries"),
    ("s3.wan.mode", "the store is a local folder"),
    ("s3.credentials.provider.class", "the host holds the credentials"),
    ("s3.acl.canned", "the store is a local folder"),
    ("s3.object.tagging", "the store is a local folder"),
    ("s3.elastic.buffer.enable", "memory is bounded by the host"),
    ("s3.elastic.buffer.init.capacity", "memory is bounded by the host"),
    ("s3.http.send.expect.continue", "the store is a local folder"),
    ("s3.send.digest", "the store is a local folder"),
    ("storage.class", "there is one kind of storage"),
    ("rotate.interval.ms", "files end by flush.size and rotate.schedule.interval.ms; rotation by record time follows"),
    ("rotate.file.on.partition.change", "every delivery ends its files"),
    ("max.write.duration.ms", "deliveries are bounded by the runtime"),
    ("partitioner.max.open.files", "files are written one after another"),
    ("schema.compatibility", "another schema always begins another file"),
    ("enable.conditional.writes", "names are deterministic: a replay overwrites an object with itself"),
    ("locale", "names of days and months are English"),
    ("retry.backoff.ms", "the runtime retries"),
];

pub fn definition() -> Definition {
    Definition::sink(
        "io.confluent.connect.s3.S3SinkConnector",
        env!("CARGO_PKG_VERSION"),
        "Writes records as Parquet, JSON lines or raw bytes into objects with deterministic names, each record exactly once.",
    )
    .alias("ObjectStoreSinkConnector")
    .alias("ObjectStoreSink")
    .alias("S3Sink")
    .capability("object-store")
    .keys(store_keys())
    .keys(format_keys())
    .keys(naming_keys())
    .keys(partitioner_keys())
    .keys(IGNORED.map(|(name, reason)| ConfigKey::string(name, &format!("Accepted and ignored: {reason}.")).low()))
}

fn store_keys() -> Vec<ConfigKey> {
    vec![
        ConfigKey::string("s3.bucket.name", "The bucket. In a local folder: the name of a folder below store.url.")
            .required()
            .high()
            .non_empty()
            .grants("object-store.bucket"),
        ConfigKey::string("store.url", "Where the buckets are: file:///folder.").high().grants("object-store.url"),
        ConfigKey::string("aws.access.key.id", "Name of the account.").grants("object-store.access-key-id"),
        ConfigKey::password("aws.secret.access.key", "Its secret.").grants("object-store.secret-access-key"),
        ConfigKey::int(
            "flush.size",
            "Records of a partition that make one delivery, and with the DefaultPartitioner one object.",
        )
        .required()
        .high()
        .at_least(1),
        ConfigKey::long(
            "rotate.schedule.interval.ms",
            "Deliver also when the wall clock passes a multiple of this; -1: never.",
        )
        .default(-1),
        ConfigKey::string(
            "behavior.on.null.values",
            "What becomes of records without a value: fail reports them, ignore leaves them out.",
        )
        .default("fail")
        .low(),
    ]
}

fn format_keys() -> Vec<ConfigKey> {
    vec![
        ConfigKey::class(
            "format.class",
            "io.confluent.connect.s3.format.parquet.ParquetFormat, json.JsonFormat or bytearray.ByteArrayFormat.",
        )
        .required()
        .high(),
        ConfigKey::string("parquet.codec", "snappy, zstd or none.").default("snappy").low(),
        ConfigKey::string("json.decimal.format", "BASE64 or NUMERIC.").default("BASE64").low(),
        ConfigKey::string("format.bytearray.extension", "How the names of ByteArrayFormat's objects end.")
            .default(".bin")
            .low(),
        ConfigKey::string("format.bytearray.separator", "What follows each record; a line end by default.").low(),
        ConfigKey::string("s3.compression.type", "none; gzip follows.").default("none").low(),
        ConfigKey::boolean("store.kafka.keys", "false; keys beside values follow.").default(false).low(),
        ConfigKey::boolean("store.kafka.headers", "false; headers beside values follow.").default(false).low(),
    ]
}

fn naming_keys() -> Vec<ConfigKey> {
    vec![
        ConfigKey::string("topics.dir", "The directory above the topics.").default("topics"),
        ConfigKey::string("directory.delim", "Between directories.").default("/").low(),
        ConfigKey::string("file.delim", "Between the parts of a file's name.").default("+").low(),
        ConfigKey::int("filename.offset.zero.pad.width", "Digits of the offset in a file's name.")
            .default(10)
            .range(0, 64)
            .low(),
    ]
}

fn partitioner_keys() -> Vec<ConfigKey> {
    vec![
        ConfigKey::class(
            "partitioner.class",
            "DefaultPartitioner, FieldPartitioner, TimeBasedPartitioner, DailyPartitioner or HourlyPartitioner.",
        )
        .default("io.confluent.connect.storage.partitioner.DefaultPartitioner"),
        ConfigKey::list("partition.field.name", "FieldPartitioner: the fields, nested ones with dots.").default(""),
        ConfigKey::long("partition.duration.ms", "TimeBasedPartitioner: how long one directory lasts.").default(-1),
        ConfigKey::string("path.format", "TimeBasedPartitioner: the directories, as 'year'=YYYY/'month'=MM/'day'=dd.")
            .default(""),
        ConfigKey::string("timezone", "UTC or an offset such as +02:00.").default("UTC"),
        ConfigKey::string("timestamp.extractor", "Wallclock (of the plan), Record or RecordField.")
            .default("Wallclock"),
        ConfigKey::string("timestamp.field", "RecordField: the field, nested with dots.").default("timestamp"),
    ]
}
