//! Checking an append on its caller's thread, so that the writer only copies.

use crate::block::PAYLOAD_BYTES_TARGET;
use crate::error::LogAppendError;
use crate::inflate;
use crate::producers::ProducerBatch;
use crate::queue::{PreparedBlock, PreparedPart};
use crate::topics::{Partition, Topic};
use bytes::Bytes;
use sluice_protocol::{BatchError, RecordBatchRef, batches};
use std::sync::Arc;

/// Validates header and CRC of every batch and cuts the part into blocks. Records are looked at only in compacted
/// topics, where each needs a key.
pub(crate) fn prepare(
    topic: &Topic,
    partition: &Arc<Partition>,
    part: usize,
    records: Bytes,
) -> Result<PreparedPart, LogAppendError> {
    let mut blocks: Vec<PreparedBlock> = Vec::new();
    let mut numbered = Vec::new();
    let (mut at, mut count, mut offsets) = (0, 0, 0i64);
    for batch in batches(&records) {
        let batch = batch.map_err(|source| LogAppendError::Corrupt { part, source })?;
        check(topic, part, &batch)?;
        numbered.extend(ProducerBatch::of(&batch, offsets));
        let span = batch.last_offset_delta() as u32 + 1;
        let end = at + batch.size_bytes();
        match blocks.last_mut() {
            Some(block) if end - block.from <= PAYLOAD_BYTES_TARGET && block.span.checked_add(span).is_some() => {
                block.to = end;
                block.span += span;
                block.max_timestamp = block.max_timestamp.max(batch.max_timestamp());
            }
            _ => blocks.push(PreparedBlock { from: at, to: end, span, max_timestamp: batch.max_timestamp() }),
        }
        at = end;
        count += 1;
        offsets += i64::from(span);
    }
    let (partition, compacted, durability) = (partition.clone(), topic.settings.compact, topic.settings.durability);
    Ok(PreparedPart { partition, records, blocks, numbered, batches: count, compacted, durability })
}

fn check(topic: &Topic, part: usize, batch: &RecordBatchRef<'_>) -> Result<(), LogAppendError> {
    let (size_bytes, limit_bytes) = (batch.size_bytes(), topic.settings.max_message_bytes);
    // A marker that a small limit refuses would leave its transaction open for ever.
    if size_bytes > limit_bytes && !batch.is_control() {
        return Err(LogAppendError::TooLarge { part, size_bytes, limit_bytes });
    }
    let corrupt = |source: BatchError| LogAppendError::Corrupt { part, source };
    batch.verify_crc().map_err(corrupt)?;
    batch.compression().map_err(corrupt)?;
    if !topic.settings.compact || batch.is_control() {
        return Ok(());
    }
    let all_have_keys = inflate::with_records(batch, |records| {
        let mut all_have_keys = true;
        for record in records {
            all_have_keys &= record?.key.is_some();
        }
        Ok(all_have_keys)
    });
    if all_have_keys.map_err(corrupt)? { Ok(()) } else { Err(LogAppendError::MissingKey { part }) }
}
