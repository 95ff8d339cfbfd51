//! What a database driver offers; one implementation per database. Dropping any of these ends what it was doing.

use crate::bindings::sql::{Binding, ColumnInfo, QueryOptions, TableInfo, Value};
use async_trait::async_trait;
use sluice_capability::bindings::errors::Error;
use sluice_data::ConnectBatch;

/// One named database.
#[async_trait]
pub trait Backend: Send + Sync {
    /// Opens a connection and makes sure that the database is there.
    async fn connect(&self) -> Result<Box<dyn Connection>, Error>;
}

#[async_trait]
pub trait Connection: Send {
    /// `sqlite`, `postgresql`, `mysql`.
    fn dialect(&self) -> &'static str;
    async fn server_version(&mut self) -> Result<String, Error>;
    async fn tables(&mut self, kinds: Vec<String>) -> Result<Vec<TableInfo>, Error>;
    async fn columns(&mut self, table: TableInfo) -> Result<Option<Vec<ColumnInfo>>, Error>;
    async fn describe_query(&mut self, statement: String) -> Result<Vec<ColumnInfo>, Error>;
    /// The rows come over a connection of the cursor's own, so that others can run meanwhile.
    async fn query(
        &mut self,
        statement: String,
        parameters: Vec<Value>,
        options: QueryOptions,
    ) -> Result<Box<dyn Cursor>, Error>;
    async fn execute(&mut self, statement: String, parameters: Vec<Value>) -> Result<u64, Error>;
    /// A transaction that may write, on a connection of its own.
    async fn begin(&mut self) -> Result<Box<dyn Transaction>, Error>;
    /// Microseconds since the epoch by the database's clock.
    async fn now(&mut self) -> Result<i64, Error>;
}

#[async_trait]
pub trait Cursor: Send {
    /// `None`: no more rows.
    async fn next(&mut self) -> Result<Option<ConnectBatch>, Error>;
}

/// An open transaction; dropping it rolls it back.
#[async_trait]
pub trait Transaction: Send {
    /// The first rows, up to the options' limits.
    async fn query(
        &mut self,
        statement: String,
        parameters: Vec<Value>,
        options: QueryOptions,
    ) -> Result<Option<ConnectBatch>, Error>;
    async fn execute(&mut self, statement: String, parameters: Vec<Value>) -> Result<u64, Error>;
    async fn execute_batch(&mut self, statement: String, batch: ConnectBatch, paths: Vec<String>)
    -> Result<u64, Error>;
    async fn copy_in(&mut self, batch: ConnectBatch, table: String, bindings: Vec<Binding>) -> Result<u64, Error>;
    async fn commit(self: Box<Self>) -> Result<(), Error>;
    async fn rollback(self: Box<Self>) -> Result<(), Error>;
}
