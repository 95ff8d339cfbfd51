//! Noticing that files change, without looking at them: one inotify descriptor for all guests of the process.
//!
//! The kernel tells of what this machine does to an inode. It does not tell of other machines (network file systems) and of a link
//! on the way that was exchanged, so who waits looks by himself now and then, too.

use parking_lot::Mutex;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::mem::MaybeUninit;
use std::sync::Arc;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Room for a few hundred events.
const BUFFER_BYTES: usize = 4096;

/// Who waits for which inode. Opens nothing until somebody waits.
#[derive(Default)]
pub struct Watcher {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    inotify: Option<Arc<OwnedFd>>,
    /// Reads the events; ends with the runtime that it was spawned on, and is then spawned again.
    events: Option<JoinHandle<()>>,
    watched: HashMap<i32, Watched>,
}

struct Watched {
    changed: Arc<Notify>,
    waiting: usize,
}

/// As long as it lives, changes of one inode are told.
pub struct Watch {
    watcher: Arc<Mutex<State>>,
    id: i32,
    pub changed: Arc<Notify>,
}

impl Watcher {
    /// # Errors
    /// What the system says, for instance that there are too many watches.
    pub fn watch(&self, file: &OwnedFd) -> Result<Watch, Errno> {
        let flags = WatchFlags::MODIFY | WatchFlags::ATTRIB | WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF;
        let mut state = self.state.lock();
        let inotify = state.descriptor()?;
        if state.events.as_ref().is_none_or(JoinHandle::is_finished) {
            let readable = readable(inotify.clone())?;
            state.events = Some(tokio::spawn(tell_changes(readable, self.state.clone())));
        }
        let id = inotify::add_watch(&*inotify, format!("/proc/self/fd/{}", file.as_raw_fd()), flags)?;
        let watched = state.watched.entry(id).or_insert_with(|| Watched { changed: Arc::default(), waiting: 0 });
        watched.waiting += 1;
        Ok(Watch { watcher: self.state.clone(), id, changed: watched.changed.clone() })
    }
}

/// Its readiness, on the runtime that the caller is in.
#[allow(unsafe_code)]
fn readable(inotify: Arc<OwnedFd>) -> Result<AsyncFd<Arc<OwnedFd>>, Errno> {
    // SAFETY: what is registered owns the descriptor, keeps it open as long as it lives, and always names the same.
    let registered = unsafe { AsyncFd::register(inotify) };
    registered.map_err(|error| Errno::from_io_error(&error.into()).unwrap_or(Errno::IO))
}

impl State {
    fn descriptor(&mut self) -> Result<Arc<OwnedFd>, Errno> {
        if let Some(inotify) = &self.inotify {
            return Ok(inotify.clone());
        }
        let made = Arc::new(inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?);
        self.inotify = Some(made.clone());
        Ok(made)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Some(events) = self.state.lock().events.take() {
            events.abort();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut state = self.watcher.lock();
        let Some(watched) = state.watched.get_mut(&self.id) else { return };
        watched.waiting -= 1;
        if watched.waiting == 0 {
            state.watched.remove(&self.id);
            if let Some(inotify) = &state.inotify {
                // Refused when the inode is gone and its watch with it.
                let _ = inotify::remove_watch(&**inotify, self.id);
            }
        }
    }
}

async fn tell_changes(inotify: AsyncFd<Arc<OwnedFd>>, state: Arc<Mutex<State>>) {
    loop {
        let Ok(mut ready) = inotify.readable().await else { return };
        let mut buffer = [MaybeUninit::uninit(); BUFFER_BYTES];
        let mut events = inotify::Reader::new(&**inotify.get_ref(), &mut buffer);
        loop {
            match events.next() {
                Ok(event) => tell(&state.lock().watched, event.wd(), event.events()),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(errno) => {
                    tracing::warn!(error = %errno, "file changes are noticed late from now on: inotify cannot be read");
                    return;
                }
            }
        }
        ready.clear_ready();
    }
}

fn tell(watched: &HashMap<i32, Watched>, id: i32, events: ReadFlags) {
    if events.contains(ReadFlags::QUEUE_OVERFLOW) {
        watched.values().for_each(|watched| watched.changed.notify_waiters());
    } else if let Some(watched) = watched.get(&id) {
        watched.changed.notify_waiters();
    }
}
