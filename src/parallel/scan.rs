//! Prefix values of a range, in two passes over pieces that the range and the grain decide.
//!
//! The first pass sums each piece but the last. What comes before each piece is then added up in order by one worker, and
//! the second pass lets each piece write its part. So everything is read twice, and `combine` runs twice for each index.
//!
//! Source: G. Blelloch, *Prefix sums and their applications*, CMU-CS-90-190, 1990.

use super::failure::Failure;
use super::fixed_grain;
use super::place::{Caller, Place};
use crate::error::Result;
use crate::os::alloc::{Allocator, Array};
use crate::pool::{Pool, Worker};
use core::mem;
use core::ops::Range;
use core::slice;

/// For each piece of `range` finds the value of all that comes before it, and lets the piece write its part: `write(worker, piece,
/// before)`, once for each piece, on the workers of `pool`. A piece has `grain` indices, the last one perhaps fewer; 0
/// lets the length of the range decide. With no pool the caller does the same in order.
///
/// `sum(worker, piece)` gives the value of a piece. All calls of `sum` have returned before the first of `write`, so that
/// `write` may overwrite what `sum` reads. What comes before the first piece is `identity`; what comes before another is
/// `combine(combine(identity, sum(first)), sum(second))` and so on.
///
/// This does what `write(0..n, identity)` does on the whole range. What `write` is given depends to the last bit on the
/// range and on the grain alone, not on the number of workers, nor on whether there is a pool.
///
/// A value for each piece is allocated: at most 1024 with a grain of 0.
///
/// Errors: the first failure of `sum`, `combine` or `write`, in which case pieces not yet begun are left out, and some may
/// have been written; [`OutOfMemory`](crate::error::Status::OutOfMemory); a panic comes out as
/// [`Panic`](crate::error::Status::Panic), or as the panic it is on a worker of the pool; and those of [`Pool::run`]. May be
/// called from any thread, in tasks of the pool too: there the caller takes part.
///
/// ```
/// use std::sync::Mutex;
/// use vgpu_pool::{parallel, pool::{Config, Pool}};
///
/// # if vgpu_pool::sync::IS_CHECKED { return Ok(()) }
/// let pool = Pool::new(&Config::default())?;
/// // The number of each word, where a piece knows only its own.
/// let text = "one two three four five";
/// let numbers = Mutex::new(vec![]);
/// parallel::scan(
///     Some(&pool),
///     0..text.len(),
///     4,
///     1,
///     |_, piece| Ok(text[piece].matches(' ').count()),
///     |before, spaces| Ok(before + spaces),
///     |_, piece, before| {
///         for (i, (at, _)) in text[piece.clone()].match_indices(' ').enumerate() {
///             numbers.lock().unwrap().push((piece.start + at, before + i));
///         }
///         Ok(())
///     },
/// )?;
/// let mut numbers = numbers.into_inner().unwrap();
/// numbers.sort();
/// assert_eq!(numbers, [(3, 1), (7, 2), (13, 3), (18, 4)]);
/// # Ok::<(), vgpu_pool::error::Error>(())
/// ```
pub fn scan<T, S, C, W>(
    pool: Option<&Pool>,
    range: Range<usize>,
    grain: usize,
    identity: T,
    sum: S,
    combine: C,
    write: W,
) -> Result<()>
where
    T: Clone + Send,
    S: Fn(Option<&Worker>, Range<usize>) -> Result<T> + Sync,
    C: Fn(T, T) -> Result<T> + Send,
    W: Fn(Option<&Worker>, Range<usize>, T) -> Result<()> + Sync,
{
    let values = ScanValues { identity, copy: |value: &T| Ok(value.clone()), combine };
    scan_copying(pool, range, grain, values, sum, write)
}

/// As [`scan()`], on the workers of the pool that `worker` belongs to.
pub fn scan_on<T, S, C, W>(
    worker: &Worker,
    range: Range<usize>,
    grain: usize,
    identity: T,
    sum: S,
    combine: C,
    write: W,
) -> Result<()>
where
    T: Clone + Send,
    S: Fn(&Worker, Range<usize>) -> Result<T> + Sync,
    C: Fn(T, T) -> Result<T>,
    W: Fn(&Worker, Range<usize>, T) -> Result<()> + Sync,
{
    let values = ScanValues { identity, copy: |value: &T| Ok(value.clone()), combine };
    scan_at(worker, worker.core().allocator(), range, grain, values, sum, write)
}

/// What a scan does with its values. Copying one may fail.
pub(crate) struct ScanValues<T, K, C> {
    pub(crate) identity: T,
    pub(crate) copy: K,
    pub(crate) combine: C,
}

/// [`scan()`] for values whose copying may fail.
pub(crate) fn scan_copying<T, K, S, C, W>(
    pool: Option<&Pool>,
    range: Range<usize>,
    grain: usize,
    values: ScanValues<T, K, C>,
    sum: S,
    write: W,
) -> Result<()>
where
    T: Send,
    K: Fn(&T) -> Result<T> + Send,
    S: Fn(Option<&Worker>, Range<usize>) -> Result<T> + Sync,
    C: Fn(T, T) -> Result<T> + Send,
    W: Fn(Option<&Worker>, Range<usize>, T) -> Result<()> + Sync,
{
    let (sum, write) = (&sum, &write);
    match pool {
        _ if range.is_empty() => Ok(()),
        None => scan_at(
            &Caller,
            Allocator::SYSTEM,
            range,
            grain,
            values,
            |_: &Caller, piece| sum(None, piece),
            |_: &Caller, piece, before| write(None, piece, before),
        ),
        Some(pool) => pool.run(move |worker| {
            scan_at(
                worker,
                worker.core().allocator(),
                range,
                grain,
                values,
                |worker: &Worker, piece| sum(Some(worker), piece),
                |worker: &Worker, piece, before| write(Some(worker), piece, before),
            )
        }),
    }
}

fn scan_at<P, T, K, S, C, W>(
    place: &P,
    allocator: Allocator,
    range: Range<usize>,
    grain: usize,
    values: ScanValues<T, K, C>,
    sum: S,
    write: W,
) -> Result<()>
where
    P: Place,
    T: Send,
    K: Fn(&T) -> Result<T>,
    S: Fn(&P, Range<usize>) -> Result<T> + Sync,
    C: Fn(T, T) -> Result<T>,
    W: Fn(&P, Range<usize>, T) -> Result<()> + Sync,
{
    let ScanValues { identity, copy, combine } = values;
    let grain = fixed_grain(range.len(), grain);
    let pieces = range.len().div_ceil(grain);
    if pieces <= 1 {
        return if range.is_empty() { Ok(()) } else { write(place, range, identity) };
    }
    let mut values = Array::from_fn(allocator, pieces, |_| Ok(None))?;
    let sums = &mut values[..pieces - 1];
    let passes = Passes { grain, failure: Failure::new() };
    passes.run(place, range.clone(), sums, &|place, piece, value| {
        *value = Some(sum(place, piece)?);
        Ok(())
    });
    passes.failure.into_result(Some(()))?;

    let mut before = identity;
    for value in sums {
        if let Some(sum) = value.take() {
            let after = combine(copy(&before)?, sum)?;
            *value = Some(mem::replace(&mut before, after));
        }
    }
    values[pieces - 1] = Some(before);

    let passes = Passes { grain, failure: Failure::new() };
    passes.run(place, range, &mut values, &|place, piece, value| match value.take() {
        Some(before) => write(place, piece, before),
        None => Ok(()),
    });
    passes.failure.into_result(Some(()))
}

struct Passes {
    grain: usize,
    failure: Failure,
}

impl Passes {
    /// Calls `body` with the pieces of `range` and the value of each; pieces beyond the last value are left out.
    fn run<P, T, B>(&self, place: &P, range: Range<usize>, values: &mut [Option<T>], body: &B)
    where
        P: Place,
        T: Send,
        B: Fn(&P, Range<usize>, &mut Option<T>) -> Result<()> + Sync,
    {
        if self.failure.is_known() {
            return;
        }
        if let [value] = values {
            let end = range.end.min(range.start.saturating_add(self.grain));
            self.failure.watch(|| body(place, range.start..end, value));
            return;
        }
        let (left, right) = values.split_at_mut(values.len() / 2);
        let middle = range.start + left.len() * self.grain;
        let ranges = (range.start..middle, middle..range.end);
        place.join(|place| self.run(place, ranges.0, left, body), |place| self.run(place, ranges.1, right, body));
    }
}

/// Replaces each item by the combination of all items up to and with it, in place, on the workers of `pool`: `[a, b, c]` becomes
/// `[a, a + b, a + b + c]`. `combine` should be associative as far as one cares. Grain, determinism and errors are those
/// of [`scan()`]. After a panic each item is either the old or the new one.
///
/// ```
/// use vgpu_pool::{parallel, pool::{Config, Pool}};
///
/// # if vgpu_pool::sync::IS_CHECKED { return Ok(()) }
/// let pool = Pool::new(&Config::default())?;
/// let mut items = [3, 1, 4, 1, 5];
/// parallel::inclusive_scan(Some(&pool), &mut items, 0, |a, b| a + b)?;
/// assert_eq!(items, [3, 4, 8, 9, 14]);
/// # Ok::<(), vgpu_pool::error::Error>(())
/// ```
pub fn inclusive_scan<T, C>(pool: Option<&Pool>, items: &mut [T], grain: usize, combine: C) -> Result<()>
where
    T: Clone + Send + Sync,
    C: Fn(&T, &T) -> T + Sync,
{
    let range = 0..items.len();
    let items = SharedSlice(items.as_mut_ptr());
    scan(
        pool,
        range,
        grain,
        None,
        |_, piece| {
            // SAFETY: nobody writes before all sums are there.
            Ok(total(unsafe { items.read(piece) }, &combine))
        },
        |before, sum| match (&before, &sum) {
            (Some(a), Some(b)) => Ok(Some(combine(a, b))),
            _ => Ok(before.or(sum)),
        },
        |_, piece, before| {
            // SAFETY: pieces do not overlap, and all sums are there.
            let mut piece = unsafe { items.write(piece) }.iter_mut();
            if let Some(first) = piece.next() {
                if let Some(before) = &before {
                    *first = combine(before, first);
                }
                piece.fold(&*first, |sum, item| {
                    *item = combine(sum, item);
                    &*item
                });
            }
            Ok(())
        },
    )
}

/// Replaces each item by the combination of `identity` and all items before it, in place, on the workers of `pool`: `[a, b, c]`
/// becomes `[0, a, a + b]`. Otherwise as [`inclusive_scan`].
///
/// ```
/// use vgpu_pool::{parallel, pool::{Config, Pool}};
///
/// # if vgpu_pool::sync::IS_CHECKED { return Ok(()) }
/// let pool = Pool::new(&Config::default())?;
/// let mut lengths = [3, 1, 4, 1, 5];
/// parallel::exclusive_scan(Some(&pool), &mut lengths, 0, 0, |a, b| a + b)?;
/// assert_eq!(lengths, [0, 3, 4, 8, 9]);
/// # Ok::<(), vgpu_pool::error::Error>(())
/// ```
pub fn exclusive_scan<T, C>(pool: Option<&Pool>, items: &mut [T], grain: usize, identity: T, combine: C) -> Result<()>
where
    T: Clone + Send + Sync,
    C: Fn(&T, &T) -> T + Sync,
{
    let range = 0..items.len();
    let items = SharedSlice(items.as_mut_ptr());
    scan(
        pool,
        range,
        grain,
        Some(identity),
        |_, piece| {
            // SAFETY: nobody writes before all sums are there.
            Ok(total(unsafe { items.read(piece) }, &combine))
        },
        |before, sum| Ok(before.zip(sum).map(|(before, sum)| combine(&before, &sum))),
        |_, piece, before| {
            let Some(mut before) = before else { return Ok(()) };
            // SAFETY: pieces do not overlap, and all sums are there.
            for item in unsafe { items.write(piece) } {
                let after = combine(&before, item);
                *item = mem::replace(&mut before, after);
            }
            Ok(())
        },
    )
}

fn total<T: Clone>(items: &[T], combine: &impl Fn(&T, &T) -> T) -> Option<T> {
    let (first, rest) = items.split_first()?;
    Some(rest.iter().fold(first.clone(), |sum, item| combine(&sum, item)))
}

/// A slice whose pieces go to several workers.
struct SharedSlice<T>(*mut T);

// SAFETY: its two methods say who may use what; items are read by any worker, and replaced by any.
unsafe impl<T: Send + Sync> Sync for SharedSlice<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Send for SharedSlice<T> {}

impl<T> SharedSlice<T> {
    /// # Safety
    /// The range is within the slice, which is borrowed for `'a`, and nobody writes there meanwhile.
    unsafe fn read<'a>(&self, range: Range<usize>) -> &'a [T] {
        // SAFETY: by contract.
        unsafe { slice::from_raw_parts(self.0.add(range.start), range.len()) }
    }

    /// # Safety
    /// The range is within the slice, which is borrowed for `'a`, and nobody else uses it meanwhile.
    unsafe fn write<'a>(&self, range: Range<usize>) -> &'a mut [T] {
        // SAFETY: by contract.
        unsafe { slice::from_raw_parts_mut(self.0.add(range.start), range.len()) }
    }
}
