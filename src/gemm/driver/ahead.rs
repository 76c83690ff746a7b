//! Products with few rows: B is packed for the next micro-kernels while these run.
//!
//! Where a panel of B is used by a few row panels only, the first of them would wait for memory and the others leave it idle. So every call copies
//! a part of what comes next, which spreads what is asked of memory over all of them. What comes next is a group of panels: a row of a
//! group is long enough for the hardware prefetchers, a row of a panel is not.

use super::memory::Store;
use super::sweep::AHEAD;
use super::{Job, UNPACKED_ROW_PANELS};
use crate::gemm::blocking::part;
use crate::gemm::element::Element;
use crate::gemm::kernel::{Copy, Mode, ROUND, Step};
use crate::gemm::operand::Operand;
use crate::gemm::pack::pack_panel;
use crate::gemm::problem::View;
use core::ops::Range;

/// Row panels up to which B is packed ahead: with more the first matters less than the order in which A is read.
const AHEAD_ROW_PANELS: usize = 8;
/// Panels of the largest group.
const GROUP: usize = 8;
/// Rows of panels from a fetch to the copy: enough to cover a fetch from memory.
const FETCH_AHEAD: usize = 16;

impl<T: Element, S: Operand<T>> Job<T, S> {
    /// Whether [`sweep_ahead`](Self::sweep_ahead) is for this product.
    pub(super) fn packs_ahead(&self) -> bool {
        let few = self.rows.count() > UNPACKED_ROW_PANELS && self.rows.count() <= AHEAD_ROW_PANELS;
        few && !S::WIDENED && self.product.a.column == 1 && self.product.b.column == 1
    }

    /// Multiplies all rows by a run of column panels over all of k. The store has room for these panels over one block of k.
    ///
    /// # Safety
    /// As [`run`](super::run); nobody else touches these columns of C, nor the store.
    pub(super) unsafe fn sweep_ahead(&self, columns: Range<usize>, store: Store<T>) {
        let bands = self.rows.count();
        // Two groups at least, so that one can be packed while another is used.
        let groups = columns.len().div_ceil(GROUP).max(2.min(columns.len()));
        let count = self.blocks * groups;
        // Of the group at hand this many panels are packed.
        let mut ready = 0;
        for i in 0..count {
            let panels = part(columns.clone(), groups, i % groups);
            let block = i / groups;
            let whole = self.whole(&panels);
            let next = (i + 1) % groups;
            let (mut copy, mut copied) = (Copy::NONE, 0);
            if i + 1 < count && groups > 1 {
                let next = part(columns.clone(), groups, next);
                copied = self.whole(&next);
                let panel = self.panel((i + 1) / groups, next.start, store);
                if copied > 0 && whole > 0 {
                    let share = panel.k.div_ceil(whole * bands);
                    copy = Copy {
                        from: panel.source.cast(),
                        step: self.product.b.row,
                        to: panel.packed,
                        stride: panel.width * panel.k,
                        rows: share,
                        panels: copied,
                        each: (share * copied * ROUND).div_ceil(self.depth),
                        ahead: self.product.b.row.wrapping_mul(FETCH_AHEAD.div_ceil(copied)),
                    };
                } else {
                    copied = 0;
                }
            }
            for (at, panel) in panels.enumerate() {
                let panel = self.panel(block, panel, store);
                if at >= ready {
                    let source = View { first: panel.source, ..self.product.b };
                    // SAFETY: the panel lies within B, and its copy within the store.
                    unsafe { pack_panel(self.kernels, source, panel.k, panel.columns, panel.packed, panel.width) };
                }
                let copies = if at < whole && copied > 0 { Some(&copy) } else { None };
                for band in 0..bands {
                    // SAFETY: the panel is packed; what is copied lies within B, and goes where nothing is that is needed still; the rest is
                    // passed on to the caller.
                    unsafe { self.multiply(block, &panel, band, copies, at * bands + band) };
                }
            }
            ready = copied;
        }
    }

    /// Multiplies a band of rows by a packed panel, and copies the `call`-th share of `copy`.
    ///
    /// # Safety
    /// As [`sweep_ahead`](Self::sweep_ahead).
    unsafe fn multiply(&self, block: usize, panel: &Panel<T, S>, band: usize, copy: Option<&Copy<T>>, call: usize) {
        let (product, kernels) = (&self.product, self.kernels);
        let lines = self.rows.piece(band);
        let mut step = Step {
            k: panel.k,
            a: product.a.at(lines.start, panel.start).cast(),
            a_row: product.a.row,
            a_step: 1,
            b: panel.packed,
            b_step: panel.width,
            b_ahead: AHEAD,
            next: panel.packed,
            next_step: 0,
            pack: panel.packed,
            copy: Copy::NONE,
            c: product.c.wrapping_add(lines.start * product.c_row + panel.column),
            c_row: product.c_row,
            last: panel.columns + kernels.lanes - panel.width,
            alpha: product.alpha,
            beta: if block == 0 { product.beta } else { T::ONE },
            streams: false,
        };
        let mut kernel = kernels.get(Mode::Whole, lines.len(), panel.width / kernels.lanes);
        if let Some(copy) = copy {
            let depth = copy.stride / kernels.columns();
            let first = (call * copy.rows).min(depth);
            step.copy = Copy {
                from: copy.from.wrapping_add(first * copy.step),
                to: copy.to.wrapping_add(first * kernels.columns()),
                rows: copy.rows.min(depth - first),
                ..*copy
            };
            kernel = kernels.copying[lines.len() - 1];
        }
        // SAFETY: the step describes parts of A, the store, and C, and what is copied; the rest is passed on to the caller.
        unsafe { kernel(&step) };
    }

    /// How many of these panels, from the first on, are as wide as the widest tile.
    fn whole(&self, panels: &Range<usize>) -> usize {
        let is_whole = |&panel: &usize| {
            let vectors = self.columns.piece(panel);
            vectors.len() == self.kernels.vectors && vectors.end * self.kernels.lanes <= self.product.n
        };
        panels.clone().take_while(is_whole).count()
    }

    /// A column panel over a block of k.
    fn panel(&self, block: usize, panel: usize, store: Store<T>) -> Panel<T, S> {
        let start = block * self.depth;
        let k = self.depth.min(self.product.k - start);
        let vectors = self.columns.piece(panel);
        let column = vectors.start * self.kernels.lanes;
        let width = vectors.len() * self.kernels.lanes;
        Panel {
            start,
            k,
            column,
            columns: width.min(self.product.n - column),
            width,
            source: self.product.b.at(start, column),
            packed: store.first.wrapping_add((column - store.origin) * k),
        }
    }
}

/// A panel of B over one block of k.
struct Panel<T, S> {
    /// Where the block begins, and its length.
    start: usize,
    k: usize,
    /// The first column, how many exist, and as how many they are packed.
    column: usize,
    columns: usize,
    width: usize,
    source: *const S,
    packed: *mut T,
}
