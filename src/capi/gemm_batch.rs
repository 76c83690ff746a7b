//! Many products in one call, with the argument order of cblas_?gemm_batch_strided and cblas_?gemm_batch.

use super::arguments::null;
use super::error::guard;
use super::gemm::{forms, tiles};
use super::pool::vgpu_pool;
use super::status::vgpu_status;
use crate::error::{Result, error};
use crate::gemm::{BatchGroup, Element, Gemm, Layout, StridedBatch, Transpose, gemm_batch, gemm_batch_strided};
use crate::os::alloc::List;
use core::slice;

/// The arrays of a grouped batch: an entry for each group, but `a`, `b` and `c`, which have one for each product.
struct Arrays<T> {
    trans_a: *const i32,
    trans_b: *const i32,
    m: *const i64,
    n: *const i64,
    k: *const i64,
    alpha: *const T,
    a: *const *const T,
    lda: *const i64,
    b: *const *const T,
    ldb: *const i64,
    beta: *const T,
    c: *const *mut T,
    ldc: *const i64,
    group_size: *const i64,
}

/// An array that may be NULL only where it is empty.
///
/// # Safety
/// An array that is not NULL holds `length` entries.
unsafe fn array<'a, T>(name: &str, first: *const T, length: usize) -> Result<&'a [T]> {
    if length == 0 {
        return Ok(&[]);
    }
    if first.is_null() {
        return Err(null(name));
    }
    // SAFETY: by contract.
    Ok(unsafe { slice::from_raw_parts(first, length) })
}

/// # Safety
/// Arrays that are not NULL hold as many entries as there are groups or products; the matrices are as `gemm_batch` asks.
unsafe fn grouped<T: Element>(pool: *mut vgpu_pool, layout: i32, group_count: i64, arrays: &Arrays<T>) -> Result<()> {
    let layout = Layout::from_code(layout)?;
    let tiles = tiles(pool)?;
    let count = usize::try_from(group_count)
        .map_err(|_| error!(InvalidArgument, "group_count is {group_count}; pass 0 or more"))?;
    // SAFETY: by contract.
    unsafe {
        let sizes = array("group_size", arrays.group_size, count)?;
        let mut products = 0usize;
        for &size in sizes {
            products = usize::try_from(size).ok().and_then(|size| products.checked_add(size)).ok_or_else(|| {
                error!(
                    InvalidArgument,
                    "group_size holds {size}; pass numbers from 0 on whose sum is a number of pointers"
                )
            })?;
        }
        let (trans_a, trans_b) = (array("trans_a", arrays.trans_a, count)?, array("trans_b", arrays.trans_b, count)?);
        let (m, n) = (array("m", arrays.m, count)?, array("n", arrays.n, count)?);
        let (k, lda) = (array("k", arrays.k, count)?, array("lda", arrays.lda, count)?);
        let (ldb, ldc) = (array("ldb", arrays.ldb, count)?, array("ldc", arrays.ldc, count)?);
        let (alpha, beta) = (array("alpha", arrays.alpha, count)?, array("beta", arrays.beta, count)?);
        let (mut a, mut b) = (array("a", arrays.a, products)?, array("b", arrays.b, products)?);
        let mut c = array("c", arrays.c, products)?;
        let mut groups = List::with_capacity(tiles.allocator(), count)?;
        for (i, &size) in sizes.iter().enumerate() {
            let shape = Gemm {
                layout,
                trans_a: Transpose::from_code(trans_a[i])?,
                trans_b: Transpose::from_code(trans_b[i])?,
                m: m[i],
                n: n[i],
                k: k[i],
                alpha: alpha[i],
                a: core::ptr::null(),
                lda: lda[i],
                b: core::ptr::null(),
                ldb: ldb[i],
                beta: beta[i],
                c: core::ptr::null_mut(),
                ldc: ldc[i],
            };
            let (these_a, these_b, these_c);
            (these_a, a) = a.split_at(size as usize);
            (these_b, b) = b.split_at(size as usize);
            (these_c, c) = c.split_at(size as usize);
            groups.push(BatchGroup { shape, a: these_a, b: these_b, c: these_c })?;
        }
        gemm_batch(&groups, tiles)
    }
}

/// Computes `batch_size` products of one shape in single precision, whose matrices lie at equal distances: the same as
///
///     for (i = 0; i < batch_size; i++)
///         vgpu_sgemm(pool, layout, trans_a, trans_b, m, n, k, alpha, a + i * stride_a, lda, b + i * stride_b, ldb,
///                    beta, c + i * stride_c, ldc);
///
/// to the last bit. Small products are dealt out whole, each to one worker; large ones are shared out. All are checked before the
/// first is computed.
///
/// @param stride_a    elements from one A to the next, at least 0; 0 if all share one
/// @param stride_b    as stride_a
/// @param stride_c    elements from one C to the next; at least what a C spans
/// @param batch_size  how many products, at least 0
/// @return as vgpu_sgemm()
/// @note The other arguments are those of vgpu_sgemm(), for the first product.
/// @note Thread safety: as vgpu_sgemm().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_sgemm_batch_strided(
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
    stride_a: i64,
    b: *const f32,
    ldb: i64,
    stride_b: i64,
    beta: f32,
    c: *mut f32,
    ldc: i64,
    stride_c: i64,
    batch_size: i64,
) -> vgpu_status {
    guard(|| {
        let (layout, trans_a, trans_b) = forms(layout, trans_a, trans_b)?;
        let first = Gemm { layout, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc };
        let batch = StridedBatch { first, stride_a, stride_b, stride_c, count: batch_size };
        // SAFETY: the caller vouches for the matrices.
        unsafe { gemm_batch_strided(&batch, tiles(pool)?) }
    })
}

/// Computes groups of products in single precision: the products of a group have one shape, and matrices that lie anywhere. The same as
///
///     for (group = 0, i = 0; group < group_count; group++)
///         for (last = i + group_size[group]; i < last; i++)
///             vgpu_sgemm(pool, layout, trans_a[group], trans_b[group], m[group], n[group], k[group], alpha[group],
///                        a[i], lda[group], b[i], ldb[group], beta[group], c[i], ldc[group]);
///
/// to the last bit, in any order. All products are checked before the first is computed. No C may overlap another product's matrices.
///
/// @param a            an A for each product of all groups; b and c likewise
/// @param group_count  how many groups, at least 0; the other arrays have an entry for each
/// @param group_size   how many products each group has, at least 0
/// @return as vgpu_sgemm()
/// @note Thread safety: as vgpu_sgemm().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_sgemm_batch(
    pool: *mut vgpu_pool,
    layout: i32,
    trans_a: *const i32,
    trans_b: *const i32,
    m: *const i64,
    n: *const i64,
    k: *const i64,
    alpha: *const f32,
    a: *const *const f32,
    lda: *const i64,
    b: *const *const f32,
    ldb: *const i64,
    beta: *const f32,
    c: *const *mut f32,
    ldc: *const i64,
    group_count: i64,
    group_size: *const i64,
) -> vgpu_status {
    let arrays = Arrays { trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, group_size };
    // SAFETY: the caller vouches for the arrays and the matrices.
    guard(|| unsafe { grouped(pool, layout, group_count, &arrays) })
}

/// As vgpu_sgemm_batch_strided(), in double precision.
///
/// @note Thread safety: as vgpu_sgemm().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_dgemm_batch_strided(
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
    stride_a: i64,
    b: *const f64,
    ldb: i64,
    stride_b: i64,
    beta: f64,
    c: *mut f64,
    ldc: i64,
    stride_c: i64,
    batch_size: i64,
) -> vgpu_status {
    guard(|| {
        let (layout, trans_a, trans_b) = forms(layout, trans_a, trans_b)?;
        let first = Gemm { layout, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc };
        let batch = StridedBatch { first, stride_a, stride_b, stride_c, count: batch_size };
        // SAFETY: the caller vouches for the matrices.
        unsafe { gemm_batch_strided(&batch, tiles(pool)?) }
    })
}

/// As vgpu_sgemm_batch(), in double precision.
///
/// @note Thread safety: as vgpu_sgemm().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn vgpu_dgemm_batch(
    pool: *mut vgpu_pool,
    layout: i32,
    trans_a: *const i32,
    trans_b: *const i32,
    m: *const i64,
    n: *const i64,
    k: *const i64,
    alpha: *const f64,
    a: *const *const f64,
    lda: *const i64,
    b: *const *const f64,
    ldb: *const i64,
    beta: *const f64,
    c: *const *mut f64,
    ldc: *const i64,
    group_count: i64,
    group_size: *const i64,
) -> vgpu_status {
    let arrays = Arrays { trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, group_size };
    // SAFETY: the caller vouches for the arrays and the matrices.
    guard(|| unsafe { grouped(pool, layout, group_count, &arrays) })
}
