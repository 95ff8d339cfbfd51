//! The main job of the demo and of the kill tests: a growing log file and a growing database flow into Parquet objects and a table.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::access_log::{AccessLog, LogFile};
use crate::hub::Hub;
use crate::objects::{object_names, parquet_integers, parquet_rows, parquet_strings};
use crate::orders::Orders;
use crate::sequence::Sequence;
use crate::sqlite::Sqlite;

const LINES_TOPIC: &str = "access-log";
const EVENTS_TOPIC: &str = "shop-order_events";
const TABLE: &str = "order_events";
const BUCKET: &str = "lake";
const STRING_CONVERTER: &str = "org.apache.kafka.connect.storage.StringConverter";

/// Where its ends lie, and its connectors as a user would send them to Kafka Connect.
#[derive(Debug, Clone)]
pub struct Pipeline {
    folder: PathBuf,
    pub access_log: PathBuf,
    pub shop: PathBuf,
    pub warehouse: PathBuf,
}

impl Pipeline {
    pub const NAMES: [&'static str; 5] =
        ["access-log", "shop-orders", "access-log-parquet", "orders-parquet", "orders-warehouse"];

    pub fn in_folder(folder: &Path) -> Pipeline {
        Pipeline {
            folder: folder.to_owned(),
            access_log: folder.join("access.log"),
            shop: folder.join("shop.db"),
            warehouse: folder.join("warehouse.db"),
        }
    }

    /// Creates all connectors, in the order of [`Self::NAMES`].
    pub async fn deploy(&self, hub: &Hub) -> Result<()> {
        for (name, config) in self.connectors() {
            hub.rest().create(name, &config).await?;
        }
        Ok(())
    }

    pub fn connectors(&self) -> [(&'static str, Value); 5] {
        let configs =
            [self.lines(), self.events(), self.lines_to_parquet(), self.parquet(EVENTS_TOPIC), self.events_to_table()];
        let mut names = Self::NAMES.into_iter();
        configs.map(|config| (names.next().expect("as many names as configs"), config))
    }

    fn lines(&self) -> Value {
        json!({
            "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector",
            "file": self.access_log,
            "topic": LINES_TOPIC,
            "value.converter": STRING_CONVERTER,
        })
    }

    fn events(&self) -> Value {
        json!({
            "connector.class": "io.confluent.connect.jdbc.JdbcSourceConnector",
            "connection.url": format!("jdbc:sqlite:{}", self.shop.display()),
            "mode": "incrementing",
            "incrementing.column.name": "id",
            "table.whitelist": TABLE,
            "topic.prefix": "shop-",
            "poll.interval.ms": "100",
        })
    }

    fn lines_to_parquet(&self) -> Value {
        // A line is no row: on its way to Parquet it becomes the one column of a row.
        let mut config = self.parquet(LINES_TOPIC);
        config["value.converter"] = json!(STRING_CONVERTER);
        config["transforms"] = json!("row");
        config["transforms.row.type"] = json!("org.apache.kafka.connect.transforms.HoistField$Value");
        config["transforms.row.field"] = json!("line");
        config
    }

    fn parquet(&self, topic: &str) -> Value {
        json!({
            "connector.class": "io.confluent.connect.s3.S3SinkConnector",
            "topics": topic,
            "storage.class": "io.confluent.connect.s3.storage.S3Storage",
            "store.url": format!("file://{}", self.folder.display()),
            "s3.bucket.name": BUCKET,
            "format.class": "io.confluent.connect.s3.format.parquet.ParquetFormat",
            "flush.size": "5000",
            "rotate.schedule.interval.ms": "1000",
            "timezone": "UTC",
        })
    }

    fn events_to_table(&self) -> Value {
        // Plain inserts without a key: what came twice is there twice.
        json!({
            "connector.class": "io.confluent.connect.jdbc.JdbcSinkConnector",
            "topics": EVENTS_TOPIC,
            "connection.url": format!("jdbc:sqlite:{}", self.warehouse.display()),
            "table.name.format": TABLE,
            "insert.mode": "insert",
            "pk.mode": "none",
            "auto.create": "true",
        })
    }

    /// Where the Parquet objects of the log's lines appear.
    pub fn line_objects(&self) -> PathBuf {
        self.objects(LINES_TOPIC)
    }

    /// Where the Parquet objects of the order events appear.
    pub fn event_objects(&self) -> PathBuf {
        self.objects(EVENTS_TOPIC)
    }

    fn objects(&self, topic: &str) -> PathBuf {
        self.folder.join(BUCKET).join("topics").join(topic)
    }

    /// # Errors
    /// When a connector or a task of it has failed: names it and its reason.
    pub async fn refuse_failures(&self, hub: &Hub) -> Result<()> {
        for name in Self::NAMES {
            let status = hub.rest().status(name).await?;
            let tasks = status["tasks"].as_array().cloned().unwrap_or_default();
            if let Some(failed) = tasks.iter().chain([&status["connector"]]).find(|it| it["state"] == "FAILED") {
                bail!("{name} failed: {}", failed["trace"].as_str().unwrap_or("no reason given"));
            }
        }
        Ok(())
    }

    /// Connectors and tasks that do not run, with their reasons; empty when all do.
    pub async fn troubles(&self, hub: &Hub) -> Result<String> {
        let mut troubles = String::new();
        for name in Self::NAMES {
            let status = hub.rest().status(name).await?;
            let tasks = status["tasks"].as_array().cloned().unwrap_or_default();
            for it in tasks.iter().chain([&status["connector"]]).filter(|it| it["state"] != "RUNNING") {
                let reason = it["trace"].as_str().unwrap_or("no reason given");
                troubles.push_str(&format!("{name} is {}: {reason}\n", it["state"].as_str().unwrap_or_default()));
            }
        }
        Ok(troubles)
    }

    /// How much has arrived so far: footers and a COUNT, cheap enough to ask often.
    pub async fn arrived(&self) -> Result<Arrived> {
        let events_in_table = match self.table().await? {
            Some(warehouse) => warehouse.count(TABLE).await?,
            None => 0,
        };
        Ok(Arrived {
            lines_in_parquet: parquet_rows(&self.line_objects())?,
            events_in_parquet: parquet_rows(&self.event_objects())?,
            events_in_table,
        })
    }

    /// Counts at every destination by sequence id, against what the feed wrote.
    pub async fn delivered(&self, feed: &Feed) -> Result<Delivered> {
        let lines = parquet_strings(&self.line_objects(), "line")?;
        // A line without an id counts as one that nobody sent.
        let lines = lines.iter().map(|line| AccessLog::id_of(line).unwrap_or(0));
        let rows = match self.table().await? {
            Some(warehouse) => warehouse.integers(&format!("SELECT id FROM {TABLE}")).await?,
            None => Vec::new(),
        };
        Ok(Delivered {
            lines_in_parquet: Sequence::compare(feed.lines(), lines),
            line_objects: object_names(&self.line_objects(), ".parquet")?.len(),
            events_in_parquet: Sequence::compare(feed.events(), parquet_integers(&self.event_objects(), "id")?),
            event_objects: object_names(&self.event_objects(), ".parquet")?.len(),
            events_in_table: Sequence::compare(feed.events(), rows),
        })
    }

    /// The warehouse, once the sink has created its table.
    async fn table(&self) -> Result<Option<Sqlite>> {
        if !self.warehouse.exists() {
            return Ok(None);
        }
        let warehouse = Sqlite::open(&self.warehouse).await?;
        let tables = warehouse.integers(&format!("SELECT COUNT(*) FROM sqlite_master WHERE name = '{TABLE}'")).await?;
        Ok((tables == [1]).then_some(warehouse))
    }
}

/// What is written beside the hub, and goes on while the hub is dead.
#[derive(Debug)]
pub struct Feed {
    file: LogFile,
    orders: Orders,
}

impl Feed {
    pub async fn create(pipeline: &Pipeline, seed: u64) -> Result<Feed> {
        let file = LogFile::create(&pipeline.access_log, seed)?;
        Ok(Feed { file, orders: Orders::create(&pipeline.shop, seed).await? })
    }

    pub async fn append(&mut self, lines: u64, events: u64) -> Result<()> {
        self.file.append(lines)?;
        self.orders.append(events).await
    }

    /// Lines written so far, which is also the last id.
    pub fn lines(&self) -> u64 {
        self.file.log.written()
    }

    /// Order events written so far, which is also the last id.
    pub fn events(&self) -> u64 {
        self.orders.written()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrived {
    pub lines_in_parquet: u64,
    pub events_in_parquet: u64,
    pub events_in_table: u64,
}

impl Arrived {
    pub fn something_everywhere(&self) -> bool {
        self.lines_in_parquet > 0 && self.events_in_parquet > 0 && self.events_in_table > 0
    }

    /// At least as much as was written; whether each came once is for [`Pipeline::delivered`] to say.
    pub fn as_much_as(&self, feed: &Feed) -> bool {
        let events = feed.events();
        self.lines_in_parquet >= feed.lines() && self.events_in_parquet >= events && self.events_in_table >= events
    }
}

/// The count at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    pub lines_in_parquet: Sequence,
    pub line_objects: usize,
    pub events_in_parquet: Sequence,
    pub event_objects: usize,
    pub events_in_table: Sequence,
}

impl Delivered {
    pub fn is_exact(&self) -> bool {
        self.lines_in_parquet.is_exact() && self.events_in_parquet.is_exact() && self.events_in_table.is_exact()
    }
}

impl std::fmt::Display for Delivered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "log lines    -> Parquet ({} objects): {}", self.line_objects, self.lines_in_parquet)?;
        writeln!(f, "order events -> Parquet ({} objects): {}", self.event_objects, self.events_in_parquet)?;
        write!(f, "order events -> SQLite table: {}", self.events_in_table)
    }
}
