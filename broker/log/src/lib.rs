//! The write-ahead log: append, recovery, retention, compaction.
