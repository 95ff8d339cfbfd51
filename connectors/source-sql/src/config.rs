//! The connector's keys: Confluent's JDBC source, as its users write them.

use crate::dialect::{Dialect, Quoting};
use sluice_plugin_sdk::{Config, ConfigKey, Definition, Problem, Result};

pub const URL: &str = "connection.url";
pub const MODE: &str = "mode";
pub const INCREMENTING: &str = "incrementing.column.name";
pub const TIMESTAMP: &str = "timestamp.column.name";
pub const QUERY: &str = "query";
pub const WHITELIST: &str = "table.whitelist";
pub const BLACKLIST: &str = "table.blacklist";
pub const INCLUDE: &str = "table.include.list";
pub const EXCLUDE: &str = "table.exclude.list";
/// Set by `task_configs`: the tables of one task, as a JSON array.
pub const TASK_TABLES: &str = "tables";

/// Accepted because configs carry them, without effect here.
pub const IGNORED: [(&str, &str); 13] = [
    ("connection.attempts", "the hub retries with its own backoff"),
    ("connection.backoff.ms", "the hub retries with its own backoff"),
    ("catalog.pattern", "SQLite has no catalogs"),
    ("schema.pattern", "SQLite has no schemas"),
    ("table.monitoring.startup.polling.limit.ms", "tables are listed before tasks start"),
    ("query.retry.attempts", "the hub retries with its own backoff"),
    ("poll.linger.ms", "rows are delivered when they are there"),
    ("max.buffer.size", "batches are bounded by batch.max.rows"),
    ("db.timezone", "dates and times are read as UTC"),
    ("date.calendar.system", "the calendar is always proleptic Gregorian"),
    ("transaction.isolation.mode", "SQLite reads a snapshot"),
    ("jdbc.credentials.provider.class", "credentials are held by the hub"),
    ("dialect.name", "the URL names the database"),
];

/// Would change which rows are read, so they are refused instead of ignored.
const NOT_YET: [&str; 3] = ["timestamp.columns.mapping", "incrementing.column.mapping", "query.masked"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Bulk,
    Incrementing,
    Timestamp,
    TimestampIncrementing,
}

impl Mode {
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "bulk" => Self::Bulk,
            "incrementing" => Self::Incrementing,
            "timestamp" => Self::Timestamp,
            "timestamp+incrementing" => Self::TimestampIncrementing,
            _ => return None,
        })
    }

    pub fn has_incrementing(self) -> bool {
        matches!(self, Self::Incrementing | Self::TimestampIncrementing)
    }

    pub fn has_timestamp(self) -> bool {
        matches!(self, Self::Timestamp | Self::TimestampIncrementing)
    }
}

/// What a task reads from its config.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    pub mode: Mode,
    /// Empty: found in the table's definition.
    pub incrementing: String,
    pub timestamps: Vec<String>,
    /// -1: now; unset: everything.
    pub timestamp_initial: Option<i64>,
    pub timestamp_delay_ms: i64,
    pub validate_non_null: bool,
    pub query: Option<String>,
    pub query_suffix: String,
    pub topic_prefix: String,
    pub batch_max_rows: u32,
    pub poll_interval_ms: u64,
    pub numeric_mapping: String,
    pub timestamp_granularity: String,
    pub dialect: Dialect,
}

impl SourceConfig {
    pub fn parse(config: &Config) -> Result<Self> {
        let mode = config.string(MODE)?;
        let mode = Mode::parse(mode).ok_or_else(|| {
            sluice_plugin_sdk::Error::fatal("config.malformed", format!("mode {mode:?} is not known"))
        })?;
        let quoting = if config.get("quote.sql.identifiers").is_some_and(|quote| quote.eq_ignore_ascii_case("never")) {
            Quoting::Never
        } else {
            Quoting::Always
        };
        Ok(Self {
            mode,
            incrementing: config.non_empty(INCREMENTING).unwrap_or_default().to_owned(),
            timestamps: config.list(TIMESTAMP).into_iter().map(str::to_owned).collect(),
            timestamp_initial: config
                .non_empty("timestamp.initial")
                .map(|_| config.int("timestamp.initial"))
                .transpose()?,
            timestamp_delay_ms: config.int("timestamp.delay.interval.ms")?,
            validate_non_null: config.boolean("validate.non.null")?,
            query: config.non_empty(QUERY).map(|query| query.trim_end_matches(';').to_owned()),
            query_suffix: config.non_empty("query.suffix").unwrap_or_default().to_owned(),
            topic_prefix: config.get("topic.prefix").unwrap_or_default().to_owned(),
            batch_max_rows: config.int("batch.max.rows")?,
            poll_interval_ms: config.int("poll.interval.ms")?,
            numeric_mapping: numeric_mapping(config),
            timestamp_granularity: config.string("timestamp.granularity")?.to_owned(),
            dialect: Dialect::new("sqlite", quoting),
        })
    }
}

/// `numeric.precision.mapping` is the deprecated form of `precision_only`.
fn numeric_mapping(config: &Config) -> String {
    match config.non_empty("numeric.mapping") {
        Some(mapping) => mapping.to_owned(),
        None if config.boolean("numeric.precision.mapping").unwrap_or(false) => "precision_only".to_owned(),
        None => "none".to_owned(),
    }
}

pub fn definition() -> Definition {
    Definition::source(
        "io.confluent.connect.jdbc.JdbcSourceConnector",
        env!("CARGO_PKG_VERSION"),
        "Reads tables or a query of a database: all rows again and again, or only new and changed ones.",
    )
    .alias("JdbcSourceConnector")
    .alias("JdbcSource")
    .alias("SqlSourceConnector")
    .alias("SqlSource")
    .capability("sql")
    .keys(connection_keys())
    .keys(mode_keys())
    .keys(table_keys())
    .keys(reading_keys())
    .keys(IGNORED.iter().map(|(key, why)| ConfigKey::string(key, &format!("Accepted and ignored: {why}.")).low()))
    .keys(NOT_YET.iter().map(|key| ConfigKey::string(key, "Not supported yet: must be empty.").low()))
}

fn connection_keys() -> Vec<ConfigKey> {
    vec![
        ConfigKey::string(URL, "JDBC URL of the database, for instance jdbc:sqlite:/path/to/shop.db.")
            .required()
            .high()
            .non_empty()
            .grants("sql.url"),
        ConfigKey::string("connection.user", "User of the database.").grants("sql.user"),
        ConfigKey::password("connection.password", "Password of the database; the connector never sees it.")
            .grants("sql.password"),
    ]
}

fn mode_keys() -> Vec<ConfigKey> {
    vec![
        ConfigKey::string(
            MODE,
            "bulk: the whole table at every poll; incrementing: rows with a new value in a growing column; timestamp: new and \
             changed rows by a timestamp column; timestamp+incrementing: by both.",
        )
        .required()
        .high()
        .valid_values(&["bulk", "incrementing", "timestamp", "timestamp+incrementing"]),
        ConfigKey::string(INCREMENTING, "The strictly growing column. Empty: the table's auto-increment column.").default(""),
        ConfigKey::list(TIMESTAMP, "Timestamp columns; with several, the first that is not null counts.").default(""),
        ConfigKey::long("timestamp.initial", "Milliseconds since the epoch to start from; -1: now; unset: everything.").low(),
        ConfigKey::long("timestamp.delay.interval.ms", "Read only rows older than this, so that late commits are not missed.")
            .default(0)
            .at_least(0),
        ConfigKey::boolean("validate.non.null", "Refuse nullable incrementing and timestamp columns.").default(true).low(),
    ]
}

fn table_keys() -> Vec<ConfigKey> {
    vec![
        ConfigKey::list(WHITELIST, "Names of the tables to read.").default(""),
        ConfigKey::list(BLACKLIST, "Names of tables to leave out.").default(""),
        ConfigKey::list(INCLUDE, "Regular expressions for the full names of tables to read.").default(""),
        ConfigKey::list(EXCLUDE, "Regular expressions for the full names of tables to leave out.").default(""),
        ConfigKey::list("table.types", "Kinds of tables: TABLE, VIEW.").default("TABLE").low(),
        ConfigKey::long("table.poll.interval.ms", "How often to look for new and dropped tables.")
            .default(60_000)
            .range(1, i64::from(u32::MAX))
            .low(),
        ConfigKey::string(QUERY, "A query to read instead of tables. The incremental modes append a WHERE clause.")
            .default(""),
        ConfigKey::string("query.suffix", "Text behind the query that the connector makes, for instance LIMIT 1000.")
            .default("")
            .low(),
    ]
}

fn reading_keys() -> Vec<ConfigKey> {
    vec![
        ConfigKey::string("topic.prefix", "Topic = prefix + table name; with a query, the whole topic name.")
            .required()
            .high(),
        ConfigKey::int("poll.interval.ms", "How long to wait between two readings of a table.")
            .default(5_000)
            .at_least(0)
            .high(),
        ConfigKey::int("batch.max.rows", "Rows in a batch.").default(1_000).range(1, 1_000_000).low(),
        ConfigKey::string("numeric.mapping", "How NUMERIC columns arrive.")
            .valid_values(&["none", "precision_only", "best_fit", "best_fit_eager_double"])
            .low(),
        ConfigKey::boolean("numeric.precision.mapping", "Deprecated: true is numeric.mapping=precision_only.")
            .default(false)
            .low(),
        ConfigKey::string("timestamp.granularity", "How TIMESTAMP columns arrive.")
            .default("connect_logical")
            .valid_values(&[
                "connect_logical",
                "micros_long",
                "nanos_long",
                "micros_string",
                "nanos_string",
                "micros_iso_datetime_string",
                "nanos_iso_datetime_string",
            ])
            .low(),
        ConfigKey::string("quote.sql.identifiers", "ALWAYS or NEVER quote names in SQL.").default("ALWAYS").low(),
    ]
}

/// What the definition's types and ranges cannot say.
pub fn validate(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut problem = |key: &str, message: &str| problems.push(Problem::new(key, message));
    let mode = config.get(MODE).and_then(Mode::parse);
    let has_query = config.non_empty(QUERY).is_some();
    let lists = [WHITELIST, BLACKLIST, INCLUDE, EXCLUDE];
    let given: Vec<&str> = lists.into_iter().filter(|list| config.non_empty(list).is_some()).collect();
    if has_query && !given.is_empty() {
        problem(QUERY, &format!("query cannot be combined with {}: leave one out", given.join(", ")));
    }
    for (one, other) in
        [(WHITELIST, BLACKLIST), (WHITELIST, INCLUDE), (WHITELIST, EXCLUDE), (BLACKLIST, INCLUDE), (BLACKLIST, EXCLUDE)]
    {
        if given.contains(&one) && given.contains(&other) {
            problem(one, &format!("{one} and {other} exclude each other: leave one out"));
        }
    }
    if mode.is_some_and(Mode::has_timestamp) && config.list(TIMESTAMP).is_empty() {
        problem(TIMESTAMP, "this mode needs a timestamp column: set timestamp.column.name");
    }
    if has_query && mode.is_some_and(Mode::has_incrementing) && config.non_empty(INCREMENTING).is_none() {
        problem(INCREMENTING, "a query has no auto-increment column to find: set incrementing.column.name");
    }
    for key in NOT_YET {
        if config.non_empty(key).is_some() {
            problem(
                key,
                "is not supported yet: remove it and use incrementing.column.name, timestamp.column.name or query",
            );
        }
    }
    for key in [INCLUDE, EXCLUDE] {
        for pattern in config.list(key) {
            if let Err(error) = regex_lite::Regex::new(pattern) {
                problem(key, &format!("{pattern:?} is no regular expression: {error}"));
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn config(given: &[(&str, &str)]) -> Config {
        let given = given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Config::new(given, &definition())
    }

    #[test]
    fn confluents_defaults_stand() {
        let config = config(&[("mode", "bulk"), ("topic.prefix", "db-")]);
        let parsed = SourceConfig::parse(&config).unwrap();
        assert_eq!((parsed.batch_max_rows, parsed.poll_interval_ms, parsed.timestamp_initial), (1_000, 5_000, None));
        assert_eq!(parsed.numeric_mapping, "none");
        assert!(parsed.validate_non_null && parsed.query.is_none());
        assert!(validate(&config).is_empty());
    }

    #[test]
    fn all_contradictions_are_told_at_once() {
        let config = config(&[
            ("mode", "timestamp+incrementing"),
            ("query", "SELECT 1"),
            ("table.whitelist", "a"),
            ("table.blacklist", "b"),
            ("timestamp.columns.mapping", "x"),
            ("table.exclude.list", "("),
        ]);
        let keys: Vec<String> = validate(&config).into_iter().map(|problem| problem.key).collect();
        for key in [QUERY, WHITELIST, TIMESTAMP, INCREMENTING, "timestamp.columns.mapping", EXCLUDE] {
            assert!(keys.iter().any(|found| found == key), "{key} in {keys:?}");
        }
    }

    #[test]
    fn the_deprecated_numeric_key_still_works() {
        assert_eq!(numeric_mapping(&config(&[("numeric.precision.mapping", "true")])), "precision_only");
        assert_eq!(numeric_mapping(&config(&[("numeric.mapping", "best_fit")])), "best_fit");
    }
}
