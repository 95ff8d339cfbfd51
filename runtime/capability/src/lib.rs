//! What every host capability shares: batches as resources, grants, byte sinks.
