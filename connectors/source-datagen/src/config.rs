//! The keys: Confluent Datagen's that make sense here, and ours.

use crate::pace::Rate;
use crate::quickstart::{QUICKSTARTS, Quickstart};
use sluice_plugin_sdk::*;

const CLASS: &str = "io.confluent.kafka.connect.datagen.DatagenConnector";
const TOPIC: &str = "kafka.topic";
const QUICKSTART: &str = "quickstart";
const MAX_INTERVAL: &str = "max.interval";
const ITERATIONS: &str = "iterations";
const SEED: &str = "random.seed";
const KEY_FIELD: &str = "schema.keyfield";
const RATE: &str = "rows.per.second";
const BATCH_ROWS: &str = "batch.rows";

pub fn definition() -> Definition {
    let names: Vec<&str> = QUICKSTARTS.iter().map(|quickstart| quickstart.name).collect();
    Definition::source(CLASS, env!("CARGO_PKG_VERSION"), "Makes typed random rows at a rate.")
        .alias("Datagen")
        .attribute("delivery", "exactly once: a restart goes on with the row that was next")
        .key(ConfigKey::string(TOPIC, "Topic to write to.").required().high().non_empty())
        .key(ConfigKey::string(QUICKSTART, "What the rows look like.").default("orders").high().valid_values(&names))
        .key(
            ConfigKey::long(
                MAX_INTERVAL,
                "Max interval between rows (ms); half of it on average. rows.per.second goes before it.",
            )
            .default(500)
            .at_least(1),
        )
        .key(ConfigKey::long(ITERATIONS, "Number of rows of each task, -1 for unlimited.").default(-1).at_least(-1))
        .key(
            ConfigKey::long(SEED, "The same seed makes the same rows; tasks differ. Left out, a random one.")
                .at_least(0),
        )
        .key(
            ConfigKey::string(
                KEY_FIELD,
                "Field that becomes the key; the quickstart's own when left out, none when empty.",
            )
            .low(),
        )
        .key(
            ConfigKey::long(
                RATE,
                "Rows per second of each task; 0: as fast as they are taken. Left out, max.interval paces.",
            )
            .at_least(0),
        )
        .key(ConfigKey::int(BATCH_ROWS, "Rows of one poll at most.").default(1000).range(1, 1_000_000).low())
}

pub fn validate(config: &Config) -> Vec<Problem> {
    let quickstart = Quickstart::named(config.get(QUICKSTART).unwrap_or_default());
    let Some((quickstart, field)) = quickstart.zip(config.non_empty(KEY_FIELD)) else { return Vec::new() };
    if quickstart.fields.iter().any(|known| known.name == field) {
        return Vec::new();
    }
    let names: Vec<&str> = quickstart.fields.iter().map(|field| field.name).collect();
    let message = format!("{} has no field {field:?}; it has {}", quickstart.name, names.join(", "));
    vec![Problem::new(KEY_FIELD, message)]
}

/// The parsed keys.
pub struct DatagenConfig {
    pub topic: String,
    pub quickstart: &'static Quickstart,
    pub key_field: Option<String>,
    pub rate: Rate,
    pub batch_rows: u32,
    /// None: without end.
    pub iterations: Option<u64>,
    pub seed: Option<u64>,
}

impl DatagenConfig {
    pub fn parse(config: &Config) -> Result<Self> {
        let name = config.string(QUICKSTART)?;
        let quickstart = Quickstart::named(name).ok_or_else(|| {
            Error::fatal("config.malformed", format!("quickstart {name:?} is unknown; see the connector's README"))
        })?;
        let key_field = match config.get(KEY_FIELD) {
            Some(field) => Some(field.trim().to_owned()).filter(|field| !field.is_empty()),
            None => Some(quickstart.key.to_owned()),
        };
        let rate = match config.get(RATE) {
            Some(_) => match config.int::<u64>(RATE)? {
                0 => Rate::Unlimited,
                rows => Rate::PerSecond(rows as f64),
            },
            // Confluent's generator waits a random time up to the interval before each row.
            None => Rate::PerSecond(2_000.0 / config.int::<u32>(MAX_INTERVAL)?.max(1) as f64),
        };
        let iterations: i64 = config.int(ITERATIONS)?;
        let seed = config.get(SEED).map(|_| config.int(SEED)).transpose()?;
        let (topic, batch_rows) = (config.string(TOPIC)?.to_owned(), config.int(BATCH_ROWS)?);
        Ok(Self { topic, quickstart, key_field, rate, batch_rows, iterations: u64::try_from(iterations).ok(), seed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(given: &[(&str, &str)]) -> Config {
        let given = given.iter().chain(&[("kafka.topic", "t")]);
        Config::new(given.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())), &definition())
    }

    #[test]
    fn an_interval_paces_unless_a_rate_is_given() {
        assert_eq!(DatagenConfig::parse(&config(&[("max.interval", "1000")])).unwrap().rate, Rate::PerSecond(2.0));
        let both = config(&[("max.interval", "1000"), ("rows.per.second", "0")]);
        assert_eq!(DatagenConfig::parse(&both).unwrap().rate, Rate::Unlimited);
    }

    #[test]
    fn a_key_field_must_be_a_field_of_the_rows() {
        assert!(validate(&config(&[("schema.keyfield", "orderid")])).is_empty());
        let problems = validate(&config(&[("schema.keyfield", "nosuch")]));
        assert!(problems[0].message.contains("orderid"), "{problems:?}");
        assert_eq!(DatagenConfig::parse(&config(&[("schema.keyfield", "")])).unwrap().key_field, None);
    }

    #[test]
    fn iterations_below_zero_are_without_end() {
        assert_eq!(DatagenConfig::parse(&config(&[])).unwrap().iterations, None);
        assert_eq!(DatagenConfig::parse(&config(&[("iterations", "5")])).unwrap().iterations, Some(5));
    }
}
