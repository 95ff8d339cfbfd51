//! The offsets table: what was delivered, kept in the same transaction as the rows.
//!
//! One row for each topic partition of a connector. `epoch` fences: each start of a task raises it, and a transaction of an older
//! start, still on its way, finds another epoch and rolls back. `last_offset` makes a replayed delivery recognisable; it counts
//! only for the same topic id (a recreated topic starts anew) and generation (offsets that were altered or reset do too).
//! `rejected` keeps the offsets of rows that the database refused, so that a replay reports them again instead of taking them
//! for written.

use crate::dialect::Dialect;
use sluice_plugin_sdk::sql::{Connection, QueryOptions, Transaction, Value};
use sluice_plugin_sdk::{Delivery, Error, Result, TopicPartition, clock};
use std::collections::{BTreeMap, BTreeSet};

/// Enough for the deliveries that a crash can replay; older ones are settled.
const REJECTED_MAX: usize = 10_000;

/// The offsets table of one connector, with the epochs that this task took.
pub struct OffsetsTable {
    table: String,
    connector: String,
    epochs: BTreeMap<(String, i32), i64>,
}

/// What the table says of a delivery's partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Rows up to here are written, or in `rejected`. -1: none.
    pub last_offset: i64,
    pub rejected: BTreeSet<i64>,
}

/// A partition's row.
struct Row {
    topic_id: String,
    generation: i64,
    last_offset: i64,
    epoch: i64,
    rejected: BTreeSet<i64>,
}

impl OffsetsTable {
    /// Makes the table when it is missing and takes the epoch of every assigned partition.
    pub fn open(
        connection: &Connection,
        dialect: Dialect,
        table: &str,
        connector: String,
        assignment: &[TopicPartition],
    ) -> Result<Self> {
        let table = dialect.quote(table);
        let transaction = connection.begin()?;
        transaction.execute(
            &format!(
                "CREATE TABLE IF NOT EXISTS {table} (connector TEXT NOT NULL, topic TEXT NOT NULL, \"partition\" INTEGER NOT NULL, \
                 topic_id TEXT NOT NULL, generation INTEGER NOT NULL, last_offset INTEGER NOT NULL, epoch INTEGER NOT NULL, \
                 rejected TEXT NOT NULL, updated_at TIMESTAMP NOT NULL, PRIMARY KEY (connector, topic, \"partition\"))"
            ),
            &[],
        )?;
        let mut offsets = Self { table, connector, epochs: BTreeMap::new() };
        for assigned in assignment {
            let epoch = offsets.take_epoch(&transaction, &assigned.topic, assigned.partition)?;
            offsets.epochs.insert((assigned.topic.clone(), assigned.partition), epoch);
        }
        Transaction::commit(transaction)?;
        Ok(offsets)
    }

    /// What was delivered of this partition, under the lock that the transaction holds.
    ///
    /// # Errors
    /// Fatal when a newer start of a task has taken the partition.
    pub fn delivered(&self, transaction: &Transaction, delivery: &Delivery) -> Result<Delivered> {
        let (topic, partition) = (delivery.topic(), delivery.partition());
        let row = self.read(transaction, &topic, partition)?.ok_or_else(|| self.fenced(&topic, partition))?;
        if Some(&row.epoch) != self.epochs.get(&(topic.clone(), partition)) {
            return Err(self.fenced(&topic, partition));
        }
        Ok(row.delivered(&delivery.topic_id(), delivery.generation() as i64))
    }

    /// Notes what the transaction delivers.
    ///
    /// # Errors
    /// As [`OffsetsTable::delivered`].
    pub fn record(&self, transaction: &Transaction, delivery: &Delivery, delivered: &Delivered) -> Result<()> {
        let (topic, partition) = (delivery.topic(), delivery.partition());
        let epoch =
            self.epochs.get(&(topic.clone(), partition)).copied().ok_or_else(|| self.fenced(&topic, partition))?;
        let newest = delivered.rejected.iter().rev().take(REJECTED_MAX).rev();
        let rejected: Vec<String> = newest.map(i64::to_string).collect();
        let updated = transaction.execute(
            &format!(
                "UPDATE {} SET topic_id = ?, generation = ?, last_offset = ?, rejected = ?, updated_at = ? \
                 WHERE connector = ? AND topic = ? AND \"partition\" = ? AND epoch = ?",
                self.table
            ),
            &[
                Value::Text(delivery.topic_id()),
                Value::Int64(delivery.generation() as i64),
                Value::Int64(delivered.last_offset),
                Value::Text(rejected.join(",")),
                Value::Int64(clock::now_ms()),
                Value::Text(self.connector.clone()),
                Value::Text(topic.clone()),
                Value::Int64(i64::from(partition)),
                Value::Int64(epoch),
            ],
        )?;
        if updated == 1 { Ok(()) } else { Err(self.fenced(&topic, partition)) }
    }

    fn take_epoch(&self, transaction: &Transaction, topic: &str, partition: i32) -> Result<i64> {
        transaction.execute(
            &format!(
                "INSERT INTO {table} VALUES (?, ?, ?, '', 0, -1, 1, '', ?) \
                 ON CONFLICT (connector, topic, \"partition\") DO UPDATE SET epoch = {table}.epoch + 1",
                table = self.table
            ),
            &[
                Value::Text(self.connector.clone()),
                Value::Text(topic.to_owned()),
                Value::Int64(i64::from(partition)),
                Value::Int64(clock::now_ms()),
            ],
        )?;
        let row = self.read(transaction, topic, partition)?;
        Ok(row.ok_or_else(|| self.fenced(topic, partition))?.epoch)
    }

    fn read(&self, transaction: &Transaction, topic: &str, partition: i32) -> Result<Option<Row>> {
        let options = QueryOptions {
            topic: String::new(),
            max_rows: 1,
            max_bytes: 0,
            numeric_mapping: String::new(),
            timestamp_granularity: String::new(),
        };
        let parameters =
            [Value::Text(self.connector.clone()), Value::Text(topic.to_owned()), Value::Int64(i64::from(partition))];
        let sql = format!(
            "SELECT topic_id, generation, last_offset, epoch, rejected FROM {} WHERE connector = ? AND topic = ? AND \"partition\" = ?",
            self.table
        );
        let Some(batch) = transaction.query(&sql, &parameters, &options)? else { return Ok(None) };
        let integer =
            |name: &str| -> Result<i64> { Ok(batch.column(&format!("value.{name}"))?.integer(0).unwrap_or(-1)) };
        let text = |name: &str| -> Result<String> {
            Ok(batch.column(&format!("value.{name}"))?.text(0).unwrap_or_default().to_owned())
        };
        Ok(Some(Row {
            topic_id: text("topic_id")?,
            generation: integer("generation")?,
            last_offset: integer("last_offset")?,
            epoch: integer("epoch")?,
            rejected: text("rejected")?.split(',').filter_map(|offset| offset.parse().ok()).collect(),
        }))
    }

    fn fenced(&self, topic: &str, partition: i32) -> Error {
        let message = format!(
            "{topic}-{partition} was taken over by a newer start of connector {:?}: this one must end (are two hubs running a \
             connector of this name against one database?)",
            self.connector
        );
        Error::fatal("sql.fenced", message)
    }
}

impl Row {
    fn delivered(self, topic_id: &str, generation: i64) -> Delivered {
        if self.topic_id == topic_id && self.generation == generation {
            Delivered { last_offset: self.last_offset, rejected: self.rejected }
        } else {
            Delivered { last_offset: -1, rejected: BTreeSet::new() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_offsets_do_not_count_for_a_recreated_topic_or_reset_offsets() {
        let row =
            || Row { topic_id: "a".into(), generation: 2, last_offset: 9, epoch: 1, rejected: BTreeSet::from([4]) };
        assert_eq!(row().delivered("a", 2), Delivered { last_offset: 9, rejected: BTreeSet::from([4]) });
        let nothing = Delivered { last_offset: -1, rejected: BTreeSet::new() };
        assert_eq!(row().delivered("b", 2), nothing);
        assert_eq!(row().delivered("a", 3), nothing);
    }
}
