//! Group offsets inside a transaction, for any group: `rdkafka` wants a consumer that is a member of it.

use super::{PartitionList, TransactionFailure, millis, taken, text};
use rdkafka::bindings as rd;
use rdkafka::producer::{BaseProducer, Producer, ProducerContext};
use std::time::Duration;

/// Waits up to `timeout`; after a retriable failure it may be called again.
pub(crate) fn send_offsets<C: ProducerContext>(
    producer: &BaseProducer<C>,
    group: &str,
    offsets: &PartitionList,
    timeout: Duration,
) -> Result<(), TransactionFailure> {
    let group = text(group);
    // SAFETY: the group's name is copied into the metadata, which is freed here; the producer and the list outlive the call.
    let error = unsafe {
        let metadata = rd::rd_kafka_consumer_group_metadata_new(group.as_ptr());
        let error = rd::rd_kafka_send_offsets_to_transaction(
            producer.client().native_ptr(),
            offsets.0,
            metadata,
            millis(timeout),
        );
        rd::rd_kafka_consumer_group_metadata_destroy(metadata);
        taken(error)
    };
    error.map_or(Ok(()), Err)
}
