//! One value out of a range, by a tree whose shape the range and the grain decide.

use super::failure::Failure;
use super::place::{Caller, Place};
use super::{cut, fixed_grain};
use crate::error::Result;
use crate::pool::{Pool, Worker};
use core::ops::Range;

/// Maps pieces of `range` to values and combines neighbouring values until one is left, on the workers of `pool`. A piece has
/// `grain` indices, the last one perhaps fewer; 0 lets the length of the range decide. An empty range gives `identity`,
/// which is not used otherwise. With no pool the caller does the same in order.
///
/// The result's bits depend on the range and on the grain alone: not on the number of workers, nor on who steals what, nor on
/// whether there is a pool. The pieces and the tree of combinations are the same each time. So `combine` should be
/// associative as far as one cares, such as a sum of floating-point numbers, and need not be commutative.
///
/// With one piece this is `map(range)`, and with two `combine(map(first), map(second))`.
///
/// Errors: the first failure of `map` or `combine`, in which case pieces not yet begun are left out; a panic comes out as
/// [`Panic`](crate::error::Status::Panic), or as the panic it is on a worker of the pool; and those of [`Pool::run`]. May be
/// called from any thread, in tasks of the pool too: there the caller takes part.
///
/// ```
/// use vgpu_pool::{parallel, pool::{Config, Pool}};
///
/// # if vgpu_pool::sync::IS_CHECKED { return Ok(()) }
/// let pool = Pool::new(&Config::default())?;
/// let numbers: Vec<f64> = (1..=1000).map(|i| 1.0 / f64::from(i)).collect();
/// let sum = |pool| {
///     parallel::reduce(pool, 0..1000, 0, 0.0, |_, piece| Ok(numbers[piece].iter().sum::<f64>()), |a, b| Ok(a + b))
/// };
/// assert_eq!(sum(Some(&pool))?.to_bits(), sum(None)?.to_bits());
/// # Ok::<(), vgpu_pool::error::Error>(())
/// ```
pub fn reduce<T, M, C>(
    pool: Option<&Pool>,
    range: Range<usize>,
    grain: usize,
    identity: T,
    map: M,
    combine: C,
) -> Result<T>
where
    T: Send,
    M: Fn(Option<&Worker>, Range<usize>) -> Result<T> + Sync,
    C: Fn(T, T) -> Result<T> + Sync,
{
    let (map, combine) = (&map, &combine);
    match pool {
        _ if range.is_empty() => Ok(identity),
        None => reduce_at(&Caller, range, grain, identity, |_: &Caller, piece| map(None, piece), combine),
        Some(pool) => pool.run(move |worker| {
            reduce_at(worker, range, grain, identity, |worker: &Worker, piece| map(Some(worker), piece), combine)
        }),
    }
}

/// As [`reduce`], on the workers of the pool that `worker` belongs to.
pub fn reduce_on<T, M, C>(
    worker: &Worker,
    range: Range<usize>,
    grain: usize,
    identity: T,
    map: M,
    combine: C,
) -> Result<T>
where
    T: Send,
    M: Fn(&Worker, Range<usize>) -> Result<T> + Sync,
    C: Fn(T, T) -> Result<T> + Sync,
{
    reduce_at(worker, range, grain, identity, map, combine)
}

fn reduce_at<P, T, M, C>(place: &P, range: Range<usize>, grain: usize, identity: T, map: M, combine: C) -> Result<T>
where
    P: Place,
    T: Send,
    M: Fn(&P, Range<usize>) -> Result<T> + Sync,
    C: Fn(T, T) -> Result<T> + Sync,
{
    if range.is_empty() {
        return Ok(identity);
    }
    let tree = Tree { grain: fixed_grain(range.len(), grain), map, combine, failure: Failure::new() };
    let value = tree.value(place, range);
    tree.failure.into_result(value)
}

struct Tree<M, C> {
    grain: usize,
    map: M,
    combine: C,
    failure: Failure,
}

impl<M, C> Tree<M, C> {
    /// The value of a range that is not empty; none if something has failed.
    fn value<P, T>(&self, place: &P, range: Range<usize>) -> Option<T>
    where
        P: Place,
        T: Send,
        M: Fn(&P, Range<usize>) -> Result<T> + Sync,
        C: Fn(T, T) -> Result<T> + Sync,
    {
        if self.failure.is_known() {
            return None;
        }
        if range.len() <= self.grain {
            return self.failure.watch(|| (self.map)(place, range));
        }
        // Nothing here may depend on the place: the cuts decide the bits.
        let (left, right) = cut(range, self.grain);
        let (left, right) = place.join(|place| self.value(place, left), |place| self.value(place, right));
        let (left, right) = (left?, right?);
        self.failure.watch(|| (self.combine)(left, right))
    }
}
