//! Where packed panels lie: memory of the runner's, or of a caller's, in parts that tasks share or have to themselves.

use crate::error::{Error, Result, error};
use crate::gemm::blocking::MOST_SEATS;
use crate::gemm::element::Element;
use crate::gemm::runner::{Packing, TileRunner};
use crate::os::alloc::RawBuffer;
use core::cell::UnsafeCell;

/// The rooms of two seats share no so large a piece of memory: a page.
const SEAT_BYTES: usize = 4096;

/// Where a task finds or leaves packed panels of B.
#[derive(Clone, Copy)]
pub(in crate::gemm) struct Store<T> {
    /// Null when B is used where it lies.
    pub(in crate::gemm) first: *mut T,
    /// The column at which the store begins.
    pub(in crate::gemm) origin: usize,
    /// The block of k at which it begins.
    pub(in crate::gemm) block: usize,
    /// Elements from one block of k to the next; 0 when each replaces the last.
    pub(in crate::gemm) stride: usize,
}

// SAFETY: a store is an address; the rounds of `run` decide who writes where.
unsafe impl<T: Send> Send for Store<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Store<T> {}

/// An address that tasks share.
#[derive(Clone, Copy)]
pub(in crate::gemm) struct Place<T>(pub(in crate::gemm) *mut T);

// SAFETY: as for a store.
unsafe impl<T: Send> Send for Place<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Place<T> {}

impl<T> Place<T> {
    /// The address so many elements further on.
    pub(in crate::gemm) fn at(&self, elements: usize) -> *mut T {
        self.0.wrapping_add(elements)
    }
}

/// Packing memory that a caller has at hand: where, and how many elements.
#[derive(Clone, Copy)]
pub(in crate::gemm) struct Held<T>(pub(in crate::gemm) Place<T>, pub(in crate::gemm) usize);

impl<T: Element> Held<T> {
    pub(super) const NONE: Held<T> = Held(Place(core::ptr::null_mut()), 0);

    /// Memory for `count` elements: this, or, if it is too small, some that is freed with what is returned.
    pub(super) fn or_new(
        self,
        tiles: &dyn TileRunner,
        count: Option<usize>,
    ) -> Result<(Place<T>, Option<Packing<'_>>)> {
        if count.is_some_and(|count| count <= self.1) {
            return Ok((self.0, None));
        }
        let memory = packing::<T>(tiles, count)?;
        Ok((Place(memory.as_ptr().cast()), Some(memory)))
    }
}

pub(in crate::gemm) fn too_large() -> Error {
    error!(Overflow, "the packing buffers of a product do not fit the address space; pass smaller sizes")
}

fn bytes_of<T>(count: Option<usize>) -> Result<usize> {
    count.and_then(|count| count.checked_mul(size_of::<T>())).ok_or_else(too_large)
}

/// A buffer for `count` elements, on a cache line's boundary.
pub(in crate::gemm) fn buffer<T: Element>(tiles: &dyn TileRunner, count: Option<usize>) -> Result<RawBuffer> {
    RawBuffer::new(tiles.allocator(), bytes_of::<T>(count)?, 64)
}

/// The same for packed panels.
pub(in crate::gemm) fn packing<T: Element>(tiles: &dyn TileRunner, count: Option<usize>) -> Result<Packing<'_>> {
    tiles.packing(bytes_of::<T>(count)?)
}

/// Elements from one seat's room to the next: whole pages, which are then on the node of the one who packs there.
pub(in crate::gemm) fn seat_stride<T>(room: usize) -> Option<usize> {
    room.checked_next_multiple_of(SEAT_BYTES / size_of::<T>())
}

/// A flag for each seat.
pub(super) struct SeatFlags([UnsafeCell<bool>; MOST_SEATS]);

// SAFETY: by the contract of `raise`.
unsafe impl Sync for SeatFlags {}

impl SeatFlags {
    /// All down.
    pub(super) fn new() -> SeatFlags {
        SeatFlags([const { UnsafeCell::new(false) }; MOST_SEATS])
    }

    /// Raises the flag of a seat, and says whether it was down.
    ///
    /// # Safety
    /// Nobody else has this seat meanwhile, and what one who has it does comes before what the next one does.
    pub(super) unsafe fn raise(&self, seat: usize) -> bool {
        // SAFETY: by contract.
        unsafe { !self.0[seat].get().replace(true) }
    }
}
