//! Runs a product by way of bf16: packs B, split, then multiplies runs of rows of A by it.
//!
//! One round packs a stripe of B, the next uses it: the runner's return between them is the only synchronisation. A task of the second round is a few
//! row panels by a run of column panels. It packs its rows of one block of k, which then lie in the second-level cache, and multiplies each by every column
//! panel, which come from the last-level one.

use super::parts::{pack_a, pack_b};
use super::range;
use crate::error::Result;
use crate::gemm::blocking::{k_block, part};
use crate::gemm::driver::{Place, seat_stride, too_large};
use crate::gemm::element::Element;
use crate::gemm::kernel::amx::{CHUNK_BYTES, DEPTH, SIDE, Tiles};
use crate::gemm::kernel::{Kernels, Level, kernels_f32};
use crate::gemm::problem::{Product, View};
use crate::gemm::room::Room;
use crate::gemm::runner::TileRunner;
use core::ops::Range;

/// Row panels of a task: split, 384 KiB, which is a part of any second-level cache beside tiles.
const ROW_PANELS: usize = 4;
/// Tasks for each worker, so that one which is disturbed leaves some of its share to others.
const TASKS_PER_WORKER: usize = 4;
/// Bytes of split B at a time: half of what a pool keeps for the next product, so that there is room for rows of A too.
const BUDGET: usize = 32 << 20;

/// A product with its cuts.
struct Job<'a> {
    product: &'a Product<f32>,
    kernels: &'static Kernels<f32>,
    /// Steps of k that are summed in tiles before the sums are added to C, and how many such blocks there are.
    depth: usize,
    blocks: usize,
    /// Bytes of a panel of one block.
    panel: usize,
    row_panels: usize,
    column_panels: usize,
}

/// What of B is packed at a time: some column panels over some blocks of k, those of a block side by side.
struct Stripe {
    panels: Range<usize>,
    blocks: Range<usize>,
    packed: Place<u8>,
}

/// Computes the product, unless it is too small or holds what cannot be split: then C is untouched, and the answer `false`.
///
/// # Safety
/// As [`gemm`](crate::gemm::gemm); this process may use tiles.
pub(in crate::gemm) unsafe fn try_run(product: &Product<f32>, tiles: &dyn TileRunner) -> Result<bool> {
    // SAFETY: passed on to the caller.
    unsafe { try_run_within(BUDGET, product, tiles) }
}

/// As [`try_run`], with about `budget` bytes of B at a time.
///
/// # Safety
/// As [`try_run`].
pub(in crate::gemm) unsafe fn try_run_within(
    budget: usize,
    product: &Product<f32>,
    tiles: &dyn TileRunner,
) -> Result<bool> {
    let (m, n, k) = (product.m, product.n, product.k);
    if m < SIDE || n < SIDE || k < DEPTH || product.alpha == 0.0 {
        return Ok(false);
    }
    // SAFETY: passed on to the caller; a CPU with tiles has AVX-512.
    unsafe {
        let a = range::of(product.a, m, k, tiles)?;
        if !a.can_be_split(range::of(product.b, k, n, tiles)?, k) {
            return Ok(false);
        }
        let depth = k_block(k, f32::K_BLOCK);
        let job = Job {
            product,
            kernels: kernels_f32(Level::detect()),
            depth,
            blocks: k.div_ceil(depth),
            panel: depth.div_ceil(DEPTH) * CHUNK_BYTES,
            row_panels: m.div_ceil(SIDE),
            column_panels: n.div_ceil(SIDE),
        };
        job.run(budget, tiles)?;
    }
    Ok(true)
}

impl Job<'_> {
    /// The steps of k in block `i`.
    fn deep(&self, i: usize) -> usize {
        self.depth.min(self.product.k - i * self.depth)
    }

    /// # Safety
    /// As [`try_run`].
    unsafe fn run(&self, budget: usize, tiles: &dyn TileRunner) -> Result<()> {
        // As many columns as possible, since A is split anew for others.
        let panels_at_once = (budget / self.panel).clamp(1, self.column_panels);
        let blocks_at_once = (budget / self.panel / panels_at_once).clamp(1, self.blocks);
        let workers = tiles.workers();
        let row_runs = self.row_panels.div_ceil(ROW_PANELS);
        let wanted = if workers > 1 { workers * TASKS_PER_WORKER } else { 1 };
        let column_runs = wanted.div_ceil(row_runs).min(panels_at_once);
        let packed_b = seat_stride::<u8>(panels_at_once * blocks_at_once * self.panel).ok_or_else(too_large)?;
        let packed_a = ROW_PANELS * self.panel;
        let bytes = packed_a.checked_mul(tiles.seats()).and_then(|all| all.checked_add(packed_b));
        let memory = tiles.packing(bytes.ok_or_else(too_large)?)?;
        let (b, a) = (Place(memory.as_ptr()), Place(memory.as_ptr().wrapping_add(packed_b)));
        tiles.enter(&|tiles| {
            for panel in (0..self.column_panels).step_by(panels_at_once) {
                for block in (0..self.blocks).step_by(blocks_at_once) {
                    let stripe = Stripe {
                        panels: panel..(panel + panels_at_once).min(self.column_panels),
                        blocks: block..(block + blocks_at_once).min(self.blocks),
                        packed: b,
                    };
                    let pieces = stripe.panels.len() * stripe.blocks.len();
                    let parts = pieces.min(wanted);
                    tiles.for_each(parts, &|i| {
                        // SAFETY: each piece has a place of its own; the rest is passed on to the caller.
                        part(0..pieces, parts, i).for_each(|piece| unsafe { self.pack(&stripe, piece) });
                        Ok(())
                    })?;
                    tiles.for_each_seated(row_runs * column_runs, &|seat, i| {
                        let rows = part(0..self.row_panels, row_runs, i % row_runs);
                        let columns = part(stripe.panels.clone(), column_runs, i / row_runs);
                        // SAFETY: the stripe is packed; the seat's room is this task's meanwhile, as is its part of C.
                        unsafe { self.sweep(&stripe, rows, columns, a.at(seat * packed_a)) };
                        Ok(())
                    })?;
                }
            }
            Ok(())
        })
    }

    /// Packs a piece of a stripe: one column panel of one block of k.
    ///
    /// # Safety
    /// As [`try_run`]; nobody else touches the piece's place.
    unsafe fn pack(&self, stripe: &Stripe, piece: usize) {
        let (block, panel) =
            (stripe.blocks.start + piece / stripe.panels.len(), stripe.panels.start + piece % stripe.panels.len());
        let column = panel * SIDE;
        let from = View { first: self.product.b.at(block * self.depth, column), ..self.product.b };
        let to = stripe.packed.at(piece * self.panel);
        // SAFETY: passed on to the caller.
        unsafe { pack_b(from, SIDE.min(self.product.n - column), self.deep(block), to) }
    }

    /// Multiplies some row panels by some column panels of a packed stripe.
    ///
    /// # Safety
    /// As [`try_run`]; nobody else touches this part of C, nor `room`, which has [`ROW_PANELS`] panels.
    unsafe fn sweep(&self, stripe: &Stripe, rows: Range<usize>, columns: Range<usize>, room: *mut u8) {
        // SAFETY: this process may use tiles.
        let registers = unsafe { Tiles::new() };
        for block in stripe.blocks.clone() {
            for (i, panel) in rows.clone().enumerate() {
                let row = panel * SIDE;
                let from = View { first: self.product.a.at(row, block * self.depth), ..self.product.a };
                let to = room.wrapping_add(i * self.panel);
                // SAFETY: these rows lie within A, and their place in the room.
                unsafe { pack_a(from, SIDE.min(self.product.m - row), self.deep(block), to) };
            }
            let first = (block - stripe.blocks.start) * stripe.panels.len();
            for column in columns.clone() {
                let b = stripe.packed.at((first + column - stripe.panels.start) * self.panel);
                for (i, row) in rows.clone().enumerate() {
                    // SAFETY: both panels are packed; the rest is passed on to the caller.
                    unsafe { self.multiply(&registers, (row, column, block), room.wrapping_add(i * self.panel), b) };
                }
            }
        }
    }

    /// Multiplies two packed panels of a block of k, and adds the product to C.
    ///
    /// # Safety
    /// The panels are readable; C is as [`try_run`] says, and nobody else touches this part of it.
    unsafe fn multiply(
        &self,
        registers: &Tiles,
        (row, column, block): (usize, usize, usize),
        a: *const u8,
        b: *const u8,
    ) {
        let product = self.product;
        let mut room = Room::<{ SIDE * SIDE * size_of::<f32>() }>::new();
        let sums = room.first::<f32>();
        let (i, j) = (row * SIDE, column * SIDE);
        let columns = SIDE.min(product.n - j);
        let beta = if block == 0 { product.beta } else { 1.0 };
        // SAFETY: passed on to the caller; the CPU has the level of the kernels.
        unsafe {
            registers.multiply(a, b, self.deep(block).div_ceil(DEPTH), sums);
            for r in 0..SIDE.min(product.m - i) {
                let c = product.c.wrapping_add((i + r) * product.c_row + j);
                (self.kernels.finish)(columns, sums.wrapping_add(r * SIDE), c, product.alpha, beta);
            }
        }
    }
}
