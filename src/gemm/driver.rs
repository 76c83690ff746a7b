//! Runs a checked product: cuts it, packs, calls the micro-kernels.
//!
//! A task is a run of row panels by a run of column panels of C, over all of k: no two tasks touch the same element of C, and none waits for
//! another. Two forms:
//! - **Owned columns.** There are columns enough (or one worker): a task takes all rows of its columns, so that the packed B is
//!   its own and there is no barrier at all.
//! - **Shared columns.** Else the packed B is shared: a first round packs it, a second uses it, and the runner's return between them is
//!   the only synchronisation. The packing round is also a computing round: packing a panel is part of multiplying it by the first row panel.

use super::blocking::{CacheSizes, Cuts, Extent, PACKED_BYTES, Plan, k_block, part};
use super::element::Element;
use super::kernel::{Kernels, Mode, ROUND, Step};
use super::operand::Operand;
use super::pack::{APanel, pack_panel};
use super::problem::{Product, View};
use super::runner::{Packing, TileRunner};
use super::small;
use crate::error::{Error, Result, error};
use crate::os::alloc::RawBuffer;
use core::ops::Range;

/// Row panels up to which a B with contiguous rows is used where it lies: it would be packed as often as it is read.
const UNPACKED_ROW_PANELS: usize = 2;
/// Column panels from which on a panel of an A with contiguous columns is copied.
const COPY_A_FROM: usize = 4;
/// Elements of C below which scaling is not shared out.
const SCALE_SERIAL_BELOW: usize = 1 << 18;
/// Elements from one fetch of packed B to its use: about 1 KiB of f32.
const AHEAD: usize = 256;

/// The rooms of two seats share no so large a piece of memory: a page.
const SEAT_BYTES: usize = 4096;

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

/// Where a task finds or leaves packed panels of B.
#[derive(Clone, Copy)]
pub(super) struct Store<T> {
    /// Null when B is used where it lies.
    pub(super) first: *mut T,
    /// The column at which the store begins.
    pub(super) origin: usize,
    /// The block of k at which it begins.
    pub(super) block: usize,
    /// Elements from one block of k to the next; 0 when each replaces the last.
    pub(super) stride: usize,
}

// SAFETY: a store is an address; the rounds of `run` decide who writes where.
unsafe impl<T: Send> Send for Store<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Store<T> {}

/// An address that tasks share.
#[derive(Clone, Copy)]
pub(super) struct Place<T>(pub(super) *mut T);

// SAFETY: as for a store.
unsafe impl<T: Send> Send for Place<T> {}
// SAFETY: as above.
unsafe impl<T: Sync> Sync for Place<T> {}

impl<T> Place<T> {
    /// The address so many elements further on.
    pub(super) fn at(&self, elements: usize) -> *mut T {
        self.0.wrapping_add(elements)
    }
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
        } else {
            Job::new(product.upright(), kernels).run(budget, Held::NONE, tiles)
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
    let elements = if plan.row_runs == 1 {
        job.owned_stride(&plan)?.checked_mul(owned_slots(&plan, tiles))?
    } else {
        job.shared_stride(&plan)?.checked_mul(plan.blocks_per_stripe)?
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

/// `C = beta * C`, or zero where beta is zero.
///
/// # Safety
/// C is as [`gemm`](super::gemm) demands.
unsafe fn scale<T: Element, S: Operand<T>>(product: &Product<T, S>, tiles: &dyn TileRunner) -> Result<()> {
    let elements = product.m.saturating_mul(product.n);
    let shared = elements >= SCALE_SERIAL_BELOW && product.beta != T::ONE;
    let parts = if shared { tiles.workers().max(1).min(product.m) } else { 1 };
    let body = |i: usize| {
        // SAFETY: the parts are disjoint; the rest is passed on to the caller.
        unsafe { scale_rows(product, part(0..product.m, parts, i)) };
        Ok(())
    };
    if parts == 1 { body(0) } else { tiles.for_each(parts, &body) }
}

/// # Safety
/// As [`scale`], for these rows.
unsafe fn scale_rows<T: Element, S: Operand<T>>(product: &Product<T, S>, rows: Range<usize>) {
    if product.beta == T::ONE {
        return;
    }
    for row in rows {
        let line = product.c.wrapping_add(row * product.c_row);
        for j in 0..product.n {
            // SAFETY: an element of C in these rows; where beta is zero it is not read.
            unsafe {
                let at = line.add(j);
                let value = if product.beta == T::ZERO { T::ZERO } else { product.beta * at.read_unaligned() };
                at.write_unaligned(value);
            }
        }
    }
}

/// Packing memory that a caller has at hand: where, and how many elements.
#[derive(Clone, Copy)]
pub(super) struct Held<T>(pub(super) Place<T>, pub(super) usize);

impl<T: Element> Held<T> {
    const NONE: Held<T> = Held(Place(core::ptr::null_mut()), 0);

    /// Memory for `count` elements: this, or, if it is too small, some that is freed with what is returned.
    fn or_new(self, tiles: &dyn TileRunner, count: Option<usize>) -> Result<(Place<T>, Option<Packing>)> {
        if count.is_some_and(|count| count <= self.1) {
            return Ok((self.0, None));
        }
        let memory = packing::<T>(tiles, count)?;
        Ok((Place(memory.as_ptr().cast()), Some(memory)))
    }
}

fn too_large() -> Error {
    error!(Overflow, "the packing buffers of a product do not fit the address space; pass smaller sizes")
}

fn bytes_of<T>(count: Option<usize>) -> Result<usize> {
    count.and_then(|count| count.checked_mul(size_of::<T>())).ok_or_else(too_large)
}

/// A buffer for `count` elements, on a cache line's boundary.
pub(super) fn buffer<T: Element>(tiles: &dyn TileRunner, count: Option<usize>) -> Result<RawBuffer> {
    RawBuffer::new(tiles.allocator(), bytes_of::<T>(count)?, 64)
}

/// The same for packed panels.
pub(super) fn packing<T: Element>(tiles: &dyn TileRunner, count: Option<usize>) -> Result<Packing> {
    tiles.packing(bytes_of::<T>(count)?)
}

/// Elements from one seat's room to the next: whole pages, which are then on the node of the one who packs there.
pub(super) fn seat_stride<T>(room: usize) -> Option<usize> {
    room.checked_next_multiple_of(SEAT_BYTES / size_of::<T>())
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
            if plan.row_runs == 1 { self.run_owned(&plan, held, tiles) } else { self.run_shared(&plan, held, tiles) }
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
        let columns = part(0..self.columns.count(), plan.column_runs, run);
        let origin = self.columns.start(columns.start) * self.kernels.lanes;
        let store = Store { first: room, origin, block: 0, stride: 0 };
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

    /// Multiplies a run of row panels by a run of column panels over some blocks of k. Where `packs`, the first row panel
    /// also packs B into `store`.
    ///
    /// # Safety
    /// As [`run`]; nobody else touches this part of C, nor, where `packs`, this part of the store; the store has room
    /// for these panels and, unless `packs`, holds them.
    unsafe fn sweep(
        &self,
        blocks: Range<usize>,
        rows: Range<usize>,
        columns: Range<usize>,
        store: Store<T>,
        packs: bool,
    ) {
        let (product, kernels) = (&self.product, self.kernels);
        let mut a_panel = APanel::new();
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
                        c: product.c.wrapping_add(lines.start * product.c_row + column),
                        c_row: product.c_row,
                        last,
                        alpha: product.alpha,
                        beta,
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
    }
}
