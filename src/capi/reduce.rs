//! Reductions, and the values that they and scans hand around.

use super::arguments::null;
use super::callbacks::{UserData, required_callback, vgpu_combine_fn, vgpu_value_fn, worker_pointer};
use super::error::{callback_result, guard};
use super::pool::{optional, vgpu_pool};
use super::status::vgpu_status;
use crate::error::{Result, error};
use crate::os::alloc::{Allocator, RawBuffer};
use crate::parallel::reduce;
use crate::pool::{Pool, Worker};
use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ops::Range;
use core::ptr;

/// One value out of n indices: the parallel version of
///
///     memcpy(result, identity, size);
///     map(worker, user_data, 0, n, result);
///
/// The indices are cut into pieces. Each piece gets a value that begins as a copy of identity, and map adds the piece's indices to
/// it. Neighbouring values are then combined, the left with the right, until one is left.
///
/// The cuts and the order of the combinations depend on n and grain alone, not on the pool: the result is the same to the last
/// bit for any number of workers, floating-point sums included, and for a NULL pool. combine must be associative as far as
/// one cares, and need not be commutative. identity must be neutral: combined with a value it gives that value.
///
/// Values are moved by copying their bytes. Those of more than 64 bytes are allocated while they are in use.
///
/// @param pool       the pool; NULL does the same in order on the caller
/// @param n          how many indices; 0 gives identity
/// @param grain      how many indices each piece has, the last one perhaps fewer; 0 lets n decide
/// @param size       bytes of a value; at least 1
/// @param identity   the value that pieces begin with
/// @param map        adds the indices of a piece to a value
/// @param combine    adds the right one of two neighbouring values to the left one
/// @param user_data  passed to both
/// @param result     where the value goes; written only if all went well
/// @return VGPU_OK; the first failure of map or combine, in which case pieces not yet begun are left out;
///         VGPU_ERROR_STACK_LIMIT for a task so deep in recursion that its worker cannot fork; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OVERFLOW for a size that no memory has; VGPU_ERROR_OUT_OF_MEMORY;
///         VGPU_ERROR_QUEUE_FULL; VGPU_ERROR_CLOSED; VGPU_ERROR_FORKED
/// @note Thread safety: any thread, tasks included. Blocks until the result is there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_parallel_reduce(
    pool: *mut vgpu_pool,
    n: usize,
    grain: usize,
    size: usize,
    identity: *const c_void,
    map: vgpu_value_fn,
    combine: vgpu_combine_fn,
    user_data: *mut c_void,
    result: *mut c_void,
) -> vgpu_status {
    guard(|| {
        let pool = optional(pool);
        let (map, combine) = (required_callback(map)?, required_callback(combine)?);
        if result.is_null() {
            return Err(null("result, where the value would go,"));
        }
        // SAFETY: the program vouches for its functions and data, and for the value it passes.
        let shape = unsafe { Shape::new(pool, size, identity)? };
        let calls = Calls { user_data: UserData(user_data), combine };
        let value = reduce(
            pool,
            0..n,
            grain,
            shape.identity()?,
            |worker, piece| {
                let mut value = shape.identity()?;
                // SAFETY: as above.
                unsafe { calls.piece(map, worker, piece, &mut value)? };
                Ok(value)
            },
            // SAFETY: as above.
            |left, right| unsafe { calls.combine(left, &right) },
        )?;
        // SAFETY: the program vouches for the output.
        unsafe { ptr::copy(value.as_ptr(), result.cast(), size) };
        Ok(())
    })
}

/// What the values of a reduction or scan are like.
pub(super) struct Shape {
    allocator: Allocator,
    size: usize,
    identity: UserData,
}

impl Shape {
    /// # Safety
    /// `identity` is NULL, or points to `size` bytes that stay as they are while this is used.
    pub(super) unsafe fn new(pool: Option<&Pool>, size: usize, identity: *const c_void) -> Result<Shape> {
        if size == 0 {
            return Err(error!(InvalidArgument, "size is 0; pass how many bytes a value has"));
        }
        if identity.is_null() {
            return Err(null("identity"));
        }
        let allocator = pool.map_or(Allocator::SYSTEM, Pool::allocator);
        Ok(Shape { allocator, size, identity: UserData(identity.cast_mut()) })
    }

    /// A new value.
    pub(super) fn identity(&self) -> Result<Value> {
        // SAFETY: by the contract of `new`.
        unsafe { self.value_at(self.identity.0.cast()) }
    }

    pub(super) fn copy(&self, value: &Value) -> Result<Value> {
        // SAFETY: a value of this shape.
        unsafe { self.value_at(value.as_ptr()) }
    }

    /// # Safety
    /// There are `size` bytes at `from`.
    unsafe fn value_at(&self, from: *const u8) -> Result<Value> {
        let mut value = if self.size <= INLINE {
            Value::Inline(Inline([MaybeUninit::uninit(); INLINE]))
        } else {
            Value::Heap(RawBuffer::new(self.allocator, self.size, align_of::<Inline>())?)
        };
        // SAFETY: by contract; the value is fresh and has room.
        unsafe { ptr::copy_nonoverlapping(from, value.as_mut_ptr(), self.size) };
        Ok(value)
    }
}

/// Values up to this size are not allocated.
const INLINE: usize = 64;

#[repr(align(64))]
pub(super) struct Inline([MaybeUninit<u8>; INLINE]);

/// A value of a size that only the program knows.
pub(super) enum Value {
    Inline(Inline),
    Heap(RawBuffer),
}

impl Value {
    fn as_ptr(&self) -> *const u8 {
        match self {
            Value::Inline(bytes) => bytes.0.as_ptr().cast(),
            Value::Heap(bytes) => bytes.as_ptr(),
        }
    }

    fn as_mut_ptr(&mut self) -> *mut u8 {
        match self {
            Value::Inline(bytes) => bytes.0.as_mut_ptr().cast(),
            Value::Heap(bytes) => bytes.as_ptr(),
        }
    }
}

type ValueFn =
    unsafe extern "C-unwind" fn(*mut super::worker::vgpu_worker, *mut c_void, usize, usize, *mut c_void) -> i32;

/// The program's functions for values, with their data.
pub(super) struct Calls {
    pub(super) user_data: UserData,
    pub(super) combine: unsafe extern "C-unwind" fn(*mut c_void, *mut c_void, *const c_void) -> i32,
}

impl Calls {
    /// # Safety
    /// The function may be called with the data and a value of this shape.
    pub(super) unsafe fn piece(
        &self,
        function: ValueFn,
        worker: Option<&Worker>,
        piece: Range<usize>,
        value: &mut Value,
    ) -> Result<()> {
        let value = value.as_mut_ptr().cast();
        // SAFETY: by contract.
        callback_result(unsafe { function(worker_pointer(worker), self.user_data.0, piece.start, piece.end, value) })
    }

    /// # Safety
    /// As [`piece`](Self::piece).
    pub(super) unsafe fn combine(&self, mut left: Value, right: &Value) -> Result<Value> {
        let into = left.as_mut_ptr().cast();
        // SAFETY: by contract.
        callback_result(unsafe { (self.combine)(self.user_data.0, into, right.as_ptr().cast()) })?;
        Ok(left)
    }
}
