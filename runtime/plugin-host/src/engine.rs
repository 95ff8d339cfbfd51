//! One wasmtime engine for the process, the threads that run guests, and the clock that stops them.
//!
//! Guests that compute for long run on their own tokio runtime: a spinning guest delayed the timers of a shared one by up to 600 ms (ten
//! epoch ticks a poll). A call begins on its caller's thread and moves after its first long turn (see `instance`). Epoch interruption is on and fuel is off; the reservation stays at 4 GiB of address space, since a smaller
//! one brings bounds checks back (+34 % on guest compute).

use crate::error::HostError;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use wasmtime::{Config, Engine};

/// How finely time inside guests is counted, and how long a guest keeps a worker thread at most.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// Threads that run guests. What guests wait for runs elsewhere.
const GUEST_WORKERS: usize = 2;
/// A tenth of the time of a thread that wants as much, in the kernel's weights (110 against 1,024).
const GUEST_NICENESS: i32 = 10;
/// tokio looks at timers and sockets once in so many polls; a poll of a spinning guest lasts a whole tick.
const EVENT_INTERVAL: u32 = 4;
/// A guest's own stack.
const WASM_STACK_BYTES: usize = 512 << 10;
/// Host functions run on the guest's fiber too: drivers and encoders need room. Only touched pages cost memory.
const FIBER_STACK_BYTES: usize = 4 << 20;

/// The engine with its ticker and its runtime. Dropped last: the runtime stops in the background.
pub(crate) struct GuestEngine {
    pub(crate) engine: Engine,
    runtime: Option<tokio::runtime::Runtime>,
    ticker: Arc<Ticker>,
    instances: Arc<AtomicUsize>,
}

impl GuestEngine {
    pub(crate) fn new() -> Result<Self, HostError> {
        let failed = |error: &dyn std::fmt::Display| HostError::Engine { reason: error.to_string() };
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .concurrency_support(false)
            .max_wasm_stack(WASM_STACK_BYTES)
            .async_stack_size(FIBER_STACK_BYTES)
            .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(32));
        let engine = Engine::new(&config).map_err(|error| failed(&error))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(GUEST_WORKERS)
            .thread_name("sluice-guest")
            .on_thread_start(yield_to_others)
            .event_interval(EVENT_INTERVAL)
            .enable_all()
            .build()
            .map_err(|error| failed(&error))?;
        let ticker = Ticker::start(engine.clone()).map_err(|error| failed(&error))?;
        Ok(Self { engine, runtime: Some(runtime), ticker, instances: Arc::default() })
    }

    pub(crate) fn handle(&self) -> tokio::runtime::Handle {
        self.runtime.as_ref().expect("taken only by drop").handle().clone()
    }

    /// Ticks go on while this lives.
    pub(crate) fn running(&self) -> Running {
        self.ticker.enter();
        Running(self.ticker.clone())
    }

    /// One more instance, or `None` when there are `max` of them.
    pub(crate) fn instance_slot(&self, max: usize) -> Option<InstanceSlot> {
        let take = |count: usize| (count < max).then_some(count + 1);
        self.instances.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        Some(InstanceSlot(self.instances.clone()))
    }
}

/// What gets here computes for long: it takes the time that nobody else wants, so that a spinning guest costs its neighbours little.
fn yield_to_others() {
    // Refused where priorities are not ours to set: then it competes like any other.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), GUEST_NICENESS);
}

impl Drop for GuestEngine {
    fn drop(&mut self) {
        self.ticker.stop();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// An instance that is counted.
pub(crate) struct InstanceSlot(Arc<AtomicUsize>);

impl Drop for InstanceSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A guest that is being called.
pub(crate) struct Running(Arc<Ticker>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Raises the engine's epoch every [`TICK`] while a guest runs, and sleeps otherwise.
struct Ticker {
    running: AtomicUsize,
    stopped: AtomicBool,
    asleep: Mutex<bool>,
    woken: Condvar,
}

impl Ticker {
    fn start(engine: Engine) -> std::io::Result<Arc<Self>> {
        let ticker = Arc::new(Self {
            running: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            asleep: Mutex::new(false),
            woken: Condvar::new(),
        });
        let own = ticker.clone();
        std::thread::Builder::new().name("sluice-epoch".to_owned()).spawn(move || own.run(&engine))?;
        Ok(ticker)
    }

    fn run(&self, engine: &Engine) {
        while !self.stopped.load(Ordering::Acquire) {
            self.sleep_while_nothing_runs();
            std::thread::sleep(TICK);
            engine.increment_epoch();
        }
    }

    fn sleep_while_nothing_runs(&self) {
        let mut asleep = self.asleep.lock();
        while self.running.load(Ordering::Acquire) == 0 && !self.stopped.load(Ordering::Acquire) {
            *asleep = true;
            self.woken.wait(&mut asleep);
        }
        *asleep = false;
    }

    fn enter(&self) {
        if self.running.fetch_add(1, Ordering::AcqRel) == 0 {
            self.wake();
        }
    }

    fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wake();
    }

    /// The lock makes sure that the ticker is either before its look at `running` or waiting.
    fn wake(&self) {
        if *self.asleep.lock() {
            self.woken.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_counted_and_given_back() {
        let engine = GuestEngine::new().unwrap();
        let first = engine.instance_slot(1);
        assert!(first.is_some() && engine.instance_slot(1).is_none());
        drop(first);
        assert!(engine.instance_slot(1).is_some());
    }
}
