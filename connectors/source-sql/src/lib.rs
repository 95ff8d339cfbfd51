//! Reads tables or a query of a database: Confluent's JDBC source connector as a component.
//!
//! `config` holds the keys, `tables` which tables go to which task, `query` and `dialect` the SQL text, `reader` one table's
//! cursor and position, `offset` the form in which positions are stored.

mod config;
mod dialect;
mod offset;
mod query;
mod reader;
mod tables;

use config::{BLACKLIST, EXCLUDE, IGNORED, INCLUDE, Mode, QUERY, SourceConfig, TASK_TABLES, URL, WHITELIST};
use reader::TableReader;
use regex_lite::Regex;
use sluice_plugin_sdk::sql::{self, Connection};
use sluice_plugin_sdk::{
    Capabilities, Config, Definition, Error, Poll, Problem, Result, Source, SourceOffset, SourceTask, TaskConfigs,
    clock, context, export_source, json, warn,
};
use tables::TableFilter;

pub struct SqlSource;

impl Source for SqlSource {
    type Task = SqlSourceTask;

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

    fn task_configs(config: &Config, max_tasks: u32) -> Result<TaskConfigs> {
        if config.non_empty(QUERY).is_some() {
            return Ok(TaskConfigs::single(config));
        }
        let tables = selected_tables(&sql::open("default")?, config)?;
        let refresh_ms = config.int("table.poll.interval.ms")?;
        // Without a table there is nothing to run until one appears.
        let groups = if tables.is_empty() { Vec::new() } else { tables::group(&tables, max_tasks as usize) };
        let task = |tables: Vec<String>| {
            let mut task = config.given().clone();
            task.insert(TASK_TABLES.to_owned(), json!(tables).to_string());
            task
        };
        Ok(TaskConfigs::new(groups.into_iter().map(task).collect()).refresh_ms(refresh_ms))
    }

    fn capabilities(config: &Config) -> Capabilities {
        // Bulk has no position: a restart begins the table again.
        Capabilities::new().exactly_once(config.get(config::MODE).and_then(Mode::parse) != Some(Mode::Bulk))
    }

    fn alter_offsets(_config: &Config, offsets: &[SourceOffset]) -> Result<bool> {
        for pair in offsets {
            let (partition, offset) = pair.parse();
            offset::check(partition.as_ref(), offset.as_ref())?;
        }
        Ok(true)
    }
}

/// Reads its tables in turn: whichever is due first.
pub struct SqlSourceTask {
    config: SourceConfig,
    connection: Connection,
    readers: Vec<TableReader>,
    /// Where the search for a table with something to do begins, so that none starves.
    next: usize,
}

impl SourceTask for SqlSourceTask {
    fn open(config: &Config) -> Result<Self> {
        report_ignored(config);
        let parsed = SourceConfig::parse(config)?;
        let connection = sql::open("default")?;
        let readers = if parsed.query.is_some() {
            vec![TableReader::open(&connection, &parsed, None)?]
        } else {
            let tables: Vec<String> = match config.get(TASK_TABLES) {
                Some(tables) => task_tables(tables)?,
                None => selected_tables(&connection, config)?,
            };
            tables.iter().map(|table| TableReader::open(&connection, &parsed, Some(table))).collect::<Result<_>>()?
        };
        Ok(Self { config: parsed, connection, readers, next: 0 })
    }

    fn poll(&mut self) -> Result<Poll> {
        let count = self.readers.len();
        for step in 0..count {
            let index = (self.next + step) % count;
            let now_ms = clock::monotonic_ms();
            let reader = &mut self.readers[index];
            if reader.due_ms() > now_ms {
                continue;
            }
            if let Some(poll) = reader.poll(&self.connection, &self.config, now_ms)? {
                self.next = (index + 1) % count;
                return Ok(poll);
            }
        }
        let now_ms = clock::monotonic_ms();
        let due_ms =
            self.readers.iter().map(TableReader::due_ms).min().unwrap_or(now_ms + self.config.poll_interval_ms);
        context::pause(u32::try_from(due_ms.saturating_sub(now_ms).max(1)).unwrap_or(u32::MAX));
        Ok(Poll::default())
    }
}

fn task_tables(tables: &str) -> Result<Vec<String>> {
    let parsed: Option<Vec<String>> = tables
        .parse::<sluice_plugin_sdk::Value>()
        .ok()
        .and_then(|tables| tables.as_array()?.iter().map(|table| table.as_str().map(str::to_owned)).collect());
    parsed
        .ok_or_else(|| Error::fatal("config.malformed", format!("key \"tables\" must be a JSON list, not {tables:?}")))
}

fn selected_tables(connection: &Connection, config: &Config) -> Result<Vec<String>> {
    let names = |key: &str| config.list(key).into_iter().map(str::to_owned).collect();
    let patterns = |key: &str| config.list(key).into_iter().map(Regex::new).collect::<Result<_, _>>();
    let filter = TableFilter {
        whitelist: names(WHITELIST),
        blacklist: names(BLACKLIST),
        include: patterns(INCLUDE)?,
        exclude: patterns(EXCLUDE)?,
    };
    let kinds: Vec<String> = config.list("table.types").into_iter().map(str::to_uppercase).collect();
    let tables = connection.tables(&kinds)?.into_iter().map(|table| table.name);
    Ok(tables.filter(|table| filter.accepts(table)).collect())
}

fn live_problems(config: &Config) -> Result<Vec<Problem>> {
    let connection = sql::open("default")?;
    if let Some(query) = config.non_empty(QUERY) {
        let described = connection.describe_query(query.trim_end_matches(';')).map_err(Error::from);
        return Ok(described.err().map(|error| Problem::new(QUERY, error.message)).into_iter().collect());
    }
    let tables = selected_tables(&connection, config)?;
    let missing = config.list(WHITELIST).into_iter().filter(|name| !tables.iter().any(|table| table == name));
    let mut problems: Vec<Problem> =
        missing.map(|name| Problem::new(WHITELIST, format!("there is no table {name:?} in the database"))).collect();
    if let Ok(parsed) = SourceConfig::parse(config) {
        let unreadable = |table: &String| {
            TableReader::check(&connection, &parsed, table).err().map(|error| Problem::new(config::MODE, error.message))
        };
        problems.extend(tables.iter().filter_map(unreadable));
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

export_source!(SqlSource);
