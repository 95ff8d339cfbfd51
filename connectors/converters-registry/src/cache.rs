//! What a registry said, kept: good answers until there are too many, refusals for a while.

use indexmap::IndexMap;
use parking_lot::RwLock;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A schema that was unknown may be registered later; it is not asked for again before.
const REFUSAL_KEPT: Duration = Duration::from_secs(10);

type Answer<V> = Result<Arc<V>, Arc<str>>;

pub struct Cache<K, V> {
    entries: RwLock<IndexMap<K, Entry<V>>>,
    capacity: usize,
}

struct Entry<V> {
    answer: Answer<V>,
    at: Instant,
}

impl<K: Hash + Eq, V> Cache<K, V> {
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self { entries: RwLock::new(IndexMap::new()), capacity }
    }

    pub fn get(&self, key: &K) -> Option<Answer<V>> {
        self.entries.read().get(key).map(|entry| entry.answer.clone())
    }

    /// Whether the registry must be asked: it never was, or it refused a while ago.
    pub fn is_missing(&self, key: &K) -> bool {
        let entries = self.entries.read();
        let kept = entries.get(key).is_some_and(|entry| entry.answer.is_ok() || entry.at.elapsed() < REFUSAL_KEPT);
        !kept
    }

    /// The oldest goes when there is no room.
    pub fn insert(&self, key: K, answer: Result<V, String>) {
        let mut entries = self.entries.write();
        if entries.len() >= self.capacity && !entries.contains_key(&key) {
            entries.shift_remove_index(0);
        }
        let answer = answer.map(Arc::new).map_err(Arc::from);
        entries.insert(key, Entry { answer, at: Instant::now() });
    }
}
