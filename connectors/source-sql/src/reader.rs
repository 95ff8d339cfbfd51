//! Reads one table, or the query: which statement when, and the position after each batch.

use crate::config::{Mode, SourceConfig};
use crate::dialect::TimestampStorage;
use crate::offset::{Position, TimestampForm, query_partition, table_partition};
use crate::query::Selection;
use sluice_plugin_sdk::sql::{self, ColumnInfo, Connection, Cursor, QueryOptions, TableInfo};
use sluice_plugin_sdk::{Batch, Error, ErrorExt, Poll, Result, SourceOffset, Value, context};

/// Rows of one timestamp that are kept together so that the position never stands among them; beyond this many batches they
/// are handed on, and a crash at that moment repeats them.
const HELD_BATCHES_MAX: usize = 100;

pub struct TableReader {
    name: String,
    topic: String,
    partition: Value,
    selection: Selection,
    forms: Vec<(String, TimestampForm)>,
    incrementing: Option<String>,
    position: Position,
    cursor: Option<Cursor>,
    /// Rows of the last timestamp seen, and that timestamp.
    held: Vec<Batch>,
    held_ms: i64,
    /// When to query again, by the monotonic clock.
    due_ms: u64,
}

impl TableReader {
    /// `table` is `None` for the query.
    pub fn open(connection: &Connection, config: &SourceConfig, table: Option<&str>) -> Result<Self> {
        let (columns, select, name, partition, topic) = match (table, &config.query) {
            (Some(table), _) => {
                let info = TableInfo { catalog: None, schema: None, name: table.to_owned(), kind: "TABLE".to_owned() };
                let columns = connection.columns(&info)?.ok_or_else(|| vanished(table))?;
                let select = format!("SELECT * FROM {}", config.dialect.quote(table));
                (columns, select, table.to_owned(), table_partition(table), format!("{}{table}", config.topic_prefix))
            }
            (None, Some(query)) => {
                let columns = connection.describe_query(query).context("the query of key \"query\" failed")?;
                (columns, query.clone(), "query".to_owned(), query_partition(), config.topic_prefix.clone())
            }
            (None, None) => return Err(Error::fatal("config.missing", "there is neither a table nor a query to read")),
        };
        let incrementing = match config.mode.has_incrementing() {
            true => Some(incrementing_column(config, &name, &columns)?),
            false => None,
        };
        let timestamps = if config.mode.has_timestamp() { config.timestamps.as_slice() } else { &[] };
        if table.is_some() {
            check_columns(config, &name, &columns, incrementing.as_deref(), timestamps)?;
        }
        let form = |column: &String| {
            let schema = columns.iter().find(|info| info.name == *column).map(|info| info.schema.as_str());
            let schema = schema.and_then(|schema| schema.parse::<Value>().ok()).unwrap_or_default();
            (column.clone(), TimestampForm::of(&schema, &config.timestamp_granularity))
        };
        let mut position =
            context::stored_offset(&partition).map_or_else(Position::default, |offset| Position::from_json(&offset));
        if config.mode.has_timestamp() && position.timestamp_ms.is_none() {
            position.timestamp_ms = match config.timestamp_initial {
                Some(-1) => Some(connection.now()?.div_euclid(1_000)),
                initial => initial,
            };
        }
        let quote = |column: &String| config.dialect.quote(column);
        Ok(Self {
            selection: Selection {
                dialect: config.dialect,
                select,
                incrementing: incrementing.as_ref().map(quote),
                timestamps: timestamps.iter().map(quote).collect(),
                suffix: config.query_suffix.clone(),
            },
            forms: timestamps.iter().map(form).collect(),
            name,
            topic,
            partition,
            incrementing,
            position,
            cursor: None,
            held: Vec::new(),
            held_ms: 0,
            due_ms: 0,
        })
    }

    /// What [`TableReader::open`] would refuse, without a task.
    pub fn check(connection: &Connection, config: &SourceConfig, table: &str) -> Result<()> {
        let info = TableInfo { catalog: None, schema: None, name: table.to_owned(), kind: "TABLE".to_owned() };
        let columns = connection.columns(&info)?.ok_or_else(|| vanished(table))?;
        let incrementing = match config.mode.has_incrementing() {
            true => Some(incrementing_column(config, table, &columns)?),
            false => None,
        };
        let timestamps = if config.mode.has_timestamp() { config.timestamps.as_slice() } else { &[] };
        check_columns(config, table, &columns, incrementing.as_deref(), timestamps)
    }

    /// Since or until when this table has something to do.
    pub fn due_ms(&self) -> u64 {
        if self.cursor.is_some() { 0 } else { self.due_ms }
    }

    /// The next rows; `None`: the table is read to its end for now. After an error reading starts again from the position.
    pub fn poll(&mut self, connection: &Connection, config: &SourceConfig, now_ms: u64) -> Result<Option<Poll>> {
        let answer = self.advance(connection, config, now_ms);
        if answer.is_err() {
            self.cursor = None;
            self.held.clear();
        }
        answer.context(format!("reading {:?}", self.name)).map_err(explain_vanished)
    }

    fn advance(&mut self, connection: &Connection, config: &SourceConfig, now_ms: u64) -> Result<Option<Poll>> {
        let cursor = match self.cursor.take() {
            Some(cursor) => cursor,
            None => self.query(connection, config)?,
        };
        while let Some(batch) = cursor.next()? {
            let poll = match config.mode {
                Mode::Bulk => Some(Poll { batches: vec![batch], ..Poll::default() }),
                Mode::Timestamp => self.hold_back(batch)?,
                Mode::Incrementing | Mode::TimestampIncrementing => Some(self.after_last_row(batch)?),
            };
            if poll.is_some() {
                self.cursor = Some(cursor);
                return Ok(poll);
            }
        }
        self.due_ms = now_ms + config.poll_interval_ms;
        let held = std::mem::take(&mut self.held);
        Ok((!held.is_empty())
            .then(|| self.emit(held, Position { incrementing: None, timestamp_ms: Some(self.held_ms) })))
    }

    fn query(&self, connection: &Connection, config: &SourceConfig) -> Result<Cursor> {
        let (end_ms, storage) = match self.selection.timestamp() {
            None => (0, TimestampStorage::Mixed),
            Some(_) => {
                let now_ms = connection.now()?.div_euclid(1_000);
                (now_ms - config.timestamp_delay_ms, self.timestamp_storage(connection)?)
            }
        };
        let statement = self.selection.statement(self.position, end_ms, storage);
        let parameters: Vec<sql::Value> = statement.parameters.iter().map(|&value| sql::Value::Int64(value)).collect();
        let options = QueryOptions {
            topic: self.topic.clone(),
            max_rows: config.batch_max_rows,
            max_bytes: 0,
            numeric_mapping: config.numeric_mapping.clone(),
            timestamp_granularity: config.timestamp_granularity.clone(),
        };
        Ok(connection.query(&statement.sql, &parameters, &options)?)
    }

    fn timestamp_storage(&self, connection: &Connection) -> Result<TimestampStorage> {
        let ([column], true) =
            (self.selection.timestamps.as_slice(), self.selection.select.starts_with("SELECT * FROM "))
        else {
            return Ok(TimestampStorage::Mixed);
        };
        let from = self.selection.select.trim_start_matches("SELECT * FROM ");
        if from.contains(char::is_whitespace) && !from.starts_with('"') {
            return Ok(TimestampStorage::Mixed);
        }
        let options = QueryOptions {
            topic: String::new(),
            max_rows: 1,
            max_bytes: 0,
            numeric_mapping: String::new(),
            timestamp_granularity: String::new(),
        };
        let cursor = connection.query(&self.selection.dialect.probe_storage(from, column), &[], &options)?;
        let Some(row) = cursor.next()? else { return Ok(TimestampStorage::Mixed) };
        let (smallest, largest) = (row.column("value.smallest")?, row.column("value.largest")?);
        Ok(TimestampStorage::between(smallest.text(0).unwrap_or(""), largest.text(0).unwrap_or("")))
    }

    fn after_last_row(&mut self, batch: Batch) -> Result<Poll> {
        let last = batch.slice(batch.length() - 1, 1)?;
        let mut position = self.position;
        if let Some(column) = &self.incrementing {
            let id = last.column(&format!("value.{column}"))?.integer(0);
            position.incrementing = Some(id.ok_or_else(|| {
                let message =
                    format!("incrementing column {column:?} of {:?} holds a value that is no integer", self.name);
                Error::fatal("sql.value", message)
            })?);
        }
        if !self.forms.is_empty() {
            position.timestamp_ms = Some(self.timestamp_of(&self.timestamp_columns(&last)?, 0)?);
        }
        Ok(self.emit(vec![batch], position))
    }

    /// Rows up to the last change of the timestamp; the rest waits until its timestamp is complete. So the position never
    /// stands among rows of one timestamp, which could not be told apart after a restart.
    fn hold_back(&mut self, batch: Batch) -> Result<Option<Poll>> {
        let columns = self.timestamp_columns(&batch)?;
        let rows = batch.length() as usize;
        let last = self.timestamp_of(&columns, rows - 1)?;
        let mut first_of_last = rows - 1;
        while first_of_last > 0 && self.timestamp_of(&columns, first_of_last - 1)? == last {
            first_of_last -= 1;
        }
        let mut ready = Vec::new();
        let mut ready_ms = self.held_ms;
        if first_of_last > 0 {
            ready_ms = self.timestamp_of(&columns, first_of_last - 1)?;
            ready.append(&mut self.held);
            ready.push(batch.slice(0, first_of_last as u32)?);
            self.held.push(batch.slice(first_of_last as u32, (rows - first_of_last) as u32)?);
        } else {
            if last != self.held_ms {
                ready.append(&mut self.held);
            }
            self.held.push(batch);
        }
        self.held_ms = last;
        if !ready.is_empty() {
            return Ok(Some(self.emit(ready, Position { incrementing: None, timestamp_ms: Some(ready_ms) })));
        }
        if self.held.len() > HELD_BATCHES_MAX {
            let held = std::mem::take(&mut self.held);
            return Ok(Some(self.emit(held, self.position)));
        }
        Ok(None)
    }

    fn emit(&mut self, batches: Vec<Batch>, position: Position) -> Poll {
        self.position = position;
        let offsets = vec![SourceOffset::new(&self.partition, &position.to_json())];
        Poll { batches, offsets, rejected: Vec::new() }
    }

    fn timestamp_columns(&self, batch: &Batch) -> Result<Vec<(TimestampForm, sluice_plugin_sdk::Column)>> {
        let column = |(name, form): &(String, TimestampForm)| Ok((*form, batch.column(&format!("value.{name}"))?));
        self.forms.iter().map(column).collect()
    }

    fn timestamp_of(&self, columns: &[(TimestampForm, sluice_plugin_sdk::Column)], row: usize) -> Result<i64> {
        columns.iter().find_map(|(form, column)| form.ms(column, row)).ok_or_else(|| {
            let message = format!("timestamp columns of {:?} hold a value that is no timestamp", self.name);
            Error::fatal("sql.value", message)
        })
    }
}

/// The configured column, or the table's one auto-increment column.
fn incrementing_column(config: &SourceConfig, table: &str, columns: &[ColumnInfo]) -> Result<String> {
    if !config.incrementing.is_empty() {
        return Ok(config.incrementing.clone());
    }
    let mut found = columns.iter().filter(|column| column.auto_increment);
    match (found.next(), found.next()) {
        (Some(column), None) => Ok(column.name.clone()),
        _ => Err(Error::fatal(
            "config.missing",
            format!("table {table:?} has no single auto-increment column: set incrementing.column.name"),
        )),
    }
}

/// Missing columns, and nullable ones unless that is allowed.
fn check_columns(
    config: &SourceConfig,
    table: &str,
    columns: &[ColumnInfo],
    incrementing: Option<&str>,
    timestamps: &[String],
) -> Result<()> {
    let info = |name: &str| {
        let missing =
            || Error::fatal("sql.no-such-column", format!("table {table:?} has no column {name:?}: correct its key"));
        columns.iter().find(|column| column.name == name).ok_or_else(missing)
    };
    let nullable = |column: &str| {
        let message = format!(
            "column {column:?} of table {table:?} may be null, and such rows would be missed: declare it NOT NULL or set \
             validate.non.null=false"
        );
        Error::fatal("sql.nullable", message)
    };
    if let Some(column) = incrementing
        && info(column)?.nullable
        && config.validate_non_null
    {
        return Err(nullable(column));
    }
    let mut all_nullable = !timestamps.is_empty();
    for column in timestamps {
        all_nullable &= info(column)?.nullable;
    }
    // One that is never null is enough: the others are coalesced with it.
    if all_nullable && config.validate_non_null {
        return Err(nullable(&timestamps[0]));
    }
    Ok(())
}

pub fn vanished(table: &str) -> Error {
    let message = format!("table {table:?} does not exist (any more): create it again or leave it out of the config");
    Error::fatal("sql.no-such-table", message)
}

fn explain_vanished(error: Error) -> Error {
    if error.code != "sql.no-such-table" || error.message.contains("any more") {
        return error;
    }
    Error {
        message: format!("{}; it was dropped or renamed: create it again or leave it out of the config", error.message),
        ..error
    }
}
