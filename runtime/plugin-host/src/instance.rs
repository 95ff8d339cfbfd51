//! One guest instance: a store, its limits, and its calls.
//!
//! The guest moves into each call and comes back with the answer, so a call that is given up (its future dropped) takes
//! store and instance with it: nothing of a stopped guest remains. After a trap the same holds: instances are never reused.

use crate::engine::{GuestEngine, InstanceSlot};
use crate::error::{DeadlineExceeded, failed, timed_out};
use crate::guest_context::GuestContext;
use crate::limits::GuestLimits;
use futures_util::FutureExt as _;
use sluice_capability::GuestState;
use sluice_connect_api::ConnectError;
use sluice_telemetry::task_time::{self, GuestTime};
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use wasmtime::component::{Instance, InstancePre};
use wasmtime::{Store, StoreContextMut, UpdateDeadline};

/// A guest that keeps its caller's thread longer than this in one turn moves to the guests' own threads for the rest of its call. A turn
/// ends at the latest with the epoch's second tick.
const SHORT_TURN: Duration = Duration::from_millis(2);

/// What runs inside a call: borrows the guest, answers the host's own error only when the guest is broken.
pub(crate) type GuestFuture<'a, R> = Pin<Box<dyn Future<Output = wasmtime::Result<R>> + Send + 'a>>;

/// A store, and the instance in it that exports `E`.
pub(crate) struct Guest<E> {
    pub(crate) store: Store<GuestState>,
    pub(crate) exports: E,
    /// Counts this instance for as long as its store lives.
    _slot: InstanceSlot,
}

/// How a guest is made: who it is, its state, its code.
pub(crate) struct GuestParts<E> {
    pub(crate) pre: InstancePre<GuestState>,
    pub(crate) state: GuestState,
    pub(crate) bind: fn(&mut Store<GuestState>, &Instance) -> wasmtime::Result<E>,
}

/// A guest that may be called, until a call ends it.
pub(crate) struct GuestHandle<E> {
    engine: Arc<GuestEngine>,
    limits: GuestLimits,
    plugin: Arc<str>,
    guest: Option<Box<Guest<E>>>,
}

impl<E: Send + 'static> GuestHandle<E> {
    /// Instantiates the component.
    ///
    /// # Errors
    /// Too many instances; a component whose types do not fit; a trap in its start.
    pub(crate) async fn new(
        engine: &Arc<GuestEngine>,
        limits: &GuestLimits,
        plugin: Arc<str>,
        parts: GuestParts<E>,
    ) -> Result<Self, ConnectError> {
        let Some(slot) = engine.instance_slot(limits.instances) else {
            let message =
                format!("plugin {plugin} cannot start: {} instances are running; stop some", limits.instances);
            return Err(ConnectError::retriable("plugin.instances", message));
        };
        let GuestParts { pre, state, bind } = parts;
        let mut store = new_store(pre.engine(), state);
        let own_limits = limits.clone();
        let made = run((engine, &plugin, limits.call), "instantiate", async move {
            arm(&mut store, &own_limits);
            let bound = match pre.instantiate_async(&mut store).await {
                Ok(instance) => bind(&mut store, &instance),
                Err(error) => Err(error),
            };
            match bound {
                Ok(exports) => Ok(Box::new(Guest { store, exports, _slot: slot })),
                Err(error) => Err((error, GuestContext::of(store.data_mut()).panic.take())),
            }
        });
        let guest = Some(made.await?);
        Ok(Self { engine: engine.clone(), limits: limits.clone(), plugin, guest })
    }

    /// Calls the guest. Dropping the future stops the guest and ends this instance.
    ///
    /// # Errors
    /// Fatal, when the guest trapped, went above a limit, or was ended by an earlier call.
    pub(crate) async fn call<R: Send + 'static>(
        &mut self,
        name: &'static str,
        f: impl for<'a> FnOnce(&'a mut Guest<E>) -> GuestFuture<'a, R> + Send + 'static,
    ) -> Result<R, ConnectError> {
        let Some(mut guest) = self.guest.take() else {
            let message = format!("plugin {} was ended by an earlier call; restart the task", self.plugin);
            return Err(ConnectError::fatal("plugin.ended", message));
        };
        let limits = self.limits.clone();
        let wall = limits.call;
        let called = run((&self.engine, &self.plugin, wall), name, async move {
            arm(&mut guest.store, &limits);
            match f(&mut guest).await {
                Ok(answer) => Ok((guest, answer)),
                Err(error) => Err((error, GuestContext::of(guest.store.data_mut()).panic.take())),
            }
        });
        let (guest, answer) = called.await?;
        self.guest = Some(guest);
        Ok(answer)
    }
}

/// Runs `work` within the wall-clock bound of a call: in place as long as it takes short turns, else on the guests' own threads.
/// A hop to another thread and back costs more than most calls (20 to 40 µs against 1 to 20).
async fn run<T: Send + 'static>(
    (engine, plugin, limit): (&Arc<GuestEngine>, &Arc<str>, Duration),
    name: &'static str,
    work: impl Future<Output = Result<T, (wasmtime::Error, Option<String>)>> + Send + 'static,
) -> Result<T, ConnectError> {
    let running = engine.running();
    let bounded = AssertUnwindSafe(tokio::time::timeout(limit, work)).catch_unwind();
    let mut work = Box::pin(async move {
        let outcome = bounded.await;
        drop(running);
        outcome
    });
    let time = task_time::current();
    let outcome = match short_turns(&mut work, &time).await {
        Some(outcome) => Ok(outcome),
        None => AbortOnDrop(engine.handle().spawn(time.elsewhere(work))).join().await,
    };
    match outcome {
        Ok(Ok(Ok(Ok(answer)))) => Ok(answer),
        Ok(Ok(Ok(Err((error, panic))))) => Err(failed(plugin, name, &error, panic.as_deref())),
        Ok(Ok(Err(_elapsed))) => Err(timed_out(plugin, name, limit)),
        Ok(Err(_panic)) => Err(host_failed(plugin, name, "the host panicked; please report it")),
        Err(_stopping) => Err(host_failed(plugin, name, "the host is stopping")),
    }
}

fn host_failed(plugin: &str, name: &str, what: &str) -> ConnectError {
    ConnectError::fatal("plugin.host", format!("plugin {plugin} was stopped in {name}: {what}"))
}

/// Polls `work` on the caller's thread. `None` when a turn took longer than [`SHORT_TURN`]: the guest computes, and belongs elsewhere.
async fn short_turns<T>(work: &mut Pin<Box<impl Future<Output = T>>>, time: &GuestTime) -> Option<T> {
    poll_fn(|context| {
        let begin = Instant::now();
        let answer = work.as_mut().poll(context);
        let turn = begin.elapsed();
        time.in_place(turn);
        match answer {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending if turn > SHORT_TURN => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

fn new_store(engine: &wasmtime::Engine, state: GuestState) -> Store<GuestState> {
    let mut store = Store::new(engine, state);
    store.limiter(|state| &mut GuestContext::of(state).limits);
    store.epoch_deadline_callback(count_tick);
    store
}

/// Called when a tick went by inside the guest: other guests get their turn, and the time is counted.
fn count_tick(mut store: StoreContextMut<'_, GuestState>) -> wasmtime::Result<UpdateDeadline> {
    let state = store.data_mut();
    state.ticks_in_guest += 1;
    let ticks = state.ticks_in_guest;
    let ticks_max = GuestContext::of(state).deadline_ticks;
    if ticks > ticks_max {
        return Err(wasmtime::Error::new(DeadlineExceeded { limit: crate::engine::TICK * ticks_max }));
    }
    Ok(UpdateDeadline::Yield(1))
}

/// Before every call: a fresh deadline and a fresh allowance of output.
fn arm(store: &mut Store<GuestState>, limits: &GuestLimits) {
    store.data_mut().ticks_in_guest = 0;
    store.set_epoch_deadline(1);
    store.set_hostcall_fuel(limits.output_bytes);
}

/// A call that ends with its caller.
struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> AbortOnDrop<T> {
    async fn join(mut self) -> Result<T, tokio::task::JoinError> {
        (&mut self.0).await
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
