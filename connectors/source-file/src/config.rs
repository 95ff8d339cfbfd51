//! The keys: Kafka's three and ours.

use sluice_plugin_sdk::*;

pub const CLASS: &str = "org.apache.kafka.connect.file.FileStreamSourceConnector";

const FILE: &str = "file";
const TOPIC: &str = "topic";
const BATCH_SIZE: &str = "batch.size";
const BATCH_BYTES: &str = "batch.bytes";
const LINE_BYTES_MAX: &str = "max.line.bytes";
const ENCODING: &str = "encoding";

/// Lines of one poll when `batch.size` is not given: `batch.bytes` is the bound that matters then.
const BATCH_LINES_MAX: u32 = 65_536;

pub fn definition() -> Definition {
    Definition::source(CLASS, env!("CARGO_PKG_VERSION"), "Reads the lines of a file, and follows it while it grows.")
        .attribute("delivery", "exactly once: offsets are appended together with the records")
        .capability("file")
        .key(
            ConfigKey::string(FILE, "Source filename. It need not exist yet: the task waits for it.")
                .high()
                .grants("file.path"),
        )
        .key(ConfigKey::string(TOPIC, "The topic to publish data to.").required().high().non_empty())
        .key(
            ConfigKey::int(
                BATCH_SIZE,
                "The maximum number of lines of one poll. Left out, a poll takes what batch.bytes allows (Kafka's own default is 2000).",
            )
            .low(),
        )
        .key(ConfigKey::int(BATCH_BYTES, "The maximum number of bytes of one poll.").default(1 << 20).range(1024, 64 << 20).low())
        .key(
            ConfigKey::int(
                LINE_BYTES_MAX,
                "A longer line is one rejected record that names its position; reading goes on behind it (errors.tolerance=all) or stops there.",
            )
            .default(1 << 20)
            .range(1, 64 << 20)
            .low(),
        )
        .key(
            ConfigKey::string(
                ENCODING,
                "utf8: lines are text, invalid bytes become U+FFFD. bytes: lines are raw bytes, for ByteArrayConverter.",
            )
            .default("utf8")
            .valid_values(&["utf8", "bytes"])
            .low(),
        )
}

pub fn validate(config: &Config) -> Vec<Problem> {
    if config.non_empty(FILE).is_none() {
        return vec![Problem::new(
            FILE,
            "file is not set; name a file: standard input cannot be read from a sandboxed connector",
        )];
    }
    Vec::new()
}

/// The parsed keys.
#[derive(Debug, Clone)]
pub struct FileConfig {
    pub file: String,
    pub topic: String,
    pub batch_lines: u32,
    pub batch_bytes: u32,
    pub line_bytes_max: u32,
    /// As the file capability names it.
    pub encoding: &'static str,
}

impl FileConfig {
    pub fn parse(config: &Config) -> Result<Self> {
        let batch_lines = match config.get(BATCH_SIZE) {
            // As in Kafka: a poll gives a line whatever this says.
            Some(_) => u32::try_from(config.int::<i32>(BATCH_SIZE)?.max(1)).unwrap_or(1),
            None => BATCH_LINES_MAX,
        };
        let file = config
            .non_empty(FILE)
            .ok_or_else(|| Error::fatal("config.missing", "config key \"file\" is missing; name a file"))?;
        Ok(Self {
            file: file.to_owned(),
            topic: config.string(TOPIC)?.to_owned(),
            batch_lines,
            batch_bytes: config.int(BATCH_BYTES)?,
            line_bytes_max: config.int(LINE_BYTES_MAX)?,
            encoding: if config.string(ENCODING)? == "bytes" { "bytes" } else { "utf8-replace" },
        })
    }

    pub fn line_options(&self) -> file::LineOptions {
        file::LineOptions {
            max_line_bytes: self.line_bytes_max,
            max_lines: self.batch_lines,
            max_bytes: self.batch_bytes,
            encoding: self.encoding.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(given: &[(&str, &str)]) -> Config {
        Config::new(given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())), &definition())
    }

    #[test]
    fn kafkas_quickstart_config_is_enough() {
        let parsed = FileConfig::parse(&config(&[("file", "test.txt"), ("topic", "connect-test")])).unwrap();
        assert_eq!((parsed.file.as_str(), parsed.topic.as_str()), ("test.txt", "connect-test"));
        assert_eq!((parsed.batch_lines, parsed.batch_bytes, parsed.encoding), (65_536, 1 << 20, "utf8-replace"));
    }

    #[test]
    fn batch_size_bounds_the_lines_of_a_poll() {
        let parsed =
            FileConfig::parse(&config(&[("file", "f"), ("topic", "t"), ("batch.size", "10"), ("encoding", "bytes")]));
        let options = parsed.unwrap().line_options();
        assert_eq!((options.max_lines, options.encoding.as_str()), (10, "bytes"));
    }

    #[test]
    fn standard_input_is_refused() {
        let problems = validate(&config(&[("topic", "t")]));
        assert_eq!(problems[0].key, "file");
        assert!(validate(&config(&[("file", "f")])).is_empty());
    }
}
