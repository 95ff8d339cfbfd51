//! While a delivery waits for the log and for the target, what comes next is read: neither waits for the other.
//!
//! It ends with the next batch complete and a fetch's worth of bytes collected, or with the memory budget. What cannot be read is
//! left to the next poll, which says why.

use crate::sink_task::WorkerSinkTask;
use std::time::Duration;

impl WorkerSinkTask {
    /// Does `work`, and beside it reads what comes next.
    pub(crate) async fn while_reading_ahead<T>(&mut self, work: impl Future<Output = T>) -> T {
        let (done, ()) = tokio::join!(work, self.read_ahead());
        done
    }

    /// Whether a batch ends now: there is something to deliver before more is read.
    pub(crate) fn has_due_batch(&self) -> bool {
        let now = self.now();
        self.partitions.iter().any(|partition| partition.batch.is_due(&self.rotation, now))
    }

    /// One fetch of what is there already.
    async fn read_ahead(&mut self) {
        let lifecycle = &self.parts.lifecycle;
        let is_interrupted = lifecycle.is_paused() || lifecycle.is_stopping();
        if is_interrupted || self.failed_ahead.is_some() || self.parts.shared.budget.is_exhausted() {
            return;
        }
        let collected: usize = self.partitions.iter().map(|partition| partition.batch.bytes()).sum();
        if self.has_due_batch() && collected >= self.fetch_bytes() {
            return;
        }
        let fetched = self.consumer.fetch(&self.fetch_requests(), Duration::ZERO).await;
        for (index, fetched) in fetched.into_iter().enumerate() {
            let Ok(fetched) = fetched else { continue };
            let is_gap = fetched.log_start_offset > self.partitions[index].position;
            if is_gap || fetched.records.is_empty() {
                continue;
            }
            self.partitions[index].high_watermark = fetched.high_watermark;
            match self.convert_and_transform(index, &fetched.records, i64::MAX).await {
                Ok(chunk) => self.collect(index, chunk),
                Err(error) => {
                    // The delivery under way comes to its end first.
                    self.failed_ahead = Some(error);
                    return;
                }
            }
        }
    }
}
