//! Products of matrices in files, within a budget of memory.

use super::arguments::path;
use super::error::{callback_result, guard};
use super::gemm::{forms, tiles};
use super::pool::vgpu_pool;
use super::status::vgpu_status;
use crate::error::Result;
use crate::gemm::{Element, FileGemm, FileMatrix, gemm_files};
use core::ffi::{c_char, c_void};

/// Hears how far a long computation is. Returns 0 to go on; any other number ends it, and comes out of it as from a vgpu_task_fn.
///
/// @param user_data  what was passed with the function
/// @param done       how much is done
/// @param total      how much there is to do
pub type vgpu_progress_fn = Option<unsafe extern "C-unwind" fn(user_data: *mut c_void, done: u64, total: u64) -> i32>;

/// What the program wants to hear progress with.
struct Listener {
    function: vgpu_progress_fn,
    user_data: *mut c_void,
}

// SAFETY: the program lets any thread make the call, one at a time, as the header says.
unsafe impl Sync for Listener {}

impl Listener {
    fn hear(&self, done: u64, total: u64) -> Result<()> {
        // SAFETY: the caller vouches for the function.
        self.function.map_or(Ok(()), |function| callback_result(unsafe { function(self.user_data, done, total) }))
    }
}

/// # Safety
/// As for `path`.
unsafe fn matrix(name: &str, text: *const c_char, offset: u64, ld: i64) -> Result<FileMatrix> {
    // SAFETY: by contract.
    Ok(FileMatrix { path: unsafe { path(name, text)? }, offset, ld })
}

fn run<T: Element>(pool: *mut vgpu_pool, product: &FileGemm<T>, listener: &Listener) -> Result<()> {
    gemm_files(product, &|done, total| listener.hear(done, total), tiles(pool)?)
}

/// C = alpha * op(A) * op(B) + beta * C in single precision, with all three matrices in files that need not fit memory.
///
/// A and B are read in pieces, the next ones while the present are multiplied; the result is that of vgpu_sgemm() to the last bit. It is
/// written into a new file beside C, for which the room on the disk is taken first, and which takes C's place when it is complete: after
/// any error C is as it was, or is still missing.
///
/// @param pool       the pool; NULL computes on the caller, and then nothing is read ahead
/// @param layout     as for vgpu_sgemm(); so are trans_a, trans_b, m, n, k, alpha, lda, ldb and beta
/// @param a          the path of A's file, which holds its elements as they are in memory; not opened where alpha or k is 0
/// @param offset_a   bytes in the file before A
/// @param b          the path of B's file, likewise
/// @param offset_b   as offset_a
/// @param c          the path of C's file: C alone, without padding between its lines. It need not exist where beta is 0
/// @param memory     bytes of memory for buffers, at most; the more, the less is read twice
/// @param progress   called after each step with the multiply-adds done and to be done, by one thread at a time; or NULL
/// @param user_data  passed to it
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT also where memory is too little, with what would do; VGPU_ERROR_IO for a file
///         that cannot be read or is too short, and for a full disk; VGPU_ERROR_TASK_FAILED when progress ended it; otherwise
///         as vgpu_sgemm()
/// @note Thread safety: any thread, tasks included, on different C. Blocks until C is complete.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_sgemm_files(
    pool: *mut vgpu_pool,
    layout: i32,
    trans_a: i32,
    trans_b: i32,
    m: i64,
    n: i64,
    k: i64,
    alpha: f32,
    a: *const c_char,
    offset_a: u64,
    lda: i64,
    b: *const c_char,
    offset_b: u64,
    ldb: i64,
    beta: f32,
    c: *const c_char,
    memory: usize,
    progress: vgpu_progress_fn,
    user_data: *mut c_void,
) -> vgpu_status {
    guard(|| {
        let (layout, trans_a, trans_b) = forms(layout, trans_a, trans_b)?;
        // SAFETY: the caller vouches for the paths.
        let (a, b, c) = unsafe {
            let a = matrix("a, the path of A,", a, offset_a, lda)?;
            (a, matrix("b, the path of B,", b, offset_b, ldb)?, path("c, the path of C,", c)?)
        };
        let product = FileGemm { layout, trans_a, trans_b, m, n, k, alpha, a, b, beta, c, budget: memory };
        run(pool, &product, &Listener { function: progress, user_data })
    })
}

/// As vgpu_sgemm_files(), in double precision.
///
/// @note Thread safety: as vgpu_sgemm_files().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_dgemm_files(
    pool: *mut vgpu_pool,
    layout: i32,
    trans_a: i32,
    trans_b: i32,
    m: i64,
    n: i64,
    k: i64,
    alpha: f64,
    a: *const c_char,
    offset_a: u64,
    lda: i64,
    b: *const c_char,
    offset_b: u64,
    ldb: i64,
    beta: f64,
    c: *const c_char,
    memory: usize,
    progress: vgpu_progress_fn,
    user_data: *mut c_void,
) -> vgpu_status {
    guard(|| {
        let (layout, trans_a, trans_b) = forms(layout, trans_a, trans_b)?;
        // SAFETY: the caller vouches for the paths.
        let (a, b, c) = unsafe {
            let a = matrix("a, the path of A,", a, offset_a, lda)?;
            (a, matrix("b, the path of B,", b, offset_b, ldb)?, path("c, the path of C,", c)?)
        };
        let product = FileGemm { layout, trans_a, trans_b, m, n, k, alpha, a, b, beta, c, budget: memory };
        run(pool, &product, &Listener { function: progress, user_data })
    })
}
