//! Where a task's time goes: how long threads work for it, and how much of that in calls of guests.
//!
//! Time is counted turn by turn, so that waiting (for records, for a server, for the disk) counts nowhere. A turn inside a call
//! of a guest is the guest's, with the native functions that the guest calls and that do not wait.

use crate::metric::TaskMetrics;
use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, Instant};

thread_local! {
    static CURRENT: RefCell<Option<Arc<TaskMetrics>>> = const { RefCell::new(None) };
}

/// Counts the turns of `work` as this task's, and makes it the [`current`] one in them.
pub async fn timed<T>(metrics: TaskMetrics, work: impl Future<Output = T>) -> T {
    let (mut work, metrics) = (Box::pin(work), Arc::new(metrics));
    poll_fn(|context| {
        let _turn = Turn { before: CURRENT.replace(Some(Arc::clone(&metrics))), begin: Instant::now() };
        work.as_mut().poll(context)
    })
    .await
}

/// Ends also when the task panics.
struct Turn {
    before: Option<Arc<TaskMetrics>>,
    begin: Instant,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(metrics) = CURRENT.replace(self.before.take()) {
            metrics.busy_seconds.add(self.begin.elapsed().as_secs_f64());
        }
    }
}

/// A call of a guest, on behalf of the task that called.
#[derive(Clone)]
pub struct GuestTime(Option<Arc<TaskMetrics>>);

/// Of the task whose turn it is on this thread; without one nothing is counted.
#[must_use]
pub fn current() -> GuestTime {
    GuestTime(CURRENT.with_borrow(Clone::clone))
}

impl GuestTime {
    /// A turn of the guest within a turn of the task.
    pub fn in_place(&self, time: Duration) {
        if let Some(metrics) = &self.0 {
            metrics.guest_seconds.add(time.as_secs_f64());
        }
    }

    /// Counts the turns of `work`, which has a thread of its own.
    pub async fn elsewhere<T>(self, work: impl Future<Output = T>) -> T {
        let mut work = Box::pin(work);
        poll_fn(|context| {
            let begin = Instant::now();
            let answer = work.as_mut().poll(context);
            if let Some(metrics) = &self.0 {
                let time = begin.elapsed().as_secs_f64();
                metrics.guest_seconds.add(time);
                metrics.busy_seconds.add(time);
            }
            answer
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meter::Shown;
    use std::pin::pin;
    use std::task::{Context, Waker};

    #[test]
    fn turns_are_the_tasks_and_those_of_its_guests_are_both() {
        let metrics = TaskMetrics::new("time", 0);
        let work = async {
            current().in_place(Duration::from_secs(2));
            let time = current();
            std::thread::spawn(|| {
                let mut context = Context::from_waker(Waker::noop());
                assert!(pin!(time.elsewhere(async { std::hint::black_box(0) })).poll(&mut context).is_ready());
            })
            .join()
            .unwrap();
        };
        let mut context = Context::from_waker(Waker::noop());
        assert!(pin!(timed(metrics.clone(), work)).poll(&mut context).is_ready());
        let (busy, guest) = (metrics.busy_seconds.shown(Shown::Total), metrics.guest_seconds.shown(Shown::Total));
        assert!(guest > 2.0, "{guest}: in place and elsewhere");
        assert!(busy > 0.0 && busy < 2.0, "{busy}: what is counted in place is in the task's own turn already");
        current().in_place(Duration::from_secs(1));
        assert_eq!(metrics.guest_seconds.shown(Shown::Total), guest, "nobody's turn");
    }
}
