//! The base set that every guest may import: clock, randomness, log, metrics, its task, deliveries.
//!
//! None of these functions re-arms the guest's deadline: a guest that logs in a loop is a guest in a loop.

use super::bindings::base::{clock, deliveries, log, metrics as metrics_interface, random, task_context, types};
use crate::guest_context::{GuestContext, task_label};
use sluice_capability::GuestState;
use sluice_connect_api::Delivery;
use sluice_data::SourcePartition;
use sluice_telemetry::Shown;
use sluice_telemetry::registry::plugin_meter;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use wasmtime::component::Resource;

/// Random bytes that one call may ask for.
const RANDOM_BYTES_MAX: u32 = 64 << 10;

/// A guest's handle on the delivery that it is given.
pub struct GuestDelivery(pub Delivery);

impl clock::Host for GuestState {
    fn now_ms(&mut self) -> wasmtime::Result<i64> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic_ms(&mut self) -> wasmtime::Result<u64> {
        let elapsed = GuestContext::of(self).started.elapsed();
        Ok(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX))
    }
}

impl random::Host for GuestState {
    fn bytes(&mut self, length: u32) -> wasmtime::Result<Vec<u8>> {
        if length > RANDOM_BYTES_MAX {
            return Err(wasmtime::Error::msg(format!("random.bytes gives at most {RANDOM_BYTES_MAX} bytes a call")));
        }
        let mut bytes = vec![0; length as usize];
        getrandom::fill(&mut bytes).map_err(|error| wasmtime::Error::msg(error.to_string()))?;
        Ok(bytes)
    }
}

impl log::Host for GuestState {
    fn write(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let Some((line, suppressed)) = GuestContext::of(self).log_line(message) else {
            return Ok(());
        };
        let (connector, task) = (&self.identity.connector, task_label(&self.identity));
        if suppressed > 0 {
            tracing::warn!(target: "sluice::plugin", connector, task, suppressed, "log lines of this plugin were left out");
        }
        match level {
            log::Level::Trace => tracing::trace!(target: "sluice::plugin", connector, task, "{line}"),
            log::Level::Debug => tracing::debug!(target: "sluice::plugin", connector, task, "{line}"),
            log::Level::Info => tracing::info!(target: "sluice::plugin", connector, task, "{line}"),
            log::Level::Warn => tracing::warn!(target: "sluice::plugin", connector, task, "{line}"),
            log::Level::Error => tracing::error!(target: "sluice::plugin", connector, task, "{line}"),
        }
        Ok(())
    }
}

impl metrics_interface::Host for GuestState {
    fn add(&mut self, name: String, value: u64) -> wasmtime::Result<()> {
        if let Some(name) = GuestContext::of(self).metric_name(&name) {
            plugin_meter(&self.identity.connector, &task_label(&self.identity), name, Shown::Total).increment(value);
        }
        Ok(())
    }

    fn set(&mut self, name: String, value: f64) -> wasmtime::Result<()> {
        if let Some(name) = GuestContext::of(self).metric_name(&name) {
            plugin_meter(&self.identity.connector, &task_label(&self.identity), name, Shown::Last).set(value);
        }
        Ok(())
    }
}

impl task_context::Host for GuestState {
    fn connector_name(&mut self) -> wasmtime::Result<String> {
        Ok(self.identity.connector.clone())
    }

    fn task_index(&mut self) -> wasmtime::Result<u32> {
        Ok(self.identity.task.unwrap_or(0))
    }

    fn generation(&mut self) -> wasmtime::Result<u64> {
        Ok(GuestContext::of(self).task.as_ref().map_or(0, |task| task.generation))
    }

    fn config(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(GuestContext::of(self).config.clone().into_iter().collect())
    }

    fn stored_offset(&mut self, partition: String) -> wasmtime::Result<Option<String>> {
        let Some(task) = &GuestContext::of(self).task else {
            return Ok(None);
        };
        let Ok(partition) = SourcePartition::parse(&partition) else {
            return Err(wasmtime::Error::msg("stored-offset was called with a partition that is no JSON object"));
        };
        Ok(task.offsets.offset(&partition).map(|offset| serde_json::Value::Object(offset).to_string()))
    }

    fn stored_offsets(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        let Some(task) = &GuestContext::of(self).task else {
            return Ok(Vec::new());
        };
        let pair = |(partition, offset): (SourcePartition, _)| {
            (partition.as_str().to_owned(), serde_json::Value::Object(offset).to_string())
        };
        Ok(task.offsets.offsets().into_iter().map(pair).collect())
    }

    fn request_commit(&mut self) -> wasmtime::Result<()> {
        if let Some(task) = &GuestContext::of(self).task {
            task.requests.request_commit();
        }
        Ok(())
    }

    fn request_reconfiguration(&mut self) -> wasmtime::Result<()> {
        if let Some(task) = &GuestContext::of(self).task {
            task.requests.request_reconfiguration();
        }
        Ok(())
    }

    fn pause(&mut self, ms: u32) -> wasmtime::Result<()> {
        if let Some(task) = &GuestContext::of(self).task {
            task.requests.pause(Duration::from_millis(u64::from(ms)));
        }
        Ok(())
    }

    fn attribute(&mut self, _name: String) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}

impl types::Host for GuestState {}
impl deliveries::Host for GuestState {}

impl deliveries::HostDelivery for GuestState {
    fn topic(&mut self, this: Resource<GuestDelivery>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.0.topic.clone())
    }

    fn topic_id(&mut self, this: Resource<GuestDelivery>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.0.topic_id.clone())
    }

    fn partition(&mut self, this: Resource<GuestDelivery>) -> wasmtime::Result<i32> {
        Ok(self.table.get(&this)?.0.partition)
    }

    fn first(&mut self, this: Resource<GuestDelivery>) -> wasmtime::Result<i64> {
        Ok(self.table.get(&this)?.0.first)
    }

    fn last(&mut self, this: Resource<GuestDelivery>) -> wasmtime::Result<i64> {
        Ok(self.table.get(&this)?.0.last)
    }

    fn token(&mut self, this: Resource<GuestDelivery>) -> wasmtime::Result<String> {
        Ok(self.table.get(&this)?.0.token.clone())
    }

    fn target(&mut self, this: Resource<GuestDelivery>) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&this)?.0.target.clone())
    }

    fn generation(&mut self, this: Resource<GuestDelivery>) -> wasmtime::Result<u64> {
        Ok(self.table.get(&this)?.0.generation)
    }

    fn is_replay(&mut self, this: Resource<GuestDelivery>) -> wasmtime::Result<bool> {
        Ok(self.table.get(&this)?.0.is_replay)
    }

    fn planned_ms(&mut self, this: Resource<GuestDelivery>) -> wasmtime::Result<i64> {
        Ok(self.table.get(&this)?.0.planned_ms)
    }

    fn attribute(&mut self, this: Resource<GuestDelivery>, name: String) -> wasmtime::Result<Option<String>> {
        Ok(self.table.get(&this)?.0.attributes.get(&name).cloned())
    }

    fn drop(&mut self, this: Resource<GuestDelivery>) -> wasmtime::Result<()> {
        self.table.delete(this)?;
        Ok(())
    }
}
