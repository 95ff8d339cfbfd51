//! The plugin host's own part of a guest's store: its limits, what it is told about itself, its log and its metrics.

use crate::limits::{GuestLimits, LogDecision, LogRate};
use sluice_capability::{GuestIdentity, GuestState};
use sluice_connect_api::{ConfigMap, TaskContext};
use std::collections::HashSet;
use std::time::Instant;
use wasmtime::StoreLimits;

/// Text behind this is cut from a guest's log line: one line must not fill the log.
const LOG_LINE_BYTES_MAX: usize = 8 << 10;
/// Names of metrics that one instance may make: each is kept for the life of the process.
const METRIC_NAMES_MAX: usize = 64;
const METRIC_NAME_BYTES_MAX: usize = 100;

/// Kept in [`GuestState::host`].
pub(crate) struct GuestContext {
    pub(crate) limits: StoreLimits,
    /// The task this instance is; none for connector-level calls and transformations.
    pub(crate) task: Option<TaskContext>,
    /// What the guest may see of its config.
    pub(crate) config: ConfigMap,
    /// The last panic that the guest's hook reported.
    pub(crate) panic: Option<String>,
    pub(crate) deadline_ticks: u32,
    log: LogRate,
    metric_names: HashSet<String>,
    pub(crate) started: Instant,
}

impl GuestContext {
    pub(crate) fn new(limits: &GuestLimits, task: Option<TaskContext>, config: ConfigMap) -> Self {
        let ticks = limits.deadline.as_millis().div_ceil(crate::engine::TICK.as_millis());
        Self {
            limits: limits.store_limits(),
            task,
            config,
            panic: None,
            deadline_ticks: u32::try_from(ticks).unwrap_or(u32::MAX).max(1),
            log: LogRate::new(limits.log_lines_per_second),
            metric_names: HashSet::new(),
            started: Instant::now(),
        }
    }

    /// This part of a guest's state.
    pub(crate) fn of(state: &mut GuestState) -> &mut Self {
        state.host.downcast_mut().expect("the plugin host makes every guest's state, with its own part in it")
    }

    /// The line to write and how many were suppressed before it; `None`: not this one.
    pub(crate) fn log_line(&mut self, message: String) -> Option<(String, u64)> {
        if message.starts_with("panicked at") {
            self.panic = Some(one_line(&message));
        }
        let LogDecision::Pass { suppressed_before } = self.log.decide(self.started.elapsed().as_secs()) else {
            return None;
        };
        Some((shortened(message, LOG_LINE_BYTES_MAX), suppressed_before))
    }

    /// The metric's full name, or `None` when the guest has too many.
    pub(crate) fn metric_name(&mut self, name: &str) -> Option<String> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let name: String =
            name.chars().map(|c| if is_allowed(c) { c } else { '_' }).take(METRIC_NAME_BYTES_MAX).collect();
        if !self.metric_names.contains(&name) {
            if self.metric_names.len() >= METRIC_NAMES_MAX {
                return None;
            }
            self.metric_names.insert(name.clone());
        }
        Some(format!("sluice_plugin_{name}"))
    }
}

/// The line's labels: who says it.
pub(crate) fn task_label(identity: &GuestIdentity) -> String {
    identity.task.map_or_else(String::new, |task| task.to_string())
}

fn one_line(text: &str) -> String {
    let text = text.split('\n').map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    shortened(text, 1 << 10)
}

fn shortened(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let end = (0..=bytes_max).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_line_is_cut_between_characters() {
        assert_eq!(shortened("aé".repeat(10), 4), "aéa…");
        assert_eq!(shortened("short".to_owned(), 5), "short");
    }

    #[test]
    fn a_guest_cannot_make_metrics_without_end() {
        let mut context = GuestContext::new(&GuestLimits::default(), None, ConfigMap::new());
        let made = (0..1_000).filter(|index| context.metric_name(&format!("m{index}")).is_some()).count();
        assert_eq!(made, METRIC_NAMES_MAX);
        assert_eq!(context.metric_name("m0").unwrap(), "sluice_plugin_m0");
        assert_eq!(context.metric_name("m 0"), None);
    }
}
