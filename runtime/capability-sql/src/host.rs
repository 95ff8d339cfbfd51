//! The WIT functions of `sluice:sql`.

use crate::backend::{Backend, Connection, Cursor, Transaction};
use crate::bindings::sql::{self, Binding, ColumnInfo, QueryOptions, TableInfo, Value};
use sluice_capability::bindings::operations::Operation as OperationResource;
use sluice_capability::state::{AbortOnDrop, Batch, Operation, OperationTask};
use sluice_capability::{CapabilityError, GuestState, HostResult};
use std::collections::BTreeMap;
use std::sync::Arc;
use wasmtime::component::Resource;

/// The databases of one guest, by name.
pub struct Databases(pub BTreeMap<String, Arc<dyn Backend>>);

/// A guest's handle on a connection.
pub struct ConnectionHandle(pub Box<dyn Connection>);

/// A guest's handle on a running query.
pub struct CursorHandle(pub Box<dyn Cursor>);

/// A guest's handle on an open transaction.
pub struct TransactionHandle(pub Box<dyn Transaction>);

impl sql::Host for GuestState {
    async fn open(&mut self, name: String) -> HostResult<Resource<ConnectionHandle>> {
        let backend = self.capability::<Databases>(crate::NAME).and_then(|databases| databases.0.get(&name).cloned());
        let Some(backend) = backend else {
            let remedy = "set the key that holds its URL";
            let what = format!("database connection {name:?}");
            return Ok(Err(CapabilityError::not_granted(&what, &self.identity.connector, remedy)));
        };
        Ok(match backend.connect().await {
            Ok(connection) => Ok(self.entered_host().push(ConnectionHandle(connection))?),
            Err(error) => Err(error),
        })
    }
}

impl sql::HostConnection for GuestState {
    async fn dialect(&mut self, this: Resource<ConnectionHandle>) -> wasmtime::Result<String> {
        Ok(self.entered_host().get(&this)?.0.dialect().to_owned())
    }

    async fn server_version(&mut self, this: Resource<ConnectionHandle>) -> HostResult<String> {
        let answer = self.entered_host().get_mut(&this)?.0.server_version().await;
        self.entered_host();
        Ok(answer)
    }

    async fn tables(&mut self, this: Resource<ConnectionHandle>, kinds: Vec<String>) -> HostResult<Vec<TableInfo>> {
        let answer = self.entered_host().get_mut(&this)?.0.tables(kinds).await;
        self.entered_host();
        Ok(answer)
    }

    async fn columns(
        &mut self,
        this: Resource<ConnectionHandle>,
        table: TableInfo,
    ) -> HostResult<Option<Vec<ColumnInfo>>> {
        let answer = self.entered_host().get_mut(&this)?.0.columns(table).await;
        self.entered_host();
        Ok(answer)
    }

    async fn describe_query(
        &mut self,
        this: Resource<ConnectionHandle>,
        statement: String,
    ) -> HostResult<Vec<ColumnInfo>> {
        let answer = self.entered_host().get_mut(&this)?.0.describe_query(statement).await;
        self.entered_host();
        Ok(answer)
    }

    async fn query(
        &mut self,
        this: Resource<ConnectionHandle>,
        statement: String,
        parameters: Vec<Value>,
        options: QueryOptions,
    ) -> HostResult<Resource<CursorHandle>> {
        let answer = self.entered_host().get_mut(&this)?.0.query(statement, parameters, options).await;
        let table = self.entered_host();
        Ok(match answer {
            Ok(cursor) => Ok(table.push(CursorHandle(cursor))?),
            Err(error) => Err(error),
        })
    }

    async fn execute(
        &mut self,
        this: Resource<ConnectionHandle>,
        statement: String,
        parameters: Vec<Value>,
    ) -> HostResult<u64> {
        let answer = self.entered_host().get_mut(&this)?.0.execute(statement, parameters).await;
        self.entered_host();
        Ok(answer)
    }

    async fn begin(&mut self, this: Resource<ConnectionHandle>) -> HostResult<Resource<TransactionHandle>> {
        let answer = self.entered_host().get_mut(&this)?.0.begin().await;
        let table = self.entered_host();
        Ok(match answer {
            Ok(transaction) => Ok(table.push(TransactionHandle(transaction))?),
            Err(error) => Err(error),
        })
    }

    async fn now(&mut self, this: Resource<ConnectionHandle>) -> HostResult<i64> {
        let answer = self.entered_host().get_mut(&this)?.0.now().await;
        self.entered_host();
        Ok(answer)
    }

    async fn drop(&mut self, this: Resource<ConnectionHandle>) -> wasmtime::Result<()> {
        self.entered_host().delete(this)?;
        Ok(())
    }
}

impl sql::HostCursor for GuestState {
    async fn next(&mut self, this: Resource<CursorHandle>) -> HostResult<Option<Resource<Batch>>> {
        let answer = self.entered_host().get_mut(&this)?.0.next().await;
        let table = self.entered_host();
        Ok(match answer {
            Ok(Some(batch)) => Ok(Some(table.push(Batch(batch))?)),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        })
    }

    async fn drop(&mut self, this: Resource<CursorHandle>) -> wasmtime::Result<()> {
        self.entered_host().delete(this)?;
        Ok(())
    }
}

impl sql::HostTransaction for GuestState {
    async fn query(
        &mut self,
        this: Resource<TransactionHandle>,
        statement: String,
        parameters: Vec<Value>,
        options: QueryOptions,
    ) -> HostResult<Option<Resource<Batch>>> {
        let answer = self.entered_host().get_mut(&this)?.0.query(statement, parameters, options).await;
        let table = self.entered_host();
        Ok(match answer {
            Ok(Some(batch)) => Ok(Some(table.push(Batch(batch))?)),
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        })
    }

    async fn execute(
        &mut self,
        this: Resource<TransactionHandle>,
        statement: String,
        parameters: Vec<Value>,
    ) -> HostResult<u64> {
        let answer = self.entered_host().get_mut(&this)?.0.execute(statement, parameters).await;
        self.entered_host();
        Ok(answer)
    }

    async fn execute_batch(
        &mut self,
        this: Resource<TransactionHandle>,
        statement: String,
        batch: Resource<Batch>,
        parameters: Vec<String>,
    ) -> HostResult<u64> {
        let batch = self.entered_host().get(&batch)?.0.clone();
        let answer = self.table.get_mut(&this)?.0.execute_batch(statement, batch, parameters).await;
        self.entered_host();
        Ok(answer)
    }

    async fn copy_in(
        &mut self,
        this: Resource<TransactionHandle>,
        batch: Resource<Batch>,
        table: String,
        bindings: Vec<Binding>,
    ) -> HostResult<u64> {
        let batch = self.entered_host().get(&batch)?.0.clone();
        let answer = self.table.get_mut(&this)?.0.copy_in(batch, table, bindings).await;
        self.entered_host();
        Ok(answer)
    }

    async fn commit(&mut self, this: Resource<TransactionHandle>) -> HostResult<()> {
        let transaction = self.entered_host().delete(this)?.0;
        let answer = transaction.commit().await;
        self.entered_host();
        Ok(answer)
    }

    async fn start_commit(
        &mut self,
        this: Resource<TransactionHandle>,
    ) -> wasmtime::Result<Resource<OperationResource>> {
        let transaction = self.entered_host().delete(this)?.0;
        let task = tokio::spawn(async move { transaction.commit().await.map(|()| "{}".to_owned()) });
        Ok(self.table.push(Operation { task: OperationTask::Running(AbortOnDrop(task)) })?)
    }

    async fn rollback(&mut self, this: Resource<TransactionHandle>) -> HostResult<()> {
        let transaction = self.entered_host().delete(this)?.0;
        let answer = transaction.rollback().await;
        self.entered_host();
        Ok(answer)
    }

    async fn drop(&mut self, this: Resource<TransactionHandle>) -> wasmtime::Result<()> {
        self.entered_host().delete(this)?;
        Ok(())
    }
}
