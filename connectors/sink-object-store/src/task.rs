//! One delivery after another into objects.

use crate::definition::IGNORED;
use crate::partitioner::{Target, refusals, whole};
use crate::settings::{NullValues, Settings};
use sluice_plugin_sdk::object_store::{IfExists, Store};
use sluice_plugin_sdk::*;

/// Objects that are being made durable while the next are encoded.
const FINISHING_MAX: usize = 8;

pub struct ObjectStoreTask {
    settings: Settings,
    store: Store,
}

impl SinkTask for ObjectStoreTask {
    fn open(config: &Config, _assignment: &[TopicPartition]) -> Result<Self> {
        let settings = Settings::read(config).map_err(|problems| {
            let lines: Vec<String> =
                problems.iter().map(|problem| format!("{} {}", problem.key, problem.message)).collect();
            Error::fatal("config.malformed", lines.join("; "))
        })?;
        for (key, reason) in IGNORED.iter().filter(|(key, _)| config.given().contains_key(*key)) {
            warn!("config key {key:?} is accepted and ignored: {reason}");
        }
        Ok(Self { settings, store: object_store::open("default")? })
    }

    fn put(&mut self, delivery: &Delivery, batches: &[Batch]) -> Result<Vec<RecordFailure>> {
        let mut refused = Vec::new();
        let mut finishing = Vec::new();
        for batch in batches {
            let rows = self.with_values(batch, &mut refused)?;
            if rows.length() == 0 {
                continue;
            }
            let division = self.settings.partitioner.divide(delivery, &rows, &self.settings.naming)?;
            refused.extend(division.refused);
            for target in division.targets {
                if finishing.len() == FINISHING_MAX {
                    finish(finishing.remove(0))?;
                }
                finishing.push(self.write(delivery, &target)?);
            }
        }
        finishing.into_iter().try_for_each(finish)?;
        Ok(refused)
    }
}

impl ObjectStoreTask {
    /// The rows that have a value; the others are left out or reported.
    fn with_values(&self, batch: &Batch, refused: &mut Vec<RecordFailure>) -> Result<Batch> {
        if batch.tombstones() == 0 {
            return whole(batch);
        }
        let (tombstones, rest) = batch.split_tombstones();
        if self.settings.null_values == NullValues::Fail {
            let rows: Vec<usize> = (0..tombstones.length() as usize).collect();
            refused.extend(refusals(
                &tombstones,
                &rows,
                "object-store.null-value",
                "has no value (behavior.on.null.values is fail)",
            )?);
        }
        Ok(rest)
    }

    /// Rows of one schema and directory: one object, named by its first offset.
    fn write(&self, delivery: &Delivery, target: &Target) -> Result<Operation> {
        let first_offset = target.rows.min("offset")?.and_then(|offset| offset.parse().ok());
        let first_offset = first_offset.ok_or_else(|| {
            Error::fatal("object-store.no-offset", "the records have no offsets to name an object by")
        })?;
        let (origin, partition) = (delivery.topic(), delivery.partition());
        let folder = (target.rows.topic(), target.directory.as_str());
        let key = self.settings.naming.key((&folder.0, folder.1), (&origin, partition), first_offset);
        let (format, options) = self.settings.format.writer();
        let output = self.store.upload(&key, IfExists::Overwrite).context(&key)?;
        let writer = Writer::open(format, &options, output)?;
        writer.write(&target.rows).context(&key)?;
        Ok(Writer::start_finish(writer))
    }
}

fn finish(operation: Operation) -> Result<()> {
    operation.wait()?;
    Ok(())
}
