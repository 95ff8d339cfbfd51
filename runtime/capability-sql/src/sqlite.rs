//! SQLite databases.
//!
//! Every call runs on tokio's blocking threads with the connection moved in and out. When the waiting side is dropped, the
//! connection is interrupted and closed by the blocking thread, which rolls an open transaction back: a guest that is dropped
//! at any moment leaves neither a transaction nor a lock.

pub(crate) mod column_type;
mod decimal;
mod error;
mod metadata;
#[allow(clippy::missing_errors_doc)]
mod raw;
mod read;
mod timestamp;
mod write;

use crate::backend::{self, Backend};
use crate::bindings::sql::{Binding, ColumnInfo, QueryOptions, TableInfo, Value};
use crate::config::{PathError, SqlCeiling, SqliteTarget};
use async_trait::async_trait;
use column_type::{NumericMapping, TimestampGranularity};
use error::{from_read, from_sqlite, from_write};
use parking_lot::Mutex;
use raw::{Access, Connection, Interrupter, Running};
use read::{ReadOptions, Reader};
use sluice_capability::CapabilityError;
use sluice_capability::bindings::errors::Error;
use sluice_data::ConnectBatch;
use std::sync::Arc;

/// A batch is cut here when the guest names no limit.
const BATCH_BYTES_DEFAULT: usize = 8 << 20;
/// And never grows above this, whatever the guest asks for.
const BATCH_BYTES_MAX: usize = 64 << 20;
const BATCH_ROWS_MAX: usize = 1 << 20;
/// One for reading, one for writing: more are closed when they come back.
const IDLE_CONNECTIONS_MAX: usize = 2;

/// One database file.
#[derive(Clone)]
pub struct SqliteBackend(Arc<Pool>);

impl SqliteBackend {
    #[must_use]
    pub fn new(target: SqliteTarget, ceiling: SqlCeiling) -> Self {
        Self(Arc::new(Pool { target, ceiling, idle: Mutex::new(Vec::new()) }))
    }
}

#[async_trait]
impl Backend for SqliteBackend {
    async fn connect(&self) -> Result<Box<dyn backend::Connection>, Error> {
        let pool = self.0.clone();
        blocking(move || pool.resolve().map(drop)).await?;
        Ok(Box::new(SqliteConnection { pool: self.0.clone() }))
    }
}

/// Open connections between uses.
struct Pool {
    target: SqliteTarget,
    ceiling: SqlCeiling,
    idle: Mutex<Vec<Connection>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Missing {
    Fail,
    Create,
}

impl Pool {
    fn resolve(&self) -> Result<std::path::PathBuf, Error> {
        self.ceiling.resolve(&self.target.path).map_err(|error| match error {
            PathError::Folder { .. } => CapabilityError::retriable("sql.cannot-open", error.to_string()),
            _ => CapabilityError::fatal("not-granted", error.to_string()),
        })
    }

    /// Blocks.
    fn take(&self, missing: Missing) -> Result<Connection, Error> {
        if let Some(connection) = self.idle.lock().pop() {
            return Ok(connection);
        }
        let path = self.resolve()?;
        let is_new = std::fs::metadata(&path).map_or(true, |file| file.len() == 0);
        let access = match (self.target.read_only, missing) {
            (true, _) => Access::ReadOnly,
            (false, Missing::Create) => Access::CreateIfMissing,
            (false, Missing::Fail) if path.exists() => Access::ReadWrite,
            (false, Missing::Fail) => {
                let message = format!("database file {path:?} does not exist; create it or correct the URL");
                return Err(CapabilityError::retriable("sql.not-found", message));
            }
        };
        let connection = Connection::open(&path, access).map_err(|error| from_sqlite(&error))?;
        connection.set_busy_timeout(self.target.busy_timeout_ms);
        self.configure(&connection, is_new && access == Access::CreateIfMissing)
            .map_err(|error| from_sqlite(&error))?;
        Ok(connection)
    }

    /// A file of our own making gets a write-ahead log, so that readers and a writer do not wait for each other; an existing
    /// one keeps its journal, which is its owner's choice. A commit is durable when it returns.
    fn configure(&self, connection: &Connection, created: bool) -> Result<(), raw::SqliteError> {
        if created {
            connection.run_trusted("PRAGMA journal_mode = WAL")?;
        }
        connection.run_trusted("PRAGMA synchronous = FULL")?;
        connection.run_trusted("PRAGMA cache_size = -8000")?;
        let foreign_keys = if self.target.foreign_keys { "ON" } else { "OFF" };
        connection.run_trusted(&format!("PRAGMA foreign_keys = {foreign_keys}"))
    }

    fn give_back(&self, connection: Connection) {
        if connection.in_transaction() {
            return;
        }
        let mut idle = self.idle.lock();
        if idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(connection);
        }
    }
}

struct SqliteConnection {
    pool: Arc<Pool>,
}

impl SqliteConnection {
    /// Runs `work` on a connection from the pool.
    async fn run<T: Send + 'static>(
        &self,
        missing: Missing,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let mut session = Session::take(self.pool.clone(), missing).await?;
        let answer = session.run(work).await;
        session.give_back();
        answer
    }
}

#[async_trait]
impl backend::Connection for SqliteConnection {
    fn dialect(&self) -> &'static str {
        "sqlite"
    }

    async fn server_version(&mut self) -> Result<String, Error> {
        self.run(Missing::Fail, |connection| metadata::server_version(connection).map_err(|error| from_sqlite(&error)))
            .await
    }

    async fn tables(&mut self, kinds: Vec<String>) -> Result<Vec<TableInfo>, Error> {
        let work =
            move |connection: &Connection| metadata::tables(connection, &kinds).map_err(|error| from_sqlite(&error));
        self.run(Missing::Fail, work).await
    }

    async fn columns(&mut self, table: TableInfo) -> Result<Option<Vec<ColumnInfo>>, Error> {
        let work =
            move |connection: &Connection| metadata::columns(connection, &table).map_err(|error| from_sqlite(&error));
        self.run(Missing::Fail, work).await
    }

    async fn describe_query(&mut self, statement: String) -> Result<Vec<ColumnInfo>, Error> {
        let work = move |connection: &Connection| {
            metadata::describe_query(connection, &statement).map_err(|error| from_sqlite(&error))
        };
        self.run(Missing::Fail, work).await
    }

    async fn query(
        &mut self,
        statement: String,
        parameters: Vec<Value>,
        options: QueryOptions,
    ) -> Result<Box<dyn backend::Cursor>, Error> {
        let options = read_options(options)?;
        let pool = self.pool.clone();
        let (running, reader) = blocking(move || {
            let connection = pool.take(Missing::Fail)?;
            let mut running = connection.into_running(&statement).map_err(|error| from_sqlite(&error))?;
            bind_for_reading(&mut running, &parameters)?;
            let (statement, connection) = running.parts();
            let reader = Reader::new(statement, connection, options);
            Ok((running, reader))
        })
        .await?;
        Ok(Box::new(SqliteCursor { pool: self.pool.clone(), state: CursorState::Open(Box::new((running, reader))) }))
    }

    async fn execute(&mut self, statement: String, parameters: Vec<Value>) -> Result<u64, Error> {
        self.run(Missing::Create, move |connection| {
            let affected = execute(connection, &statement, &parameters)?;
            if connection.in_transaction() {
                let message = "a statement may not open a transaction: use begin";
                return Err(CapabilityError::fatal("sql.not-allowed", message));
            }
            Ok(affected)
        })
        .await
    }

    async fn begin(&mut self) -> Result<Box<dyn backend::Transaction>, Error> {
        let mut session = Session::take(self.pool.clone(), Missing::Create).await?;
        // The write lock at once: a transaction that reads first and then writes could fail although nobody is to blame.
        session
            .run(|connection| connection.run_trusted("BEGIN IMMEDIATE").map_err(|error| from_sqlite(&error)))
            .await?;
        Ok(Box::new(SqliteTransaction { session }))
    }

    async fn now(&mut self) -> Result<i64, Error> {
        self.run(Missing::Fail, |connection| metadata::now(connection).map_err(|error| from_sqlite(&error))).await
    }
}

struct SqliteTransaction {
    session: Session,
}

impl SqliteTransaction {
    /// SQLite ends a transaction by itself after some errors; nothing may run outside it then.
    async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.session
            .run(|connection| {
                if !connection.in_transaction() {
                    let message = "the database has rolled the transaction back after an error: begin again";
                    return Err(CapabilityError::retriable("sql.rolled-back", message));
                }
                work(connection)
            })
            .await
    }

    async fn end(mut self, statement: &'static str) -> Result<(), Error> {
        self.run(move |connection| connection.run_trusted(statement).map_err(|error| from_sqlite(&error))).await?;
        self.session.give_back();
        Ok(())
    }
}

#[async_trait]
impl backend::Transaction for SqliteTransaction {
    async fn query(
        &mut self,
        statement: String,
        parameters: Vec<Value>,
        options: QueryOptions,
    ) -> Result<Option<ConnectBatch>, Error> {
        let options = read_options(options)?;
        self.run(move |connection| {
            let mut statement = connection.prepare(&statement).map_err(|error| from_sqlite(&error))?;
            write::bind_values(&mut statement, &parameters).map_err(|error| from_write(&error))?;
            let mut reader = Reader::new(&statement, connection, options);
            reader.next(&mut statement).map_err(|error| from_read(&error))
        })
        .await
    }

    async fn execute(&mut self, statement: String, parameters: Vec<Value>) -> Result<u64, Error> {
        self.run(move |connection| execute(connection, &statement, &parameters)).await
    }

    async fn execute_batch(
        &mut self,
        statement: String,
        batch: ConnectBatch,
        paths: Vec<String>,
    ) -> Result<u64, Error> {
        self.run(move |connection| {
            write::execute_batch(connection, &statement, &batch, &paths).map_err(|error| from_write(&error))
        })
        .await
    }

    /// SQLite has nothing faster than a prepared insert.
    async fn copy_in(&mut self, batch: ConnectBatch, table: String, bindings: Vec<Binding>) -> Result<u64, Error> {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let columns: Vec<String> = bindings.iter().map(|binding| quoted(&binding.column)).collect();
        let places = vec!["?"; columns.len()].join(", ");
        let statement = format!("INSERT INTO {} ({}) VALUES ({places})", quoted(&table), columns.join(", "));
        let paths = bindings.into_iter().map(|binding| binding.path).collect();
        self.execute_batch(statement, batch, paths).await
    }

    async fn commit(self: Box<Self>) -> Result<(), Error> {
        self.end("COMMIT").await
    }

    async fn rollback(self: Box<Self>) -> Result<(), Error> {
        self.end("ROLLBACK").await
    }
}

struct SqliteCursor {
    pool: Arc<Pool>,
    state: CursorState,
}

enum CursorState {
    Open(Box<(Running, Reader)>),
    /// All rows were read.
    Done,
    /// A call failed or was dropped half-way.
    Broken,
}

#[async_trait]
impl backend::Cursor for SqliteCursor {
    async fn next(&mut self) -> Result<Option<ConnectBatch>, Error> {
        let mut open = match std::mem::replace(&mut self.state, CursorState::Broken) {
            CursorState::Open(open) => open,
            CursorState::Done => {
                self.state = CursorState::Done;
                return Ok(None);
            }
            CursorState::Broken => return Err(cancelled()),
        };
        let cancel = CancelOnDrop::new(open.0.connection().interrupter());
        let (open, answer) = blocking(move || {
            let (running, reader) = &mut *open;
            let answer = reader.next(running.statement()).map_err(|error| from_read(&error));
            Ok((open, answer))
        })
        .await?;
        cancel.disarm();
        match answer? {
            Some(batch) => {
                self.state = CursorState::Open(open);
                Ok(Some(batch))
            }
            None => {
                self.state = CursorState::Done;
                self.pool.give_back(open.0.into_connection());
                Ok(None)
            }
        }
    }
}

impl Drop for SqliteCursor {
    fn drop(&mut self) {
        if let CursorState::Open(open) = std::mem::replace(&mut self.state, CursorState::Done) {
            drop_blocking(open);
        }
    }
}

/// A connection that one user has for a while.
struct Session {
    pool: Arc<Pool>,
    /// `None`: a call was dropped half-way, and the connection with it.
    connection: Option<Connection>,
}

impl Session {
    async fn take(pool: Arc<Pool>, missing: Missing) -> Result<Self, Error> {
        let from = pool.clone();
        let connection = blocking(move || from.take(missing)).await?;
        Ok(Self { pool, connection: Some(connection) })
    }

    async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let connection = self.connection.take().ok_or_else(cancelled)?;
        let cancel = CancelOnDrop::new(connection.interrupter());
        let (connection, answer) = blocking(move || {
            let answer = work(&connection);
            Ok((connection, answer))
        })
        .await?;
        cancel.disarm();
        self.connection = Some(connection);
        answer
    }

    fn give_back(&mut self) {
        if let Some(connection) = self.connection.take() {
            self.pool.give_back(connection);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop_blocking(connection);
        }
    }
}

/// Interrupts what a connection does when nobody waits for it any more.
struct CancelOnDrop(Option<Arc<Interrupter>>);

impl CancelOnDrop {
    fn new(interrupter: Arc<Interrupter>) -> Self {
        Self(Some(interrupter))
    }

    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(interrupter) = &self.0 {
            interrupter.interrupt();
        }
    }
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        CapabilityError::fatal("sql.internal", format!("the database call ended abnormally: {error}"))
    })?
}

/// Closing may write a checkpoint, which does not belong on an async worker.
fn drop_blocking<T: Send + 'static>(connection: T) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn_blocking(move || drop(connection));
    }
}

fn cancelled() -> Error {
    CapabilityError::retriable("sql.cancelled", "an earlier call on this connection was cancelled: open it again")
}

fn execute(connection: &Connection, sql: &str, parameters: &[Value]) -> Result<u64, Error> {
    let mut statement = connection.prepare(sql).map_err(|error| from_sqlite(&error))?;
    write::bind_values(&mut statement, parameters).map_err(|error| from_write(&error))?;
    let before = connection.total_changes();
    statement.run().map_err(|error| from_sqlite(&error))?;
    Ok(u64::try_from(connection.total_changes() - before).unwrap_or(0))
}

fn bind_for_reading(running: &mut Running, parameters: &[Value]) -> Result<(), Error> {
    write::bind_values(running.statement(), parameters).map_err(|error| from_write(&error))
}

fn read_options(options: QueryOptions) -> Result<ReadOptions, Error> {
    let unknown =
        |option: &str, value: &str| CapabilityError::fatal("sql.option", format!("{option} {value:?} is not known"));
    let limit = |asked: u32, default: usize, max: usize| match asked as usize {
        0 => default,
        asked => asked.min(max),
    };
    Ok(ReadOptions {
        numeric: NumericMapping::parse(&options.numeric_mapping)
            .ok_or_else(|| unknown("numeric-mapping", &options.numeric_mapping))?,
        granularity: TimestampGranularity::parse(&options.timestamp_granularity)
            .ok_or_else(|| unknown("timestamp-granularity", &options.timestamp_granularity))?,
        max_rows: limit(options.max_rows, 1_000, BATCH_ROWS_MAX),
        max_bytes: limit(options.max_bytes, BATCH_BYTES_DEFAULT, BATCH_BYTES_MAX),
        topic: options.topic,
    })
}

#[cfg(test)]
mod tests;
