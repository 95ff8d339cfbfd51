//! Writes records to tables of a database: Confluent's JDBC sink connector as a component, exactly once.
//!
//! `config` holds the keys, `schema` which columns a record fills, `dialect` the SQL text, `table` the target tables, `runs` the
//! order of rows, `offsets` the table that makes a delivery recognisable. One delivery is one transaction.
//!
//! Rows that the database refuses: under `errors.tolerance=all` they are reported and the others written; their offsets are kept in
//! the offsets table, so that a replay reports them again. Otherwise the transaction rolls back and the delivery is answered
//! as rejected, so that nothing behind the refused row is written before it.

mod config;
mod dialect;
mod offsets;
mod runs;
mod schema;
mod table;

use config::{BATCH_SIZE, IGNORED, InsertMode, OFFSETS_TABLE, SinkConfig, Tolerance, URL};
use dialect::{Origin, RowStatement};
use offsets::{Delivered, OffsetsTable};
use runs::in_offset_order;
use schema::{key_columns, target_columns};
use sluice_plugin_sdk::sql::{self, Connection, TableInfo, Transaction};
use sluice_plugin_sdk::{
    Batch, Capabilities, Config, Definition, Delivery, Error, ErrorKind, Problem, RecordFailure, Result, Sink,
    SinkTask, TopicPartition, Value, context, export_sink, warn,
};
use table::Tables;

pub struct SqlSink;

impl Sink for SqlSink {
    type Task = SqlSinkTask;

    fn definition() -> Definition {
        config::definition()
    }

    fn validate(config: &Config) -> Vec<Problem> {
        config::validate(config)
    }

    fn check(config: &Config) -> Vec<Problem> {
        match live_problems(config) {
            Ok(problems) => problems,
            Err(error) => vec![Problem::new(URL, error.message)],
        }
    }

    fn capabilities(config: &Config) -> Capabilities {
        let has_offsets_table = config.non_empty(OFFSETS_TABLE).is_some();
        let promise = Capabilities::new();
        let promise = if has_offsets_table { promise.own_offsets() } else { promise.exactly_once(false) };
        promise
            .with("deterministic", true)
            .batch_records(config.int(BATCH_SIZE).unwrap_or(3_000))
            .with("batch.partial", "immediate")
    }
}

/// Writes each delivery in one transaction.
pub struct SqlSinkTask {
    config: SinkConfig,
    connection: Connection,
    offsets: Option<OffsetsTable>,
    tables: Tables,
}

impl SinkTask for SqlSinkTask {
    fn open(config: &Config, assignment: &[TopicPartition]) -> Result<Self> {
        report_ignored(config);
        let parsed = SinkConfig::parse(config)?;
        let connection = sql::open("default")?;
        let offsets = match &parsed.offsets_table {
            Some(table) => {
                Some(OffsetsTable::open(&connection, parsed.dialect, table, context::connector_name(), assignment)?)
            }
            None => {
                // Makes the database when it is missing, and shows that it can be written.
                Transaction::commit(connection.begin()?)?;
                None
            }
        };
        Ok(Self { config: parsed, connection, offsets, tables: Tables::default() })
    }

    fn put(&mut self, delivery: &Delivery, batches: &[Batch]) -> Result<Vec<RecordFailure>> {
        let answer = self.deliver(delivery, batches);
        if answer.is_err() {
            self.tables.forget();
        }
        answer
    }
}

/// Rows of one batch that are written by one statement.
struct Part {
    rows: Batch,
    write: Write,
}

enum Write {
    Run(RowStatement),
    /// Nothing to do, as for an update of nothing but the key.
    Skip,
    /// Every row is refused.
    Refuse(Error),
}

impl SqlSinkTask {
    fn deliver(&mut self, delivery: &Delivery, batches: &[Batch]) -> Result<Vec<RecordFailure>> {
        let mut changes = Vec::new();
        let mut parts = Vec::new();
        for batch in batches {
            self.plan(delivery, batch, &mut changes, &mut parts)?;
        }
        // Dropped without commit on every way out but the last: rolled back.
        let transaction = self.connection.begin()?;
        let mut delivered = match &self.offsets {
            Some(offsets) => offsets.delivered(&transaction, delivery)?,
            None => Delivered { last_offset: -1, rejected: Default::default() },
        };
        for statement in &changes {
            transaction.execute(statement, &[])?;
        }
        let mut failures = Vec::new();
        if delivered.last_offset >= delivery.first() {
            failures.extend(self.refused_before(&mut parts, &delivered)?);
        }
        self.write_in_order(&transaction, &parts, &mut failures)?;
        if let Some(offsets) = &self.offsets {
            delivered.last_offset = delivered.last_offset.max(delivery.last());
            delivered.rejected.extend(failures.iter().map(|failure| failure.row_id));
            offsets.record(&transaction, delivery, &delivered)?;
        }
        Transaction::commit(transaction)?;
        Ok(failures)
    }

    /// How a batch is written, and what its table needs before.
    fn plan(
        &mut self,
        delivery: &Delivery,
        batch: &Batch,
        changes: &mut Vec<String>,
        parts: &mut Vec<Part>,
    ) -> Result<()> {
        // Rows go where transformations have sent them; what they are known by is where they were read.
        let table = self.config.table(&batch.topic());
        let topic = delivery.topic();
        let origin = Origin { topic: &topic, partition: delivery.partition() };
        let schema: Value = batch.schema().parse()?;
        let tombstone_count = batch.tombstones();
        let rest = if tombstone_count > 0 {
            let (tombstones, rest) = batch.split_tombstones();
            let write = self.plan_tombstones(&schema, &table, origin);
            parts.push(Part { rows: tombstones, write });
            rest
        } else {
            batch.slice(0, batch.length())?
        };
        if rest.length() == 0 {
            return Ok(());
        }
        let columns = target_columns(&schema, &self.config);
        let columns = match (columns, self.config.tolerance) {
            (Ok(columns), _) => columns,
            (Err(error), Tolerance::All) if error.kind == ErrorKind::Rejected => {
                parts.push(Part { rows: rest, write: Write::Refuse(error) });
                return Ok(());
            }
            (Err(error), _) => return Err(error),
        };
        changes.extend(self.tables.changes(&self.connection, &self.config, &table, &columns)?);
        let dialect = self.config.dialect;
        let write = match self.config.insert_mode {
            InsertMode::Insert => Write::Run(dialect.insert(&table, &columns, origin)),
            InsertMode::Upsert => Write::Run(dialect.upsert(&table, &columns, origin)),
            InsertMode::Update => dialect.update(&table, &columns, origin).map_or(Write::Skip, Write::Run),
        };
        parts.push(Part { rows: rest, write });
        Ok(())
    }

    fn plan_tombstones(&self, schema: &Value, table: &str, origin: Origin<'_>) -> Write {
        if !self.config.delete_enabled {
            let message = "the record is a tombstone: set delete.enabled=true (with pk.mode=record_key), or drop tombstones by a \
                           transformation";
            return Write::Refuse(Error::rejected("sql.tombstone", message));
        }
        match key_columns(schema, &self.config) {
            Ok(keys) => Write::Run(self.config.dialect.delete(table, &keys, origin)),
            Err(error) => Write::Refuse(error),
        }
    }

    /// Takes away the rows that an earlier session wrote, and answers those that it reported as refused.
    fn refused_before(&self, parts: &mut [Part], delivered: &Delivered) -> Result<Vec<RecordFailure>> {
        let mut failures = Vec::new();
        for part in parts {
            let offsets = offsets_of(&part.rows)?;
            let keep: Vec<u8> = offsets.iter().map(|&offset| u8::from(offset > delivered.last_offset)).collect();
            let again = offsets.iter().filter(|&offset| delivered.rejected.contains(offset));
            let message = "the database refused this record before, in a delivery that is being repeated";
            failures.extend(again.map(|&offset| RecordFailure::new(offset, Error::rejected("sql.refused", message))));
            part.rows = part.rows.filter(&keep)?;
        }
        Ok(failures)
    }

    fn write_in_order(
        &self,
        transaction: &Transaction,
        parts: &[Part],
        failures: &mut Vec<RecordFailure>,
    ) -> Result<()> {
        if let [part] = parts {
            return self.write(transaction, &part.write, &part.rows, failures);
        }
        let offsets = parts.iter().map(|part| offsets_of(&part.rows)).collect::<Result<Vec<_>>>()?;
        for run in in_offset_order(&offsets) {
            let rows = parts[run.part].rows.slice(run.start as u32, run.length as u32)?;
            self.write(transaction, &parts[run.part].write, &rows, failures)?;
        }
        Ok(())
    }

    fn write(
        &self,
        transaction: &Transaction,
        write: &Write,
        rows: &Batch,
        failures: &mut Vec<RecordFailure>,
    ) -> Result<()> {
        match write {
            Write::Skip => Ok(()),
            Write::Refuse(error) if rows.length() > 0 => {
                if self.config.tolerance == Tolerance::None {
                    let first = offsets_of(rows)?[0];
                    return Err(Error { message: format!("row:{first} {}", error.message), ..error.clone() });
                }
                failures.extend(offsets_of(rows)?.into_iter().map(|offset| RecordFailure::new(offset, error.clone())));
                Ok(())
            }
            Write::Refuse(_) => Ok(()),
            Write::Run(statement) => self.run(transaction, statement, rows, failures),
        }
    }

    /// Runs the statement for each row; refused rows are stepped over when that is tolerated.
    fn run(
        &self,
        transaction: &Transaction,
        statement: &RowStatement,
        rows: &Batch,
        failures: &mut Vec<RecordFailure>,
    ) -> Result<()> {
        let mut start = 0;
        while start < rows.length() {
            let left = rows.slice(start, rows.length() - start)?;
            let Err(error) = transaction.execute_batch(&statement.sql, &left, &statement.parameters) else {
                return Ok(());
            };
            let error = Error::from(error);
            let refused = refused_row(&error).filter(|_| {
                error.kind == ErrorKind::Rejected
                    && self.config.tolerance == Tolerance::All
                    && self.config.dialect.transaction_survives_refused_rows()
            });
            let Some(refused) = refused else { return Err(error) };
            let index = offsets_of(&left)?.iter().position(|&offset| offset == refused);
            let Some(index) = index else { return Err(error) };
            failures.push(RecordFailure::new(refused, error));
            start += index as u32 + 1;
        }
        Ok(())
    }
}

/// Row ids of records from the log are their offsets.
fn offsets_of(rows: &Batch) -> Result<Vec<i64>> {
    if rows.length() == 0 {
        return Ok(Vec::new());
    }
    let column = rows.column("row_id")?;
    Ok((0..column.len()).filter_map(|row| column.integer(row)).collect())
}

/// The row that `execute-batch` names at the start of its message.
fn refused_row(error: &Error) -> Option<i64> {
    error.message.strip_prefix("row:")?.split(' ').next()?.parse().ok()
}

fn live_problems(config: &Config) -> Result<Vec<Problem>> {
    let connection = sql::open("default")?;
    let parsed = SinkConfig::parse(config)?;
    let topics = config.list("topics");
    if parsed.auto_create || topics.is_empty() {
        return Ok(Vec::new());
    }
    let mut problems = Vec::new();
    for topic in topics {
        let table = TableInfo { catalog: None, schema: None, name: parsed.table(topic), kind: "TABLE".to_owned() };
        if connection.columns(&table)?.is_none() {
            let message = format!("table {:?} does not exist: create it or set auto.create=true", table.name);
            problems.push(Problem::new("table.name.format", message));
        }
    }
    Ok(problems)
}

/// Once per connector: its first task tells.
fn report_ignored(config: &Config) {
    if context::task_index() != 0 {
        return;
    }
    for (key, why) in IGNORED {
        if config.given().contains_key(key) {
            warn!("config key {key:?} is accepted and ignored: {why}");
        }
    }
}

export_sink!(SqlSink);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_refused_row_is_read_from_the_message() {
        let refused = |message: &str| refused_row(&Error::rejected("sql.constraint", message));
        assert_eq!(refused("row:42 UNIQUE constraint failed: t.id"), Some(42));
        assert_eq!(refused("UNIQUE constraint failed"), None);
    }

    #[test]
    fn exactly_once_needs_the_offsets_table() {
        let capabilities = |given: &[(&str, &str)]| SqlSink::capabilities(&config::tests::config(given)).0;
        assert_eq!(capabilities(&[])["exactly-once"], "supported");
        assert_eq!(capabilities(&[])["delivery-plan"], "none");
        assert_eq!(capabilities(&[("batch.size", "7")])["batch.records"], "7");
        assert_eq!(capabilities(&[("sluice.offsets.table", "")])["exactly-once"], "unsupported");
    }
}
