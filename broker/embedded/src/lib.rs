//! The broker's traits in this process, over the write-ahead log.
