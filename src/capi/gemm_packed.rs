//! Products with a B that is packed once.

use super::arguments::{clear, required};
use super::error::guard;
use super::gemm::tiles;
use super::pool::vgpu_pool;
use super::status::vgpu_status;
use crate::error::{Error, Result, error};
use crate::gemm::{Element, Layout, PackB, PackedB, PackedGemm, Transpose, gemm_packed};
use crate::os::alloc::{Allocator, Owned};
use core::ptr::NonNull;

/// A packed B.
pub struct vgpu_packed_b {
    matrix: Matrix,
    allocator: Allocator,
}

enum Matrix {
    Single(PackedB<f32>),
    Double(PackedB<f64>),
}

/// # Safety
/// The matrix is readable over its extent, and `packed` writable unless it is NULL.
#[expect(clippy::too_many_arguments, reason = "they are those of the exports")]
unsafe fn pack<T: Element>(
    pool: *mut vgpu_pool,
    layout: i32,
    trans_b: i32,
    (n, k): (i64, i64),
    b: *const T,
    ldb: i64,
    matrix: fn(PackedB<T>) -> Matrix,
    packed: *mut *mut vgpu_packed_b,
) -> Result<()> {
    // SAFETY: by contract.
    unsafe {
        clear(packed, "packed, where the handle would go,")?;
        let (layout, trans_b) = (Layout::from_code(layout)?, Transpose::from_code(trans_b)?);
        let tiles = tiles(pool)?;
        let made = PackedB::new(&PackB { layout, trans_b, n, k, b, ldb }, tiles)?;
        let allocator = tiles.allocator();
        let made = Owned::new(allocator, vgpu_packed_b { matrix: matrix(made), allocator })?;
        packed.write(Owned::into_raw(made).as_ptr());
    }
    Ok(())
}

fn other_precision() -> Error {
    error!(
        InvalidArgument,
        "b was packed for the other precision; pass it to the function of its own, or pack it for this one"
    )
}

/// Packs op(B) for single-precision products with many A: each then saves the copy of B that vgpu_sgemm() makes. Worth it where a C
/// has few rows.
///
/// @param pool     whose workers pack, and whose allocator gives the memory; NULL packs on the caller
/// @param layout   VGPU_ROW_MAJOR or VGPU_COL_MAJOR, for B, and for A and C later
/// @param trans_b  VGPU_NO_TRANS, VGPU_TRANS or VGPU_CONJ_TRANS
/// @param n        columns of op(B) and C, at least 0
/// @param k        rows of op(B), columns of op(A), at least 0
/// @param b        B as it is stored; not needed afterwards
/// @param ldb      as for vgpu_sgemm()
/// @param packed   where the handle goes; NULL goes there on failure
/// @return as vgpu_sgemm()
/// @note Thread safety: any thread, tasks included. Blocks until B is packed. To be ended with vgpu_packed_b_destroy().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_sgemm_pack_b(
    pool: *mut vgpu_pool,
    layout: i32,
    trans_b: i32,
    n: i64,
    k: i64,
    b: *const f32,
    ldb: i64,
    packed: *mut *mut vgpu_packed_b,
) -> vgpu_status {
    // SAFETY: the caller vouches for the matrix and the output.
    guard(|| unsafe { pack(pool, layout, trans_b, (n, k), b, ldb, Matrix::Single, packed) })
}

/// C = alpha * op(A) * op(B) + beta * C in single precision, with a packed B. n, k and the layout are those with which it was packed; the
/// result is that of vgpu_sgemm() to the last bit.
///
/// @param pool     the pool; NULL computes on the caller. It may be another than the one that packed
/// @param trans_a  VGPU_NO_TRANS, VGPU_TRANS or VGPU_CONJ_TRANS
/// @param m        rows of op(A) and C, at least 0
/// @param alpha    factor of the product
/// @param a        A as for vgpu_sgemm()
/// @param lda      as for vgpu_sgemm()
/// @param b        what vgpu_sgemm_pack_b() gave
/// @param beta     factor of the old C
/// @param c        C
/// @param ldc      as for vgpu_sgemm()
/// @return as vgpu_sgemm(); VGPU_ERROR_INVALID_ARGUMENT also for a B packed in double precision
/// @note Thread safety: any thread, tasks included, on different C; any number at once with one packed B.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_sgemm_packed(
    pool: *mut vgpu_pool,
    trans_a: i32,
    m: i64,
    alpha: f32,
    a: *const f32,
    lda: i64,
    b: *const vgpu_packed_b,
    beta: f32,
    c: *mut f32,
    ldc: i64,
) -> vgpu_status {
    guard(|| {
        let b = match &required(b, "b, the packed matrix,")?.matrix {
            Matrix::Single(matrix) => matrix,
            _ => return Err(other_precision()),
        };
        let trans_a = Transpose::from_code(trans_a)?;
        // SAFETY: the caller vouches for the matrices.
        unsafe { gemm_packed(&PackedGemm { trans_a, m, alpha, a, lda, b, beta, c, ldc }, tiles(pool)?) }
    })
}

/// As vgpu_sgemm_pack_b(), in double precision.
///
/// @note Thread safety: as vgpu_sgemm_pack_b().
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_dgemm_pack_b(
    pool: *mut vgpu_pool,
    layout: i32,
    trans_b: i32,
    n: i64,
    k: i64,
    b: *const f64,
    ldb: i64,
    packed: *mut *mut vgpu_packed_b,
) -> vgpu_status {
    // SAFETY: the caller vouches for the matrix and the output.
    guard(|| unsafe { pack(pool, layout, trans_b, (n, k), b, ldb, Matrix::Double, packed) })
}

/// As vgpu_sgemm_packed(), in double precision.
///
/// @note Thread safety: as vgpu_sgemm_packed().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_dgemm_packed(
    pool: *mut vgpu_pool,
    trans_a: i32,
    m: i64,
    alpha: f64,
    a: *const f64,
    lda: i64,
    b: *const vgpu_packed_b,
    beta: f64,
    c: *mut f64,
    ldc: i64,
) -> vgpu_status {
    guard(|| {
        let b = match &required(b, "b, the packed matrix,")?.matrix {
            Matrix::Double(matrix) => matrix,
            _ => return Err(other_precision()),
        };
        let trans_a = Transpose::from_code(trans_a)?;
        // SAFETY: the caller vouches for the matrices.
        unsafe { gemm_packed(&PackedGemm { trans_a, m, alpha, a, lda, b, beta, c, ldc }, tiles(pool)?) }
    })
}

/// Frees a packed B.
///
/// @param packed  the handle; NULL does nothing
/// @note Thread safety: once, while no product uses it. Before its pool's allocator ends, if the pool had one of its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_packed_b_destroy(packed: *mut vgpu_packed_b) {
    if let Some(packed) = NonNull::new(packed) {
        // SAFETY: the caller gives the handle up.
        unsafe { drop(Owned::from_raw(packed.as_ref().allocator, packed)) }
    }
}
