//! Datagen: typed random rows at a rate, for trying things out and for load tests. See the README for keys and promises.
//!
//! Row n of a task is a function of seed, task and n ([`rows`]), so a restart goes on with the rows that were still to come.

mod config;
mod pace;
mod quickstart;
mod rows;

use crate::config::DatagenConfig;
use crate::pace::Pace;
use sluice_plugin_sdk::*;

struct Datagen;

impl Source for Datagen {
    type Task = DatagenTask;

    fn definition() -> Definition {
        config::definition()
    }

    fn validate(config: &Config) -> Vec<Problem> {
        config::validate(config)
    }

    fn task_configs(config: &Config, max_tasks: u32) -> Result<TaskConfigs> {
        Ok(TaskConfigs::copies(config, max_tasks))
    }
}

struct DatagenTask {
    config: DatagenConfig,
    partition: Value,
    /// Of every row, in JSON.
    schema: String,
    /// Stored with the offset, so that a restart makes the rows that would have come.
    seed: u64,
    task_seed: u64,
    pace: Pace,
    /// Rows made so far.
    made: u64,
}

impl SourceTask for DatagenTask {
    fn open(config: &Config) -> Result<Self> {
        let config = DatagenConfig::parse(config)?;
        let task = context::task_index();
        let partition = json!({ "task.id": task });
        let stored = context::stored_offset(&partition);
        let stored = |name: &str| stored.as_ref().and_then(|offset| offset[name].as_u64());
        let made = stored("current.iteration").unwrap_or(0);
        let seed = config.seed.or_else(|| stored("random.seed")).unwrap_or_else(random_seed);
        let pace = Pace::new(config.rate, clock::monotonic_ms());
        let schema = config.quickstart.schema();
        Ok(Self { config, partition, schema, seed, task_seed: rows::task_seed(seed, task), pace, made })
    }

    fn poll(&mut self) -> Result<Poll> {
        let left = self.config.iterations.map_or(u64::MAX, |iterations| iterations.saturating_sub(self.made));
        if left == 0 {
            context::pause(60_000);
            return Ok(Poll::default());
        }
        let now_ms = clock::monotonic_ms();
        let due = self.pace.due(now_ms).min(left).min(u64::from(self.config.batch_rows));
        if due == 0 {
            context::pause(self.pace.wait_ms(now_ms));
            return Ok(Poll::default());
        }
        let batch = self.rows(due)?;
        self.pace.made(due);
        self.made += due;
        let wait_ms = self.pace.wait_ms(now_ms);
        if wait_ms > 0 {
            context::pause(wait_ms);
        }
        let offset = json!({ "current.iteration": self.made, "random.seed": self.seed });
        Ok(Poll::batch(batch, SourceOffset::new(&self.partition, &offset)))
    }
}

impl DatagenTask {
    fn rows(&self, count: u64) -> Result<Batch> {
        let quickstart = self.config.quickstart;
        let mut batch = BatchBuilder::new(&self.config.topic).schema(&self.schema);
        let now_ms = clock::now_ms();
        for (index, field) in quickstart.fields.iter().enumerate() {
            let column =
                rows::column(field.values, (self.task_seed, index as u64), self.made..self.made + count, now_ms);
            batch = batch.column(field.name, column);
        }
        let batch = batch.build()?;
        match &self.config.key_field {
            Some(field) => Ok(batch.key_from(&format!("value.{field}"))?),
            None => Ok(batch),
        }
    }
}

fn random_seed() -> u64 {
    let bytes = random::bytes(8);
    // JSON numbers above 2^53 are not exact everywhere.
    bytes.iter().fold(0, |seed: u64, byte| (seed << 8) | u64::from(*byte)) >> 11
}

export_source!(Datagen);
