//! Appends that must not overtake each other: when one fails, those handed over behind it fail too, until their owner has
//! seen all outcomes. Without it an append that is tried again would land behind its successor.

use parking_lot::Mutex;
use std::sync::Arc;

#[derive(Debug, Clone, Default)]
pub(crate) struct Chain(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    unseen: usize,
    broken: bool,
}

/// An append whose outcome its owner has not seen. Dropping it says that it was seen, or that nobody will look.
#[derive(Debug)]
#[must_use = "dropping it at once says that the outcome was seen"]
pub(crate) struct Unseen(Chain);

impl Chain {
    /// Before an append is handed over; kept until its outcome was seen.
    pub(crate) fn enter(&self) -> Unseen {
        let mut state = self.0.lock();
        if state.unseen == 0 {
            state.broken = false;
        }
        state.unseen += 1;
        Unseen(self.clone())
    }

    /// Before a failure is answered.
    pub(crate) fn break_off(&self) {
        self.0.lock().broken = true;
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.0.lock().broken
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        self.0.0.lock().unseen -= 1;
    }
}
