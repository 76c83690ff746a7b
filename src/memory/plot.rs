//! A worker's own memory on its node: handed out piece by piece, and given back all at once.
//!
//! A worker writes its deques and the blocks of its tasks all day, and both are small: of the general heap one page holds those of
//! several workers, and lies where the pool was made. So each worker of a pool on a machine of several nodes has a plot, whole
//! pages on its node where nobody else's things lie.
//!
//! # How the pages get there
//! The first ones are [`NodeMemory`], since whoever makes the pool writes there before the worker runs. Further ones the worker maps
//! itself: the kernel is told the node, and where it will not be told, the first write is the worker's own, which is pinned. Where no
//! page can be had the pool's allocator gives what is asked for. The worker's memory is then farther away, and that is all.
//!
//! # Who may take and give back
//! One thread at a time: whoever makes the pool; the worker; whoever ends the pool when the worker was joined. The start of a thread
//! and its end order these, so there is nothing here that two threads share. What is given back stays the plot's until its end:
//! deques keep the buffers they have outgrown, and homes their blocks.

use crate::error::{Error, Result};
use crate::memory::node::{NodeMemory, Request};
use crate::memory::report::{self, PageReport};
use crate::os::alloc::{Allocator, List, NodeAllocator, NodeMemorySource};
use crate::os::mempolicy::{self, NodeMask, Policy};
use crate::os::pages::Pages;
use crate::sync::UnsafeCell;
use crate::topology::Topology;
use core::alloc::Layout;
use core::ffi::c_void;
use core::ptr::{self, NonNull};

/// A plot begins with so many bytes: a worker's deques as they begin, and its first blocks.
const FIRST_BYTES: usize = 16 << 10;
/// It grows by so many. Only what is written takes memory.
const CHUNK_BYTES: usize = 256 << 10;

/// A worker's memory.
struct Plot {
    /// What gives memory where there is none here.
    base: Allocator,
    /// Where it begins; `None` where no page could be had.
    first: Option<NodeMemory>,
    rest: UnsafeCell<Rest>,
}

/// What is taken next.
struct Rest {
    next: *mut u8,
    left: usize,
    more: List<Pages>,
}

// SAFETY: what lies in a plot is used by one thread at a time, by the contract of `Plots::allocator`.
unsafe impl Send for Plot {}
// SAFETY: as above.
unsafe impl Sync for Plot {}

impl Plot {
    /// A plot on a node, by the kernel's number, and why there is none, if there is none.
    fn on_node(base: Allocator, machine: &Topology, node: u32) -> (Plot, Option<Error>) {
        let request = Request { touch: false, ..Request::on_node(FIRST_BYTES, node) };
        let first = match NodeMemory::allocate(machine, &request) {
            // Else it would go to the node of whoever makes the pool.
            Ok(memory) if memory.policy_refused() => NodeMemory::allocate(machine, &Request { touch: true, ..request }),
            outcome => outcome,
        };
        let (first, refusal) = match first {
            Ok(memory) => (Some(memory), None),
            Err(error) => (None, Some(error)),
        };
        let next = first.as_ref().map_or(ptr::null_mut(), |memory| memory.start().as_ptr());
        let left = first.as_ref().map_or(0, |memory| memory.bytes());
        (Plot { base, first, rest: UnsafeCell::new(Rest { next, left, more: List::new(base) }) }, refusal)
    }

    /// A piece of it.
    ///
    /// # Safety
    /// No other thread uses the plot meanwhile.
    unsafe fn take(&self, layout: Layout) -> Result<NonNull<u8>> {
        let Some(first) = &self.first else { return self.base.allocate(layout) };
        self.rest.with_mut(|rest| {
            // SAFETY: by contract.
            let rest = unsafe { &mut *rest };
            if let Some(piece) = rest.cut(layout) {
                return Ok(piece);
            }
            let bytes = layout.size().saturating_add(layout.align()).max(CHUNK_BYTES);
            let Some(pages) = Pages::map(bytes).ok().filter(|_| rest.more.reserve(1).is_ok()) else {
                return self.base.allocate(layout);
            };
            // A refusal leaves it to the first write.
            let start = pages.start().as_ptr();
            _ = mempolicy::set_policy(start, pages.bytes(), Policy::Preferred, &NodeMask::of([first.node()]), false);
            // A huge page would be there as a whole at the first write.
            pages.advise_huge(false);
            (rest.next, rest.left) = (start, pages.bytes());
            rest.more.push(pages)?;
            match rest.cut(layout) {
                Some(piece) => Ok(piece),
                None => self.base.allocate(layout),
            }
        })
    }

    /// Whether a piece is of this plot.
    ///
    /// # Safety
    /// As [`take`](Self::take).
    unsafe fn holds(&self, piece: *const u8) -> bool {
        let is_in = |start: NonNull<u8>, bytes: usize| (piece.addr().wrapping_sub(start.addr().get())) < bytes;
        self.first.as_ref().is_some_and(|memory| is_in(memory.start(), memory.bytes()))
            // SAFETY: by contract.
            || self.rest.with(|rest| unsafe { (*rest).more.iter().any(|pages| is_in(pages.start(), pages.bytes())) })
    }

    /// # Safety
    /// As [`take`](Self::take).
    unsafe fn report(&self) -> Result<Option<PageReport>> {
        let Some(first) = &self.first else { return Ok(None) };
        let mut sum = first.report()?;
        // SAFETY: by contract.
        self.rest.with(|rest| unsafe {
            (*rest).more.iter().try_for_each(|pages| sum.add(&report::locate(pages.start().as_ptr(), pages.bytes())?))
        })?;
        Ok(Some(sum))
    }
}

impl Rest {
    fn cut(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let lead = self.next.align_offset(layout.align());
        self.left = self.left.checked_sub(lead.checked_add(layout.size())?)?;
        let piece = self.next.wrapping_add(lead);
        self.next = piece.wrapping_add(layout.size());
        NonNull::new(piece)
    }
}

unsafe extern "C-unwind" fn take(plot: *mut c_void, size: usize, align: usize) -> *mut c_void {
    let Ok(layout) = Layout::from_size_align(size, align) else { return ptr::null_mut() };
    // SAFETY: `Plots::allocator` passes a plot, and its caller vouches that it lives and is used by one thread at a time.
    let piece = unsafe { (*plot.cast::<Plot>()).take(layout) };
    piece.map_or(ptr::null_mut(), |piece| piece.as_ptr().cast())
}

unsafe extern "C-unwind" fn give_back(plot: *mut c_void, memory: *mut c_void, size: usize, align: usize) {
    // SAFETY: as in `take`; what is not of the plot came from its base, with this layout.
    unsafe {
        let plot = &*plot.cast::<Plot>();
        if let Some(memory) = NonNull::new(memory.cast::<u8>())
            && !plot.holds(memory.as_ptr())
        {
            plot.base.deallocate(memory, Layout::from_size_align_unchecked(size, align));
        }
    }
}

/// The plots of a pool's workers.
pub struct Plots {
    /// None is added later: they stay where they are.
    plots: List<Plot>,
    /// In place of the plots, where a host has an allocator of its own for each node: the worker's, if its node is known.
    hosts: List<Option<NodeMemorySource>>,
    base: Allocator,
}

impl core::fmt::Debug for Plots {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Plots").field("workers", &self.plots.len()).finish_non_exhaustive()
    }
}

impl Plots {
    /// No plots: all comes from `base`.
    pub fn none(base: Allocator) -> Plots {
        Plots { plots: List::new(base), hosts: List::new(base), base }
    }

    /// Whether there are none. What a host gives is none.
    pub fn is_empty(&self) -> bool {
        self.plots.is_empty()
    }

    /// A plot for each of the first `workers` workers, on the node, by the kernel's number, that `node_of` says; and the first reason why
    /// a worker has none.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn on_nodes(
        base: Allocator,
        machine: &Topology,
        workers: usize,
        node_of: impl Fn(usize) -> u32,
    ) -> Result<(Plots, Option<Error>)> {
        let mut refusal = None;
        let mut plots = List::with_capacity(base, workers)?;
        for worker in 0..workers {
            let (plot, refused) = Plot::on_node(base, machine, node_of(worker));
            refusal = refusal.or(refused);
            plots.push(plot)?;
        }
        Ok((Plots { plots, hosts: List::new(base), base }, refusal))
    }

    /// No plots, but what a host gives for the node, by the kernel's number, that `node_of` says, if it is known.
    ///
    /// # Errors
    /// `OutOfMemory`.
    pub fn of_host(
        base: Allocator,
        host: NodeAllocator,
        workers: usize,
        node_of: impl Fn(usize) -> Option<u32>,
    ) -> Result<Plots> {
        let mut hosts = List::with_capacity(base, workers)?;
        for worker in 0..workers {
            hosts.push(node_of(worker).map(|node| host.on_node(node)))?;
        }
        Ok(Plots { plots: List::new(base), hosts, base })
    }

    /// What a worker's own things are allocated with: its plot, or, if it has none, what all others are allocated with.
    ///
    /// # Safety
    /// It is used by one thread at a time, as the module text tells, and not after the plots are dropped.
    pub unsafe fn allocator(&self, worker: usize) -> Allocator {
        match self.plots.get(worker) {
            // SAFETY: by contract the plot lives as long as what is allocated there, and is used by one thread at a time.
            Some(plot) => unsafe { Allocator::from_host(take, give_back, ptr::from_ref(plot).cast_mut().cast()) },
            None => match self.hosts.get(worker) {
                // SAFETY: by contract the source, which stays where it is, lives as long as what is allocated there.
                Some(Some(source)) => unsafe { source.allocator() },
                _ => self.base,
            },
        }
    }

    /// Where a worker's pages are; `None` if it has no plot.
    ///
    /// # Errors
    /// `OutOfMemory`.
    ///
    /// # Safety
    /// The calling thread is the worker.
    pub unsafe fn report(&self, worker: usize) -> Result<Option<PageReport>> {
        // SAFETY: by contract.
        self.plots.get(worker).map_or(Ok(None), |plot| unsafe { plot.report() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::IS_CHECKED;

    fn pieces(allocator: Allocator, sizes: impl IntoIterator<Item = usize>) -> Vec<(NonNull<u8>, Layout)> {
        let layouts = sizes.into_iter().map(|size| Layout::from_size_align(size, 64.min(size)).unwrap());
        let take = |layout: Layout| (allocator.allocate(layout).unwrap(), layout);
        layouts.map(take).collect()
    }

    #[test]
    fn pieces_are_apart_aligned_and_of_pages_that_only_the_worker_has() {
        if IS_CHECKED {
            return;
        }
        let machine = Topology::detect(Allocator::SYSTEM).unwrap();
        let number = machine.nodes()[0].number;
        let (plots, refusal) = Plots::on_nodes(Allocator::SYSTEM, &machine, 2, |_| number).unwrap();
        assert!(refusal.is_none(), "{refusal:?}");
        let sizes = || (0..2000).map(|i| 64 << (i % 3)).chain([1 << 20, 8, 4096]);
        let mut all = vec![];
        for worker in 0..2 {
            // SAFETY: this thread alone uses the plots.
            let allocator = unsafe { plots.allocator(worker) };
            for (piece, layout) in pieces(allocator, sizes()) {
                // SAFETY: as above.
                assert!(unsafe {
                    plots.plots[worker].holds(piece.as_ptr()) && !plots.plots[1 - worker].holds(piece.as_ptr())
                });
                assert!(piece.addr().get().is_multiple_of(layout.align()));
                // SAFETY: the piece is ours.
                unsafe { piece.write_bytes(1, layout.size()) };
                all.push((piece.addr().get(), layout.size()));
                // SAFETY: it came from there, and is not used again.
                unsafe { allocator.deallocate(piece, layout) };
            }
            // SAFETY: this thread alone uses the plots.
            let report = unsafe { plots.report(worker).unwrap().unwrap() };
            assert!(report.pages * 4096 > 2000 * 64 + (1 << 20), "{report:?}");
        }
        all.sort_unstable();
        assert!(all.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0), "two pieces overlap");
    }

    /// What cannot be had on a node comes from elsewhere, and goes back there: lost memory fails under valgrind and AddressSanitizer.
    #[test]
    fn without_pages_the_pools_allocator_gives() {
        if IS_CHECKED {
            return;
        }
        let machine = Topology::detect(Allocator::SYSTEM).unwrap();
        let (plots, refusal) = Plots::on_nodes(Allocator::SYSTEM, &machine, 1, |_| 1023).unwrap();
        assert!(refusal.unwrap().message().contains("node 1023"));
        for plots in [plots, Plots::none(Allocator::SYSTEM)] {
            // SAFETY: this thread alone uses the plots.
            let allocator = unsafe { plots.allocator(0) };
            for (piece, layout) in pieces(allocator, [64, 5000, 1 << 20]) {
                // SAFETY: the piece is ours, and not used after.
                unsafe {
                    piece.write_bytes(1, layout.size());
                    allocator.deallocate(piece, layout);
                }
            }
            // SAFETY: as above.
            assert!(unsafe { plots.report(0).unwrap().is_none() });
        }
    }
}
