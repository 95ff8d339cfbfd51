//! Named places between durable steps where a test stops the process. Unarmed, a [`hit`] is one relaxed load.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Every place, in the order of the data path; then those of the log, which names them itself.
pub const NAMES: &[&str] = &[
    "source.before_append",
    "source.after_append",
    "sink.before_plan",
    "sink.after_plan",
    "sink.after_put",
    "sink.before_commit",
    "sink.after_commit",
    "redrive.after_request",
    "redrive.before_put",
    "redrive.after_put",
    "redrive.before_append",
    "redrive.after_append",
    "log.append.before_write",
    "log.append.after_write",
    "log.append.after_sync",
    "log.roll.after_create",
    "log.clean.after_write",
    "log.clean.after_rename",
];

/// What happens when the place is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The process ends at once, without unwinding or flushing.
    Abort,
    /// Only the thread of control that came here ends: a crash of one task, for tests within one process.
    Panic,
}

struct Armed {
    name: String,
    /// Hits left until it acts; 0: it has acted.
    left: u64,
    action: Action,
}

static ANY: AtomicBool = AtomicBool::new(false);
static ARMED: Mutex<Option<Armed>> = Mutex::new(None);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownFailPoint(pub String);

impl std::fmt::Display for UnknownFailPoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} is no fail point; use name or name:nth with one of {}", self.0, NAMES.join(", "))
    }
}

impl std::error::Error for UnknownFailPoint {}

/// Arms `name` or `name:nth` (the nth hit from now, default 1); one at a time, the last call counts.
///
/// # Errors
/// [`UnknownFailPoint`].
pub fn arm(spec: &str, action: Action) -> Result<(), UnknownFailPoint> {
    let (name, nth) = spec.split_once(':').unwrap_or((spec, "1"));
    let nth = nth.parse::<u64>().ok().filter(|nth| *nth > 0);
    let (Some(left), true) = (nth, NAMES.contains(&name)) else { return Err(UnknownFailPoint(spec.to_owned())) };
    *ARMED.lock().unwrap_or_else(PoisonError::into_inner) = Some(Armed { name: name.to_owned(), left, action });
    ANY.store(true, Ordering::Release);
    Ok(())
}

pub fn disarm() {
    ANY.store(false, Ordering::Release);
    *ARMED.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Marks a place. `name` is one of [`NAMES`].
#[inline]
pub fn hit(name: &str) {
    if ANY.load(Ordering::Relaxed) {
        act(name);
    }
}

#[cold]
fn act(name: &str) {
    let action = {
        let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(armed) = armed.as_mut().filter(|armed| armed.name == name && armed.left > 0) else { return };
        armed.left -= 1;
        if armed.left > 0 {
            return;
        }
        armed.action
    };
    match action {
        Action::Abort => std::process::abort(),
        Action::Panic => panic!("fail point {name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_armed_place_acts_at_its_nth_hit_only() {
        arm("sink.after_put:2", Action::Panic).unwrap();
        hit("sink.after_put");
        hit("sink.after_plan");
        let second = std::panic::catch_unwind(|| hit("sink.after_put"));
        assert!(second.is_err());
        hit("sink.after_put");
        disarm();
        assert_eq!(arm("sink.after_putt", Action::Panic).unwrap_err().0, "sink.after_putt");
        assert!(arm("sink.after_put:0", Action::Panic).is_err());
    }
}
