//! The memory of tasks that nobody holds: blocks of a few sizes, which the worker that ran the task sends home to where the
//! submitter took them from ([`free_list`](crate::protocol::free_list)).
//!
//! Such a task is made by one thread and freed by another, which is what a general allocator does worst. A home keeps as
//! many blocks as tasks may be queued, up to a limit in bytes; beyond that, and for tasks larger than
//! the largest size, each block comes from the allocator and goes back there. All that homes keep is given back with the
//! pool.

use crate::error::Result;
use crate::memory::plot::Plots;
use crate::os::alloc::{Allocator, Array};
use crate::protocol::free_list::{Chain, Claim, Home, Link};
use core::alloc::Layout;
use core::mem;
use core::ptr::NonNull;

/// Blocks of these sizes, front included, are kept.
const SIZES: [usize; 3] = [64, 128, 256];
/// No two tasks share a cache line.
const ALIGN: usize = 64;
/// What a home keeps of one size, at most.
const HOME_BYTES: usize = 1 << 20;
/// The home of a block that has none.
const NOWHERE: usize = usize::MAX;
/// The home of a block that is never sent anywhere: see [`Kept`].
const STAYS: usize = usize::MAX - 1;

/// What stands in front of a task.
#[repr(C)]
#[derive(Debug)]
struct Front {
    /// First, so that its address is the block's.
    link: Link,
    home: usize,
}

/// The kind of block that a type needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// As homes keep it.
    layout: Layout,
    /// As the allocator gives it for one task alone: no more aligned than it needs to be, since that is dear.
    alone: Layout,
    /// Where the value begins.
    offset: usize,
    /// Which of the sizes it is, if one.
    size: Option<usize>,
}

impl Shape {
    /// The block for a `T`.
    pub(crate) const fn of<T>() -> Shape {
        let align = if mem::align_of::<T>() > ALIGN { mem::align_of::<T>() } else { ALIGN };
        let offset = mem::size_of::<Front>().next_multiple_of(mem::align_of::<T>());
        let bytes = offset + mem::size_of::<T>();
        let mut size = 0;
        while size < SIZES.len() && (bytes > SIZES[size] || align > ALIGN) {
            size += 1;
        }
        let (bytes, size) = if size < SIZES.len() { (SIZES[size], Some(size)) } else { (bytes, None) };
        let least = if mem::align_of::<T>() > mem::align_of::<Front>() {
            mem::align_of::<T>()
        } else {
            mem::align_of::<Front>()
        };
        match (Layout::from_size_align(bytes, align), Layout::from_size_align(bytes, least)) {
            (Ok(layout), Ok(alone)) => Shape { layout, alone, offset, size },
            _ => panic!("a task larger than the address space"),
        }
    }

    /// # Safety
    /// `value` lies in a block of this shape.
    unsafe fn front(self, value: NonNull<u8>) -> NonNull<Front> {
        // SAFETY: by contract the block begins so far in front.
        unsafe { value.sub(self.offset).cast() }
    }
}

/// A value in a block that stays where it is: a pool that has run the task in it does not touch it again.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Kept<T> {
    front: Front,
    pub(crate) value: T,
}

impl<T> Kept<T> {
    /// A block of [`Shape::of::<T>`].
    pub(crate) fn new(value: T) -> Kept<T> {
        const { assert!(mem::offset_of!(Kept<T>, value) == Shape::of::<T>().offset) };
        Kept { front: Front { link: Link::new(), home: STAYS }, value }
    }
}

/// The homes of a pool's blocks.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// For each worker two times all sizes: the first are the worker's, the second those of threads from outside.
    homes: Array<Home>,
    workers: usize,
    /// What a home keeps at most, in blocks.
    limit: usize,
    allocator: Allocator,
    /// What the blocks come from that stay in a worker's homes: memory on its node, where it has some.
    grounds: Array<Allocator>,
}

/// Who takes blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Taker {
    Worker(usize),
    /// Some thread, with its key.
    Outside(usize),
}

impl Blocks {
    /// Homes for a pool whose inbox holds so many tasks. They start empty.
    ///
    /// # Safety
    /// The plots outlive the homes, and only worker `i` of the pool takes as [`Taker::Worker`]`(i)`.
    pub(crate) unsafe fn new(allocator: Allocator, workers: usize, queued: usize, plots: &Plots) -> Result<Blocks> {
        let homes = Array::from_fn(allocator, 2 * workers * SIZES.len(), |_| Ok(Home::new()))?;
        // Besides those in the queue there are those on their way into it, and home.
        let under_way = MOST_RETURNS * (workers + 2);
        // SAFETY: by contract; what is given back goes there at the end, when the workers are gone.
        let grounds = Array::from_fn(allocator, workers, |worker| Ok(unsafe { plots.allocator(worker) }))?;
        Ok(Blocks { homes, workers, limit: queued.saturating_add(under_way), allocator, grounds })
    }

    /// A number of blocks of one shape is about to be taken.
    #[inline]
    pub(crate) fn open(&self, taker: Taker, shape: Shape) -> Source<'_> {
        let place = match taker {
            Taker::Worker(index) => index,
            Taker::Outside(key) => self.workers + key % self.workers,
        };
        let claimed = shape.size.and_then(|size| {
            let home = place * SIZES.len() + size;
            // SAFETY: a place is less than twice the number of workers.
            let claim = unsafe { self.homes.get_unchecked(home) }.claim()?;
            Some((home, claim))
        });
        Source { blocks: self, shape, claimed }
    }

    /// What the blocks of a home come from.
    fn ground(&self, home: usize) -> Allocator {
        self.grounds.get(home / SIZES.len()).copied().unwrap_or(self.allocator)
    }

    /// Sends back a block that was never used, or whose task is done.
    ///
    /// # Safety
    /// `value` is where the value of a block of this shape and these homes lies; it was dropped, and nobody uses the block.
    pub(crate) unsafe fn free(&self, value: NonNull<u8>, shape: Shape, returns: &mut Returns) {
        // SAFETY: by contract.
        unsafe {
            let front = shape.front(value);
            let home = front.as_ref().home;
            if home >= STAYS {
                if home == NOWHERE {
                    Blocks::release(self.allocator, front, shape.alone);
                }
                return;
            }
            if returns.home != home || returns.chain.len() >= MOST_RETURNS {
                self.give_back(returns);
                returns.home = home;
            }
            returns.chain.add(front.cast());
        }
    }

    /// Gives back what has been collected.
    #[inline]
    pub(crate) fn give_back(&self, returns: &mut Returns) {
        if !returns.chain.is_empty() {
            self.homes[returns.home].give_back(mem::take(&mut returns.chain));
        }
    }

    /// # Safety
    /// The block came from `ground`, has this layout, and nobody uses it.
    unsafe fn release(ground: Allocator, front: NonNull<Front>, layout: Layout) {
        // SAFETY: by contract.
        unsafe {
            front.drop_in_place();
            ground.deallocate(front.cast(), layout);
        }
    }

    /// Gives all blocks back to the allocator. They are at home.
    pub(crate) fn clear(&mut self) {
        for (index, home) in self.homes.iter().enumerate() {
            let Some(mut claim) = home.claim() else { continue };
            let mut missing = claim.blocks();
            while let Some(block) = claim.take() {
                // SAFETY: the sizes are multiples of the alignment. Blocks of this home have this layout, and one in its list is
                // used by nobody.
                unsafe {
                    let layout = Layout::from_size_align_unchecked(SIZES[index % SIZES.len()], ALIGN);
                    Blocks::release(self.ground(index), block.cast(), layout);
                }
                missing -= 1;
            }
            debug_assert_eq!(missing, 0, "blocks have not come home");
        }
    }
}

/// A worker sends blocks home when it has collected so many.
const MOST_RETURNS: usize = 64;

/// Blocks of one home that wait to be sent there together.
#[derive(Debug, Default)]
pub(crate) struct Returns {
    home: usize,
    chain: Chain,
}

/// A taker of blocks of one shape. While it lives, it alone takes from its home.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    blocks: &'a Blocks,
    shape: Shape,
    claimed: Option<(usize, Claim<'a>)>,
}

impl Source<'_> {
    /// A block, as a place for the value.
    ///
    /// Errors: [`OutOfMemory`](crate::error::Status::OutOfMemory).
    #[inline]
    pub(crate) fn take(&mut self) -> Result<NonNull<u8>> {
        if let Some((_, claim)) = &mut self.claimed
            && let Some(block) = claim.take()
        {
            // SAFETY: the value has its place in every block of this shape.
            return Ok(unsafe { block.cast::<u8>().add(self.shape.offset) });
        }
        self.make()
    }

    #[cold]
    fn make(&mut self) -> Result<NonNull<u8>> {
        let limit = self.blocks.limit.min(HOME_BYTES / self.shape.layout.size());
        let home = self.claimed.as_mut().filter(|(_, claim)| claim.blocks() < limit);
        let (ground, layout) = match &home {
            Some((home, _)) => (self.blocks.ground(*home), self.shape.layout),
            None => (self.blocks.allocator, self.shape.alone),
        };
        let block = ground.allocate(layout)?;
        let home = home.map_or(NOWHERE, |(home, claim)| {
            claim.adopt();
            *home
        });
        // SAFETY: fresh memory, large enough for the front and the value after it.
        unsafe {
            block.cast::<Front>().write(Front { link: Link::new(), home });
            Ok(block.add(self.shape.offset))
        }
    }
}
