//! Small products: what is in the caches anyway is neither packed nor prefetched nor shared out.
//!
//! At these sizes the way to the kernels costs as much as the kernels. So there is no plan, no task and no memory from an allocator, and a
//! division only where there is more than one panel. The tiles are shaped after C: panels as wide as the kernels allow, equal
//! among each other, and rows likewise.

use super::blocking::{SERIAL_BELOW, k_block, part, tasks};
use super::element::Element;
use super::kernel::{Copy, Kernels, Step};
use super::operand::Operand;
use super::problem::{Product, View};
use super::room::Room;
use super::runner::TileRunner;
use crate::error::Result;
use core::ptr;

/// Bytes for a panel of a B whose columns are contiguous: of the longest block of k, one vector wide.
const ROOM_BYTES: usize = 32 << 10;

/// Whether [`run`] is for this product.
#[inline]
pub(super) fn fits<T: Element, S: Operand<T>>(product: &Product<T, S>) -> bool {
    !S::WIDENED && product.work() < SERIAL_BELOW && !product.only_scales()
}

/// Computes a product that [`fits`], on the calling thread.
///
/// # Safety
/// The matrices of `product` are as [`gemm`](super::gemm) demands, and the CPU has the level of `kernels`.
pub(super) unsafe fn run<T: Element, S: Operand<T>>(product: &Product<T, S>, kernels: &Kernels<T>) {
    // SAFETY: passed on to the caller.
    unsafe {
        if product.n == 1 || product.b.column != 1 {
            run_apart(&product.upright(), kernels)
        } else {
            sweep(product, kernels, ptr::null_mut())
        }
    }
}

/// Whether [`run_narrow`] is for this product: as wide as a tile or less, with rows of A and B that lie as they are wanted.
pub(super) fn is_narrow<T: Element, S: Operand<T>>(product: &Product<T, S>, kernels: &Kernels<T>) -> bool {
    let fits = product.n <= kernels.near.len() * kernels.lanes;
    let compact = product.b.column == 1 && product.b.row <= 2 * product.n;
    !S::WIDENED && fits && compact && product.a.column == 1
}

/// Computes a product that [`is_narrow`]: B stays in the second-level cache as it is, and every element of A is read once, in order.
///
/// # Safety
/// As [`run`].
pub(super) unsafe fn run_narrow<T: Element, S: Operand<T>>(
    product: &Product<T, S>,
    kernels: &Kernels<T>,
    tiles: &dyn TileRunner,
) -> Result<()> {
    let bands = product.m.div_ceil(kernels.rows);
    let tasks = tasks(product.work(), tiles.workers()).min(bands);
    let body = |i: usize| {
        let run = part(0..bands, tasks, i);
        let (start, end) = (run.start * kernels.rows, product.m.min(run.end * kernels.rows));
        let a = View { first: product.a.at(start, 0), ..product.a };
        let c = product.c.wrapping_add(start * product.c_row);
        let rows = Product { m: end - start, a, c, ..*product };
        // SAFETY: the tasks have different rows of C; the rest is passed on to the caller.
        unsafe { sweep(&rows, kernels, ptr::null_mut()) };
        Ok(())
    };
    if tasks == 1 { body(0) } else { tiles.for_each(tasks, &body) }
}

/// As [`run`], where B's columns are contiguous, or there is one. A function of its own, so that others need no such stack.
///
/// # Safety
/// As [`run`].
#[inline(never)]
unsafe fn run_apart<T: Element, S: Operand<T>>(product: &Product<T, S>, kernels: &Kernels<T>) {
    let mut room = Room::<ROOM_BYTES>::new();
    let room = if product.b.column == 1 { ptr::null_mut() } else { room.first() };
    // SAFETY: passed on to the caller.
    unsafe { sweep(product, kernels, room) }
}

/// As [`run`]. Each panel of B is packed into `room` first, unless that is null, and B's rows are contiguous.
///
/// # Safety
/// As [`run`]; nobody else uses the room, which has [`ROOM_BYTES`].
#[inline(always)]
unsafe fn sweep<T: Element, S: Operand<T>>(product: &Product<T, S>, kernels: &Kernels<T>, room: *mut T) {
    let (m, n) = (product.m, product.n);
    let shift = kernels.lanes.trailing_zeros();
    let vectors = (n + kernels.lanes - 1) >> shift;
    let depth = k_block(product.k, T::K_BLOCK);
    let mut widest = kernels.near.len();
    if !room.is_null() {
        const { assert!(T::K_BLOCK * 64 <= ROOM_BYTES) };
        widest = widest.min((ROOM_BYTES / size_of::<T>() / depth) >> shift).max(1);
    }
    let panels = pieces(vectors, widest);
    let mut step = Step {
        k: depth,
        a: product.a.first.cast(),
        a_row: product.a.row,
        a_step: product.a.column,
        b: room.cast_const(),
        b_step: product.b.row,
        b_ahead: 0,
        next: ptr::null(),
        next_step: 0,
        pack: ptr::null_mut(),
        copy: Copy::NONE,
        c: product.c,
        c_row: product.c_row,
        last: kernels.lanes,
        alpha: product.alpha,
        beta: product.beta,
        streams: false,
    };
    let mut start = 0;
    while start < product.k {
        step.k = depth.min(product.k - start);
        for panel in 0..panels {
            let run = piece(vectors, panels, panel);
            let column = run.start << shift;
            let columns = (n - column).min(run.len() << shift);
            step.last = columns - ((run.len() - 1) << shift);
            let b = product.b.at(start, column);
            if room.is_null() {
                step.b = b.cast();
            } else {
                step.b_step = run.len() << shift;
                // SAFETY: these columns and this block lie within B, and the room has as many bytes as `widest` vectors of this depth.
                unsafe { (kernels.transpose)(b.cast(), product.b.column, step.k, columns, room, step.b_step) };
            }
            let tall = kernels.near[run.len() - 1];
            let bands = pieces(m, tall.len());
            for band in 0..bands {
                let rows = piece(m, bands, band);
                step.a = product.a.at(rows.start, start).cast();
                step.c = product.c.wrapping_add(rows.start * product.c_row + column);
                // SAFETY: the step describes parts of A, B or the room, and C, which the caller vouches for.
                unsafe { tall[rows.len() - 1](&step) };
            }
        }
        step.beta = T::ONE;
        start += depth;
    }
}

/// How many pieces of at most `most` there are of `total`.
#[inline(always)]
fn pieces(total: usize, most: usize) -> usize {
    if total <= most { 1 } else { total.div_ceil(most) }
}

/// Piece `i` of so many.
#[inline(always)]
fn piece(total: usize, pieces: usize, i: usize) -> core::ops::Range<usize> {
    if pieces == 1 { 0..total } else { part(0..total, pieces, i) }
}
