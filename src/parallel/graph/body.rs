//! What a vertex does, and what a condition answers.

use super::arena::Arena;
use crate::error::Result;
use crate::pool::{Worker, drop_quietly};
use core::fmt;
use core::mem;
use core::ptr::NonNull;

/// Which of its successors a [condition](super::Builder::condition) chooses. They are numbered in the order of their edges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Choice(u64);

impl Choice {
    /// None of them.
    pub const NONE: Choice = Choice(0);
    /// A condition has so many successors at most.
    pub const MOST: usize = 63;

    /// The successor of this number. One that is not there makes the condition fail.
    pub fn one(successor: usize) -> Choice {
        Choice(1 << successor.min(Choice::MOST))
    }

    /// This choice and the other.
    #[must_use]
    pub fn and(self, other: Choice) -> Choice {
        Choice(self.0 | other.0)
    }

    /// Bit *i* stands for successor *i*.
    pub fn from_bits(bits: u64) -> Choice {
        Choice(bits)
    }

    /// The numbers of the chosen.
    pub(super) fn numbers(self) -> impl Iterator<Item = usize> {
        (0..64).filter(move |number| self.0 >> number & 1 != 0)
    }

    /// The largest number that is chosen, if any.
    pub(super) fn largest(self) -> Option<usize> {
        self.0.checked_ilog2().map(|number| number as usize)
    }
}

/// What closures of vertices return when all is well.
pub(crate) trait Answer {
    const IS_CHOICE: bool;
    fn choice(self) -> Choice;
}

impl Answer for () {
    const IS_CHOICE: bool = false;
    #[inline(always)]
    fn choice(self) -> Choice {
        Choice::NONE
    }
}

impl Answer for Choice {
    const IS_CHOICE: bool = true;
    #[inline(always)]
    fn choice(self) -> Choice {
        self
    }
}

/// What a vertex does: a closure of any type, in an [`Arena`] that outlives this.
pub(super) struct Body {
    closure: NonNull<()>,
    call: unsafe fn(NonNull<()>, &Worker) -> Result<Choice>,
    /// Drops the closure, if there is anything to drop.
    end: Option<unsafe fn(NonNull<()>)>,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Body").field(&self.closure).finish()
    }
}

// SAFETY: a builder takes closures that may change threads, and nothing else is here.
unsafe impl Send for Body {}

impl Body {
    /// A body that ends before the arena does. The closure is made only if there is room.
    pub(super) fn new<F, T>(arena: &mut Arena, make: impl FnOnce() -> F) -> Result<Body>
    where
        F: FnMut(&Worker) -> Result<T>,
        T: Answer,
    {
        let closure = arena.place::<F>()?;
        // SAFETY: the place is for an `F`.
        unsafe { closure.write(make()) };
        let end: unsafe fn(NonNull<()>) = Body::end_as::<F>;
        Ok(Body { closure: closure.cast(), call: Body::call_as::<F, T>, end: mem::needs_drop::<F>().then_some(end) })
    }

    #[inline]
    pub(super) fn call(&mut self, worker: &Worker) -> Result<Choice> {
        // SAFETY: the closure is of the type that the function was made for.
        unsafe { (self.call)(self.closure, worker) }
    }

    /// # Safety
    /// `closure` is an `F`, and the caller's alone.
    unsafe fn call_as<F, T>(closure: NonNull<()>, worker: &Worker) -> Result<Choice>
    where
        F: FnMut(&Worker) -> Result<T>,
        T: Answer,
    {
        // SAFETY: by contract.
        unsafe { (closure.cast::<F>().as_mut())(worker).map(T::choice) }
    }

    /// # Safety
    /// `closure` is an `F`, and not used again.
    unsafe fn end_as<F>(closure: NonNull<()>) {
        // SAFETY: by contract.
        drop_quietly(unsafe { closure.cast::<F>().read() });
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let Some(end) = self.end {
            // SAFETY: the closure is of the type that the function was made for, and ends here.
            unsafe { end(self.closure) }
        }
    }
}
