//! Many products in one call.
//!
//! Small products are dealt out whole, each to one worker; large ones are shared out one after the other. Either way each has the bits that
//! it would have alone. Every product is checked before the first is computed.

use super::blocking::part;
use super::driver::{Place, packing, room_alone, run, run_alone, seat_stride};
use super::element::Element;
use super::kernel::{Kernels, Level};
use super::operand::Operand;
use super::problem::{Gemm, Layout, Product, size};
use super::runner::TileRunner;
use crate::error::{Result, error};
use core::ops::Range;

/// Multiply-adds from which a product is shared out, however many there are.
const SHARED_FROM: usize = 1 << 26;
/// The same where there are too few products to keep every worker busy with its own.
const SHARED_FROM_IF_FEW: usize = 1 << 21;
/// Products of which a worker should have this many, so that a worker which is disturbed leaves its share to the others.
const PER_WORKER: usize = 4;

/// Products of one shape whose matrices lie at equal distances: product `i` has the pointers of `first` moved on by `i` strides.
#[derive(Clone, Copy, Debug)]
pub struct StridedBatch<T, S = T> {
    /// The first product.
    pub first: Gemm<T, S>,
    /// Elements from one A to the next; 0 if all share one.
    pub stride_a: i64,
    /// Elements from one B to the next; 0 if all share one.
    pub stride_b: i64,
    /// Elements from one C to the next; at least what a C spans.
    pub stride_c: i64,
    /// How many products.
    pub count: i64,
}

/// Products of one shape whose matrices lie anywhere.
#[derive(Clone, Copy, Debug)]
pub struct BatchGroup<'a, T, S = T> {
    /// The shape; its pointers are not used.
    pub shape: Gemm<T, S>,
    /// An A for each product.
    pub a: &'a [*const S],
    /// A B for each product: as many as there are A.
    pub b: &'a [*const S],
    /// A C for each product: as many as there are A.
    pub c: &'a [*mut T],
}

/// Computes the products of a batch.
///
/// # Errors
/// As [`gemm`](super::gemm); `InvalidArgument` also for a negative count or stride, and for matrices C that overlap. C is untouched but after
/// an error of `tiles`.
///
/// # Safety
/// As [`gemm`](super::gemm), for each product; no C overlaps another product's A or B.
pub unsafe fn gemm_batch_strided<T: Element, S: Operand<T>>(
    batch: &StridedBatch<T, S>,
    tiles: &dyn TileRunner,
) -> Result<()> {
    batch.check()?;
    // SAFETY: passed on to the caller.
    unsafe { run_all(batch, T::kernels(Level::detect()), tiles) }
}

/// Computes the products of several groups.
///
/// # Errors
/// As [`gemm`](super::gemm); `InvalidArgument` also where a group has not as many B and C as A. C is untouched but after an error
/// of `tiles`.
///
/// # Safety
/// As [`gemm`](super::gemm), for each product; no C overlaps another product's matrices.
pub unsafe fn gemm_batch<T: Element, S: Operand<T>>(
    groups: &[BatchGroup<'_, T, S>],
    tiles: &dyn TileRunner,
) -> Result<()> {
    for group in groups {
        if group.a.len() != group.b.len() || group.a.len() != group.c.len() {
            return Err(error!(
                InvalidArgument,
                "a group has {} A, {} B and {} C; pass as many of each",
                group.a.len(),
                group.b.len(),
                group.c.len()
            ));
        }
    }
    // SAFETY: passed on to the caller.
    unsafe { run_all(&Groups(groups), T::kernels(Level::detect()), tiles) }
}

/// What both kinds of batch are to the code below.
trait Products<T, S>: Sync {
    fn count(&self) -> usize;

    /// Shows the products of a range, in order, until one fails.
    fn each(&self, range: Range<usize>, show: &mut dyn FnMut(&Gemm<T, S>) -> Result<()>) -> Result<()>;

    /// Shows at least one product of each shape, and each that may be wrong in itself.
    fn each_kind(&self, show: &mut dyn FnMut(&Gemm<T, S>) -> Result<()>) -> Result<()> {
        self.each(0..self.count(), show)
    }
}

impl<T: Element, S: Operand<T>> StridedBatch<T, S> {
    /// What the checks of the first product do not say.
    fn check(&self) -> Result<()> {
        let count = size("batch_size", "the number of products", self.count)?;
        let first = &self.first;
        first.check()?;
        for (name, stride) in [("stride_a", self.stride_a), ("stride_b", self.stride_b), ("stride_c", self.stride_c)] {
            let elements = size(name, "from one matrix to the next", stride)?;
            let bytes = elements.checked_mul(count).and_then(|all| all.checked_mul(size_of::<T>()));
            if bytes.is_none_or(|bytes| bytes > isize::MAX as usize) {
                return Err(error!(
                    Overflow,
                    "{count} matrices that are {name} = {stride} elements apart are more bytes than there are addresses; pass fewer"
                ));
            }
        }
        let (lines, length) = if first.layout == Layout::RowMajor { (first.m, first.n) } else { (first.n, first.m) };
        let span = if lines > 0 && length > 0 { first.ldc * (lines - 1) + length } else { 0 };
        if count > 1 && self.stride_c < span {
            return Err(error!(
                InvalidArgument,
                "stride_c, from one C to the next, is {}, but a C spans {span} elements; pass {span} or more",
                self.stride_c
            ));
        }
        Ok(())
    }
}

// SAFETY: as for `Product`: a description, whose pointers are followed by those who promise not to collide.
unsafe impl<T: Sync, S: Sync> Sync for StridedBatch<T, S> {}

impl<T: Element, S: Operand<T>> Products<T, S> for StridedBatch<T, S> {
    fn count(&self) -> usize {
        self.count as usize
    }

    fn each(&self, range: Range<usize>, show: &mut dyn FnMut(&Gemm<T, S>) -> Result<()>) -> Result<()> {
        for i in range {
            // `check` has seen that these fit.
            let (a, b, c) = (i * self.stride_a as usize, i * self.stride_b as usize, i * self.stride_c as usize);
            let first = &self.first;
            let (a, b, c) = (first.a.wrapping_add(a), first.b.wrapping_add(b), first.c.wrapping_add(c));
            // Where the product needs no A or B these may be null.
            show(&Gemm { a, b, c, ..*first })?;
        }
        Ok(())
    }

    fn each_kind(&self, show: &mut dyn FnMut(&Gemm<T, S>) -> Result<()>) -> Result<()> {
        self.each(0..self.count().min(1), show)
    }
}

struct Groups<'a, T, S>(&'a [BatchGroup<'a, T, S>]);

// SAFETY: as above.
unsafe impl<T: Sync, S: Sync> Sync for Groups<'_, T, S> {}

impl<T: Element, S: Operand<T>> Products<T, S> for Groups<'_, T, S> {
    fn count(&self) -> usize {
        self.0.iter().map(|group| group.a.len()).sum()
    }

    fn each(&self, range: Range<usize>, show: &mut dyn FnMut(&Gemm<T, S>) -> Result<()>) -> Result<()> {
        let mut before = 0;
        for group in self.0 {
            let here = range.start.max(before)..range.end.min(before + group.a.len());
            for i in here {
                let i = i - before;
                show(&Gemm { a: group.a[i], b: group.b[i], c: group.c[i], ..group.shape })?;
            }
            before += group.a.len();
        }
        Ok(())
    }
}

/// Products small enough to be one task.
fn is_small<T, S>(product: &Product<T, S>, count: usize, workers: usize) -> bool {
    let work = product.m.saturating_mul(product.n).saturating_mul(product.k);
    let few = count < workers.saturating_mul(PER_WORKER);
    workers <= 1 || work < if few { SHARED_FROM_IF_FEW } else { SHARED_FROM }
}

/// # Safety
/// As [`gemm_batch`], and the CPU has the level of `kernels`.
unsafe fn run_all<T: Element, S: Operand<T>>(
    products: &dyn Products<T, S>,
    kernels: &'static Kernels<T>,
    tiles: &dyn TileRunner,
) -> Result<()> {
    let (count, workers, caches) = (products.count(), tiles.workers(), tiles.cache_sizes());
    let (mut room, mut large, mut small) = (0, false, false);
    products.each_kind(&mut |gemm| {
        let product = gemm.check()?;
        if is_small(&product, count, workers) {
            small = true;
            room = room_alone(&product, kernels, &caches)?.max(room);
        } else {
            large = true;
        }
        Ok(())
    })?;
    let room = seat_stride::<T>(room / size_of::<T>());
    let parts = if workers <= 1 { 1 } else { count.min(workers.saturating_mul(PER_WORKER)).max(1) };
    let seats = if parts == 1 { 1 } else { tiles.seats() };
    let packed = packing::<T>(tiles, room.and_then(|room| room.checked_mul(seats)))?;
    let (base, room) = (Place(packed.as_ptr().cast::<T>()), room.unwrap_or(0));
    let alone = |seat: usize, i: usize| {
        let room = base.at(seat * room);
        products.each(part(0..count, parts, i), &mut |gemm| {
            let product = gemm.check()?;
            if is_small(&product, count, workers) {
                // SAFETY: this seat has its own room; the rest is passed on to the caller.
                unsafe { run_alone(&product, kernels, &caches, room) };
            }
            Ok(())
        })
    };
    if small && parts == 1 {
        alone(0, 0)?;
    }
    let dealt = small && parts > 1;
    if !large && !dealt {
        return Ok(());
    }
    tiles.enter(&|tiles| {
        if dealt {
            tiles.for_each_seated(parts, &alone)?;
        }
        if large {
            products.each(0..count, &mut |gemm| {
                let product = gemm.check()?;
                if is_small(&product, count, workers) {
                    return Ok(());
                }
                // SAFETY: passed on to the caller.
                unsafe { run(product, kernels, tiles) }
            })?;
        }
        Ok(())
    })
}
