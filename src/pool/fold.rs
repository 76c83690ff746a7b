//! A loop whose results are combined, at less than the price of a fork for each index.
//!
//! A loop keeps one job on its worker's private stack: all the indices after the one that it is at. While the job is private nobody
//! else has heard of it, so the loop takes the next index by writing into it. When a fork further up publishes it, with what was left at that
//! moment, the loop finds that out by one comparison when it comes back, and from there on goes the way of every fork:
//! the job is taken back, or its thief is waited for.
//!
//! A loop that finds the deque empty itself cuts what it has left in two, so that thief and owner have the same to do.
//!
//! There is no atomic here: what can go wrong is the bookkeeping of [`fork_stack`](crate::protocol::fork_stack), and a job that
//! is written to after it was published. The owner writes only after it has seen that its job is private, and only the owner's own
//! thread makes it public. Models: `verification/loom/fold.rs`.

use super::fork_join::Job;
use super::task::{Payload, drop_quietly};
use super::worker::Worker;
use crate::sync::UnsafeCell;
use core::mem::MaybeUninit;
use core::ops::Range;
use core::ptr::NonNull;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// What a loop does: the value of an index, and one of two.
#[derive(Debug)]
struct Body<M, C> {
    map: M,
    combine: C,
}

/// The indices of a loop that it has not come to yet.
#[repr(C)]
struct Rest<'b, M, C, T> {
    job: Job,
    /// Written by the owner while the job is private, read by whoever has the job then.
    range: UnsafeCell<Range<usize>>,
    body: &'b Body<M, C>,
    /// Written by the thief before it says that the job is done.
    outcome: UnsafeCell<MaybeUninit<Result<Option<T>, Payload>>>,
}

/// How a loop over a [`Rest`] came to stop.
enum Stop {
    /// The job is private, and off the stack: only one index is left, or somebody wants work. These are left.
    Left(Range<usize>),
    /// The job is public.
    Published,
}

impl<M, C, T> Rest<'_, M, C, T>
where
    M: Fn(&Worker, usize) -> T + Sync,
    C: Fn(T, T) -> T + Sync,
    T: Send,
{
    /// The job as a thief runs it.
    ///
    /// # Safety
    /// `job` begins a `Rest<M, C, T>` whose frame waits for `done`; called once.
    unsafe extern "C" fn run(job: NonNull<Job>, worker: &Worker) {
        // SAFETY: the frame lives until `done` is set.
        let this = unsafe { job.cast::<Self>().as_ref() };
        // SAFETY: the job is public, so nobody writes to the range.
        let range = unsafe { this.left() };
        let outcome = catch_unwind(AssertUnwindSafe(|| this.body.over(worker, range)));
        // SAFETY: the frame's owner reads it when the job is done.
        this.outcome.with_mut(|place| unsafe { (*place).write(outcome) });
        // SAFETY: taken by this thread, and run just now.
        unsafe { Job::finish(job, worker) };
    }

    /// # Safety
    /// The caller has the job, or the job is private and the caller its owner.
    #[inline(always)]
    unsafe fn left(&self) -> Range<usize> {
        // SAFETY: by contract nobody writes to it meanwhile.
        self.range.with(|range| unsafe { (*range).clone() })
    }
}

impl<M, C> Body<M, C> {
    fn over<T>(&self, worker: &Worker, mut range: Range<usize>) -> Option<T>
    where
        M: Fn(&Worker, usize) -> T + Sync,
        C: Fn(T, T) -> T + Sync,
        T: Send,
    {
        let mut value = None;
        loop {
            match range.len() {
                0 => return value,
                1 => return self.add(value, Some((self.map)(worker, range.start))),
                _ if worker.deque().is_empty() => {
                    let middle = range.start + range.len() / 2;
                    let (left, right) = (range.start..middle, middle..range.end);
                    let owner = worker.index();
                    let (left, right) = worker.join(
                        |worker| self.over(worker, left),
                        |runner| match runner.index() == owner {
                            true => Err(right),
                            false => Ok(self.over(runner, right)),
                        },
                    );
                    value = self.add(value, left);
                    match right {
                        // Nobody has begun it, so it is the loop's next part.
                        Err(right) => range = right,
                        Ok(right) => return self.add(value, right),
                    }
                }
                _ => match self.with_rest(worker, range, &mut value) {
                    Ok(left) => range = left,
                    Err(theirs) => return self.add(value, theirs),
                },
            }
        }
    }

    #[inline(always)]
    fn add<T>(&self, a: Option<T>, b: Option<T>) -> Option<T>
    where
        C: Fn(T, T) -> T,
    {
        match (a, b) {
            (Some(a), Some(b)) => Some((self.combine)(a, b)),
            (a, b) => a.or(b),
        }
    }

    /// Goes through a range of two or more with its rest on the private stack. What is left for the caller to do; or else the value of what a
    /// thief did.
    #[inline(always)]
    fn with_rest<T>(
        &self,
        worker: &Worker,
        range: Range<usize>,
        value: &mut Option<T>,
    ) -> Result<Range<usize>, Option<T>>
    where
        M: Fn(&Worker, usize) -> T + Sync,
        C: Fn(T, T) -> T + Sync,
        T: Send,
    {
        let rest = Rest::<M, C, T> {
            job: Job::new(Rest::<M, C, T>::run),
            range: UnsafeCell::new(range.start + 1..range.end),
            body: self,
            outcome: UnsafeCell::new(MaybeUninit::uninit()),
        };
        let link = rest.job.link();
        if !worker.has_stack_for(link.addr().get()) {
            worker.refuse_to_fork(());
        }
        // SAFETY: the frame stays until the job was popped, and what a call forks it joins before.
        unsafe { worker.forks().push(link) };
        let stop = catch_unwind(AssertUnwindSafe(|| self.walk(worker, &rest, range.start, value)));
        let is_ours = match &stop {
            Ok(Stop::Left(left)) => return Ok(left.clone()),
            // SAFETY: what the calls forked they have joined, so this is the newest job.
            Ok(Stop::Published) | Err(_) => unsafe { worker.forks().pop(link) || worker.take_back(&rest.job) },
        };
        // SAFETY: done by a thief, if it is not ours, and taken once.
        let outcome = || rest.outcome.with(|outcome| unsafe { (*outcome).assume_init_read() });
        match stop {
            Err(payload) => {
                if !is_ours {
                    drop_quietly(outcome());
                }
                resume_unwind(payload)
            }
            // SAFETY: nobody else has the job, or ever will.
            Ok(_) if is_ours => Ok(unsafe { rest.left() }),
            Ok(_) => match outcome() {
                Ok(theirs) => Err(theirs),
                Err(payload) => resume_unwind(payload),
            },
        }
    }

    /// Does one index after the other while the rest is private and nobody wants any of it.
    #[inline(always)]
    fn walk<T>(&self, worker: &Worker, rest: &Rest<'_, M, C, T>, mut index: usize, value: &mut Option<T>) -> Stop
    where
        M: Fn(&Worker, usize) -> T + Sync,
        C: Fn(T, T) -> T + Sync,
        T: Send,
    {
        loop {
            *value = self.add(value.take(), Some((self.map)(worker, index)));
            if worker.forks().is_newest_public() {
                return Stop::Published;
            }
            // SAFETY: the job is private, and this its owner.
            let left = unsafe { rest.left() };
            if left.len() == 1 || worker.deque().is_empty() {
                // SAFETY: it is the newest, and private. No call comes after, whose panic would take it off once more.
                unsafe { worker.forks().pop(rest.job.link()) };
                return Stop::Left(left);
            }
            index = left.start;
            // SAFETY: as above.
            rest.range.with_mut(|range| unsafe { (*range).start = index + 1 });
        }
    }
}

impl Worker {
    /// The values of `map(worker, i)` for all `i` in `range`, combined in the order of the indices; `None` for an empty range. Each call is
    /// made exactly once. Other workers take part when they have nothing to do; while they are busy, a call costs a few instructions more
    /// than in a plain loop, less than a [`join`](Self::join).
    ///
    /// How the values are put into brackets depends on who takes part. A sum of floating-point numbers wants
    /// [`reduce_on`](crate::parallel::reduce_on), whose bits are always the same.
    ///
    /// The calls must not wait for each other: one worker may make them all, one after the other. A panic comes out here, that of the lowest index
    /// first; calls that nobody has begun by then are left out.
    ///
    /// ```
    /// use vgpu_pool::pool::{Config, Pool, Worker};
    ///
    /// fn leaves(worker: &Worker, depth: u32) -> u64 {
    ///     match depth {
    ///         0 => 1,
    ///         depth => worker.fold(0..10, |worker, _child| leaves(worker, depth - 1), |a, b| a + b).unwrap_or(0),
    ///     }
    /// }
    /// # if vgpu_pool::sync::IS_CHECKED { return Ok(()) }
    /// let pool = Pool::new(&Config::default())?;
    /// assert_eq!(pool.run(|worker| Ok(leaves(worker, 5)))?, 100_000);
    /// # Ok::<(), vgpu_pool::error::Error>(())
    /// ```
    #[inline]
    pub fn fold<T, M, C>(&self, range: Range<usize>, map: M, combine: C) -> Option<T>
    where
        M: Fn(&Worker, usize) -> T + Sync,
        C: Fn(T, T) -> T + Sync,
        T: Send,
    {
        Body { map, combine }.over(self, range)
    }
}
