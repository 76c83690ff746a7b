//! Cilk's merge sort: quarters are sorted at a time, pairs of them merged at a time, and a merge is cut in two as well.

use super::Program;
use super::shared::{At, Cells};
use crate::pool::Pool;
use vgpu_bench::kernels::{SORT_LEAF, lower_bound, merge_leaf, sort_check, sort_fill, sort_leaf};

pub struct Sort {
    count: usize,
    values: Cells<u32>,
    room: Cells<u32>,
}

/// A part of the numbers, or of the room, that one fork owns for a time.
#[derive(Clone, Copy)]
struct Part {
    at: At<u32>,
    count: usize,
}

impl Part {
    fn cut(self, at: usize) -> (Part, Part) {
        (Part { at: self.at, count: at }, Part { at: self.at.plus(at), count: self.count - at })
    }

    /// # Safety
    /// The caller owns the part, and uses the slice alone.
    unsafe fn slice<'a>(self) -> &'a mut [u32] {
        // SAFETY: parts are cut from cells, and by contract this one is the caller's.
        unsafe { std::slice::from_raw_parts_mut(self.at.0, self.count) }
    }
}

/// Sorts `values`, with `room` of the same length to merge into.
fn sort<P: Pool>(worker: P::Worker<'_>, values: Part, room: Part) {
    if values.count <= SORT_LEAF {
        // SAFETY: this fork owns its values.
        return sort_leaf(unsafe { values.slice() });
    }
    let half = values.count / 2;
    let ((left, right), (room_left, room_right)) = (values.cut(half), room.cut(half));
    P::join(
        worker,
        |worker| sort_halves_into_room::<P>(worker, left, room_left),
        |worker| sort_halves_into_room::<P>(worker, right, room_right),
    );
    merge::<P>(worker, room_left, room_right, values);
}

/// Sorts the halves of `values` and merges them into `room`.
fn sort_halves_into_room<P: Pool>(worker: P::Worker<'_>, values: Part, room: Part) {
    let half = values.count / 2;
    let ((left, right), (room_left, room_right)) = (values.cut(half), room.cut(half));
    P::join(worker, |worker| sort::<P>(worker, left, room_left), |worker| sort::<P>(worker, right, room_right));
    merge::<P>(worker, left, right, room);
}

/// Merges `a` and `b`, both sorted, into `out`.
fn merge<P: Pool>(worker: P::Worker<'_>, a: Part, b: Part, out: Part) {
    let (long, short) = if a.count >= b.count { (a, b) } else { (b, a) };
    // SAFETY: this fork owns all three parts; the inputs are only read from here on.
    let (long_values, short_values) = unsafe { (&*long.slice(), &*short.slice()) };
    if out.count <= SORT_LEAF {
        // SAFETY: as above.
        return merge_leaf(long_values, short_values, unsafe { out.slice() });
    }
    let middle = long.count / 2;
    let below = lower_bound(short_values, long_values[middle]);
    let ((long_low, long_high), (short_low, short_high)) = (long.cut(middle), short.cut(below));
    let (out_low, out_high) = out.cut(middle + below);
    P::join(
        worker,
        |worker| merge::<P>(worker, long_low, short_low, out_low),
        |worker| merge::<P>(worker, long_high, short_high, out_high),
    );
}

impl Program for Sort {
    const WARM_UP: u64 = 1 << 14;
    type Answer = ();

    fn prepare(count: u64) -> Sort {
        let count = count as usize;
        let mut values = vec![0; count];
        sort_fill(&mut values);
        Sort { count, values: Cells::from_fn(count, |i| values[i]), room: Cells::from_fn(count, |_| 1) }
    }

    fn run<P: Pool>(&self, worker: P::Worker<'_>) {
        let part = |cells: &Cells<u32>| Part { at: cells.start(), count: self.count };
        sort::<P>(worker, part(&self.values), part(&self.room));
    }

    fn check(&self, (): ()) -> String {
        // SAFETY: the program has ended.
        sort_check(unsafe { self.values.as_slice() }).to_string()
    }
}
