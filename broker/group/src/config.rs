//! The coordinator's settings, with Kafka's names and defaults.

/// Broker settings that decide how groups behave (`GroupCoordinatorConfig`, `OffsetConfig` in Kafka).
#[derive(Clone, Debug)]
pub struct Config {
    /// `group.min.session.timeout.ms`: a join with less gets INVALID_SESSION_TIMEOUT.
    pub group_min_session_timeout_ms: i32,
    /// `group.max.session.timeout.ms`: a join with more gets INVALID_SESSION_TIMEOUT.
    pub group_max_session_timeout_ms: i32,
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for more members before its first round ends.
    pub group_initial_rebalance_delay_ms: i32,
    /// `group.max.size`: members that one group may have.
    pub group_max_size: usize,
    /// `offset.metadata.max.bytes`: the longest string that may stand beside an offset.
    pub offset_metadata_max_bytes: usize,
    /// `offsets.retention.minutes`: how long offsets outlive their last reader.
    pub offsets_retention_minutes: i32,
    /// `offsets.retention.check.interval.ms`: how often expired offsets are looked for.
    pub offsets_retention_check_interval_ms: i64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            group_min_session_timeout_ms: 6_000,
            group_max_session_timeout_ms: 1_800_000,
            group_initial_rebalance_delay_ms: 3_000,
            group_max_size: i32::MAX as usize,
            offset_metadata_max_bytes: 4_096,
            offsets_retention_minutes: 10_080,
            offsets_retention_check_interval_ms: 600_000,
        }
    }
}

impl Config {
    pub(crate) fn offsets_retention_ms(&self) -> i64 {
        i64::from(self.offsets_retention_minutes) * 60_000
    }
}
