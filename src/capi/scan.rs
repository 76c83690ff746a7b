//! Prefix values.

use super::callbacks::{UserData, required_callback, vgpu_combine_fn, vgpu_value_fn};
use super::error::guard;
use super::pool::{optional, vgpu_pool};
use super::reduce::{Calls, Shape, Value};
use super::status::vgpu_status;
use crate::parallel::{ScanValues, scan_copying};
use core::ffi::c_void;

/// For each index the value of all that comes before it: the parallel version of
///
///     memcpy(value, identity, size);
///     write(worker, user_data, 0, n, value);
///
/// The indices are cut into pieces. First sum is called for each piece but the last, with a copy of identity, and adds the piece's
/// indices to it. When all sums are there, write is called once for each piece with the value of all that comes before
/// the piece, and writes what the program wants to know of its indices; it may use the value as its own. A running sum of
/// doubles in place, each element with itself included:
///
///     static int32_t sum(vgpu_worker *worker, void *data, size_t begin, size_t end, void *value) {
///         for (; begin < end; begin++) *(double *)value += ((double *)data)[begin];
///         return 0;
///     }
///     static int32_t combine(void *data, void *left, const void *right) {
///         *(double *)left += *(const double *)right;
///         return 0;
///     }
///     static int32_t write(vgpu_worker *worker, void *data, size_t begin, size_t end, void *value) {
///         for (; begin < end; begin++) ((double *)data)[begin] = *(double *)value += ((double *)data)[begin];
///         return 0;
///     }
///
/// The cuts depend on n and grain alone, and what comes before a piece is combined in order: what is written is the same to the
/// last bit for any number of workers and for a NULL pool. combine must be associative as far as one cares. identity must be
/// neutral: combined with a value it gives that value.
///
/// Values are moved by copying their bytes. Memory for one value for each piece is allocated: at most 1024 with a grain of 0.
///
/// @param pool       the pool; NULL does the same in order on the caller
/// @param n          how many indices
/// @param grain      how many indices each piece has, the last one perhaps fewer; 0 lets n decide
/// @param size       bytes of a value; at least 1
/// @param identity   the value before the first index
/// @param sum        adds the indices of a piece to a value
/// @param combine    adds the right one of two neighbouring values to the left one; called by one thread at a time
/// @param write      is told what comes before a piece
/// @param user_data  passed to all three
/// @return VGPU_OK; the first failure of sum, combine or write, in which case pieces not yet begun are left out, and some may have
///         been written; VGPU_ERROR_STACK_LIMIT, likewise, for a task so deep in recursion that its worker cannot fork;
///         VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OVERFLOW for a size that no memory has;
///         VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_QUEUE_FULL; VGPU_ERROR_CLOSED; VGPU_ERROR_FORKED
/// @note Thread safety: any thread, tasks included. Blocks until all is written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_parallel_scan(
    pool: *mut vgpu_pool,
    n: usize,
    grain: usize,
    size: usize,
    identity: *const c_void,
    sum: vgpu_value_fn,
    combine: vgpu_combine_fn,
    write: vgpu_value_fn,
    user_data: *mut c_void,
) -> vgpu_status {
    guard(|| {
        let pool = optional(pool);
        let (sum, write) = (required_callback(sum)?, required_callback(write)?);
        // SAFETY: the program vouches for its functions and data, and for the value it passes.
        let shape = unsafe { Shape::new(pool, size, identity)? };
        let calls = Calls { user_data: UserData(user_data), combine: required_callback(combine)? };
        let values = ScanValues {
            identity: shape.identity()?,
            copy: |value: &Value| shape.copy(value),
            // SAFETY: as above.
            combine: |before, sum| unsafe { calls.combine(before, &sum) },
        };
        scan_copying(
            pool,
            0..n,
            grain,
            values,
            |worker, piece| {
                let mut value = shape.identity()?;
                // SAFETY: as above.
                unsafe { calls.piece(sum, worker, piece, &mut value)? };
                Ok(value)
            },
            // SAFETY: as above.
            |worker, piece, mut before| unsafe { calls.piece(write, worker, piece, &mut before) },
        )
    })
}
