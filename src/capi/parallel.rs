//! Loops and fork-join.

use super::callbacks::{
    UserData, required_callback, vgpu_index_fn, vgpu_range_fn, vgpu_task_fn, vgpu_tile_fn, worker_pointer,
};
use super::error::{callback_result, guard};
use super::pool::{optional, vgpu_pool};
use super::status::vgpu_status;
use super::worker::vgpu_worker;
use crate::error::{Error, Result, Status};
use crate::os::alloc::{Allocator, Owned};
use crate::parallel::{Tiling, for_range, for_range_static, for_tiles, fork_all};
use crate::pool::{Pool, Worker};
use core::ffi::c_void;
use core::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What a loop does with a piece: calls the program's function.
fn piece_of(
    function: unsafe extern "C-unwind" fn(*mut vgpu_worker, *mut c_void, usize, usize) -> i32,
    user_data: &UserData,
) -> impl Fn(Option<&Worker>, Range<usize>) -> Result<()> + Sync {
    move |worker, piece| {
        // The whole of it is taken along, because a bare pointer may not change threads.
        let &UserData(user_data) = { user_data };
        // SAFETY: the program vouches for its function and data.
        callback_result(unsafe { function(worker_pointer(worker), user_data, piece.start, piece.end) })
    }
}

/// A loop on the pool: the parallel version of
///
///     for (size_t i = 0; i < n; i++) function(worker, user_data, i, i + 1);
///
/// The indices are handed out in pieces that together cover them exactly once; the order is not fixed. With a grain of 0 the
/// library adapts: it hands out half of what is left whenever a worker has nothing else that others could take, so
/// that pieces are long where indices are cheap and the workers busy.
///
/// @param pool       the pool; NULL runs the pieces in order on the caller
/// @param n          how many indices
/// @param grain      the most indices of one piece; 0 lets the library choose, and adapt
/// @param function   called for each piece
/// @param user_data  passed to it
/// @return VGPU_OK; the first failure of a piece, in which case pieces not yet begun are left out;
///         VGPU_ERROR_STACK_LIMIT for a task so deep in recursion that its worker cannot fork;
///         VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_QUEUE_FULL; VGPU_ERROR_CLOSED; VGPU_ERROR_FORKED
/// @note Thread safety: any thread, tasks included. Blocks until every piece is done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_parallel_for(
    pool: *mut vgpu_pool,
    n: usize,
    grain: usize,
    function: vgpu_range_fn,
    user_data: *mut c_void,
) -> vgpu_status {
    guard(|| {
        let function = required_callback(function)?;
        let user_data = UserData(user_data);
        for_range(optional(pool), 0..n, grain, piece_of(function, &user_data))
    })
}

/// A loop on the pool whose indices go to the same workers each time: for passing over the same data again and again, where it should
/// stay in a worker's caches, or lies on its NUMA node since this loop wrote it first. Of n indices on w workers, worker i gets those
/// from n * i / w up to n * (i + 1) / w, in order. No worker helps another, so the indices should take about equally long. Only one that
/// does not come to its indices, since it is in the middle of something else, loses them to the caller. Spare workers, and seats for
/// lent threads, get none. In a task that is bound to a place it is vgpu_parallel_for().
///
/// @param pool       the pool; NULL runs the pieces in order on the caller
/// @param n          how many indices
/// @param grain      the most indices of one piece; 0: a worker's indices are one piece
/// @param function   called for each piece
/// @param user_data  passed to it
/// @return as vgpu_parallel_for(); VGPU_ERROR_OUT_OF_MEMORY, with nothing begun
/// @note Thread safety: any thread, tasks included. Blocks until every piece is done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_parallel_for_static(
    pool: *mut vgpu_pool,
    n: usize,
    grain: usize,
    function: vgpu_range_fn,
    user_data: *mut c_void,
) -> vgpu_status {
    guard(|| {
        let function = required_callback(function)?;
        let user_data = UserData(user_data);
        for_range_static(optional(pool), 0..n, grain, piece_of(function, &user_data))
    })
}

/// A loop over the tiles of a rectangle: the parallel version of
///
///     for (size_t r = 0; r < rows; r += tile_rows)
///         for (size_t c = 0; c < cols; c += tile_cols)
///             function(worker, user_data, r, MIN(r + tile_rows, rows), c, MIN(c + tile_cols, cols));
///
/// @param pool       the pool; NULL runs the tiles in order on the caller
/// @param rows       rows of the rectangle
/// @param cols       columns of the rectangle
/// @param tile_rows  rows of a tile, at least 1
/// @param tile_cols  columns of a tile, at least 1
/// @param function   called for each tile
/// @param user_data  passed to it
/// @return as vgpu_parallel_for(); VGPU_ERROR_OVERFLOW for more tiles than can be counted
/// @note Thread safety: any thread, tasks included. Blocks until every tile is done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_parallel_for_tiles(
    pool: *mut vgpu_pool,
    rows: usize,
    cols: usize,
    tile_rows: usize,
    tile_cols: usize,
    function: vgpu_tile_fn,
    user_data: *mut c_void,
) -> vgpu_status {
    guard(|| {
        let function = required_callback(function)?;
        let user_data = UserData(user_data);
        let tiling = Tiling { rows, columns: cols, tile_rows, tile_columns: tile_cols };
        for_tiles(optional(pool), tiling, |worker, tile| {
            // The whole of it is taken along, because a bare pointer may not change threads.
            let UserData(user_data) = *{ &user_data };
            let (r, c) = (tile.rows, tile.columns);
            // SAFETY: the program vouches for its function and data.
            callback_result(unsafe { function(worker_pointer(worker), user_data, r.start, r.end, c.start, c.end) })
        })
    })
}

/// Calls two functions, perhaps at the same time, and returns when both are done. May be nested to any depth that the stack
/// allows.
///
/// @param pool    the pool; NULL calls one after the other
/// @param a       called on the calling worker, or first
/// @param data_a  passed to a
/// @param b       called by whoever has time
/// @param data_b  passed to b
/// @return VGPU_OK; the failure of a, else that of b; VGPU_ERROR_STACK_LIMIT for a recursion too deep for the worker's stack;
///         VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_QUEUE_FULL; VGPU_ERROR_CLOSED; VGPU_ERROR_FORKED. Both are called even if one
///         fails, as far as the stack reaches
/// @note Thread safety: any thread, tasks included. Blocks until both are done.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_join(
    pool: *mut vgpu_pool,
    a: vgpu_task_fn,
    data_a: *mut c_void,
    b: vgpu_task_fn,
    data_b: *mut c_void,
) -> vgpu_status {
    // The frames of a recursion are many: what only failures need is not in this one.
    let pool = optional(pool);
    if let (Some(a), Some(b), Some(worker)) = (a, b, pool.and_then(Pool::current_worker)) {
        let (a, b) = (Half(a, UserData(data_a)), Half(b, UserData(data_b)));
        return match catch_unwind(AssertUnwindSafe(|| worker.join(|w| a.call(Some(w)), |w| b.call(Some(w))))) {
            Ok((None, None)) => Status::Ok.code(),
            ended => report_ended(ended),
        };
    }
    join_from_outside(pool, (a, data_a), (b, data_b))
}

/// One of the two functions of a join.
struct Half(unsafe extern "C-unwind" fn(*mut vgpu_worker, *mut c_void) -> i32, UserData);

/// How a half failed, if it did: by an error on the heap, or, where there is no memory for one, by its bare code.
type Failure = Option<core::result::Result<Owned<Error>, i32>>;

impl Half {
    fn call(&self, worker: Option<&Worker>) -> Failure {
        // SAFETY: the program vouches for its functions and data.
        match unsafe { (self.0)(worker_pointer(worker), self.1.0) } {
            0 => None,
            code => Some(Half::failure(code, worker)),
        }
    }

    #[cold]
    #[inline(never)]
    fn failure(code: i32, worker: Option<&Worker>) -> core::result::Result<Owned<Error>, i32> {
        let allocator = worker.map_or(Allocator::SYSTEM, |worker| worker.core().allocator());
        match callback_result(code) {
            Err(error) => Owned::new(allocator, error).map_err(|_| code),
            Ok(()) => Err(code),
        }
    }
}

fn joined((left, right): (Failure, Failure)) -> Result<()> {
    match left.or(right) {
        None => Ok(()),
        Some(Ok(error)) => Err((*error).clone()),
        Some(Err(code)) => callback_result(code),
    }
}

#[cold]
#[inline(never)]
fn report_ended(ended: std::thread::Result<(Failure, Failure)>) -> vgpu_status {
    guard(|| joined(ended.unwrap_or_else(|payload| resume_unwind(payload))))
}

#[cold]
#[inline(never)]
fn join_from_outside(
    pool: Option<&Pool>,
    (a, data_a): (vgpu_task_fn, *mut c_void),
    (b, data_b): (vgpu_task_fn, *mut c_void),
) -> vgpu_status {
    guard(|| {
        let (a, b) = (Half(required_callback(a)?, UserData(data_a)), Half(required_callback(b)?, UserData(data_b)));
        joined(match pool {
            None => (a.call(None), b.call(None)),
            Some(pool) => pool.run(|worker| Ok(worker.join(|w| a.call(Some(w)), |w| b.call(Some(w)))))?,
        })
    })
}

/// Calls a function once for each index, perhaps at the same time, and returns when all calls have returned: vgpu_join() for more
/// than two, and the parallel version of
///
///     for (size_t i = 0; i < n; i++) function(worker, user_data, i);
///
/// Each call is a fork of its own and may fork again, nested to any depth that the stack allows. For cheap bodies
/// vgpu_parallel_for() is faster.
///
/// @param pool       the pool; NULL makes the calls in order on the caller
/// @param n          how many calls
/// @param function   called with each index below n
/// @param user_data  passed to it
/// @return VGPU_OK; the failure of the lowest index; VGPU_ERROR_STACK_LIMIT for a recursion too deep for the worker's stack;
///         VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_QUEUE_FULL; VGPU_ERROR_CLOSED; VGPU_ERROR_FORKED. All calls are made even if
///         some fail, as far as the stack reaches
/// @note Thread safety: any thread, tasks included. Blocks until all calls have returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_fork_all(
    pool: *mut vgpu_pool,
    n: usize,
    function: vgpu_index_fn,
    user_data: *mut c_void,
) -> vgpu_status {
    guard(|| {
        let function = required_callback(function)?;
        let user_data = UserData(user_data);
        fork_all(optional(pool), n, |worker, index| {
            // The whole of it is taken along, because a bare pointer may not change threads.
            let UserData(user_data) = *{ &user_data };
            // SAFETY: the program vouches for its function and data.
            callback_result(unsafe { function(worker_pointer(worker), user_data, index) })
        })
    })
}
