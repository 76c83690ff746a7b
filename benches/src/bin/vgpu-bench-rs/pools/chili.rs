//! chili: the caller is one of the workers, and forked work is shown to the others at a heartbeat. Its `join` forks one call
//! in 64 once three jobs wait, and calls the others plainly; [`ChiliEach`] has it fork every call.

use crate::pool::Pool;
use chili::{Config, Scope, ThreadPool};
use std::marker::PhantomData;
use std::num::NonZero;
use std::ptr::NonNull;

pub const VERSION: &str = concat!("chili ", env!("CHILI_VERSION"));

/// chili's scope, without the second lifetime.
#[derive(Clone, Copy)]
pub struct Handle<'w> {
    scope: NonNull<Scope<'static>>,
    borrowed: PhantomData<&'w ()>,
}

impl<'w> Handle<'w> {
    fn new(scope: &'w mut Scope<'_>) -> Handle<'w> {
        Handle { scope: NonNull::from(scope).cast(), borrowed: PhantomData }
    }

    /// # Safety
    /// No other reference made from this handle, or a copy of it, is in use.
    #[inline(always)]
    unsafe fn scope(&mut self) -> &mut Scope<'static> {
        // SAFETY: the borrow it was made from lasts, and by contract the reference is the only one.
        unsafe { self.scope.as_mut() }
    }
}

/// chili as its documentation shows it.
pub struct Chili(ThreadPool);

/// chili with every call of `join` forked.
pub struct ChiliEach(Chili);

impl Chili {
    fn start(workers: usize) -> Chili {
        // Its threads take their stack's size from RUST_MIN_STACK.
        Chili(ThreadPool::with_config(Config { thread_count: NonZero::new(workers), ..Config::default() }))
    }

    fn run<R>(&self, work: impl for<'w> FnOnce(Handle<'w>) -> R) -> R {
        work(Handle::new(&mut self.0.scope()))
    }
}

#[inline(always)]
fn join<const EVERY: u8, A, B, RA, RB>(mut worker: Handle<'_>, a: A, b: B) -> (RA, RB)
where
    A: for<'w> FnOnce(Handle<'w>) -> RA + Send,
    B: for<'w> FnOnce(Handle<'w>) -> RB + Send,
    RA: Send,
    RB: Send,
{
    // SAFETY: the closures cannot hold copies of the handle, which stays on its thread; they get handles of their own.
    let scope = unsafe { worker.scope() };
    scope.join_with_heartbeat_every::<EVERY, _, _, _, _>(|scope| a(Handle::new(scope)), |scope| b(Handle::new(scope)))
}

impl Pool for Chili {
    type Worker<'w> = Handle<'w>;

    fn start(workers: usize, _stack: usize) -> Chili {
        Chili::start(workers)
    }

    fn run<R, W>(&self, work: W) -> R
    where
        W: for<'w> FnOnce(Self::Worker<'w>) -> R + Send,
        R: Send,
    {
        self.run(work)
    }

    #[inline(always)]
    fn join<A, B, RA, RB>(worker: Self::Worker<'_>, a: A, b: B) -> (RA, RB)
    where
        A: for<'w> FnOnce(Self::Worker<'w>) -> RA + Send,
        B: for<'w> FnOnce(Self::Worker<'w>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        join::<64, _, _, _, _>(worker, a, b)
    }
}

impl Pool for ChiliEach {
    type Worker<'w> = Handle<'w>;

    fn start(workers: usize, _stack: usize) -> ChiliEach {
        ChiliEach(Chili::start(workers))
    }

    fn run<R, W>(&self, work: W) -> R
    where
        W: for<'w> FnOnce(Self::Worker<'w>) -> R + Send,
        R: Send,
    {
        self.0.run(work)
    }

    #[inline(always)]
    fn join<A, B, RA, RB>(worker: Self::Worker<'_>, a: A, b: B) -> (RA, RB)
    where
        A: for<'w> FnOnce(Self::Worker<'w>) -> RA + Send,
        B: for<'w> FnOnce(Self::Worker<'w>) -> RB + Send,
        RA: Send,
        RB: Send,
    {
        join::<1, _, _, _, _>(worker, a, b)
    }
}
