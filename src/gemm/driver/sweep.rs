//! The innermost loops: panels of A by panels of B, a micro-kernel each.

use super::Job;
use super::memory::Store;
use crate::gemm::element::Element;
use crate::gemm::kernel::{Copy, Mode, ROUND, Step, finish_streams};
use crate::gemm::operand::Operand;
use crate::gemm::pack::{APanel, pack_panel};
use crate::gemm::problem::View;
use core::ops::Range;

/// Column panels from which on a panel of an A with contiguous columns is copied.
const COPY_A_FROM: usize = 4;
/// Bytes of a C that few caches keep until it is read.
const STREAMED_FROM: usize = 32 << 20;
/// Steps of k up to which a kernel is done before a line of C, which it asks for at its beginning, has come.
const STREAMED_TO: usize = 128;
const LINE: usize = 64;
/// Elements from one fetch of packed B to its use: about 1 KiB of f32.
pub(super) const AHEAD: usize = 256;

impl<T: Element, S: Operand<T>> Job<T, S> {
    /// Whether C is better written past the caches: it is written once, so soon that its lines would be waited for, and no cache would keep it.
    fn streams(&self) -> bool {
        let product = &self.product;
        let size = product.m.saturating_mul(product.n).saturating_mul(size_of::<T>());
        let is_whole_lines = (product.c.addr() | product.c_row.wrapping_mul(size_of::<T>())).is_multiple_of(LINE);
        let is_written_once = product.beta == T::ZERO && self.blocks == 1;
        is_written_once && product.k <= STREAMED_TO && size >= STREAMED_FROM && is_whole_lines
    }

    /// Multiplies a run of row panels by a run of column panels over some blocks of k. Where `packs`, the first row panel
    /// also packs B into `store`.
    ///
    /// # Safety
    /// As [`run`](super::run); nobody else touches this part of C, nor, where `packs`, this part of the store; the store has room
    /// for these panels and, unless `packs`, holds them.
    pub(super) unsafe fn sweep(
        &self,
        blocks: Range<usize>,
        rows: Range<usize>,
        columns: Range<usize>,
        store: Store<T>,
        packs: bool,
    ) {
        let (product, kernels) = (&self.product, self.kernels);
        let mut a_panel = APanel::new();
        let streams = self.streams();
        for block in blocks {
            let start = block * self.depth;
            let k = self.depth.min(product.k - start);
            let beta = if block == 0 { product.beta } else { T::ONE };
            let packed = store.first.wrapping_add((block - store.block) * store.stride);
            for row_panel in rows.clone() {
                let lines = self.rows.piece(row_panel);
                let source = View { first: product.a.at(lines.start, start), ..product.a };
                let a = if S::WIDENED || (source.column != 1 && columns.len() >= COPY_A_FROM) {
                    // SAFETY: these rows and this block lie within A.
                    unsafe { a_panel.copy(source, lines.len(), k) }
                } else {
                    source.cast()
                };
                let upcoming = if row_panel + 1 < rows.end {
                    View { first: product.a.at(lines.end, start), ..product.a }
                } else {
                    View { row: 0, column: 0, ..source }
                };
                let packing = packs && row_panel == rows.start;
                let mut part = kernels.rows;
                for column_panel in columns.clone() {
                    // Each call fetches a part of the next panel of A: a row, or, of contiguous columns, as many as it has rounds.
                    part = if part + 1 < kernels.rows { part + 1 } else { 0 };
                    let (next, next_step) = if upcoming.column <= 1 {
                        (upcoming.at(part, 0), ROUND * upcoming.column)
                    } else {
                        (upcoming.at(0, (part * (k / ROUND)) % k), upcoming.column)
                    };
                    let vectors = self.columns.piece(column_panel);
                    let column = vectors.start * kernels.lanes;
                    let last = (product.n - (vectors.end - 1) * kernels.lanes).min(kernels.lanes);
                    let panel = packed.wrapping_add((column - store.origin) * k);
                    let b = product.b.at(start, column);
                    let width = vectors.len() * kernels.lanes;
                    let mut step = Step {
                        k,
                        a: a.first,
                        a_row: a.row,
                        a_step: a.column,
                        b: panel,
                        b_step: width,
                        b_ahead: AHEAD,
                        next: next.cast(),
                        next_step,
                        pack: panel,
                        copy: Copy::NONE,
                        c: product.c.wrapping_add(lines.start * product.c_row + column),
                        c_row: product.c_row,
                        last,
                        alpha: product.alpha,
                        beta,
                        streams: streams && last == kernels.lanes,
                    };
                    let mut mode = Mode::Whole;
                    if store.first.is_null() || (packing && product.b.column == 1 && !S::WIDENED) {
                        (step.b, step.b_step, step.b_ahead) = (b.cast(), product.b.row, product.b.row.wrapping_mul(8));
                        mode = match (packing, last < kernels.lanes) {
                            (true, _) => Mode::Pack,
                            (false, true) => Mode::Masked,
                            (false, false) => Mode::Whole,
                        };
                    } else if packing {
                        let columns = width - kernels.lanes + last;
                        let source = View { first: b, ..product.b };
                        // SAFETY: this block and these columns lie within B, and the panel's room within the store.
                        unsafe { pack_panel(kernels, source, k, columns, panel, width) };
                    }
                    // SAFETY: the step describes parts of A, B or the store, and C, which the caller vouches for.
                    unsafe { kernels.get(mode, lines.len(), vectors.len())(&step) };
                }
            }
        }
        if streams {
            finish_streams();
        }
    }
}
