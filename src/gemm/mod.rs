//! Matrix products: `C = alpha * op(A) * op(B) + beta * C` for f32 and f64, with the meaning of BLAS `sgemm` and `dgemm`.
//!
//! # How a product runs
//! 1. [`problem`]: the arguments are checked, and a column-major product becomes a row-major one by swapping A and B.
//! 2. [`blocking`]: k is cut into blocks, C into panels as wide and high as the micro-kernel, and panels into tiles that
//!    are a task each. Tile sizes follow the caches and the number of workers; the blocks of k follow k alone.
//! 3. [`driver`]: the tasks run on a [`TileRunner`], which is the caller's own thread ([`Serial`]) or a pool, whose workers a caller
//!    from outside computes with. Each packs what it reuses ([`pack`]) and calls a micro-kernel ([`kernel`]) chosen at run time
//!    from the CPU's feature bits.
//!
//! Some go other ways: small products, and those with few columns, are computed where they lie ([`small`]); a matrix
//! times a vector is read in long runs ([`gemv`]).
//!
//! Many products at once are a [`batch`](gemm_batch); a B that is used often can be [packed](PackedB) before; and A and B may hold
//! [`Bf16`], which is widened on its way into the kernels. Matrices in files may be larger than
//! memory: [`gemm_files`]. All of it has the bits of the plain product. Where a caller asks for it, and the CPU has AMX, an f32 product goes by way of
//! bf16: [`gemm_bf16x3`], whose bits are others.
//!
//! The scheme is that of Goto and van de Geijn, *Anatomy of high-performance matrix multiplication* (ACM TOMS 34(3), 2008),
//! with BLIS's register blocking (Van Zee and van de Geijn, ACM TOMS 41(3), 2015).
//!
//! # What the bits of a result depend on
//! An element of C depends on alpha, beta, its own old value, its row of op(A), its column of op(B), and on
//! whether the CPU has fused multiply-adds. It does not depend on anything else: not on the number of workers or the order in
//! which tiles run, not on m, n, the leading dimensions, the layout or the addresses. So a row of a large product equals,
//! bit for bit, the same row multiplied alone; and AVX2 and AVX-512 machines agree. (The payload and sign of a NaN are
//! not part of this.)
//!
//! # Memory
//! A pool without an allocator of the host's keeps what a product has packed into for the next one, 64 MiB for each of two products at a
//! time, until the pool ends: pages that are new to the process would cost up to a sixth of a product's time.
//!
//! # Error bound
//! With `u` half the machine epsilon, `|C - exact| <= (k + 4) u (|alpha| sum |a||b| + |beta c|)` to first order in `u`, barring
//! overflow and underflow.

mod batch;
pub mod blocking;
mod driver;
mod element;
mod files;
mod gemv;
pub mod kernel;
mod operand;
mod pack;
mod packed;
mod pool_runner;
pub mod problem;
mod room;
pub mod runner;
mod scale;
mod small;
mod split;
#[cfg(test)]
mod tests;

pub use batch::{BatchGroup, StridedBatch, gemm_batch, gemm_batch_strided};
pub use blocking::CacheSizes;
pub use element::Element;
pub use files::{FileGemm, FileMatrix, gemm_files};
pub use kernel::Level;
pub use operand::{Bf16, Operand};
pub use packed::{PackB, PackedB, PackedGemm, gemm_packed};
pub use problem::{Gemm, Layout, Transpose};
pub use runner::{Serial, TileRunner};
pub use split::{gemm_bf16x3, has_bf16x3};

use crate::error::Result;
use kernel::Kernels;

/// Computes `C = alpha * op(A) * op(B) + beta * C` on the workers of `tiles`.
///
/// Blocks until C is complete. Any number of threads may call this at once on different C. Where `beta` is zero C
/// is not read, so it may hold NaN or be uninitialised; where `alpha` or `k` is zero A and B are not read, and may be null.
///
/// # Errors
/// `InvalidArgument` for a negative size, a leading dimension that is too small or a null matrix; `Overflow` for a matrix
/// that does not fit the address space; `OutOfMemory` when the packing buffers cannot be had. In each of these cases C is
/// untouched. An error of `tiles` itself is passed on, and C is then partly written.
///
/// # Safety
/// A and B are readable, and C readable and writable, over the extents that [`Gemm`] describes; C overlaps neither A nor B
/// and nothing else writes to the three, or reads C, until the call returns. `tiles` keeps the promise of [`TileRunner`].
///
/// # Example
/// ```
/// use vgpu_pool::gemm::{Gemm, Layout, Serial, Transpose, gemm};
/// let (a, b, mut c) = ([1.0f32, 2.0, 3.0, 4.0], [5.0f32, 6.0, 7.0, 8.0], [0.0f32; 4]);
/// let product = Gemm {
///     layout: Layout::RowMajor, trans_a: Transpose::No, trans_b: Transpose::No,
///     m: 2, n: 2, k: 2, alpha: 1.0, a: a.as_ptr(), lda: 2, b: b.as_ptr(), ldb: 2, beta: 0.0, c: c.as_mut_ptr(), ldc: 2,
/// };
/// // SAFETY: the arrays hold 2 x 2 elements each, and nothing else uses them.
/// unsafe { gemm(&product, &Serial::default())? };
/// assert_eq!(c, [19.0, 22.0, 43.0, 50.0]);
/// # Ok::<(), vgpu_pool::error::Error>(())
/// ```
#[inline]
pub unsafe fn gemm<T: Element, S: Operand<T>>(product: &Gemm<T, S>, tiles: &dyn TileRunner) -> Result<()> {
    // SAFETY: passed on to the caller; the CPU has the level.
    unsafe { multiply(T::kernels(Level::detect()), product, tiles) }
}

/// As [`gemm`], with the micro-kernels of a given level; of the portable one where the CPU lacks it.
///
/// # Errors
/// As [`gemm`].
///
/// # Safety
/// As [`gemm`].
pub unsafe fn gemm_at<T: Element, S: Operand<T>>(
    level: Level,
    product: &Gemm<T, S>,
    tiles: &dyn TileRunner,
) -> Result<()> {
    // SAFETY: passed on to the caller; the CPU has the level.
    unsafe { multiply(T::kernels(level.or_portable()), product, tiles) }
}

/// As [`gemm`], with given micro-kernels.
///
/// # Safety
/// As [`gemm`], and the CPU has the level of `kernels`.
#[inline]
unsafe fn multiply<T: Element, S: Operand<T>>(
    kernels: &'static Kernels<T>,
    product: &Gemm<T, S>,
    tiles: &dyn TileRunner,
) -> Result<()> {
    let product = product.check()?;
    // SAFETY: passed on to the caller.
    unsafe {
        if small::fits(&product) {
            small::run(&product, kernels);
            return Ok(());
        }
        driver::run(product, kernels, tiles)
    }
}
