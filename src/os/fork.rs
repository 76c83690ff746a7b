//! Knowing that this process is a forked child: its parent's threads are not here.

use crate::error::{Result, error};
use crate::os::thread::Errno;
use crate::sync::thread_slot;
use core::sync::atomic::{AtomicU32, Ordering};

// Plain atomics: the child has one thread when the handler runs, and everything later in it comes after.
static GENERATION: AtomicU32 = AtomicU32::new(0);
static HANDLERS: AtomicU32 = AtomicU32::new(0);

extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    // Nobody is left to steal from a worker that forked. Its thread is none in the child, and its pool refuses it like any other.
    thread_slot::set(0);
}

/// Sees to it that [`generation`] changes in forked children. Cheap after the first call.
pub fn watch() -> Result<()> {
    // Two threads may both register: the generation then grows by two a fork, which serves as well.
    if HANDLERS.load(Ordering::Relaxed) == 0 {
        // SAFETY: the handler only touches a static and a thread-local word without a destructor.
        let errno = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
        if errno != 0 {
            return Err(error!(OutOfMemory, "the fork handler could not be registered ({})", Errno(errno)));
        }
        HANDLERS.store(1, Ordering::Relaxed);
    }
    Ok(())
}

/// A number that differs between a process and the children it forked after [`watch`].
#[inline]
pub fn generation() -> u32 {
    GENERATION.load(Ordering::Relaxed)
}
