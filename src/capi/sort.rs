//! Sorting.

use super::arguments::null;
use super::callbacks::{UserData, required_callback, vgpu_compare_fn};
use super::error::guard;
use super::pool::{optional, vgpu_pool};
use super::status::vgpu_status;
use crate::parallel::sort_bytes;
use core::ffi::c_void;

/// Sorts an array in ascending order, in place: the parallel version of qsort().
///
/// The sort is unstable: elements that compare equal may change places, in the same way for any number of workers and for a
/// NULL pool. In the worst case it takes a number of comparisons proportional to n log(n). Nothing is allocated. compare gets
/// pointers into the array. If it is no order, the elements are left in some order, each of them once.
///
/// @param pool       the pool; NULL sorts on the caller
/// @param elements   the array; may be NULL if n is 0
/// @param n          how many elements
/// @param size       bytes of an element, at least 1
/// @param compare    says which of two elements comes first
/// @param user_data  passed to it
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OVERFLOW for an array that does not fit the address space;
///         VGPU_ERROR_QUEUE_FULL; VGPU_ERROR_CLOSED; VGPU_ERROR_FORKED. The array is then untouched. VGPU_ERROR_STACK_LIMIT for a task so deep
///         in recursion that its worker cannot fork: the elements are then in some order, each of them once
/// @note Thread safety: any thread, tasks included, on different arrays. Blocks until the array is sorted.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_parallel_sort(
    pool: *mut vgpu_pool,
    elements: *mut c_void,
    n: usize,
    size: usize,
    compare: vgpu_compare_fn,
    user_data: *mut c_void,
) -> vgpu_status {
    guard(|| {
        let compare = required_callback(compare)?;
        let user_data = UserData(user_data);
        if elements.is_null() && n > 0 {
            return Err(null("elements"));
        }
        // SAFETY: the program vouches for the array, its function and data.
        unsafe {
            sort_bytes(optional(pool), elements.cast(), n, size, |a, b| {
                // The whole of it is taken along, because a bare pointer may not change threads.
                let UserData(user_data) = *{ &user_data };
                compare(user_data, a.cast(), b.cast()).cmp(&0)
            })
        }
    })
}
