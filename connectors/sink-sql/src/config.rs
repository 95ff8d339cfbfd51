//! The connector's keys: Confluent's JDBC sink, as its users write them.

use crate::dialect::{Dialect, Quoting};
use sluice_plugin_sdk::{Config, ConfigKey, Definition, Error, Problem, Result};

pub const URL: &str = "connection.url";
pub const INSERT_MODE: &str = "insert.mode";
pub const PK_MODE: &str = "pk.mode";
pub const PK_FIELDS: &str = "pk.fields";
pub const DELETE_ENABLED: &str = "delete.enabled";
pub const BATCH_SIZE: &str = "batch.size";
/// Ours: where exactly-once keeps its offsets; empty switches it off.
pub const OFFSETS_TABLE: &str = "sluice.offsets.table";

/// Accepted because configs carry them, without effect here.
pub const IGNORED: [(&str, &str); 14] = [
    ("connection.attempts", "the hub retries with its own backoff"),
    ("connection.backoff.ms", "the hub retries with its own backoff"),
    ("max.retries", "the hub retries with its own backoff"),
    ("retry.backoff.ms", "the hub retries with its own backoff"),
    ("dialect.name", "the URL names the database"),
    ("table.types", "tables and views are found by name"),
    ("db.timezone", "dates and times are written as UTC"),
    ("date.timezone", "dates and times are written as UTC"),
    ("date.calendar.system", "the calendar is always proleptic Gregorian"),
    ("timestamp.precision.mode", "SQLite's driver writes milliseconds"),
    ("timestamp.fields.list", "only schemas decide what a timestamp is"),
    ("replace.null.with.default", "the converter puts defaults in"),
    ("mssql.use.merge.holdlock", "it is for SQL Server"),
    ("trim.sensitive.log", "values are not logged"),
];

/// Would change what is written, so they are refused instead of ignored.
const NOT_YET: [&str; 1] = ["string.output.value.column.name"];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertMode {
    Insert,
    Upsert,
    Update,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PkMode {
    None,
    Kafka,
    RecordKey,
    RecordValue,
}

/// What becomes of a delivery in which the database refuses a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tolerance {
    /// Nothing of it is written, and the task fails at that row.
    None,
    /// The row is reported, the others are written.
    All,
}

/// What a task reads from its config.
#[derive(Debug, Clone)]
pub struct SinkConfig {
    pub insert_mode: InsertMode,
    pub pk_mode: PkMode,
    pub pk_fields: Vec<String>,
    pub fields_whitelist: Vec<String>,
    pub table_name_format: String,
    pub auto_create: bool,
    pub auto_evolve: bool,
    pub delete_enabled: bool,
    pub offsets_table: Option<String>,
    pub tolerance: Tolerance,
    pub dialect: Dialect,
}

impl InsertMode {
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "insert" => Self::Insert,
            "upsert" => Self::Upsert,
            "update" => Self::Update,
            _ => return None,
        })
    }
}

impl PkMode {
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "none" => Self::None,
            "kafka" => Self::Kafka,
            "record_key" => Self::RecordKey,
            "record_value" => Self::RecordValue,
            _ => return None,
        })
    }
}

impl SinkConfig {
    pub fn parse(config: &Config) -> Result<Self> {
        let unknown = |key: &str| {
            let value = config.get(key).unwrap_or_default();
            Error::fatal("config.malformed", format!("config key {key:?} has the unknown value {value:?}"))
        };
        let never = config.get("quote.sql.identifiers").is_some_and(|quote| quote.eq_ignore_ascii_case("never"));
        let names = |key: &str| config.list(key).into_iter().map(str::to_owned).collect();
        Ok(Self {
            insert_mode: InsertMode::parse(config.string(INSERT_MODE)?).ok_or_else(|| unknown(INSERT_MODE))?,
            pk_mode: PkMode::parse(config.string(PK_MODE)?).ok_or_else(|| unknown(PK_MODE))?,
            pk_fields: names(PK_FIELDS),
            fields_whitelist: names("fields.whitelist"),
            table_name_format: config.string("table.name.format")?.to_owned(),
            auto_create: config.boolean("auto.create")?,
            auto_evolve: config.boolean("auto.evolve")?,
            delete_enabled: config.boolean(DELETE_ENABLED)?,
            offsets_table: config.non_empty(OFFSETS_TABLE).map(str::to_owned),
            tolerance: match config.get("errors.tolerance") {
                Some(tolerance) if tolerance.eq_ignore_ascii_case("all") => Tolerance::All,
                _ => Tolerance::None,
            },
            dialect: Dialect::new("sqlite", if never { Quoting::Never } else { Quoting::Always }),
        })
    }

    pub fn table(&self, topic: &str) -> String {
        self.table_name_format.replace("${topic}", topic)
    }
}

pub fn definition() -> Definition {
    Definition::sink(
        "io.confluent.connect.jdbc.JdbcSinkConnector",
        env!("CARGO_PKG_VERSION"),
        "Writes records to tables of a database, exactly once.",
    )
    .alias("JdbcSinkConnector")
    .alias("JdbcSink")
    .alias("SqlSinkConnector")
    .alias("SqlSink")
    .capability("sql")
    .keys(connection_keys())
    .keys(writing_keys())
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
        ConfigKey::string("connection.user", "User of the database.").high().grants("sql.user"),
        ConfigKey::password("connection.password", "Password of the database; the connector never sees it.")
            .high()
            .grants("sql.password"),
    ]
}

fn writing_keys() -> Vec<ConfigKey> {
    vec![
        ConfigKey::string(INSERT_MODE, "insert, upsert (insert or update by primary key) or update.")
            .default("insert")
            .high()
            .valid_values(&["insert", "upsert", "update"]),
        ConfigKey::int(BATCH_SIZE, "Records in one transaction, at most.").default(3_000).range(1, 1_000_000),
        ConfigKey::boolean(DELETE_ENABLED, "A tombstone deletes the row of its key. Needs pk.mode=record_key.").default(false),
        ConfigKey::string("table.name.format", "Name of the table; ${topic} is replaced.").default("${topic}").non_empty(),
        ConfigKey::string(PK_MODE, "Where the primary key comes from: none, kafka (topic, partition, offset), record_key, record_value.")
            .default("none")
            .high()
            .valid_values(&["none", "kafka", "record_key", "record_value"]),
        ConfigKey::list(PK_FIELDS, "Primary key columns. Empty: all fields of the key or value; with kafka: __connect_topic, \
                                    __connect_partition, __connect_offset.")
            .default(""),
        ConfigKey::list("fields.whitelist", "Value fields to write; empty: all.").default(""),
        ConfigKey::boolean("auto.create", "Make a missing table from the record's schema.").default(false),
        ConfigKey::boolean("auto.evolve", "Add missing columns, which must be optional or have a default.").default(false),
        ConfigKey::string("quote.sql.identifiers", "ALWAYS or NEVER quote names in SQL.").default("ALWAYS"),
        ConfigKey::string(
            OFFSETS_TABLE,
            "Table of this database that keeps what was delivered, in the same transaction as the rows. Empty: no table, and \
             records may be written twice after a crash.",
        )
        .default("sluice_sink_offsets")
        .low(),
    ]
}

/// What the definition's types and ranges cannot say.
pub fn validate(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut problem = |key: &str, message: &str| problems.push(Problem::new(key, message));
    let insert_mode = config.get(INSERT_MODE).and_then(InsertMode::parse);
    let pk_mode = config.get(PK_MODE).and_then(PkMode::parse);
    let pk_fields = config.list(PK_FIELDS).len();
    if matches!(insert_mode, Some(InsertMode::Upsert | InsertMode::Update)) && pk_mode == Some(PkMode::None) {
        problem(
            PK_MODE,
            "insert.mode upsert and update need a primary key: set pk.mode to record_key, record_value or kafka",
        );
    }
    if config.boolean(DELETE_ENABLED).unwrap_or(false) && pk_mode != Some(PkMode::RecordKey) {
        problem(DELETE_ENABLED, "deleting by tombstones needs pk.mode=record_key");
    }
    if pk_mode == Some(PkMode::Kafka) && pk_fields != 0 && pk_fields != 3 {
        problem(PK_FIELDS, "pk.mode=kafka needs three names: for topic, partition and offset");
    }
    for key in NOT_YET {
        if config.non_empty(key).is_some() {
            problem(key, "is not supported yet: use a converter with schemas");
        }
    }
    problems
}

#[cfg(test)]
pub mod tests {
    use super::*;

    pub fn config(given: &[(&str, &str)]) -> Config {
        let given = given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Config::new(given, &definition())
    }

    #[test]
    fn confluents_defaults_stand() {
        let config = config(&[]);
        let parsed = SinkConfig::parse(&config).unwrap();
        assert_eq!((parsed.insert_mode, parsed.pk_mode), (InsertMode::Insert, PkMode::None));
        assert!(!parsed.auto_create && !parsed.auto_evolve && !parsed.delete_enabled);
        assert_eq!(parsed.table("orders"), "orders");
        assert_eq!(parsed.tolerance, Tolerance::None);
        assert!(validate(&config).is_empty());
    }

    #[test]
    fn contradictions_are_told_at_once() {
        let keys = |given: &[(&str, &str)]| validate(&config(given)).into_iter().map(|p| p.key).collect::<Vec<_>>();
        assert_eq!(keys(&[("insert.mode", "upsert"), ("delete.enabled", "true")]), [PK_MODE, DELETE_ENABLED]);
        assert_eq!(keys(&[("pk.mode", "kafka"), ("pk.fields", "a,b")]), [PK_FIELDS]);
        assert!(keys(&[("insert.mode", "upsert"), ("pk.mode", "record_key"), ("delete.enabled", "true")]).is_empty());
    }
}
