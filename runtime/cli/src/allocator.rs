//! The allocator, told to keep less.

/// Bounds the number of heaps that glibc keeps. Its default, eight a core, lets the threads of the blocking pool each fragment one of their
/// own: moving a table through the hub peaked at 160 MB of which 40 were free memory. Other C libraries have no such setting.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
pub fn limit_arenas() {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let arenas = libc::c_int::try_from(cores.max(2)).unwrap_or(libc::c_int::MAX);
    // SAFETY: mallopt takes two integers and sets a parameter of the allocator; any thread may call it at any time.
    // What it refuses stays as it was.
    let _ = unsafe { libc::mallopt(libc::M_ARENA_MAX, arenas) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn limit_arenas() {}
