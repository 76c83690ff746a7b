//! Writing pages from threads that run on a node: the kernel puts a page where the thread is that writes it first.
//!
//! The range is cut into pieces of 2 MiB, so that no huge page has two first writers, and the pieces are dealt out in turn:
//! to the nodes, and on each node to its threads. Several threads for each node, since one alone is several times slower than
//! the memory.

use crate::error::{Result, Status, error};
use crate::os::affinity;
use crate::os::alloc::{Allocator, List};
use crate::os::pages::{HUGE_PAGE, page_bytes};
use crate::os::thread::{Options, Pin, Thread, name_current, refuse_cancellation};
use crate::topology::CpuSet;
use core::ffi::c_void;

/// More threads for one node than this gain nothing: its memory is the limit.
const THREADS_PER_NODE: usize = 8;

/// A thread costs as much as writing this many pieces.
const PIECES_PER_THREAD: usize = 16;

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The calling thread runs on the node and takes part.
    TakesPart,
    /// The calling thread runs anywhere, and only waits.
    Waits,
}

/// One thread's part of the work.
struct Share<'a> {
    cpus: &'a CpuSet,
    start: *mut u8,
    bytes: usize,
    /// The first piece, and how many lie between one and the next.
    first: usize,
    step: usize,
    /// Whether to write nothing when the thread cannot be pinned.
    must_pin: bool,
    outcome: Result<()>,
}

/// Writes a zero byte into every page from `start` on, the last included, from threads pinned to the CPUs of the nodes:
/// piece `p` of 2 MiB from those of `nodes[p % nodes.len()]`. With `must_pin` a thread that cannot be pinned is an error;
/// else it writes from where it is. An empty set of CPUs pins to nothing.
///
/// # Errors
/// `Affinity`; `ThreadSpawn` when not one thread can be started; `OutOfMemory`; `InvalidArgument` without nodes.
///
/// # Safety
/// The range is the caller's alone, and writable.
pub unsafe fn first_touch(
    start: *mut u8,
    bytes: usize,
    nodes: &[&CpuSet],
    must_pin: bool,
    caller: Caller,
) -> Result<()> {
    if nodes.is_empty() {
        return Err(error!(
            InvalidArgument,
            "{bytes} bytes were to be written from the CPUs of no node; name at least one"
        ));
    }
    let pieces = bytes.div_ceil(HUGE_PAGE);
    let mut shares = List::new(Allocator::SYSTEM);
    let per_node = pieces.div_ceil(PIECES_PER_THREAD * nodes.len()).clamp(1, THREADS_PER_NODE);
    // Every node gets as many, so that the pieces of one node stay its own.
    let threads = nodes.iter().map(|cpus| cpus.len().max(1)).min().unwrap_or(1).min(per_node);
    for thread in 0..threads {
        for (index, &cpus) in nodes.iter().enumerate() {
            let first = index + thread * nodes.len();
            let step = threads * nodes.len();
            shares.push(Share { cpus, start, bytes, first, step, must_pin, outcome: Ok(()) })?;
        }
    }
    run(&mut shares, caller)?;
    shares.iter().try_for_each(|share| share.outcome.clone())
}

/// Runs every share: each on a thread of its own as far as threads can be had, in several rounds otherwise.
fn run(shares: &mut [Share], caller: Caller) -> Result<()> {
    let (own, mut left) = match caller {
        Caller::TakesPart => shares.split_at_mut(1),
        Caller::Waits => shares.split_at_mut(0),
    };
    let mut own_is_done = own.is_empty();
    while !left.is_empty() || !own_is_done {
        let mut threads = List::with_capacity(Allocator::SYSTEM, left.len())?;
        let mut refusal = None;
        for share in left.iter_mut() {
            let options = Options { stack_size: 0, pin: Pin::Inherited, block_signals: true };
            // SAFETY: the share lives in the caller's list, and nobody else touches it until the thread is joined below.
            match unsafe { Thread::spawn(options, run_share, (&raw mut *share).cast()) } {
                Ok(thread) => threads.push(thread)?,
                Err(error) => {
                    refusal = Some(error);
                    break;
                }
            }
        }
        if !own_is_done {
            own.iter_mut().for_each(write_share);
            own_is_done = true;
        }
        let started = threads.len();
        while let Some(thread) = threads.pop() {
            thread.join();
        }
        left = &mut left[started..];
        match (refusal, started, caller) {
            (Some(_), 0, Caller::TakesPart) => {
                left.iter_mut().for_each(write_share);
                return Ok(());
            }
            (Some(error), 0, Caller::Waits) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

extern "C" fn run_share(share: *mut c_void) -> *mut c_void {
    refuse_cancellation();
    name_current("vgpu-touch", 0);
    // SAFETY: `run` passes a share that is this thread's until it is joined.
    let share = unsafe { &mut *share.cast::<Share>() };
    if !share.cpus.is_empty()
        && let Err(error) = affinity::pin_to_set(share.cpus.as_words())
        && share.must_pin
    {
        share.outcome = Err(error);
        return core::ptr::null_mut();
    }
    write_share(share);
    core::ptr::null_mut()
}

fn write_share(share: &mut Share) {
    let pieces = share.bytes.div_ceil(HUGE_PAGE);
    for piece in (share.first..pieces).step_by(share.step) {
        let from = piece * HUGE_PAGE;
        let end = share.bytes.min(from + HUGE_PAGE);
        // SAFETY: by the contract of `first_touch`, and no other share has this piece.
        unsafe { write_pages(share.start.wrapping_add(from), end - from) };
    }
}

/// Writes a zero byte into every page that the range has a part of.
///
/// # Safety
/// The range is writable, and nobody else uses it meanwhile.
unsafe fn write_pages(start: *mut u8, bytes: usize) {
    let page = page_bytes();
    let mut at = 0;
    while at < bytes {
        let address = start.wrapping_add(at);
        // SAFETY: `at` lies in the range. Volatile, since nobody reads the byte and it must be written all the same.
        unsafe { address.write_volatile(0) };
        at += page - address as usize % page;
    }
}

/// Whether an error only says that a thread could not be pinned.
pub(super) fn is_pinning(error: &crate::error::Error) -> bool {
    error.status() == Status::Affinity
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os::pages::Pages;
    use crate::topology::Topology;
    use std::vec::Vec;

    fn allowed() -> CpuSet {
        CpuSet::from_words(affinity::allowed_cpus(Allocator::SYSTEM).unwrap())
    }

    /// Which pages of a range of ones a writer has zeroed.
    fn zeroed(bytes: usize, offset: usize, write: impl FnOnce(*mut u8)) -> Vec<bool> {
        let pages = Pages::map(bytes + offset + page_bytes()).unwrap();
        // SAFETY: the pages are ours.
        let all = unsafe { core::slice::from_raw_parts_mut(pages.start().as_ptr(), pages.bytes()) };
        all.fill(1);
        write(pages.start().as_ptr().wrapping_add(offset));
        all.chunks(page_bytes()).map(|page| page.contains(&0)).collect()
    }

    #[test]
    fn every_page_is_written_the_last_included_and_none_beyond() {
        let cpus = allowed();
        let page = page_bytes();
        for bytes in [1, page, page + 1, 3 * page - 1, HUGE_PAGE + 1, 3 * HUGE_PAGE, 40 * HUGE_PAGE + 5 * page] {
            for nodes in [&[&cpus][..], &[&cpus, &cpus, &cpus]] {
                let written = zeroed(bytes, 0, |start| {
                    // SAFETY: the range is ours.
                    unsafe { first_touch(start, bytes, nodes, true, Caller::Waits).unwrap() };
                });
                let wanted = bytes.div_ceil(page);
                assert!(written[..wanted].iter().all(|&page| page), "{bytes} bytes on {} nodes", nodes.len());
                assert!(!written[wanted..].iter().any(|&page| page), "{bytes} bytes on {} nodes", nodes.len());
            }
        }
        // A range that begins and ends inside a page, as a driver's may.
        let written = zeroed(2 * page, page - 1, |start| {
            // SAFETY: the range is ours.
            unsafe { write_pages(start, page + 2) };
        });
        assert_eq!(written[..4], [true, true, true, false]);
    }

    #[test]
    fn a_thread_that_cannot_be_pinned_is_an_error_only_when_it_must_be() {
        let mut nowhere = CpuSet::new(Allocator::SYSTEM);
        nowhere.insert(affinity::CPU_LIMIT - 1).unwrap();
        let pages = Pages::map(1).unwrap();
        let start = pages.start().as_ptr();
        // SAFETY: the page is ours.
        let (refused, accepted) = unsafe {
            (
                first_touch(start, pages.bytes(), &[&nowhere], true, Caller::Waits),
                first_touch(start, pages.bytes(), &[&nowhere], false, Caller::Waits),
            )
        };
        assert!(is_pinning(&refused.unwrap_err()));
        accepted.unwrap();
        // SAFETY: as above.
        let none = unsafe { first_touch(start, pages.bytes(), &[], true, Caller::Waits) };
        assert_eq!(none.unwrap_err().status(), Status::InvalidArgument);
        assert!(!Topology::detect(Allocator::SYSTEM).unwrap().nodes().is_empty());
    }
}
