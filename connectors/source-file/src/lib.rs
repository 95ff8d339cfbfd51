//! FileStreamSource: lines of a growing file as records. See the README for keys and promises.
//!
//! [`config`] is what users write, [`position`] what is stored, [`task`] the loop.

mod config;
mod position;
mod task;

use crate::config::FileConfig;
use crate::position::Position;
use crate::task::FileTask;
use sluice_plugin_sdk::*;

struct FileStreamSource;

impl Source for FileStreamSource {
    type Task = FileTask;

    fn definition() -> Definition {
        config::definition()
    }

    fn validate(config: &Config) -> Vec<Problem> {
        config::validate(config)
    }

    fn check(config: &Config) -> Vec<Problem> {
        let Ok(config) = FileConfig::parse(config) else { return Vec::new() };
        let found = match file::info(&config.file) {
            Ok(found) => found,
            Err(error) => return vec![Problem::new("file", Error::from(error).message)],
        };
        match found {
            Some(info) if info.is_folder => {
                vec![Problem::new("file", format!("{} is a folder; name a file in it", config.file))]
            }
            Some(_) => file::open_read(&config.file)
                .err()
                .map(|error| Problem::new("file", Error::from(error).message))
                .into_iter()
                .collect(),
            // It may appear later: the task waits for it.
            None => Vec::new(),
        }
    }

    fn capabilities(_config: &Config) -> Capabilities {
        Capabilities::new().exactly_once(true)
    }

    /// Kafka: `FileStreamSourceConnector.alterOffsets`.
    fn alter_offsets(_config: &Config, offsets: &[SourceOffset]) -> Result<bool> {
        for offset in offsets {
            let (partition, position) = offset.parse();
            position::check(
                &partition.unwrap_or_default(),
                offset.offset.is_some().then_some(position.unwrap_or_default()).as_ref(),
            )?;
        }
        Ok(true)
    }
}

/// The key of the one source partition.
fn partition(file: &str) -> Value {
    json!({ "filename": file })
}

/// Where an earlier run stopped.
fn stored_position(file: &str) -> Option<Position> {
    Position::parse(&context::stored_offset(&partition(file))?)
}

export_source!(FileStreamSource);
