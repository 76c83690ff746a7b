//! Sorting in place: a quicksort whose two sides are a fork, and whose short pieces are sorted by the standard library.
//!
//! It is unstable: equal items may change places. Nothing is allocated. The pivots depend on the items alone, so that the
//! outcome is the same for any number of workers, equal items included.
//!
//! The first partition is one worker's, the next two are two workers', and so on. That bounds what more workers can gain: with
//! sides of equal length the partitions that nobody can share are as much work as two levels out of log2(n).
//!
//! Source: C. A. R. Hoare, *Quicksort*, The Computer Journal 5(1), 1962; the branchless partition is N. Lomuto's; the
//! second partition of many equal items and the bound on bad pivots are those of O. Peters, *Pattern-defeating
//! quicksort*, arXiv:2106.05123.

use super::place::{Caller, Place};
use crate::error::Result;
use crate::pool::{Pool, Worker};
use core::cmp::Ordering;

/// Shorter slices are sorted by one worker.
const SERIAL_LENGTH: usize = 4096;

/// Sorts the items in ascending order, on the workers of `pool`. See [`sort_by`].
///
/// ```
/// use vgpu_pool::{parallel, pool::{Config, Pool}};
///
/// # if vgpu_pool::sync::IS_CHECKED { return Ok(()) }
/// let pool = Pool::new(&Config::default())?;
/// let mut items = [3, 1, 4, 1, 5];
/// parallel::sort(Some(&pool), &mut items)?;
/// assert_eq!(items, [1, 1, 3, 4, 5]);
/// # Ok::<(), vgpu_pool::error::Error>(())
/// ```
pub fn sort<T: Ord + Send>(pool: Option<&Pool>, items: &mut [T]) -> Result<()> {
    sort_by(pool, items, T::cmp)
}

/// Sorts the items in the order that `compare` gives, in place and without allocating, on the workers of `pool`. With no pool
/// the caller sorts.
///
/// The sort is unstable: items that compare equal may change places, always in the same way. In the worst case it takes
/// a number of comparisons proportional to `n log n`. If `compare` is no total order, or panics, the items are left in some
/// order, each of them once.
///
/// Errors: a panic of `compare` comes out as [`Panic`](crate::error::Status::Panic), or as the panic it is on a worker of the pool;
/// and those of [`Pool::run`], with the items untouched. A worker whose stack is almost used up panics as [`Worker::join`] does, and
/// leaves the items in some order. May be called from any thread, in tasks of the pool too: there the
/// caller takes part.
pub fn sort_by<T, C>(pool: Option<&Pool>, items: &mut [T], compare: C) -> Result<()>
where
    T: Send,
    C: Fn(&T, &T) -> Ordering + Sync,
{
    sort_in(pool, Slice { items, compare: &compare })
}

/// As [`sort_by`], on the workers of the pool that `worker` belongs to. A panic of `compare` comes out as it is.
pub fn sort_by_on<T, C>(worker: &Worker, items: &mut [T], compare: C)
where
    T: Send,
    C: Fn(&T, &T) -> Ordering + Sync,
{
    sort_items(worker, Slice { items, compare: &compare });
}

/// What is sorted: items by number, with an order.
pub(super) trait Items: Sized + Send {
    /// Up to this many are sorted at once.
    const SERIAL_LENGTH: usize;
    fn len(&self) -> usize;
    /// Whether item `a` comes before item `b`.
    fn is_less(&self, a: usize, b: usize) -> bool;
    fn swap(&mut self, a: usize, b: usize);
    /// The items before `middle`, and the others.
    fn split_at(self, middle: usize) -> (Self, Self);
    /// Brings the items from `start` on that are less than the one at `pivot`, or not greater, before the others, and returns where
    /// the others begin. The pivot is before `start`. No branch should depend on the items.
    fn partition(&mut self, start: usize, pivot: usize, equal_too: bool) -> usize;
    /// Sorts any number of items on one worker, in the worst case too in time proportional to `n log n`.
    fn sort_serially(self);
}

struct Slice<'a, T, C> {
    items: &'a mut [T],
    compare: &'a C,
}

impl<T, C> Items for Slice<'_, T, C>
where
    T: Send,
    C: Fn(&T, &T) -> Ordering + Sync,
{
    const SERIAL_LENGTH: usize = SERIAL_LENGTH;

    #[inline(always)]
    fn len(&self) -> usize {
        self.items.len()
    }

    #[inline(always)]
    fn is_less(&self, a: usize, b: usize) -> bool {
        (self.compare)(&self.items[a], &self.items[b]).is_lt()
    }

    #[inline(always)]
    fn swap(&mut self, a: usize, b: usize) {
        self.items.swap(a, b);
    }

    fn partition(&mut self, start: usize, pivot: usize, equal_too: bool) -> usize {
        let (before, items) = self.items.split_at_mut(start);
        let pivot = &before[pivot];
        let end = match equal_too {
            true => lomuto(items, |item| (self.compare)(item, pivot).is_le()),
            false => lomuto(items, |item| (self.compare)(item, pivot).is_lt()),
        };
        start + end
    }

    fn split_at(self, middle: usize) -> (Self, Self) {
        let (left, right) = self.items.split_at_mut(middle);
        (Slice { items: left, compare: self.compare }, Slice { items: right, compare: self.compare })
    }

    fn sort_serially(self) {
        self.items.sort_unstable_by(self.compare);
    }
}

#[inline(always)]
fn lomuto<T>(items: &mut [T], is_first: impl Fn(&T) -> bool) -> usize {
    let mut end = 0;
    for i in 0..items.len() {
        let first = is_first(&items[i]);
        items.swap(end, i);
        end += usize::from(first);
    }
    end
}

/// Sorts the items on the workers of `pool`, or on the caller.
pub(super) fn sort_in<I: Items>(pool: Option<&Pool>, items: I) -> Result<()> {
    match pool {
        _ if items.len() < 2 => Ok(()),
        None => {
            sort_items(&Caller, items);
            Ok(())
        }
        Some(pool) => pool.run(move |worker| {
            sort_items(worker, items);
            Ok(())
        }),
    }
}

/// Sorts the items, on `place` and whoever steals from it.
fn sort_items<P: Place, I: Items>(place: &P, items: I) {
    let is_sorted = (1..items.len()).all(|i| !items.is_less(i, i - 1));
    if !is_sorted {
        let bad_pivots = items.len().ilog2();
        quicksort(place, items, false, bad_pivots);
    }
}

/// `bad_pivots` is how many there may be before this gives up and sorts serially. If the items are bounded, then the first is
/// the pivot they were parted by: none of them is less.
fn quicksort<P: Place, I: Items>(place: &P, mut items: I, is_bounded: bool, bad_pivots: u32) {
    let len = items.len();
    if len <= I::SERIAL_LENGTH || bad_pivots == 0 {
        items.sort_serially();
        return;
    }
    let first = usize::from(is_bounded);
    let pivot = median(&items, first, len - first, if len < 1024 { 2 } else { 4 });
    let is_bad = |left: usize, right: usize| left.max(right) > len / 8 * 7;
    if is_bounded && !items.is_less(0, pivot) {
        // Many are equal to the bound, and hence in place when they are brought to the front.
        let greater = items.partition(1, 0, true);
        let (_equal, right) = items.split_at(greater - 1);
        let bad_pivots = bad_pivots - u32::from(is_bad(0, len - greater));
        return quicksort(place, right, true, bad_pivots);
    }
    items.swap(first, pivot);
    let middle = items.partition(first + 1, first, false) - 1;
    items.swap(first, middle);
    let bad_pivots = bad_pivots - u32::from(is_bad(middle, len - middle));
    let (left, right) = items.split_at(middle);
    place.join(
        |place| quicksort(place, left, is_bounded, bad_pivots),
        |place| quicksort(place, right, true, bad_pivots),
    );
}

/// The number of an item near the middle: a median of medians of three, over `3^depth` evenly spaced items.
fn median<I: Items>(items: &I, start: usize, len: usize, depth: u32) -> usize {
    if depth == 0 {
        return start + len / 2;
    }
    let third = len / 3;
    let [a, b, c] = [0, 1, 2].map(|part| median(items, start + part * third, third, depth - 1));
    let (low, high) = if items.is_less(b, a) { (b, a) } else { (a, b) };
    if items.is_less(c, low) {
        low
    } else if items.is_less(high, c) {
        high
    } else {
        c
    }
}
