//! Connector configs, offsets and status in the log's internal topics.
