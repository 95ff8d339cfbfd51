//! Named points at which a test may stop the process, and the clock that is passed in.

use std::sync::Arc;

/// What happens at a named point between two durable steps; by default nothing. The binary that wants to die at one
/// passes a hook that aborts.
#[derive(Clone, Default)]
pub struct FailPoints(Option<Arc<dyn Fn(&'static str) + Send + Sync>>);

impl FailPoints {
    /// `hook` is called with the point's name each time that it is passed.
    pub fn new(hook: impl Fn(&'static str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hook)))
    }

    /// Before the bytes of a group of appends are handed to the operating system.
    pub const APPEND_BEFORE_WRITE: &'static str = "log.append.before_write";
    /// Written, not yet synced.
    pub const APPEND_AFTER_WRITE: &'static str = "log.append.after_write";
    /// Durable, not yet acknowledged.
    pub const APPEND_AFTER_SYNC: &'static str = "log.append.after_sync";
    /// A new log file was begun.
    pub const ROLL_AFTER_CREATE: &'static str = "log.roll.after_create";
    /// A cleaned file was written and synced under its temporary name.
    pub const CLEAN_AFTER_WRITE: &'static str = "log.clean.after_write";
    /// A cleaned file has its final name; what it replaces is still there.
    pub const CLEAN_AFTER_RENAME: &'static str = "log.clean.after_rename";
    /// Every point above.
    pub const ALL: [&'static str; 6] = [
        Self::APPEND_BEFORE_WRITE,
        Self::APPEND_AFTER_WRITE,
        Self::APPEND_AFTER_SYNC,
        Self::ROLL_AFTER_CREATE,
        Self::CLEAN_AFTER_WRITE,
        Self::CLEAN_AFTER_RENAME,
    ];

    pub(crate) fn pass(&self, point: &'static str) {
        if let Some(hook) = &self.0 {
            hook(point);
        }
    }
}

impl std::fmt::Debug for FailPoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "FailPoints(set)" } else { "FailPoints(none)" })
    }
}

/// Wall-clock time, passed in.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since the epoch.
    fn now_ms(&self) -> i64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
    }
}
