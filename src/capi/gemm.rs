//! Matrix products, with the argument order and the numbers of CBLAS.

use super::error::guard;
use super::pool::{optional, vgpu_pool};
use super::status::vgpu_status;
use crate::error::Result;
use crate::gemm::{Bf16, CacheSizes, Gemm, Layout, Serial, TileRunner, Transpose, gemm, gemm_bf16x3, has_bf16x3};
use crate::os::alloc::Allocator;

/// Rows are contiguous. As CblasRowMajor.
pub const VGPU_ROW_MAJOR: i32 = 101;
/// Columns are contiguous. As CblasColMajor.
pub const VGPU_COL_MAJOR: i32 = 102;
/// The matrix as it is. As CblasNoTrans.
pub const VGPU_NO_TRANS: i32 = 111;
/// The transposed matrix. As CblasTrans.
pub const VGPU_TRANS: i32 = 112;
/// The transposed matrix: for real numbers the same as VGPU_TRANS. As CblasConjTrans.
pub const VGPU_CONJ_TRANS: i32 = 113;

/// The workers of a pool, or the caller for NULL.
pub(super) fn tiles<'a>(pool: *mut vgpu_pool) -> Result<&'a dyn TileRunner> {
    const CALLER: &Serial = &Serial { allocator: Allocator::SYSTEM, cache_sizes: CacheSizes::USUAL };
    match optional(pool) {
        Some(pool) => {
            // A product too small for the workers would not find out.
            pool.check_process()?;
            Ok(pool)
        }
        None => Ok(CALLER),
    }
}

/// How the matrices of a product lie, from the numbers of CBLAS.
pub(super) fn forms(layout: i32, trans_a: i32, trans_b: i32) -> Result<(Layout, Transpose, Transpose)> {
    Ok((Layout::from_code(layout)?, Transpose::from_code(trans_a)?, Transpose::from_code(trans_b)?))
}

/// C = alpha * op(A) * op(B) + beta * C in single precision, on the workers of the pool.
///
/// A calling thread that is no worker of the pool computes with them, on 64 KiB of its stack, and waits for none that is in the middle of
/// something else.
///
/// op(A) has m rows and k columns, op(B) k rows and n columns, C m rows and n columns. Where beta is 0, C is not read and
/// may hold anything. Where alpha or k is 0, A and B are not read and may be NULL. The result is the same to the last bit for any
/// number of workers.
///
/// @param pool     the pool; NULL computes on the caller
/// @param layout   VGPU_ROW_MAJOR or VGPU_COL_MAJOR, for all three matrices
/// @param trans_a  VGPU_NO_TRANS, VGPU_TRANS or VGPU_CONJ_TRANS
/// @param trans_b  as trans_a
/// @param m        rows of op(A) and C, at least 0
/// @param n        columns of op(B) and C, at least 0
/// @param k        columns of op(A), rows of op(B), at least 0
/// @param alpha    factor of the product
/// @param a        A as it is stored: rows of k (columns of m) elements; with VGPU_TRANS rows of m (columns of k)
/// @param lda      elements from one row (column) of A to the next; at least the length of one, and at least 1
/// @param b        B, likewise
/// @param ldb      as lda
/// @param beta     factor of the old C
/// @param c        C; must not overlap A or B
/// @param ldc      as lda; what lies between the rows (columns) is not touched
/// @return VGPU_OK; VGPU_ERROR_INVALID_ARGUMENT; VGPU_ERROR_OVERFLOW for matrices that do not fit the address space;
///         VGPU_ERROR_OUT_OF_MEMORY; VGPU_ERROR_QUEUE_FULL; VGPU_ERROR_CLOSED; VGPU_ERROR_FORKED. C is then untouched, or, where
///         the pool is closed while it is computed, written in part
/// @note Thread safety: any thread, tasks included, on different C. Blocks until C is complete.
/// @note Source: Goto and van de Geijn, Anatomy of high-performance matrix multiplication, ACM TOMS 34(3), 2008.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_sgemm(
    pool: *mut vgpu_pool,
    layout: i32,
    trans_a: i32,
    trans_b: i32,
    m: i64,
    n: i64,
    k: i64,
    alpha: f32,
    a: *const f32,
    lda: i64,
    b: *const f32,
    ldb: i64,
    beta: f32,
    c: *mut f32,
    ldc: i64,
) -> vgpu_status {
    guard(|| {
        let (layout, trans_a, trans_b) = forms(layout, trans_a, trans_b)?;
        // SAFETY: the caller vouches for the matrices.
        unsafe { gemm(&Gemm { layout, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc }, tiles(pool)?) }
    })
}

/// As vgpu_sgemm(), in double precision.
///
/// @note Thread safety: as vgpu_sgemm().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_dgemm(
    pool: *mut vgpu_pool,
    layout: i32,
    trans_a: i32,
    trans_b: i32,
    m: i64,
    n: i64,
    k: i64,
    alpha: f64,
    a: *const f64,
    lda: i64,
    b: *const f64,
    ldb: i64,
    beta: f64,
    c: *mut f64,
    ldc: i64,
) -> vgpu_status {
    guard(|| {
        let (layout, trans_a, trans_b) = forms(layout, trans_a, trans_b)?;
        // SAFETY: the caller vouches for the matrices.
        unsafe { gemm(&Gemm { layout, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc }, tiles(pool)?) }
    })
}

/// C = alpha * op(A) * op(B) + beta * C with A and B of 16-bit bf16 numbers, summed and stored in single precision.
///
/// A bf16 is the upper half of a float: sign, 8 bits of exponent, 7 of fraction. Widening it is exact, and the result is bit for bit that of
/// vgpu_sgemm() on the widened matrices, which never exist as a whole. Otherwise as vgpu_sgemm().
///
/// @note Thread safety: as vgpu_sgemm().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_gemm_bf16bf16f32(
    pool: *mut vgpu_pool,
    layout: i32,
    trans_a: i32,
    trans_b: i32,
    m: i64,
    n: i64,
    k: i64,
    alpha: f32,
    a: *const u16,
    lda: i64,
    b: *const u16,
    ldb: i64,
    beta: f32,
    c: *mut f32,
    ldc: i64,
) -> vgpu_status {
    guard(|| {
        let (layout, trans_a, trans_b) = forms(layout, trans_a, trans_b)?;
        let (a, b) = (a.cast::<Bf16>(), b.cast::<Bf16>());
        // SAFETY: the caller vouches for the matrices; a bf16 is its bits.
        unsafe { gemm(&Gemm { layout, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc }, tiles(pool)?) }
    })
}

/// As vgpu_sgemm(), by way of bf16 where the CPU has AMX: faster, with an error of the same size, but with other bits.
///
/// Every number of A and B is split into three of bf16, exactly, and six of the nine products of those are added up in single precision; the
/// rest is below the precision of C. The error is at most (k / 5 + 24) u (|alpha| sum |a||b| + |beta c|), with u = FLT_EPSILON / 2, barring overflow
/// and underflow of C. The bits are the same for any number of workers.
///
/// The result is that of vgpu_sgemm(), to the last bit, on other CPUs; where m, n or k is below 32, or m * n * k below 2^20; and where A or B holds an
/// infinity, a NaN, or numbers so large or small that a sum could overflow, or a part of a product be lost: roughly, where the largest of A times the largest of B
/// times 4k is above 2^126, or the smallest (but zeros) times the smallest below 2^-80.
///
/// The first call asks Linux for the tile registers, for the whole process and for good: from then on sigaltstack() refuses stacks without room for
/// their 8 KiB. Where Linux refuses, because a thread has such a stack already, the result is that of vgpu_sgemm().
///
/// @note Thread safety: as vgpu_sgemm().
/// @note Source: Henry, Tang and Heinecke, Leveraging the bfloat16 artificial intelligence datatype for higher-precision computations, ARITH 2019.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_sgemm_bf16x3(
    pool: *mut vgpu_pool,
    layout: i32,
    trans_a: i32,
    trans_b: i32,
    m: i64,
    n: i64,
    k: i64,
    alpha: f32,
    a: *const f32,
    lda: i64,
    b: *const f32,
    ldb: i64,
    beta: f32,
    c: *mut f32,
    ldc: i64,
) -> vgpu_status {
    guard(|| {
        let (layout, trans_a, trans_b) = forms(layout, trans_a, trans_b)?;
        let product = Gemm { layout, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc };
        // SAFETY: the caller vouches for the matrices.
        unsafe { gemm_bf16x3(&product, tiles(pool)?) }
    })
}

/// Whether vgpu_sgemm_bf16x3() is here another way than vgpu_sgemm().
///
/// @return 1 if the CPU has AMX and the system lets this process use it; 0 if not. The first call asks, as that of vgpu_sgemm_bf16x3() does
/// @note Thread safety: any thread. Does not block.
#[unsafe(no_mangle)]
pub extern "C" fn vgpu_has_bf16x3() -> i32 {
    has_bf16x3().into()
}
