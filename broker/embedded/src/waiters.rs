//! Who waits for records of which partition.

use parking_lot::Mutex;
use sluice_log::{Observer, TopicId};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Notify;

type ByPartition = HashMap<(TopicId, i32), Vec<Arc<Notify>>>;

#[derive(Default)]
pub(crate) struct Waiters {
    by_partition: Mutex<ByPartition>,
}

impl Waiters {
    /// Registers for news of `partitions` until the guard is dropped.
    pub(crate) fn register(self: &Arc<Self>, partitions: Vec<(TopicId, i32)>) -> Waiting {
        let notify = Arc::new(Notify::new());
        let mut by_partition = self.by_partition.lock();
        for partition in &partitions {
            by_partition.entry(*partition).or_default().push(notify.clone());
        }
        Waiting { waiters: self.clone(), partitions, notify }
    }
}

impl Observer for Waiters {
    fn committed(&self, topic: TopicId, partition: i32) {
        if let Some(waiting) = self.by_partition.lock().get(&(topic, partition)) {
            waiting.iter().for_each(|notify| notify.notify_one());
        }
    }
}

pub(crate) struct Waiting {
    waiters: Arc<Waiters>,
    partitions: Vec<(TopicId, i32)>,
    notify: Arc<Notify>,
}

impl Waiting {
    /// Returns when one of the partitions had news since this was registered or last returned.
    pub(crate) async fn news(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut by_partition = self.waiters.by_partition.lock();
        for partition in &self.partitions {
            if let Some(waiting) = by_partition.get_mut(partition) {
                waiting.retain(|notify| !Arc::ptr_eq(notify, &self.notify));
                if waiting.is_empty() {
                    by_partition.remove(partition);
                }
            }
        }
    }
}
