//! Batches of idempotent producers: checked when they are staged, remembered when they are published.

use super::Writer;
use crate::TopicId;
use crate::error::LogAppendError;
use crate::producers::{ProducerBatch, ProducerState, Producers, Verdict};
use crate::queue::PreparedPart;
use crate::transactions::Step;
use std::collections::HashMap;

/// What the open group changes, on top of what is published.
pub(super) type StagedProducers = HashMap<(TopicId, i32, i64), ProducerState>;

/// What the batches of one part do to transactions, by the part's number in its append.
pub(super) type Steps = (usize, Vec<Step>);

/// What becomes of an append.
pub(super) enum Checked {
    New(StagedProducers, Vec<Steps>),
    /// Its one batch stands in the log already.
    Duplicate(i64),
}

impl Writer {
    /// Checks every batch in its order. Nothing is changed.
    pub(super) fn check_producers(&self, parts: &[PreparedPart]) -> Result<Checked, LogAppendError> {
        let mut staged = StagedProducers::new();
        let mut steps = Vec::new();
        let alone = parts.len() == 1 && parts[0].batches == 1;
        let now_ms = if parts.iter().any(|part| !part.numbered.is_empty()) { self.shared.clock.now_ms() } else { 0 };
        for (number, part) in parts.iter().enumerate() {
            let base_offset = part.partition.next_offset.load(std::sync::atomic::Ordering::Relaxed);
            let mut steps_of_part = Vec::new();
            for batch in &part.numbered {
                let key = (part.partition.topic, part.partition.index, batch.producer_id);
                let known = match staged.get(&key).or_else(|| self.group.producers.get(&key)) {
                    Some(state) => Some(state.clone()),
                    None => part.partition.state.read().producers.get(&batch.producer_id).cloned(),
                };
                match ProducerState::judge(known.as_ref(), batch) {
                    Verdict::Append => {}
                    Verdict::Duplicate { base_offset } if alone => return Ok(Checked::Duplicate(base_offset)),
                    refused => return Err(refusal(number, batch, refused)),
                }
                let mut state = known.unwrap_or_else(|| ProducerState::new(batch.epoch));
                steps_of_part.extend(state.add(batch, base_offset, now_ms));
                staged.insert(key, state);
            }
            if !steps_of_part.is_empty() {
                steps.push((number, steps_of_part));
            }
        }
        Ok(Checked::New(staged, steps))
    }
}

/// What a group that is in the log says of the producers of each partition.
pub(super) fn by_partition(staged: StagedProducers) -> HashMap<(TopicId, i32), Producers> {
    let mut producers: HashMap<(TopicId, i32), Producers> = HashMap::new();
    for ((topic, partition, producer_id), state) in staged {
        producers.entry((topic, partition)).or_default().insert(producer_id, state);
    }
    producers
}

fn refusal(part: usize, batch: &ProducerBatch, verdict: Verdict) -> LogAppendError {
    let ProducerBatch { producer_id, epoch, first_sequence: found, .. } = *batch;
    match verdict {
        Verdict::Fenced { current_epoch } => {
            LogAppendError::ProducerEpochOver { part, producer_id, epoch, current_epoch }
        }
        Verdict::OutOfOrder { expected } => LogAppendError::OutOfOrderSequence { part, producer_id, expected, found },
        Verdict::OutsideTransaction => LogAppendError::OutsideTransaction { part, producer_id },
        // One batch of several was sent before: what comes next is the one behind it.
        Verdict::Duplicate { .. } | Verdict::Append => {
            LogAppendError::OutOfOrderSequence { part, producer_id, expected: batch.last_sequence, found }
        }
    }
}
