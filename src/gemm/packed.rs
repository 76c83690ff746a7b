//! A matrix B that is packed once and multiplied often.

use super::blocking::{Cuts, k_block, part};
use super::driver::{self, Job, Place, Store, buffer};
use super::element::Element;
use super::kernel::{Kernels, Level};
use super::operand::Operand;
use super::pack::pack_panel;
use super::problem::{Gemm, Layout, Transpose, View, operand, size};
use super::runner::TileRunner;
use crate::error::Result;
use crate::os::alloc::RawBuffer;

/// Elements of B below which packing is not shared out.
const PACK_SERIAL_BELOW: usize = 1 << 17;

/// A B as a caller states it who wants it packed: as in [`Gemm`].
#[derive(Clone, Copy, Debug)]
pub struct PackB<S> {
    /// The layout of B, and of A and C later.
    pub layout: Layout,
    /// What `op` does to B.
    pub trans_b: Transpose,
    /// Columns of `op(B)` and of C.
    pub n: i64,
    /// Rows of `op(B)` and columns of `op(A)`.
    pub k: i64,
    /// The first element of B.
    pub b: *const S,
    /// The leading dimension of B.
    pub ldb: i64,
}

/// A packed `op(B)`: a copy, in the order in which this machine's kernels read it.
///
/// May be used by any number of products at once.
pub struct PackedB<T: 'static> {
    layout: Layout,
    n: usize,
    k: usize,
    kernels: &'static Kernels<T>,
    memory: RawBuffer,
}

/// A product with a packed B: the rest of a [`Gemm`]. `n`, `k` and the layout are those of the packed B.
#[derive(Clone, Copy)]
pub struct PackedGemm<'a, T: 'static> {
    /// What `op` does to A.
    pub trans_a: Transpose,
    /// Rows of C.
    pub m: i64,
    /// The factor of the product.
    pub alpha: T,
    /// The first element of A.
    pub a: *const T,
    /// The leading dimension of A.
    pub lda: i64,
    /// What A is multiplied with.
    pub b: &'a PackedB<T>,
    /// The factor of what C held.
    pub beta: T,
    /// The first element of C.
    pub c: *mut T,
    /// The leading dimension of C.
    pub ldc: i64,
}

impl<T: Element> PackedB<T> {
    /// Packs a B on the workers of `tiles`. B is not needed afterwards.
    ///
    /// # Errors
    /// As [`gemm`](super::gemm).
    ///
    /// # Safety
    /// B is readable over the extent that `source` describes, and nobody writes to it meanwhile.
    pub unsafe fn new<S: Operand<T>>(source: &PackB<S>, tiles: &dyn TileRunner) -> Result<PackedB<T>> {
        // SAFETY: passed on to the caller.
        unsafe { PackedB::at(Level::detect(), source, tiles) }
    }

    /// As [`new`](Self::new), for the micro-kernels of a given level; of the portable one where the CPU lacks it.
    ///
    /// # Errors
    /// As [`gemm`](super::gemm).
    ///
    /// # Safety
    /// As [`new`](Self::new).
    pub unsafe fn at<S: Operand<T>>(level: Level, source: &PackB<S>, tiles: &dyn TileRunner) -> Result<PackedB<T>> {
        let kernels = T::kernels(level.or_portable());
        let n = size("n", "the number of columns of op(B)", source.n)?;
        let k = size("k", "the number of rows of op(B)", source.k)?;
        let from = operand(source.layout, 'B', (source.b, source.trans_b, source.ldb), (k, n), true)?;
        let depth = k_block(k, T::K_BLOCK);
        // A column-major product has B in the place of A: there it is wanted line by line of k, and is one panel a line.
        let rows = source.layout == Layout::RowMajor;
        let (lanes, vectors) = if rows { (kernels.lanes, kernels.vectors) } else { (1, 1) };
        let panels = Cuts::new(n.div_ceil(lanes), vectors);
        let width = n.div_ceil(lanes).checked_mul(lanes);
        let memory = buffer::<T>(tiles, width.and_then(|width| width.checked_mul(k)))?;
        let width = width.unwrap_or(0);
        let to = Place(memory.as_ptr().cast::<T>());
        let pieces = if n == 0 { 0 } else { k.div_ceil(depth) * panels.count() };
        let pack = |piece: usize| {
            let (block, panel) = (piece / panels.count() * depth, panels.piece(piece % panels.count()));
            let deep = depth.min(k - block);
            let (column, wide) = (panel.start * lanes, panel.len() * lanes);
            let columns = wide.min(n - column);
            let source = View { first: from.at(block, column), ..from };
            // SAFETY: each piece has its own part of the memory, which holds every block's rows of `width`, and every line of k;
            // the caller vouches for B.
            unsafe {
                if rows {
                    let to = to.at(block * width + column * deep);
                    pack_panel(kernels, source, deep, columns, to, wide);
                } else {
                    let to = to.at(column * k + block);
                    for p in 0..deep {
                        to.add(p).write(source.at(p, 0).read_unaligned().widen());
                    }
                }
            }
        };
        let parts = if n.saturating_mul(k) < PACK_SERIAL_BELOW { 1 } else { pieces.min(4 * tiles.workers().max(1)) };
        let body = |i: usize| {
            part(0..pieces, parts, i).for_each(pack);
            Ok(())
        };
        if parts <= 1 {
            body(0)?
        } else {
            tiles.for_each(parts, &body)?
        }
        Ok(PackedB { layout: source.layout, n, k, kernels, memory })
    }
}

/// Computes `C = alpha * op(A) * op(B) + beta * C` with a packed B. The bits are those of [`gemm`](super::gemm).
///
/// # Errors
/// As [`gemm`](super::gemm).
///
/// # Safety
/// As [`gemm`](super::gemm), but for B.
pub unsafe fn gemm_packed<T: Element>(product: &PackedGemm<'_, T>, tiles: &dyn TileRunner) -> Result<()> {
    let packed = product.b;
    let (n, k) = (packed.n as i64, packed.k as i64);
    let memory = packed.memory.as_ptr().cast::<T>();
    let product = Gemm {
        layout: packed.layout,
        trans_a: product.trans_a,
        trans_b: Transpose::No,
        m: product.m,
        n,
        k,
        alpha: product.alpha,
        a: product.a,
        lda: product.lda,
        b: memory.cast_const(),
        ldb: if packed.layout == Layout::RowMajor { n.max(1) } else { k.max(1) },
        beta: product.beta,
        c: product.c,
        ldc: product.ldc,
    }
    .check()?;
    // SAFETY: the packed B holds all blocks and panels as a store does, or, column-major, all of `op(B)`; the rest is passed
    // on to the caller.
    unsafe {
        if packed.layout == Layout::ColMajor || product.only_scales() {
            return driver::run(product, packed.kernels, tiles);
        }
        let depth = k_block(packed.k, T::K_BLOCK);
        let width = packed.n.div_ceil(packed.kernels.lanes) * packed.kernels.lanes;
        let store = Store { first: memory, origin: 0, block: 0, stride: width * depth };
        Job::new(product, packed.kernels).run_tiles(store, tiles)
    }
}
