//! Objects in a bucket, with the config keys of Confluent's S3 sink.
//!
//! A delivery becomes one object for each directory that its rows belong to. An object's name is made of topic, partition and the
//! first offset it holds, and its bytes of its rows alone: a replayed delivery overwrites its objects with themselves, so every
//! record is in the bucket exactly once, also when rotation goes by the wall clock.

mod definition;
mod partitioner;
mod path_format;
mod settings;
mod task;
mod time;

use settings::Settings;
use sluice_plugin_sdk::*;

/// The connector `io.confluent.connect.s3.S3SinkConnector`.
pub struct ObjectStoreSink;

impl Sink for ObjectStoreSink {
    type Task = task::ObjectStoreTask;

    fn definition() -> Definition {
        definition::definition()
    }

    fn validate(config: &Config) -> Vec<Problem> {
        Settings::read(config).err().unwrap_or_default()
    }

    fn check(config: &Config) -> Vec<Problem> {
        let listed = object_store::open("default").and_then(|store| store.list_objects("", None, 1));
        match listed {
            Ok(_) => Vec::new(),
            Err(error) => vec![Problem::new(store_key(config), Error::from(error).message)],
        }
    }

    fn capabilities(config: &Config) -> Capabilities {
        let capabilities =
            Capabilities::new().exactly_once(true).with("deterministic", true).with("batch.partial", "wait");
        let Ok(settings) = Settings::read(config) else { return capabilities };
        let capabilities = capabilities.batch_records(settings.flush_size);
        match settings.rotate_schedule_ms {
            Some(interval_ms) => capabilities.with("batch.schedule-ms", interval_ms),
            None => capabilities,
        }
    }
}

fn store_key(config: &Config) -> &'static str {
    if config.non_empty("store.url").is_some() { "store.url" } else { "s3.bucket.name" }
}

export_sink!(ObjectStoreSink);
