//! A plugin host with the sql capability, a database, and tasks of the built components.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, StringArray, StructArray};
use arrow_schema::{DataType, Field};
use sluice_capability::Ceiling;
use sluice_capability_sql::backend::{Backend, Connection};
use sluice_capability_sql::bindings::sql::QueryOptions;
use sluice_capability_sql::config::SqliteTarget;
use sluice_capability_sql::{SqlCapability, SqlCeiling, SqliteBackend};
use sluice_connect_api::connector::{ConnectorContext, TaskRequests};
use sluice_connect_api::sink::Delivery;
use sluice_connect_api::{
    ConfigMap, ConnectError, Connector, OffsetReader, PluginFactory, SinkTask, SourceTask, TaskContext,
};
use sluice_data::{ConnectBatch, ConnectorName, SourceOffset, SourcePartition, TaskId};
use sluice_plugin_host::{GuestLimits, HostConfig, Plugin, PluginHost};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

static LOADING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

pub struct Fixture {
    pub folder: tempfile::TempDir,
    pub plugin: Arc<Plugin>,
    _host: PluginHost,
}

/// Stored offsets that a test sets.
#[derive(Default, Clone)]
pub struct Offsets(pub BTreeMap<SourcePartition, SourceOffset>);

impl OffsetReader for Offsets {
    fn offset(&self, partition: &SourcePartition) -> Option<SourceOffset> {
        self.0.get(partition).cloned()
    }

    fn offsets(&self) -> Vec<(SourcePartition, SourceOffset)> {
        self.0.clone().into_iter().collect()
    }
}

struct NoRequests;

impl TaskRequests for NoRequests {
    fn request_commit(&self) {}
    fn request_reconfiguration(&self) {}
    fn pause(&self, _duration: Duration) {}
    fn poll_on(&self, _event: Pin<Box<dyn Future<Output = ()> + Send>>) {}
}

impl Fixture {
    /// `component`: the name under which `cargo xtask setup` built it.
    pub async fn new(component: &str) -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("cargo's target folder");
        let path = target.join("components").join(format!("{component}.wasm"));
        let bytes = std::fs::read(&path).unwrap_or_else(|_| panic!("{path:?} is missing; run `cargo xtask setup`"));
        let folder = tempfile::tempdir().unwrap();
        // Shared by all tests, so that each component is compiled once.
        let cache_dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sql-plugin-cache");
        let config = HostConfig { cache_dir, limits: GuestLimits::default() };
        let _one_at_a_time = LOADING.lock().await;
        let host = PluginHost::new(config, vec![Box::new(SqlCapability::new(&Ceiling::default()))]).unwrap();
        let plugin = host.load_bytes(component, bytes).await.unwrap();
        Self { folder, plugin, _host: host }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("shop.db")
    }

    pub fn config(&self, pairs: &[(&str, &str)]) -> ConfigMap {
        let mut config: ConfigMap = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        config.insert("connection.url".to_owned(), format!("jdbc:sqlite:{}", self.path().display()));
        config
    }

    pub async fn database(&self) -> Database {
        let backend = SqliteBackend::new(SqliteTarget::new(self.path()), SqlCeiling::default());
        Database(backend.connect().await.unwrap())
    }

    pub async fn connector(&self, config: &ConfigMap) -> Box<dyn Connector> {
        let context = ConnectorContext { name: ConnectorName::new("shop"), config: config.clone() };
        self.plugin.connector(&context).await.unwrap()
    }

    fn context(&self, config: ConfigMap, offsets: Offsets) -> TaskContext {
        let id = TaskId::new(ConnectorName::new("shop"), 0);
        TaskContext { id, generation: 1, config, offsets: Arc::new(offsets), requests: Arc::new(NoRequests) }
    }

    pub async fn source(&self, config: ConfigMap, offsets: Offsets) -> Result<Box<dyn SourceTask>, ConnectError> {
        let mut task = self.plugin.source_task(self.context(config, offsets)).await?;
        task.open().await?;
        Ok(task)
    }

    pub async fn sink(&self, config: ConfigMap) -> Result<Box<dyn SinkTask>, ConnectError> {
        let mut task = self.plugin.sink_task(self.context(config, Offsets::default())).await?;
        task.open(&[("people".to_owned(), 0)]).await?;
        Ok(task)
    }
}

pub struct Database(pub Box<dyn Connection>);

impl Database {
    pub async fn run(&mut self, sql: &str) {
        self.0.execute(sql.to_owned(), vec![]).await.expect(sql);
    }

    /// The first column of the first row, a whole number.
    pub async fn number(&mut self, sql: &str) -> i64 {
        let options = QueryOptions {
            topic: String::new(),
            max_rows: 1,
            max_bytes: 0,
            numeric_mapping: String::new(),
            timestamp_granularity: String::new(),
        };
        let mut cursor = self.0.query(sql.to_owned(), vec![], options).await.expect(sql);
        let batch = cursor.next().await.expect(sql).expect("a row");
        batch.value().as_struct().column(0).as_primitive::<Int64Type>().value(0)
    }
}

/// Polls until nothing comes, and answers what was read with the offsets of each poll.
pub async fn read_all(task: &mut Box<dyn SourceTask>, offsets: &mut Offsets) -> Vec<ConnectBatch> {
    let mut batches = Vec::new();
    loop {
        let polled = task.poll().await.unwrap();
        if polled.is_empty() {
            return batches;
        }
        for (partition, offset) in polled.offsets {
            offsets.0.insert(partition, offset.expect("no offset is forgotten"));
        }
        batches.extend(polled.batches);
    }
}

/// Values of one integer field over all batches.
pub fn integers(batches: &[ConnectBatch], field: &str) -> Vec<i64> {
    let column = |batch: &ConnectBatch| {
        let column = batch.value().as_struct().column_by_name(field).unwrap().clone();
        column.as_primitive::<Int64Type>().values().to_vec()
    };
    batches.iter().flat_map(column).collect()
}

/// People with these (offset, id) pairs, keyed by id; the name tells the offset.
pub fn people(rows: &[(i64, i64)]) -> ConnectBatch {
    let ids = Int64Array::from_iter_values(rows.iter().map(|row| row.1));
    let names = StringArray::from_iter_values(rows.iter().map(|row| format!("name {}", row.0)));
    keyed(rows, vec![("id", Arc::new(ids)), ("name", Arc::new(names))])
}

/// Rows whose value has these fields.
pub fn keyed(rows: &[(i64, i64)], columns: Vec<(&str, ArrayRef)>) -> ConnectBatch {
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), *name != "id")).collect();
    let arrays = columns.into_iter().map(|(_, column)| column).collect();
    let value = StructArray::new(fields.clone().into(), arrays, None);
    let field = Field::new("value", DataType::Struct(fields.into()), true);
    builder(rows, &field, Arc::new(value)).build().unwrap()
}

/// Tombstones for these (offset, id) pairs.
pub fn tombstones(rows: &[(i64, i64)]) -> ConnectBatch {
    let value = Arc::new(arrow_array::NullArray::new(rows.len()));
    builder(rows, &Field::new("value", DataType::Null, true), value).build().unwrap()
}

fn builder(rows: &[(i64, i64)], field: &Field, value: ArrayRef) -> sluice_data::ConnectBatchBuilder {
    let key_fields = vec![Field::new("id", DataType::Int64, false)];
    let ids = Int64Array::from_iter_values(rows.iter().map(|row| row.1));
    let key = StructArray::new(key_fields.clone().into(), vec![Arc::new(ids)], None);
    ConnectBatch::builder("people", field, value)
        .key(&Field::new("key", DataType::Struct(key_fields.into()), false), Arc::new(key))
        .offsets(Int64Array::from_iter_values(rows.iter().map(|row| row.0)))
}

pub fn delivery(first: i64, last: i64) -> Delivery {
    Delivery {
        topic: "people".to_owned(),
        topic_id: "id-1".to_owned(),
        partition: 0,
        first,
        last,
        token: format!("people-{first}-{last}"),
        target: None,
        generation: 0,
        is_replay: false,
        planned_ms: 0,
        attributes: BTreeMap::new(),
    }
}
