//! Waking the thread that retains and compacts.

use parking_lot::{Condvar, Mutex};

#[derive(Default)]
pub(crate) struct Housekeeping {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    due: bool,
    stopped: bool,
}

impl Housekeeping {
    pub(crate) fn wake(&self) {
        self.state.lock().due = true;
        self.changed.notify_all();
    }

    pub(crate) fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_all();
    }
}
