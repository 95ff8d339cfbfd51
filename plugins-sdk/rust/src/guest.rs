//! The one task of this instance, and the panic hook. The export macros call this; authors do not.

use crate::error::{Error, Result};
use std::any::Any;
use std::cell::RefCell;
use std::sync::Once;

thread_local! {
    /// The host makes one instance per task and never calls it twice at once.
    static TASK: RefCell<Option<Box<dyn Any>>> = const { RefCell::new(None) };
}

/// Every export calls this first. A panic ends the instance; without the hook its message would be lost.
pub(crate) fn enter() {
    static HOOK: Once = Once::new();
    if cfg!(target_arch = "wasm32") {
        HOOK.call_once(|| {
            std::panic::set_hook(Box::new(|panic| crate::log::write(crate::log::Level::Error, &panic.to_string())))
        });
    }
}

/// Keeps the task that `open` made.
pub(crate) fn set_task<T: 'static>(task: T) {
    TASK.with_borrow_mut(|slot| *slot = Some(Box::new(task)));
}

/// Calls `f` with the task.
pub(crate) fn with_task<T: 'static, R>(f: impl FnOnce(&mut T) -> Result<R>) -> Result<R> {
    TASK.with_borrow_mut(|slot| {
        let task = slot.as_mut().and_then(|task| task.downcast_mut::<T>());
        f(task.ok_or_else(|| Error::fatal("plugin.not-open", "the host called a task that was not opened"))?)
    })
}

/// Drops the task after a last call.
pub(crate) fn close_task<T: 'static>(f: impl FnOnce(&mut T)) {
    if let Some(mut task) = TASK.take()
        && let Some(task) = task.downcast_mut::<T>()
    {
        f(task);
    }
}
