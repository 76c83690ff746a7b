//! Runs a checked product: cuts it, packs, calls the micro-kernels.
//!
//! A task is a run of row panels by a run of column panels of C, over all of k: no two tasks touch the same element of C, and none waits for
//! another. Three forms:
//! - **Owned columns.** There are columns enough (or one worker): a task takes all rows of its columns, so that the packed B is
//!   its own and there is no barrier at all.
//! - **Own B.** All of B, packed, has room in a worker's second-level cache, and there are rows enough: each worker packs it for itself, with
//!   its first task, and the tasks are runs of rows. Again no barrier, and no cache gets from another what is packed.
//! - **Shared columns.** Else the packed B is shared: a first round packs it, a second uses it, and the runner's return between them is
//!   the only synchronisation. The packing round is also a computing round: packing a panel is part of multiplying it by the first row panel.

use super::blocking::{CacheSizes, Cuts, Extent, Form, PACKED_BYTES, Plan, k_block, part};
use super::element::Element;
use super::gemv;
use super::kernel::Kernels;
use super::operand::Operand;
use super::problem::Product;
use super::runner::TileRunner;
use super::scale::{scale, scale_rows};
use super::small;
use crate::error::Result;

mod ahead;
mod memory;
mod sweep;

use memory::SeatFlags;
pub(super) use memory::{Held, Place, Store, buffer, packing, seat_stride, too_large};

/// Row panels up to which a B with contiguous rows is used where it lies: it would be packed as often as it is read.
const UNPACKED_ROW_PANELS: usize = 2;

/// A product with its cuts.
pub(super) struct Job<T: 'static, S = T> {
    product: Product<T, S>,
    kernels: &'static Kernels<T>,
    rows: Cuts,
    /// In vectors.
    columns: Cuts,
    depth: usize,
    blocks: usize,
}

/// Computes the product.
///
/// # Safety
/// The matrices of `product` are as [`gemm`](super::gemm) demands, and the CPU has the level of `kernels`.
pub(super) unsafe fn run<T: Element, S: Operand<T>>(
    product: Product<T, S>,
    kernels: &'static Kernels<T>,
    tiles: &dyn TileRunner,
) -> Result<()> {
    // SAFETY: passed on to the caller.
    unsafe { run_within(PACKED_BYTES, &product, kernels, tiles) }
}

/// As [`run`], packing about `budget` bytes of B at a time.
///
/// # Safety
/// As [`run`].
pub(super) unsafe fn run_within<T: Element, S: Operand<T>>(
    budget: usize,
    product: &Product<T, S>,
    kernels: &'static Kernels<T>,
    tiles: &dyn TileRunner,
) -> Result<()> {
    // SAFETY: passed on to the caller.
    unsafe {
        if product.only_scales() {
            scale(product, tiles)
        } else if gemv::fits(product) {
            gemv::run(product, kernels, tiles)
        } else if small::is_narrow(product, kernels) {
            small::run_narrow(product, kernels, tiles)
        } else {
            Job::new(*product, kernels).run(budget, Held::NONE, tiles)
        }
    }
}

/// As [`run_within`], with blocks of k of a given length: for a part of a longer k, whose blocks are the whole's. Packs into `held` where
/// that is large enough.
///
/// # Safety
/// As [`run`]; `held` is writable, and nobody else uses it.
pub(super) unsafe fn run_blocks<T: Element, S: Operand<T>>(
    depth: usize,
    budget: usize,
    held: Held<T>,
    product: &Product<T, S>,
    kernels: &'static Kernels<T>,
    tiles: &dyn TileRunner,
) -> Result<()> {
    // SAFETY: passed on to the caller.
    unsafe {
        if product.only_scales() {
            scale(product, tiles)
        } else {
            Job::with_depth(product.upright(), kernels, depth).run(budget, held, tiles)
        }
    }
}

/// Bytes of packing memory that [`run_blocks`] takes; `None` for more than there are addresses.
pub(super) fn room_of_blocks<T: Element, S: Operand<T>>(
    depth: usize,
    budget: usize,
    product: &Product<T, S>,
    kernels: &'static Kernels<T>,
    tiles: &dyn TileRunner,
) -> Option<usize> {
    if product.only_scales() {
        return Some(0);
    }
    let job = Job::with_depth(product.upright(), kernels, depth);
    if job.in_place() {
        return Some(0);
    }
    let plan = job.plan(tiles.workers(), &tiles.cache_sizes(), budget);
    let elements = match plan.form {
        Form::OwnedColumns => job.owned_stride(&plan)?.checked_mul(owned_slots(&plan, tiles))?,
        Form::OwnB => job.own_b_stride()?.checked_mul(tiles.seats())?,
        Form::SharedB => job.shared_stride(&plan)?.checked_mul(plan.blocks_per_stripe)?,
    };
    elements.checked_mul(size_of::<T>())
}

/// How many slots of packing memory there are for tasks that own their columns: one for each seat, or each task if they are fewer.
fn owned_slots(plan: &Plan, tiles: &dyn TileRunner) -> usize {
    if tiles.workers() <= 1 { 1 } else { plan.column_runs.min(tiles.seats()) }
}

/// Bytes of packing memory with which [`run_alone`] computes a product.
pub(super) fn room_alone<T: Element, S: Operand<T>>(
    product: &Product<T, S>,
    kernels: &'static Kernels<T>,
    caches: &CacheSizes,
) -> Result<usize> {
    if product.only_scales() || small::fits(product) {
        return Ok(0);
    }
    let job = Job::new(product.upright(), kernels);
    if job.in_place() {
        return Ok(0);
    }
    let elements = job.owned_room(&job.plan(1, caches, PACKED_BYTES));
    elements.and_then(|elements| elements.checked_mul(size_of::<T>())).ok_or_else(too_large)
}

/// Computes a product on the calling thread, with packing memory at hand.
///
/// # Safety
/// As [`run`]; `room` is writable for the bytes that [`room_alone`] says, and nobody else uses it.
pub(super) unsafe fn run_alone<T: Element, S: Operand<T>>(
    product: &Product<T, S>,
    kernels: &'static Kernels<T>,
    caches: &CacheSizes,
    room: *mut T,
) {
    if product.only_scales() {
        // SAFETY: passed on to the caller.
        return unsafe { scale_rows(product, 0..product.m) };
    }
    if small::fits(product) {
        // SAFETY: passed on to the caller.
        return unsafe { small::run(product, kernels) };
    }
    let job = Job::new(product.upright(), kernels);
    let plan = job.plan(1, caches, PACKED_BYTES);
    for run in 0..plan.column_runs {
        // SAFETY: passed on to the caller.
        unsafe { job.owned(&plan, run, if job.in_place() { core::ptr::null_mut() } else { room }) }
    }
}

impl<T: Element, S: Operand<T>> Job<T, S> {
    pub(super) fn new(product: Product<T, S>, kernels: &'static Kernels<T>) -> Job<T, S> {
        let depth = k_block(product.k, T::K_BLOCK);
        Job::with_depth(product, kernels, depth)
    }

    fn with_depth(product: Product<T, S>, kernels: &'static Kernels<T>, depth: usize) -> Job<T, S> {
        Job {
            product,
            kernels,
            rows: Cuts::new(product.m, kernels.rows),
            columns: Cuts::new(product.n.div_ceil(kernels.lanes), kernels.vectors),
            depth,
            blocks: if product.k <= depth { 1 } else { product.k.div_ceil(depth) },
        }
    }

    /// Whether B is used where it lies.
    fn in_place(&self) -> bool {
        !S::WIDENED && self.product.b.column == 1 && self.rows.count() <= UNPACKED_ROW_PANELS
    }

    fn plan(&self, workers: usize, caches: &CacheSizes, budget: usize) -> Plan {
        let product = &self.product;
        let extent = Extent {
            m: product.m,
            n: product.n,
            k: product.k,
            size: size_of::<T>(),
            panel: self.kernels.columns(),
            row_panels: self.rows.count(),
            column_panels: self.columns.count(),
            depth: self.depth,
            blocks: self.blocks,
            copies_a: S::WIDENED || product.a.column != 1,
        };
        Plan::new(&extent, workers, caches, budget)
    }

    /// # Safety
    /// As [`run`].
    unsafe fn run(&self, budget: usize, held: Held<T>, tiles: &dyn TileRunner) -> Result<()> {
        if self.in_place() {
            let store = Store { first: core::ptr::null_mut(), origin: 0, block: 0, stride: 0 };
            // SAFETY: passed on to the caller.
            return unsafe { self.run_tiles(store, tiles) };
        }
        let plan = self.plan(tiles.workers(), &tiles.cache_sizes(), budget);
        // SAFETY: passed on to the caller.
        let rounds = |tiles: &dyn TileRunner| unsafe {
            match plan.form {
                Form::OwnedColumns => self.run_owned(&plan, held, tiles),
                Form::OwnB => self.run_own_b(&plan, held, tiles),
                Form::SharedB => self.run_shared(&plan, held, tiles),
            }
        };
        if plan.row_runs * plan.column_runs == 1 { rounds(tiles) } else { tiles.enter(&rounds) }
    }

    /// Multiplies in one round, with a B that is used where it lies or that `store` holds as a whole.
    ///
    /// # Safety
    /// As [`run`]; the store, unless it is null, holds all of B.
    pub(super) unsafe fn run_tiles(&self, store: Store<T>, tiles: &dyn TileRunner) -> Result<()> {
        let plan = self.plan(tiles.workers(), &tiles.cache_sizes(), PACKED_BYTES);
        // SAFETY: tiles are disjoint in C; the rest is passed on to the caller.
        let body = |i| unsafe {
            let rows = part(0..self.rows.count(), plan.row_runs, i % plan.row_runs);
            let columns = part(0..self.columns.count(), plan.column_runs, i / plan.row_runs);
            self.sweep(0..self.blocks, rows, columns, store, false);
            Ok(())
        };
        self.each(tiles, plan.row_runs * plan.column_runs, &body)
    }

    fn each(&self, tiles: &dyn TileRunner, count: usize, body: &(dyn Fn(usize) -> Result<()> + Sync)) -> Result<()> {
        if count == 1 { body(0) } else { tiles.for_each(count, body) }
    }

    /// Elements of packing memory of a task that owns its columns.
    fn owned_room(&self, plan: &Plan) -> Option<usize> {
        let width = self.columns.count().div_ceil(plan.column_runs) * self.kernels.columns();
        width.checked_mul(self.depth)
    }

    /// Elements from one slot of such memory to the next.
    fn owned_stride(&self, plan: &Plan) -> Option<usize> {
        seat_stride::<T>(self.owned_room(plan)?)
    }

    /// The task of one run of columns, which it owns.
    ///
    /// # Safety
    /// As [`run`]; nobody else touches these columns of C, nor `room`, which has [`owned_room`](Self::owned_room), or is null when B
    /// is used where it lies.
    unsafe fn owned(&self, plan: &Plan, run: usize, room: *mut T) {
        let columns = plan.columns(self.columns.count(), run);
        let origin = self.columns.start(columns.start) * self.kernels.lanes;
        let store = Store { first: room, origin, block: 0, stride: 0 };
        if !room.is_null() && self.packs_ahead() {
            // SAFETY: passed on to the caller.
            return unsafe { self.sweep_ahead(columns, store) };
        }
        // A store without stride begins anew at each block.
        for block in 0..self.blocks {
            let store = Store { block, ..store };
            // SAFETY: passed on to the caller.
            unsafe { self.sweep(block..block + 1, 0..self.rows.count(), columns.clone(), store, !room.is_null()) };
        }
    }

    /// # Safety
    /// As [`run`].
    unsafe fn run_owned(&self, plan: &Plan, held: Held<T>, tiles: &dyn TileRunner) -> Result<()> {
        let stride = self.owned_stride(plan);
        let slots = owned_slots(plan, tiles);
        let packed = held.or_new(tiles, stride.and_then(|stride| stride.checked_mul(slots)))?;
        let stride = stride.unwrap_or(0);
        let base = packed.0;
        let by_task = slots == plan.column_runs;
        // SAFETY: at any time each running task has a slot of its own, and it has columns of C of its own; the rest is passed on to the caller.
        let body = |seat: usize, i: usize| unsafe {
            self.owned(plan, i, base.at(if by_task { i } else { seat } * stride));
            Ok(())
        };
        match (plan.column_runs, slots) {
            (1, _) => body(0, 0),
            // One worker may have more than one seat, but runs one task at a time.
            (_, 1) => tiles.for_each(plan.column_runs, &|i| body(0, i)),
            _ => tiles.for_each_seated(plan.column_runs, &body),
        }
    }

    /// Elements of a block of all of B, packed.
    fn whole_block(&self) -> Option<usize> {
        (self.columns.count() * self.kernels.columns()).checked_mul(self.depth)
    }

    /// Elements from one worker's packed B to the next.
    fn own_b_stride(&self) -> Option<usize> {
        seat_stride::<T>(self.whole_block()?.checked_mul(self.blocks)?)
    }

    /// # Safety
    /// As [`run`].
    unsafe fn run_own_b(&self, plan: &Plan, held: Held<T>, tiles: &dyn TileRunner) -> Result<()> {
        let seats = tiles.seats();
        let slot = self.own_b_stride();
        let packed = held.or_new(tiles, slot.and_then(|slot| slot.checked_mul(seats)))?;
        let (slot, stride) = (slot.unwrap_or(0), self.whole_block().unwrap_or(0));
        let base = packed.0;
        let has_packed = SeatFlags::new();
        // SAFETY: no two tasks have the same seat, and what goes with it, at a time; tiles are disjoint in C; the rest is passed on to the caller.
        let body = |seat: usize, i: usize| unsafe {
            let store = Store { first: base.at(seat * slot), origin: 0, block: 0, stride };
            let rows = part(0..self.rows.count(), plan.row_runs, i);
            self.sweep(0..self.blocks, rows, 0..self.columns.count(), store, has_packed.raise(seat));
            Ok(())
        };
        tiles.for_each_seated(plan.row_runs, &body)
    }

    /// Elements of a stripe of packed B, for each block of k.
    fn shared_stride(&self, plan: &Plan) -> Option<usize> {
        let width = self.columns.count().div_ceil(plan.column_runs) * plan.runs_per_stripe * self.kernels.columns();
        width.checked_mul(self.depth)
    }

    /// # Safety
    /// As [`run`].
    unsafe fn run_shared(&self, plan: &Plan, held: Held<T>, tiles: &dyn TileRunner) -> Result<()> {
        let panels = self.columns.count();
        let stride = self.shared_stride(plan);
        let packed = held.or_new(tiles, stride.and_then(|stride| stride.checked_mul(plan.blocks_per_stripe)))?;
        let stride = stride.unwrap_or(0);
        let workers = tiles.workers();
        for first in (0..plan.column_runs).step_by(plan.runs_per_stripe) {
            let runs = plan.runs_per_stripe.min(plan.column_runs - first);
            let start = part(0..panels, plan.column_runs, first).start;
            let end = part(0..panels, plan.column_runs, first + runs - 1).end;
            let origin = self.columns.start(start) * self.kernels.lanes;
            for block in (0..self.blocks).step_by(plan.blocks_per_stripe) {
                let blocks = block..(block + plan.blocks_per_stripe).min(self.blocks);
                let store = Store { first: packed.0.at(0), origin, block, stride };
                let packers = (end - start).min(4 * tiles.workers().max(1));
                // SAFETY: each task packs and computes columns of its own; the rest is passed on to the caller.
                let pack = |i: usize| unsafe {
                    self.sweep(blocks.clone(), 0..1, part(start..end, packers, i), store, true);
                    Ok(())
                };
                self.each(tiles, packers, &pack)?;
                // SAFETY: the packed panels are complete and only read now; tiles are disjoint in C; the rest is passed
                // on to the caller.
                let multiply = |i: usize| unsafe {
                    let (row_run, column_run) = plan.tile(i, runs, workers);
                    let rows = part(1..self.rows.count(), plan.row_runs, row_run);
                    let columns = part(0..panels, plan.column_runs, first + column_run);
                    self.sweep(blocks.clone(), rows, columns, store, false);
                    Ok(())
                };
                self.each(tiles, plan.row_runs * runs, &multiply)?;
            }
        }
        Ok(())
    }
}
