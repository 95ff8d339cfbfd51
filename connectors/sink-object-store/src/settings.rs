//! The config, read once: all problems at once.

use crate::partitioner::{Partitioner, TimePartitioner, TimestampExtractor};
use crate::path_format::PathFormat;
use crate::time::parse_zone;
use sluice_plugin_sdk::*;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    Parquet { codec: String },
    Json { decimal_format: String },
    Bytes { separator: Option<String>, extension: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullValues {
    Fail,
    Ignore,
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub flush_size: u64,
    pub rotate_schedule_ms: Option<u64>,
    pub format: Format,
    pub null_values: NullValues,
    pub naming: Naming,
    pub partitioner: Partitioner,
}

/// How an object's key is put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    pub topics_dir: String,
    pub directory_delim: String,
    pub file_delim: String,
    pub offset_width: usize,
    pub extension: String,
}

impl Settings {
    /// # Errors
    /// Every problem.
    pub fn read(config: &Config) -> Result<Self, Vec<Problem>> {
        let mut problems = Problems(Vec::new());
        let flush_size = problems.take("flush.size", config.int::<u64>("flush.size"));
        let rotate_schedule_ms =
            problems.take("rotate.schedule.interval.ms", config.int::<i64>("rotate.schedule.interval.ms"));
        let format = problems.take("format.class", format(config));
        let null_values = problems.take("behavior.on.null.values", null_values(config));
        let naming = problems.take("topics.dir", naming(config));
        let partitioner = problems.take("partitioner.class", partitioner(config));
        for key in ["store.kafka.keys", "store.kafka.headers"] {
            if problems.take(key, config.boolean(key)) == Some(true) {
                problems.push(key, "is not supported yet: set it to false");
            }
        }
        if config.non_empty("s3.compression.type").is_some_and(|kind| kind != "none") {
            problems.push(
                "s3.compression.type",
                "is not supported yet: set it to none (parquet.codec compresses inside of the file)",
            );
        }
        match (flush_size, rotate_schedule_ms, format, null_values, naming, partitioner) {
            (
                Some(flush_size),
                Some(rotate_ms),
                Some(format),
                Some(null_values),
                Some(mut naming),
                Some(partitioner),
            ) if problems.0.is_empty() => {
                naming.extension = format.extension();
                let rotate_schedule_ms = u64::try_from(rotate_ms).ok().filter(|interval| *interval > 0);
                Ok(Self { flush_size, rotate_schedule_ms, format, null_values, naming, partitioner })
            }
            _ => Err(problems.0),
        }
    }
}

struct Problems(Vec<Problem>);

impl Problems {
    /// A problem is `key`'s, unless the error names another.
    fn take<T>(&mut self, key: &str, value: Result<T>) -> Option<T> {
        value.map_err(|error| self.push(error.code.strip_prefix(NAMED_KEY).unwrap_or(key), &error.message)).ok()
    }

    fn push(&mut self, key: &str, message: &str) {
        self.0.push(Problem::new(key, message));
    }
}

const NAMED_KEY: &str = "key:";

/// A problem with `key`, whatever was being read.
fn wrong(key: &str, message: impl Into<String>) -> Error {
    Error::fatal(&format!("{NAMED_KEY}{key}"), message)
}

impl Format {
    /// As Confluent's formats name their files.
    #[must_use]
    pub fn extension(&self) -> String {
        match self {
            Self::Parquet { codec } if codec == "none" => ".parquet".to_owned(),
            Self::Parquet { codec } => format!(".{codec}.parquet"),
            Self::Json { .. } => ".json".to_owned(),
            Self::Bytes { extension, .. } => extension.clone(),
        }
    }

    /// The host's name of the format, and its options.
    #[must_use]
    pub fn writer(&self) -> (&'static str, Vec<(String, String)>) {
        let option = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        match self {
            Self::Parquet { codec } => ("parquet", option("codec", codec)),
            Self::Json { decimal_format } => ("json", option("decimal-format", decimal_format)),
            Self::Bytes { separator: Some(separator), .. } => ("bytes", option("separator", separator)),
            Self::Bytes { .. } => ("bytes", Vec::new()),
        }
    }
}

fn simple_name(class: &str) -> &str {
    class.rsplit(['.', '$']).next().unwrap_or(class)
}

fn format(config: &Config) -> Result<Format> {
    let class = config.string("format.class")?;
    match simple_name(class) {
        "ParquetFormat" => {
            let codec = config.string("parquet.codec")?.to_ascii_lowercase();
            match codec.as_str() {
                "none" | "uncompressed" => Ok(Format::Parquet { codec: "none".into() }),
                "snappy" | "zstd" => Ok(Format::Parquet { codec }),
                _ => Err(wrong("parquet.codec", format!("is {codec:?}: choose snappy, zstd or none"))),
            }
        }
        "JsonFormat" => {
            let decimal_format = config.string("json.decimal.format")?.to_ascii_lowercase();
            if matches!(decimal_format.as_str(), "base64" | "numeric") {
                Ok(Format::Json { decimal_format })
            } else {
                Err(wrong("json.decimal.format", format!("is {decimal_format:?}: choose BASE64 or NUMERIC")))
            }
        }
        "ByteArrayFormat" => {
            let separator = config.get("format.bytearray.separator").map(str::to_owned);
            Ok(Format::Bytes { separator, extension: config.string("format.bytearray.extension")?.to_owned() })
        }
        other => {
            Err(wrong("format.class", format!("is {other:?}: choose ParquetFormat, JsonFormat or ByteArrayFormat")))
        }
    }
}

fn null_values(config: &Config) -> Result<NullValues> {
    match config.string("behavior.on.null.values")?.to_ascii_lowercase().as_str() {
        "fail" => Ok(NullValues::Fail),
        "ignore" => Ok(NullValues::Ignore),
        other => Err(Error::fatal("", format!("is {other:?}: choose fail or ignore"))),
    }
}

fn naming(config: &Config) -> Result<Naming> {
    let naming = Naming {
        topics_dir: config.get("topics.dir").unwrap_or_default().trim_matches('/').to_owned(),
        directory_delim: config.string("directory.delim")?.to_owned(),
        file_delim: config.string("file.delim")?.to_owned(),
        offset_width: config.int("filename.offset.zero.pad.width")?,
        extension: String::new(),
    };
    if naming.file_delim.contains('/') {
        return Err(wrong("file.delim", "contains \"/\", which divides directories"));
    }
    Ok(naming)
}

fn partitioner(config: &Config) -> Result<Partitioner> {
    match simple_name(config.string("partitioner.class")?) {
        "DefaultPartitioner" => Ok(Partitioner::Default),
        "FieldPartitioner" => {
            let fields: Vec<String> = config.list("partition.field.name").into_iter().map(str::to_owned).collect();
            if fields.is_empty() {
                return Err(wrong(
                    "partition.field.name",
                    "is empty: name the fields that FieldPartitioner divides by",
                ));
            }
            Ok(Partitioner::Field { fields })
        }
        "TimeBasedPartitioner" => {
            let pattern = config.non_empty("path.format");
            let pattern = pattern
                .ok_or_else(|| wrong("path.format", "is empty: write for instance 'year'=YYYY/'month'=MM/'day'=dd"))?;
            let duration_ms: i64 = config.int("partition.duration.ms")?;
            if duration_ms <= 0 {
                return Err(wrong("partition.duration.ms", "must be above 0, for instance 3600000"));
            }
            time_partitioner(config, pattern, duration_ms)
        }
        "DailyPartitioner" => time_partitioner(config, "'year'=YYYY/'month'=MM/'day'=dd", 86_400_000),
        "HourlyPartitioner" => time_partitioner(config, "'year'=YYYY/'month'=MM/'day'=dd/'hour'=HH", 3_600_000),
        other => Err(Error::fatal(
            "",
            format!(
                "is {other:?}: choose DefaultPartitioner, FieldPartitioner, TimeBasedPartitioner, DailyPartitioner or HourlyPartitioner"
            ),
        )),
    }
}

fn time_partitioner(config: &Config, pattern: &str, duration_ms: i64) -> Result<Partitioner> {
    let format = PathFormat::parse(pattern).map_err(|problem| wrong("path.format", problem))?;
    let zone = config.non_empty("timezone").unwrap_or("UTC");
    let zone_offset_ms = parse_zone(zone).ok_or_else(|| {
        wrong("timezone", format!("is {zone:?}: write UTC or an offset such as +02:00 (named zones follow)"))
    })?;
    let extractor = match simple_name(config.string("timestamp.extractor")?) {
        "Wallclock" => TimestampExtractor::Wallclock,
        "Record" => TimestampExtractor::Record,
        "RecordField" => TimestampExtractor::RecordField(config.string("timestamp.field")?.to_owned()),
        other => {
            return Err(wrong("timestamp.extractor", format!("is {other:?}: choose Wallclock, Record or RecordField")));
        }
    };
    Ok(Partitioner::Time(TimePartitioner { format, duration_ms, zone_offset_ms, extractor }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ObjectStoreSink;

    fn config(given: &[(&str, &str)]) -> Config {
        let base = [
            ("s3.bucket.name", "lake"),
            ("flush.size", "1000"),
            ("format.class", "io.confluent.connect.s3.format.json.JsonFormat"),
        ];
        let all = base.iter().chain(given).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Config::new(all, &ObjectStoreSink::definition())
    }

    #[track_caller]
    fn check_problem(given: &[(&str, &str)], key: &str) {
        let problems = ObjectStoreSink::validate(&config(given));
        let keys: Vec<_> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, [key], "{problems:?}");
    }

    #[test]
    fn a_plain_config_has_confluents_defaults() {
        let settings = Settings::read(&config(&[])).unwrap();
        assert_eq!((settings.flush_size, settings.rotate_schedule_ms), (1000, None));
        assert_eq!(settings.null_values, NullValues::Fail);
        let expected = Naming {
            topics_dir: "topics".into(),
            directory_delim: "/".into(),
            file_delim: "+".into(),
            offset_width: 10,
            extension: ".json".into(),
        };
        assert_eq!(settings.naming, expected);
    }

    #[test]
    fn extensions_are_confluents() {
        let parquet = "io.confluent.connect.s3.format.parquet.ParquetFormat";
        for (given, extension) in [
            (vec![("format.class", parquet)], ".snappy.parquet"),
            (vec![("format.class", parquet), ("parquet.codec", "none")], ".parquet"),
            (vec![("format.class", parquet), ("parquet.codec", "ZSTD")], ".zstd.parquet"),
            (vec![("format.class", "io.confluent.connect.s3.format.bytearray.ByteArrayFormat")], ".bin"),
        ] {
            assert_eq!(Settings::read(&config(&given)).unwrap().naming.extension, extension);
        }
    }

    #[test]
    fn every_wrong_value_names_its_key() {
        check_problem(&[("format.class", "io.confluent.connect.s3.format.avro.AvroFormat")], "format.class");
        check_problem(&[("format.class", "ParquetFormat"), ("parquet.codec", "lzo")], "parquet.codec");
        check_problem(&[("json.decimal.format", "HEX")], "json.decimal.format");
        check_problem(&[("behavior.on.null.values", "write")], "behavior.on.null.values");
        check_problem(&[("s3.compression.type", "gzip")], "s3.compression.type");
        check_problem(&[("store.kafka.keys", "true")], "store.kafka.keys");
        check_problem(&[("file.delim", "/")], "file.delim");
        check_problem(&[("partitioner.class", "Best")], "partitioner.class");
        check_problem(&[("partitioner.class", "FieldPartitioner")], "partition.field.name");
        check_problem(&[("partitioner.class", "TimeBasedPartitioner")], "path.format");
        let timed = [("partitioner.class", "TimeBasedPartitioner"), ("path.format", "YYYY")];
        check_problem(&timed, "partition.duration.ms");
        check_problem(&[("partitioner.class", "DailyPartitioner"), ("timezone", "Mars/Phobos")], "timezone");
        check_problem(
            &[("partitioner.class", "DailyPartitioner"), ("timestamp.extractor", "Guess")],
            "timestamp.extractor",
        );
    }

    #[test]
    fn all_problems_come_at_once() {
        let problems = ObjectStoreSink::validate(&config(&[("format.class", "X"), ("partitioner.class", "Y")]));
        assert_eq!(problems.len(), 2);
    }

    #[test]
    fn the_runtime_closes_batches_by_count_and_clock() {
        let capabilities = ObjectStoreSink::capabilities(&config(&[("rotate.schedule.interval.ms", "60000")]));
        for (name, value) in [
            ("batch.records", "1000"),
            ("batch.schedule-ms", "60000"),
            ("batch.partial", "wait"),
            ("exactly-once", "supported"),
            ("deterministic", "true"),
        ] {
            assert_eq!(capabilities.0.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(ObjectStoreSink::capabilities(&config(&[])).0.get("batch.schedule-ms"), None);
    }
}
