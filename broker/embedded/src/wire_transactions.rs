//! What a server needs of the broker for transactions.

use crate::transactions::{Partitions, ProducerIdAndEpoch, TransactionError, TransactionMetadata};
use crate::{EmbeddedBroker, PendingAppend};
use bytes::Bytes;
use sluice_log::{LogAppendError, LogReadError, ProducerInfo, TopicId};

/// Why a transactional batch is refused.
#[derive(Debug, thiserror::Error)]
pub enum TransactionalAppendError {
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    #[error(transparent)]
    Log(#[from] LogAppendError),
}

impl EmbeddedBroker {
    /// As [`Self::append`], of a batch that belongs to its producer's open transaction.
    ///
    /// # Errors
    /// Nothing of it will land: [`TransactionalAppendError`].
    pub async fn append_in_transaction(
        &self,
        transactional_id: Option<&str>,
        producer: ProducerIdAndEpoch,
        topic: TopicId,
        partition: i32,
        records: Bytes,
    ) -> Result<PendingAppend, TransactionalAppendError> {
        let unknown = || LogAppendError::UnknownPartition { part: 0 };
        let name = self.inner.log.topic_by_id(topic).ok_or_else(unknown)?.name;
        let (part, done, pending) = self.prepare_append(topic, partition, records).await?;
        self.inner.transactions.append(transactional_id, producer, &name, part, done)??;
        Ok(pending)
    }

    /// InitProducerId of a transactional producer: its id and epoch. Every earlier one of this transactional id is
    /// fenced, and its open transaction aborted. `expected`: what the producer believes to be (KIP-360).
    ///
    /// # Errors
    /// [`TransactionError`].
    pub async fn init_transactions(
        &self,
        transactional_id: &str,
        timeout_ms: i32,
        expected: Option<ProducerIdAndEpoch>,
    ) -> Result<ProducerIdAndEpoch, TransactionError> {
        let mut fresh = None;
        loop {
            let made = self.inner.transactions.init(transactional_id, timeout_ms, expected, fresh).await?;
            if let Some(producer) = made {
                return Ok(producer);
            }
            let id = self.next_producer_id().await.map_err(|_| TransactionError::CoordinatorNotAvailable)?;
            fresh = Some(id);
        }
    }

    /// Adds partitions to the producer's transaction, and begins one if none is open.
    ///
    /// # Errors
    /// [`TransactionError`].
    pub async fn add_partitions_to_transaction(
        &self,
        transactional_id: &str,
        producer: ProducerIdAndEpoch,
        partitions: &Partitions,
    ) -> Result<(), TransactionError> {
        self.inner.transactions.add_partitions(transactional_id, producer, partitions).await
    }

    /// Lets the producer's transaction commit group offsets.
    ///
    /// # Errors
    /// [`TransactionError`].
    pub async fn add_offsets_to_transaction(
        &self,
        transactional_id: &str,
        producer: ProducerIdAndEpoch,
    ) -> Result<(), TransactionError> {
        self.inner.transactions.add_offsets(transactional_id, producer).await
    }

    /// Commits or aborts: markers, group offsets and state in one append.
    ///
    /// # Errors
    /// [`TransactionError`].
    pub async fn end_transaction(
        &self,
        transactional_id: &str,
        producer: ProducerIdAndEpoch,
        commit: bool,
    ) -> Result<(), TransactionError> {
        self.inner.transactions.end(transactional_id, producer, commit).await
    }

    #[must_use]
    pub fn transaction(&self, transactional_id: &str) -> Option<TransactionMetadata> {
        self.inner.transactions.describe(transactional_id)
    }

    /// Every transactional id, by name.
    #[must_use]
    pub fn transactions(&self) -> Vec<(String, TransactionMetadata)> {
        self.inner.transactions.list()
    }

    /// The producers that a partition knows, by id.
    ///
    /// # Errors
    /// [`LogReadError::UnknownPartition`].
    pub fn producers_of(&self, topic: TopicId, partition: i32) -> Result<Vec<ProducerInfo>, LogReadError> {
        self.inner.log.producers(topic, partition)
    }
}
